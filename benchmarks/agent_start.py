"""How long an agent takes to start a program, as multiples of ``python -I -S -c pass`` in the same run.

Prints one JSON object. ``cold``: from the executor's ``launch`` with no agent running to the program's existence.
``warm``: the same with a warm agent (the attempt's hand-over). ``*_first_line``: to the program's first line, the start of
its own interpreter (with ``site``) included. ``agent_cpu_ms``: processor time of a warm agent per attempt
that does nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from pegbox.domain.orders import AttemptOrder
from pegbox.testing.local_rig import LocalRig

_PROGRAM = "import time, os\nopen(os.environ['BEGAN'], 'w').write(str(time.time()))\nprint('loss=1')\n"


def _floor(rounds: int) -> list[float]:
    """Seconds of a bare interpreter start and end."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
        times.append(time.perf_counter() - began)
    return times


def _order(rig: LocalRig) -> AttemptOrder:
    """An order whose program notes when its first line ran."""
    return rig.script({"train.py": _PROGRAM}, environment={"BEGAN": str(rig.home / f"began{rig._numbers}")})


def _run(rig: LocalRig, order: AttemptOrder) -> tuple[float, float, float]:
    """Return seconds from launch to the program's existence, to its first line, and to the committed end."""
    began = time.time()
    rig.executor.launch(order)
    rig.settle(lambda: rig.finished(order))
    ended = time.time()
    rig.executor.discard(order.attempt_id)
    started = rig.of_kind(order, "training")[0]["at"]
    first_line = float(Path(order.environment["BEGAN"]).read_text())
    return started - began, first_line - began, ended - began


def _measure(rounds: int, home: Path) -> dict[str, object]:
    floor, cold, warm, cold_line, warm_line, whole, cpu = [], [], [], [], [], [], []
    first = LocalRig(home / "h")
    _run(first, _order(first))  # compiles modules, unpacks code, probes the interpreter
    first.close()
    for _ in range(rounds):
        rig = LocalRig(home / "h")
        rig._numbers = int(time.time() * 1000)
        floor += _floor(3)
        started, line, _ = _run(rig, _order(rig))
        cold.append(started)
        cold_line.append(line)
        agent = rig.agents()[0]
        before = sum(agent.cpu_times()[:2])
        for _ in range(20):
            started, line, end = _run(rig, _order(rig))
            warm.append(started)
            warm_line.append(line)
            whole.append(end)
        cpu.append((sum(psutil.Process(agent.pid).cpu_times()[:2]) - before) / 20)
        floor += _floor(3)
        rig.close()
    unit = statistics.median(floor)
    return {
        "python_pass_ms": round(unit * 1e3, 2),
        "cold_multiple": round(statistics.median(cold) / unit, 2),
        "warm_multiple": round(statistics.median(warm) / unit, 2),
        "cold_first_line_multiple": round(statistics.median(cold_line) / unit, 2),
        "warm_first_line_multiple": round(statistics.median(warm_line) / unit, 2),
        "warm_ms": round(statistics.median(warm) * 1e3, 2),
        "cold_ms": round(statistics.median(cold) * 1e3, 2),
        "warm_whole_trial_multiple": round(statistics.median(whole) / unit, 2),
        "agent_cpu_ms": round(statistics.mean(cpu) * 1e3, 2),
        "rounds": rounds,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    folder = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    try:
        print(json.dumps(_measure(rounds, folder), indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
