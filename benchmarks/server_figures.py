"""What the server and the commands cost: start, memory, idle processor time, import and command times.

Run alone on an otherwise idle machine: ``make bench-server``. Prints a table; ``--json`` prints the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pegbox.testing.lab import Lab

HERTZ = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Figure:
    """One measured figure with its aim."""

    what: str
    median: float
    worst: float
    unit: str
    aim: float
    n: int


def timed(action: Callable[[], object], times: int) -> list[float]:
    """Return how long an action took, in seconds, each time."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        taken.append(time.perf_counter() - began)
    return taken


def figure(what: str, values: list[float], unit: str, aim: float) -> Figure:
    """Return a figure of some values."""
    return Figure(what, statistics.median(values), max(values), unit, aim, len(values))


def processor_seconds(pid: int) -> float:
    """Return the processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HERTZ


def run(lab: Lab, *words: str) -> None:
    """Run Python with some words in the lab's environment."""
    subprocess.run([sys.executable, *words], env=lab.environment, check=True, stdout=subprocess.DEVNULL)


def starts(lab: Lab, times: int) -> list[float]:
    """Return the time from nothing to the first signed answer: the command starts the server and lists jobs."""
    taken = []
    for _ in range(times):
        lab.pegbox("server", "stop")
        began = time.perf_counter()
        lab.pegbox("server", "start", "--auto", "--json")
        taken.append(time.perf_counter() - began)
    return taken


def server_only(lab: Lab, times: int) -> list[float]:
    """Return the time of the server process alone, until it says that it is ready."""
    lab.pegbox("server", "stop")
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-m", "pegbox.bootstrap"], env=lab.environment, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        taken.append(time.perf_counter() - began)
        process.terminate()
        process.communicate()
    return taken


def measure(times: int, idle: float) -> list[Figure]:
    """Return all figures."""
    found = []
    with Lab() as lab:
        began = time.perf_counter()
        lab.start()
        found.append(Figure("very first start of a home", time.perf_counter() - began, 0, "s", 1.5, 1))
        found.append(figure("server start to first answer", starts(lab, times), "s", 1.5))
        found.append(figure("  of it, the server process", server_only(lab, times), "s", 1.5))
        pid = int(lab.start()["pid"])
        lab.pegbox("jobs")
        time.sleep(2)
        before = processor_seconds(pid)
        time.sleep(idle)
        used = (processor_seconds(pid) - before) * 60 / idle
        found.append(Figure("idle processor time per minute", used, used, "s", 0.2, 1))
        memory = psutil.Process(pid).memory_info().rss / 2**20
        found.append(Figure("idle resident memory", memory, memory, "MB", 100, 1))
        tuner = timed(lambda: run(lab, "-c", "import pegbox.tuner"), times)
        bare = timed(lambda: run(lab, "-c", "pass"), times)
        found.append(figure("import pegbox.tuner, interpreter included", tuner, "s", 0.1))
        found.append(figure("  a bare interpreter", bare, "s", 0.1))
        found.append(
            figure("pegbox jobs", timed(lambda: run(lab, "-m", "pegbox.cli", "jobs"), times), "s", 0.5)
        )
        client = lab.client()
        found.append(
            figure("one signed list call (boto3)", timed(lambda: client.list_training_jobs(), 50), "s", 0.02)
        )
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=7, help="repetitions of each timing")
    parser.add_argument("--idle", type=float, default=60.0, help="seconds to watch the idle server")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    found = measure(given.times, given.idle)
    if given.json:
        print(json.dumps([asdict(item) for item in found], indent=2))
        return
    print(f"{'figure':44}{'median':>9}{'worst':>9}  unit {'aim':>7}   n")
    for item in found:
        print(f"{item.what:44}{item.median:9.3f}{item.worst:9.3f}  {item.unit:4} {item.aim:7.2f} {item.n:3}")
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\nmachine: {os.cpu_count()} processors, load {load}; Python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
