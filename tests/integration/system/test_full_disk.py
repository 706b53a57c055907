"""The disk fills up while a tuning job runs, and has space again later."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from pegbox.testing.lab import Lab, tuning_request

_MEGABYTES = 24
#: The third and the fourth program say what they have to say and end later, on a full disk.
SCRIPT = """
import os, pathlib, time
print("objective=1", flush=True)
folder, number = pathlib.Path(os.environ["FOLDER"]), os.environ["TRAINING_JOB_NAME"].split("-")[1]
if number in ("003", "004"):
    (folder / number).touch()
    while not (folder / "full").exists():
        time.sleep(0.02)
"""


class Disk:
    """A small disk of a home; where this user may not mount one, every write of the home's processes is refused instead."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._ballast = lab.home / "ballast"
        lab.home.mkdir(mode=0o700)
        command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m,mode=700", "pegbox-test", str(lab.home)]
        self.real = (
            os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
        )

    def fill(self) -> None:
        """Leave no byte."""
        if not self.real:
            self._limit(1)
            return
        with self._ballast.open("wb") as file:
            for size in (65536, 1):
                try:
                    while True:
                        os.write(file.fileno(), b"\1" * size)
                except OSError:
                    continue

    def clear(self) -> None:
        """Give the space back."""
        if self.real:
            self._ballast.unlink()
        else:
            self._limit(psutil.RLIM_INFINITY)

    def remove(self) -> None:
        """Take the disk away."""
        if self.real:
            subprocess.run(["umount", "-l", str(self._lab.home)], check=True)

    def _limit(self, size: int) -> None:
        for pid in (self._lab.server_pid(), *(agent.pid for agent in self._lab.agents())):
            psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE, (size, psutil.RLIM_INFINITY))


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.fixture
def small() -> Iterator[tuple[Lab, Disk]]:
    """A lab on a small disk."""
    lab = Lab({"PEGBOX_GRACE_SECONDS": "0.5"})
    disk = Disk(lab)
    try:
        with lab:
            lab.launch()
            yield lab, disk
    finally:
        disk.remove()
        shutil.rmtree(lab.home.parent, ignore_errors=True)


def test_a_disk_that_fills_up_loses_nothing(
    small: tuple[Lab, Disk], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """On a full disk programs end, new work is refused in clear words, reading goes on; with space again all trials complete."""
    lab, disk = small
    code = lab.upload_code(SCRIPT)
    client = lab.client()
    request = tuning_request("running", code, max_jobs=8, parallel=2, environment={"FOLDER": str(tmp_path)})
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 10}
    client.create_hyper_parameter_tuning_job(**request)

    def described() -> dict[str, Any]:
        found: dict[str, Any] = client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName="running"
        )
        return found

    programs = [tmp_path / "003", tmp_path / "004"]
    wait_until(
        lambda: described()["TrainingJobStatusCounters"]["Completed"] == 2 and all(map(Path.exists, programs))
    )
    disk.fill()
    (tmp_path / "full").touch()
    wait_until(lambda: not [item for item in lab.programs() if "train.py" in _words(item)])

    def refused() -> str | None:
        try:
            client.create_hyper_parameter_tuning_job(**tuning_request("more", code, max_jobs=1, parallel=1))
        except ClientError as error:
            return str(error)
        client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="more")
        return None

    said = wait_until(refused)
    assert "ServiceUnavailable" in said
    assert "full" in said
    assert described()["TrainingJobStatusCounters"]["Completed"] == 2
    disk.clear()
    job = wait_until(lambda: (now := described())["HyperParameterTuningJobStatus"] != "InProgress" and now)
    assert job["HyperParameterTuningJobStatus"] == "Completed", job
    assert job["TrainingJobStatusCounters"]["Completed"] == 8, job
    client.create_hyper_parameter_tuning_job(**tuning_request("after", code, max_jobs=1, parallel=1))
