"""Kills the server with ``kill -9`` while it tunes, again and again, and counts what was lost.

Run ``python -m pegbox.testing.chaos --cycles 200``. Four tuning jobs are kept going. At random instants the server's process is
killed and started anew. At the end every acknowledged tuning job must have run exactly its number of trials, each program exactly
once, with counters that agree with the list, and no process may be left.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pegbox.testing.lab import Lab, tuning_request

_PROGRAM = """
import argparse, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_args().rate
descriptor = os.open(os.environ["EVIDENCE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
os.write(descriptor, (os.environ["TRAINING_JOB_NAME"] + "\\n").encode())
time.sleep(0.05 + 0.5 * rate)
print("objective=%r" % rate, flush=True)
"""
_TRIALS = 12
_JOBS = 4


@dataclass
class Verdict:
    """What a chaos run found."""

    cycles: int = 0
    tuning_jobs: int = 0
    trials: int = 0
    recovery_seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return the figures as lines of text; zeros with the bound that N runs can show (3/N, 95 %)."""
        times = sorted(self.recovery_seconds) or [0.0]
        lines = [
            f"kill -9 cycles       {self.cycles}",
            f"tuning jobs, trials  {self.tuning_jobs}, {self.trials}",
            f"recovery             median {statistics.median(times):.2f} s, worst {times[-1]:.2f} s (from kill to answer)",
            f"faults               {len(self.faults)}",
        ]
        if not self.faults:
            per_kill, per_trial = 3 / max(self.cycles, 1), 3 / max(self.trials, 1)
            lines.append(
                f"0 lost, 0 duplicated, 0 orphans: at most {per_kill:.3f} a kill, {per_trial:.5f} a trial (3/N)"
            )
        return "\n".join([*lines, *self.faults])


class _Run:
    def __init__(self, lab: Lab, rng: random.Random) -> None:
        self.lab, self.rng = lab, rng
        self.evidence = lab.home / "evidence.txt"
        self.code = lab.upload_code(_PROGRAM)
        self.created: list[str] = []
        self.client: Any = None

    def top_up(self) -> None:
        """Keep four tuning jobs going; an unanswered creation is tried again under the same name."""
        running = [
            name
            for name in self.created
            if self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
                "HyperParameterTuningJobStatus"
            ]
            == "InProgress"
        ]
        for _ in range(_JOBS - len(running)):
            name = f"chaos-{len(self.created) + 1:04d}"
            strategy = "Bayesian" if self.rng.random() < 0.25 else "Random"
            request = tuning_request(
                name,
                self.code,
                max_jobs=_TRIALS,
                parallel=2,
                strategy=strategy,
                environment={"EVIDENCE": str(self.evidence)},
            )
            with contextlib.suppress(self.client.exceptions.ResourceInUse):
                self.client.create_hyper_parameter_tuning_job(**request)
            self.created.append(name)

    def cycle(self) -> float:
        """Let it work for a moment, kill it, start it; return the seconds until it answers."""
        time.sleep(self.rng.uniform(0.05, 1.2))
        self.lab.kill_server()
        began = time.monotonic()
        self.lab.start()
        self.client = self.lab.client()
        self.client.list_hyper_parameter_tuning_jobs(MaxResults=1)
        return time.monotonic() - began

    def drain(self, seconds: float = 300) -> None:
        """Wait until every tuning job has ended."""
        deadline = time.monotonic() + seconds
        for name in self.created:
            while (
                self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)[
                    "HyperParameterTuningJobStatus"
                ]
                == "InProgress"
                and time.monotonic() < deadline
            ):
                time.sleep(0.2)

    def faults(self) -> list[str]:
        """Return everything that is not as it must be."""
        found: list[str] = []
        starts = Counter(self.evidence.read_text().split() if self.evidence.exists() else [])
        for name in self.created:
            found += self._job_faults(name, starts)
        left = self.lab.programs()
        return found + [f"process {process.pid} is left" for process in left]

    def _job_faults(self, name: str, starts: Counter[str]) -> list[str]:
        described = self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        pages = self.client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        trials = [
            row
            for page in pages.paginate(HyperParameterTuningJobName=name)
            for row in page["TrainingJobSummaries"]
        ]
        found = []
        if described["HyperParameterTuningJobStatus"] != "Completed":
            found.append(
                f"{name} ended {described['HyperParameterTuningJobStatus']}: {described.get('FailureReason')}"
            )
        if len(trials) != _TRIALS:
            found.append(f"{name} has {len(trials)} trials instead of {_TRIALS}")
        listed = Counter(row["TrainingJobStatus"] for row in trials)
        if listed["Completed"] != described["TrainingJobStatusCounters"]["Completed"]:
            found.append(
                f"{name}: counters {described['TrainingJobStatusCounters']} and list {dict(listed)} differ"
            )
        for row in trials:
            if starts[row["TrainingJobName"]] != 1:
                found.append(f"{row['TrainingJobName']} was started {starts[row['TrainingJobName']]} times")
            if row["TrainingJobStatus"] != "Completed":
                found.append(
                    f"{row['TrainingJobName']} ended {row['TrainingJobStatus']}: {row.get('FailureReason')}"
                )
        return found


def run(cycles: int, seed: int) -> Verdict:
    """Run ``cycles`` kills with the schedule that ``seed`` draws and return the verdict."""
    verdict = Verdict(cycles=cycles)
    with Lab() as lab:
        lab.start()
        work = _Run(lab, random.Random(seed))
        work.client = lab.client()
        for number in range(cycles):
            work.top_up()
            verdict.recovery_seconds.append(work.cycle())
            if sys.stderr.isatty():
                print(f"\rcycle {number + 1}/{cycles}", end="", file=sys.stderr)
        work.drain()
        verdict.faults = work.faults()
        verdict.tuning_jobs = len(work.created)
        verdict.trials = _TRIALS * len(work.created)
        if verdict.faults:
            kept = Path.cwd() / "chaos-evidence"
            print(f"server log kept in {kept}", file=sys.stderr)
            kept.mkdir(exist_ok=True)
            (kept / "server.log").write_bytes((lab.home / "logs" / "server.log").read_bytes())
    return verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; exit status 1 when anything was lost, doubled or left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args(arguments)
    print(f"seed {options.seed}")
    verdict = run(options.cycles, options.seed)
    print(verdict.summary())
    return 1 if verdict.faults else 0


if __name__ == "__main__":
    sys.exit(main())
