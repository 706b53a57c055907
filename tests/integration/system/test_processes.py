"""What an outside observer sees of the programs: never too many, none left."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.testing.lab import Lab, tuning_request

_PARALLEL = 3
_TRIALS = 120

# Leaves its session twice over, ignores SIGTERM, and marks all of its processes for the observer.
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.execv(sys.executable, [sys.executable, "-c", "import signal, time\\nsignal.signal(15, 1)\\ntime.sleep(600)",
                                  "grandchild-of-" + os.environ["TRAINING_JOB_NAME"]])
    os._exit(0)
os.wait()
print("objective=1", flush=True)
while True:
    time.sleep(0.05)
"""


class Sampler(threading.Thread):
    """Looks at all processes every 10 ms and counts the attempts of a home whose programs live.

    A process is looked at until it has been seen a few times without the mark: it may have been about to become the program.
    Programs live until they were seen and are then let go: as soon as there are as many as there may be, else after some time.
    """

    def __init__(self, home: Path, let_go: Path) -> None:
        super().__init__(daemon=True)
        self._home = str(home).encode()
        self._let_go = let_go
        self._looks: dict[str, int] = {}
        self.samples = 0
        self.most = 0
        self.attempts: set[str] = set()
        self.ended = threading.Event()
        self._seen: dict[str, int] = {}

    def run(self) -> None:
        """Sample until told to end."""
        while not self.ended.wait(0.01):
            marks = {mark for pid in os.listdir("/proc") if pid.isdigit() and (mark := self._mark(pid))}
            self.attempts |= marks
            self.most = max(self.most, len(marks))
            self.samples += 1
            for mark in marks:
                self._looks[mark] = self._looks.get(mark, 0) + 1
                if len(marks) >= _PARALLEL or self._looks[mark] > 20:
                    (self._let_go / mark.partition("=")[2]).touch()

    def _mark(self, pid: str) -> str | None:
        if self._seen.get(pid, 0) > 5:
            return None
        try:
            data = Path("/proc", pid, "environ").read_bytes()
        except OSError:
            self._seen.pop(pid, None)
            return None
        mark = next((word for word in data.split(b"\0") if word.startswith(b"PEGBOX_ATTEMPT=")), None)
        if mark is None or self._home not in data:
            self._seen[pid] = self._seen.get(pid, 0) + 1
            return None
        return mark.decode()


def test_never_more_programs_than_allowed(lab: Lab, tmp_path: Path) -> None:
    """Over 120 trials, each seen, no sample shows more than max_parallel_jobs programs, and every trial runs."""
    script = f'until [ -e "{tmp_path}/$PEGBOX_ATTEMPT" ]; do sleep 0.02; done; sleep 0.03; echo "objective=$SM_HP_RATE"'
    lab.pegbox("images", "add", "short", "--", "/bin/sh", "-c", script)
    request = tuning_request("sampled", "", max_jobs=_TRIALS, parallel=_PARALLEL)
    definition = request["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = "short"
    del definition["StaticHyperParameters"], definition["Environment"]
    client = lab.client()
    sampler = Sampler(lab.home, tmp_path)
    sampler.start()
    client.create_hyper_parameter_tuning_job(**request)
    job = wait_for_end(client, "sampled")
    sampler.ended.set()
    sampler.join()
    print(
        f"{sampler.samples} samples over {_TRIALS} trials, {len(sampler.attempts)} programs seen, at most {sampler.most} "
        f"at a time of {_PARALLEL} allowed",
        file=sys.stderr,
    )
    assert job["TrainingJobStatusCounters"]["Completed"] == _TRIALS
    assert sampler.most == _PARALLEL
    assert len(sampler.attempts) == _TRIALS


def wait_for_end(client: Any, name: str, seconds: float = 300) -> dict[str, Any]:
    """Return a tuning job's description once it has ended."""
    deadline = time.monotonic() + seconds
    while True:
        job: dict[str, Any] = client.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def family(name: str) -> list[str]:
    """Return the processes of a tuning job's programs, found by their environment and their command line alone."""
    found = []
    for pid in os.listdir("/proc"):
        if pid.isdigit() and int(pid) != os.getpid():
            try:
                words = (
                    Path("/proc", pid, "environ").read_bytes() + Path("/proc", pid, "cmdline").read_bytes()
                )
            except OSError:
                continue
            if f"TRAINING_JOB_NAME={name}".encode() in words or f"grandchild-of-{name}".encode() in words:
                found.append(pid)
    return found


@pytest.mark.parametrize("agent_dies", [False, True])
def test_stopped_means_that_nothing_is_left(
    lab: Lab, wait_until: Callable[..., Any], agent_dies: bool
) -> None:
    """Programs that double-fork, call setsid and ignore SIGTERM are gone when the job says Stopped, also without their agents."""
    client, name = lab.client(), f"stubborn-{agent_dies}".lower()
    client.create_hyper_parameter_tuning_job(
        **tuning_request(name, lab.upload_code(STUBBORN), max_jobs=4, parallel=2)
    )
    wait_until(lambda: len(family(name)) == 4)
    if agent_dies:
        for agent in lab.agents():
            agent.kill()
    client.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
    job = wait_for_end(client, name)
    assert family(name) == []
    assert job["HyperParameterTuningJobStatus"] == "Stopped"
    assert job["TrainingJobStatusCounters"]["Stopped"] == 2
