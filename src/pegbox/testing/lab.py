"""A real server in a home of its own, with real AWS clients: the ground of chaos runs, attacks and benchmarks."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

ROLE = "arn:aws:iam::000000000000:role/pegbox"
BUCKET = "pegbox-local"
IMAGE = "000000000000.dkr.ecr.us-east-1.amazonaws.com/pegbox-script:latest"


class Lab:
    """A home folder in a temporary place with its server, started as a user would start it.

    Use as a context manager: leaving it stops the server, ends what is left of its programs and removes the folder.
    """

    def __init__(self, settings: Mapping[str, str] | None = None) -> None:
        #: The server's process where :meth:`launch` started it.
        self.process: subprocess.Popen[bytes] | None = None
        self._folder = Path(tempfile.mkdtemp(prefix="pegbox-lab-"))
        self.home = self._folder / "home"
        self._settings = dict(settings or {})

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is None:
            with contextlib.suppress(Exception):
                self.pegbox("server", "stop")
        else:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        for _ in range(3):
            for process in _of_home(str(self.home)):
                with contextlib.suppress(psutil.Error):
                    process.kill()
        if self.process is not None:
            self.process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands: this home and nothing of the owner's AWS set-up."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "PEGBOX_"))}
        return {**kept, "PEGBOX_HOME": str(self.home), **self._settings}

    def pegbox(self, *arguments: str) -> str:
        """Run a ``pegbox`` command and return what it printed.

        Raises:
            RuntimeError: The command failed; the text has its output.
        """
        run = subprocess.run(
            [sys.executable, "-m", "pegbox.cli", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            raise RuntimeError(
                f"pegbox {' '.join(arguments)} exited with {run.returncode}:\n{run.stdout}{run.stderr}"
            )
        return run.stdout

    def start(self) -> dict[str, Any]:
        """Start the server (or find it) and return its state."""
        state: dict[str, Any] = json.loads(self.pegbox("server", "start", "--json"))
        return state

    def launch(self, **extra: str) -> float:
        """Start the server's process itself, without the command around it.

        Args:
            extra: Further variables of its environment.

        Returns:
            Seconds from the start of the process until it answers.

        Raises:
            RuntimeError: It ended instead; the text says why.
        """
        reading, writing = os.pipe()
        command = [sys.executable, "-m", "pegbox.bootstrap", "--report-fd", str(writing)]
        began = time.monotonic()
        self.process = subprocess.Popen(
            command,
            env={**self.environment, **extra},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(writing,),
            start_new_session=True,
        )
        os.close(writing)
        with open(reading, "rb") as told:
            text = told.read()
        seconds = time.monotonic() - began
        if b'"ready"' not in text:
            status = self.process.wait()
            raise RuntimeError(f"the server ended with {status}: {text.decode(errors='replace')}")
        return seconds

    def kill_server(self) -> None:
        """``kill -9`` the server and wait until the process is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
            return
        pid = self.server_pid()
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while psutil.pid_exists(pid) and time.monotonic() < deadline:
            with contextlib.suppress(psutil.Error):
                if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                    break
            time.sleep(0.002)

    def client(self, service: str = "sagemaker") -> Any:
        """Return a plain boto3 client that points at this server and never retries."""
        import boto3
        from botocore.config import Config

        state = json.loads((self.home / "server.json").read_text())
        keys = self.keys
        return boto3.client(  # type: ignore[call-overload]
            service,
            endpoint_url=state["url"],
            region_name=keys["region"],
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            config=Config(retries={"max_attempts": 0}, connect_timeout=30, read_timeout=120),
        )

    @property
    def keys(self) -> dict[str, str]:
        """The owner's access key: ``access_key_id``, ``secret_access_key``, ``region``."""
        keys: dict[str, str] = json.loads((self.home / "credentials.json").read_text())
        return keys

    def programs(self) -> list[psutil.Process]:
        """Return the processes that carry the mark of an attempt of this home."""
        return [item for item in _of_home(str(self.home)) if _has_mark(item)]

    def agents(self) -> list[psutil.Process]:
        """Return the agents of this home, busy and waiting."""
        return [item for item in _of_home(str(self.home)) if "--agent-id" in _words(item)]

    def suggesters(self) -> list[psutil.Process]:
        """Return the processes that compute suggestions for this home's server; empty where it does not run."""
        with contextlib.suppress(psutil.Error):
            children = psutil.Process(self.server_pid()).children()
            return [item for item in children if "pegbox.suggester" in _words(item)]
        return []

    def server_pid(self) -> int:
        """Return the process id of this home's server."""
        return int(json.loads((self.home / "server.json").read_text())["pid"])

    def upload_code(self, source: str, name: str = "train.py") -> str:
        """Put a one-file code archive into the server's bucket and return its address."""
        packed = io.BytesIO()
        with (
            gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
            tarfile.open(fileobj=zipped, mode="w") as archive,
        ):
            data = source.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        target = self.home / "buckets" / BUCKET / "code" / digest / "sourcedir.tar.gz"
        for folder in (target.parent.parent, target.parent):
            folder.mkdir(mode=0o700, exist_ok=True)
        target.touch(0o600)
        target.write_bytes(packed.getvalue())
        return f"s3://{BUCKET}/code/{digest}/sourcedir.tar.gz"


def _of_home(home: str) -> Iterator[psutil.Process]:
    """Find the processes whose environment or command line names a home."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = (*process.environ().values(), *process.cmdline())
            if process.pid != os.getpid() and any(home in word for word in words):
                yield process


def _has_mark(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "PEGBOX_ATTEMPT" in process.environ()
    return False


def _words(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def tuning_request(
    name: str,
    code: str,
    *,
    max_jobs: int,
    parallel: int,
    strategy: str = "Random",
    seed: int = 1,
    environment: Mapping[str, str] | None = None,
    ranges: Mapping[str, Sequence[Mapping[str, str]]] | None = None,
) -> dict[str, Any]:
    """Return a CreateHyperParameterTuningJob request for a script whose metric line is ``objective=<number>``."""
    return {
        "HyperParameterTuningJobName": name,
        "HyperParameterTuningJobConfig": {
            "Strategy": strategy,
            "RandomSeed": seed,
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "objective"},
            "ResourceLimits": {"MaxNumberOfTrainingJobs": max_jobs, "MaxParallelTrainingJobs": parallel},
            "ParameterRanges": ranges
            or {"ContinuousParameterRanges": [{"Name": "rate", "MinValue": "0", "MaxValue": "1"}]},
        },
        "TrainingJobDefinition": {
            "AlgorithmSpecification": {
                "TrainingImage": IMAGE,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "objective", "Regex": r"objective=(\S+)"}],
            },
            "RoleArn": ROLE,
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/"},
            "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1},
            "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
            "StaticHyperParameters": {
                "sagemaker_program": "train.py",
                "sagemaker_submit_directory": code,
            },
            "Environment": {"PEGBOX_PYTHON": sys.executable, **(environment or {})},
        },
    }
