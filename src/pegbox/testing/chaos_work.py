"""The work that chaos runs keep going, and the judgement over it afterwards."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pegbox.testing.lab import Lab, tuning_request

#: Tuning jobs kept going, and the trials of each.
JOBS, TRIALS = 4, 12
#: Trials of a tuning job whose creation races a kill.
RACING_TRIALS = 2
#: Attempts that a trial may have more where agents are killed: a lost attempt is no fault of the trial.
RETRIES = 30

# Each start of a trial's program is noted; two at a time hold the same lock and are noted, too.
_PROGRAM = """
import argparse, fcntl, os, time
parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
rate = parser.parse_args().rate
name = os.environ["TRAINING_JOB_NAME"]
lock = os.open(os.environ["EVIDENCE"] + "." + name, os.O_WRONLY | os.O_CREAT, 0o600)
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    word = "start"
except OSError:
    word = "twice"
descriptor = os.open(os.environ["EVIDENCE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(descriptor, f"{word} {name} {os.environ['PEGBOX_ATTEMPT']}\\n".encode())
time.sleep(0.05 + 0.5 * rate)
print("objective=%r" % rate, flush=True)
"""


class Work:
    """Tuning jobs in a lab, and what is known of each.

    Args:
        lab: A lab whose server runs.
        rng: Source of choices.
        retries: Attempts that a trial may have besides its first.
        prefix: Beginning of the tuning jobs' names; not used before in this home.

    Attributes:
        expected: Number of trials of every tuning job whose creation was answered.
        unanswered: Likewise of those whose creation was not: they may exist or not.
        stopped: Tuning jobs that were told to stop, and whether that was answered.
    """

    def __init__(self, lab: Lab, rng: random.Random, *, retries: int = 0, prefix: str = "chaos") -> None:
        self._lab, self._rng, self._retries, self._prefix = lab, rng, retries, prefix
        self._evidence = lab.home / f"{prefix}-evidence.txt"
        self._code = lab.upload_code(_PROGRAM)
        self._numbers = 0
        self._single: list[str] = []
        self.client = lab.client()
        self.expected: dict[str, int] = {}
        self.unanswered: dict[str, int] = {}
        self.stopped: dict[str, bool] = {}

    def create(self, trials: int = TRIALS, strategy: str = "Random", client: Any = None) -> str:
        """Create a tuning job and return its name; no answer is no error here."""
        self._numbers += 1
        name = f"{self._prefix}-{self._numbers:04d}"
        request = tuning_request(
            name,
            self._code,
            max_jobs=trials,
            parallel=2,
            strategy=strategy,
            environment={"EVIDENCE": str(self._evidence)},
        )
        if self._retries:
            retries = {"MaximumRetryAttempts": self._retries}
            request["TrainingJobDefinition"]["RetryStrategy"] = retries
        if strategy == "Bayesian":
            # Those of one definition, old enough to have ended.
            _vary(request, self._rng, self._single[: -2 * JOBS])
        if "TrainingJobDefinition" in request:
            self._single.append(name)
        try:
            (client or self.client).create_hyper_parameter_tuning_job(**request)
            self.expected[name] = trials
        except (BotoCoreError, ClientError):
            self.unanswered[name] = trials
        return name

    def stop(self, name: str, client: Any) -> None:
        """Tell a tuning job to stop; no answer is no error here, nor is a job that has ended by itself."""
        self.stopped[name] = False
        with contextlib.suppress(BotoCoreError, ClientError):
            client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            self.stopped[name] = True

    def top_up(self) -> None:
        """Keep the wanted number of tuning jobs going."""
        for _ in range(JOBS - self._count("InProgress")):
            self.create(strategy="Bayesian" if self._rng.random() < 0.25 else "Random")

    def race(self, seconds: float) -> threading.Thread:
        """Start creating tuning jobs for some seconds, and stopping some of them; return the thread that does."""
        client = self._lab.client()
        end = time.monotonic() + seconds

        def create() -> None:
            while time.monotonic() < end and len(self.unanswered) < 1_000:
                name = self.create(RACING_TRIALS, client=client)
                time.sleep(0.05)
                if self._numbers % 3 == 0:
                    self.stop(name, client)

        thread = threading.Thread(target=create, name="race")
        thread.start()
        return thread

    def drain(self, seconds: float = 300) -> None:
        """Wait until every tuning job has ended."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and (self._count("InProgress") or self._count("Stopping")):
            time.sleep(0.1)

    def _count(self, status: str) -> int:
        found = self.client.list_hyper_parameter_tuning_jobs(StatusEquals=status, MaxResults=100)
        return len(found["HyperParameterTuningJobSummaries"])

    def settle(self) -> None:
        """Learn which of the unanswered creations have come about; those are judged like the others."""
        for name, trials in list(self.unanswered.items()):
            try:
                self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
            except self.client.exceptions.ResourceNotFound:
                continue
            self.expected[name] = trials
            del self.unanswered[name]

    def faults(self) -> list[str]:
        """Return everything that is not as it must be."""
        starts = Starts(self._evidence)
        found = [f"{name} ran twice at a time" for name in starts.twice]
        known: set[str] = set()
        for name, trials in self.expected.items():
            found += self._job_faults(name, trials, starts, known)
        for name in sorted(set(starts.jobs) - known):
            found.append(f"{name} was started and is no trial of any tuning job")
        return found + [f"process {process.pid} is left" for process in self._lab.programs()]

    def trials(self) -> int:
        """Return the number of trials that must have run."""
        return sum(self.expected.values())

    def _job_faults(self, name: str, trials: int, starts: Starts, known: set[str]) -> list[str]:
        try:
            job = self.client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        except self.client.exceptions.ResourceNotFound:
            return [f"{name} was acknowledged and is gone"]
        pages = self.client.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
        rows = [
            row
            for page in pages.paginate(HyperParameterTuningJobName=name)
            for row in page["TrainingJobSummaries"]
        ]
        known.update(row["TrainingJobName"] for row in rows)
        found = []
        stopped = name in self.stopped
        allowed = (
            {"Stopped"} if self.stopped.get(name) else {"Completed", "Stopped"} if stopped else {"Completed"}
        )
        if job["HyperParameterTuningJobStatus"] not in allowed:
            found.append(f"{name} is {job['HyperParameterTuningJobStatus']}: {job.get('FailureReason')}")
        if len({row["TrainingJobName"] for row in rows}) != len(rows) or len(rows) > trials:
            found.append(f"{name} has {len(rows)} trials, some twice or too many")
        elif len(rows) < trials and not stopped:
            found.append(f"{name} has {len(rows)} trials instead of {trials}")
        listed = Counter(row["TrainingJobStatus"] for row in rows)
        if any(listed[word] != job["TrainingJobStatusCounters"][word] for word in ("Completed", "Stopped")):
            found.append(
                f"{name}: counters {job['TrainingJobStatusCounters']} and list {dict(listed)} differ"
            )
        for row in rows:
            found += self._trial_faults(row, starts, stopped)
        return found

    def _trial_faults(self, row: Mapping[str, Any], starts: Starts, stopped: bool) -> list[str]:
        name = row["TrainingJobName"]
        attempts = starts.jobs.get(name, Counter())
        found = []
        least = 0 if stopped else 1
        if not least <= len(attempts) <= 1 + self._retries or max(attempts.values(), default=1) > 1:
            found.append(f"{name} was started {sum(attempts.values())} times in {len(attempts)} attempts")
        if row["TrainingJobStatus"] not in ({"Completed", "Stopped"} if stopped else {"Completed"}):
            found.append(f"{name} is {row['TrainingJobStatus']}: {row.get('FailureReason')}")
        return found


def _vary(request: dict[str, Any], rng: random.Random, earlier: Sequence[str]) -> None:
    """Make a third of the jobs ones of two algorithms, and let a third start from an earlier job."""
    kind = rng.random()
    if kind < 0.33:
        config, definition = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
        own = {
            "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
            "HyperParameterRanges": config.pop("ParameterRanges"),
        }
        request["TrainingJobDefinitions"] = [
            {**definition, **own, "DefinitionName": name} for name in ("first", "second")
        ]
    elif kind < 0.67 and earlier:
        items = [{"HyperParameterTuningJobName": rng.choice(earlier)}]
        request["WarmStartConfig"] = {
            "WarmStartType": "TransferLearning",
            "ParentHyperParameterTuningJobs": items,
        }


class Starts:
    """What programs noted about their starts.

    Args:
        evidence: The file they write to.

    Attributes:
        jobs: Number of starts by training job and attempt.
        twice: Training jobs of which two programs ran at the same time.
    """

    def __init__(self, evidence: Path) -> None:
        self.jobs: dict[str, Counter[str]] = {}
        self.twice: list[str] = []
        for line in evidence.read_text().splitlines() if evidence.exists() else ():
            word, name, attempt = line.split()
            self.jobs.setdefault(name, Counter())[attempt] += 1
            if word == "twice":
                self.twice.append(name)
