"""The local executor with real agents and programs, and a stand-in for the engine that commits to memory."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from pegbox.domain.orders import AttemptOrder, Order, RuntimeOrder, ServingOrder
from pegbox.executors.local import LocalExecutor
from pegbox.ports.executor import Report

#: Nothing is proved by haste: on a machine that has much else to do everything takes its time.
PATIENCE_SECONDS = 120.0

#: First line of every test program: it notes its start, so that a second one is seen.
COUNT_START = "import os\nopen(os.environ['STARTS'], 'a').write(os.environ['PEGBOX_ATTEMPT'] + '\\n')\n"

FATES = {
    "completes": "print('loss=0.25', flush=True)\n",
    "fails": "raise ValueError('no good')\n",
    "runs": "import time\nprint('loss=0.5', flush=True)\ntime.sleep(600)\n",
}

#: Scripts of model servers by fate; ``serves`` answers what the body says.
SERVERS = {
    "serves": "def model_fn(model_dir):\n    return 'model'\n\n"
    "def transform_fn(model, data, content_type, accept):\n    return data\n",
    "dies": "def model_fn(model_dir):\n    print('no weights here', flush=True)\n    raise SystemExit(3)\n",
}

METRICS = ({"Name": "loss", "Regex": r"loss=([-+.\w]+)"},)


class Committed:
    """Reports as an engine takes them: each event once, acknowledged after it is kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._events: dict[str, list[Mapping[str, Any]]] = {}
        self.seen: set[str] = set()
        self.committing = True
        self._refused: set[str] = set()
        #: Reports that left a gap before them, which none may.
        self.gaps: list[tuple[str, int, int]] = []
        #: Number of reports per attempt.
        self.frames: dict[str, int] = {}

    def take(self, report: Report) -> None:
        """Commit a report and acknowledge it."""
        with self._lock:
            self.seen.add(report.attempt_id)
            self.frames[report.attempt_id] = self.frames.get(report.attempt_id, 0) + 1
            if not self.committing:
                self._refused.add(report.attempt_id)
                return
            events = self._events.setdefault(report.attempt_id, [])
            if report.first_seq > len(events) + 1:
                if report.attempt_id not in self._refused:
                    self.gaps.append((report.attempt_id, len(events), report.first_seq))
                return
            events += list(report.events)[len(events) + 1 - report.first_seq :]
            up_to = len(events)
        report.acknowledge(up_to)

    def events(self, attempt_id: str) -> list[Mapping[str, Any]]:
        """Return the committed events of an attempt."""
        with self._lock:
            return list(self._events.get(attempt_id, ()))


def archive(path: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write a code archive with these files; the same files give the same bytes."""
    with (
        path.open("wb") as stream,
        gzip.GzipFile("", "wb", fileobj=stream, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w") as tar,
    ):
        for name, text in files.items():
            data = text.encode() if isinstance(text, str) else text
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


class LocalRig:
    """A home with a local executor; satisfies ``pegbox.testing.executor_contract.Rig``.

    Args:
        home: A folder that does not exist yet, with a short path.
        options: Further arguments of :class:`LocalExecutor`.
    """

    def __init__(self, home: Path, **options: Any) -> None:
        self.home = home
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._options = {"idle_seconds": 5.0, **options}
        self.committed = Committed()
        self.starts_file = home / "starts"
        self.executor: Any = None
        self._numbers = 0
        self.open()

    def open(self) -> None:
        """Open a new executor on this home."""
        self.executor = LocalExecutor(
            run_dir=self.home / "run",
            logs_dir=self.home / "logs",
            socket_path=self.home / "run" / "agents.sock",
            home=self.home,
            **self._options,
        )
        self.executor.open(self.committed.take)

    @property
    def committing(self) -> bool:
        """While False, reports are neither committed nor acknowledged."""
        return self.committed.committing

    @committing.setter
    def committing(self, value: bool) -> None:
        self.committed.committing = value

    def order(self, fate: str, **changes: Any) -> AttemptOrder:
        """Return an order for a fate of :data:`FATES`."""
        return self.script({"train.py": COUNT_START + FATES[fate]}, **changes)

    def script(self, files: Mapping[str, str | bytes], **changes: Any) -> AttemptOrder:
        """Return an order that runs ``train.py`` of these files."""
        self._numbers += 1
        number = self._numbers
        code = archive(self.home / f"code{number}.tar.gz", files)
        hyperparameters = {"sagemaker_program": '"train.py"', **changes.pop("hyperparameters", {})}
        environment = {"STARTS": str(self.starts_file), **changes.pop("environment", {})}
        fields: dict[str, Any] = {
            "attempt_id": os.urandom(16).hex(),
            "token": os.urandom(32).hex(),
            "training_job_id": number,
            "training_job_name": f"job-{number}",
            "training_job_arn": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/job-{number}",
            "attempt": 1,
            "directory": str(self.home / "jobs" / str(number) / "1"),
            "runtime": RuntimeOrder(kind="script", python=sys.executable),
            "hyperparameters": hyperparameters,
            "code_archive": str(code),
            "environment": environment,
            "metric_definitions": METRICS,
            "objective_metric": "loss",
            "grace_seconds": 2.0,
            "cache_path": str(self.home / "cache"),
        }
        return AttemptOrder(**{**fields, **changes})

    def server(self, fate: str, **changes: Any) -> ServingOrder:
        """Return an order for a model server's fate of :data:`SERVERS`."""
        return self.instance({"code/inference.py": COUNT_START + SERVERS[fate]}, **changes)

    def instance(self, model: Mapping[str, str | bytes], **changes: Any) -> ServingOrder:
        """Return an order that serves a model archive of these files."""
        self._numbers += 1
        number = self._numbers
        archived = archive(self.home / f"model{number}.tar.gz", model)
        environment = {"STARTS": str(self.starts_file), **changes.pop("environment", {})}
        fields: dict[str, Any] = {
            "attempt_id": os.urandom(16).hex(),
            "token": os.urandom(32).hex(),
            "instance_id": number,
            "endpoint_name": f"endpoint-{number}",
            "endpoint_arn": f"arn:aws:sagemaker:us-east-1:000000000000:endpoint/endpoint-{number}",
            "variant": "AllTraffic",
            "model_name": f"model-{number}",
            "directory": str(self.home / "endpoints" / str(number) / "1"),
            "runtime": RuntimeOrder(kind="script", python=sys.executable),
            "model_archive": str(archived),
            "environment": environment,
            "startup_seconds": PATIENCE_SECONDS,
            "grace_seconds": 5.0,
            "cache_path": str(self.home / "cache"),
        }
        return ServingOrder(**{**fields, **changes})

    def settle(self, until: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until a condition holds."""
        deadline = time.monotonic() + seconds
        while not until():
            assert time.monotonic() < deadline, f"not within {seconds} s"
            time.sleep(0.005)

    def events(self, attempt_id: str) -> Sequence[Mapping[str, Any]]:
        """Return the committed events of an attempt."""
        return self.committed.events(attempt_id)

    def reported(self, attempt_id: str) -> bool:
        """Whether any report of the attempt arrived."""
        return attempt_id in self.committed.seen

    def starts(self, attempt_id: str) -> int:
        """Return how often the attempt's program noted its start."""
        if not self.starts_file.exists():
            return 0
        return self.starts_file.read_text().splitlines().count(attempt_id)

    def finished(self, order: Order) -> Mapping[str, Any] | None:
        """Return the committed ``finished`` event of an attempt."""
        events = self.events(order.attempt_id)
        return events[-1] if events and events[-1]["kind"] == "finished" else None

    def run(self, order: Order, seconds: float = PATIENCE_SECONDS) -> Mapping[str, Any]:
        """Launch an attempt and return its ``finished`` event."""
        self.executor.launch(order)
        self.settle(lambda: self.finished(order), seconds)
        end = self.finished(order)
        assert end is not None
        return end

    def of_kind(self, order: Order, kind: str) -> list[Mapping[str, Any]]:
        """Return the committed events of one kind."""
        return [event for event in self.events(order.attempt_id) if event["kind"] == kind]

    def log(self, order: Order) -> str:
        """Return what the program wrote."""
        return Path(order.directory, "log").read_text(errors="replace")

    def crash(self) -> None:
        """Close the executor and open another."""
        self.executor.close()
        self.open()

    def agents(self) -> list[psutil.Process]:
        """Return the living agent processes of this home."""
        return _living(
            lambda process: str(self.home) in process.cmdline() and "--agent-id" in process.cmdline()
        )

    def processes(self, order: Order) -> list[psutil.Process]:
        """Return the living processes that carry an attempt's mark, as an outside observer finds them."""
        return _living(lambda process: process.environ().get("PEGBOX_ATTEMPT") == order.attempt_id)

    def close(self) -> None:
        """End everything of this home."""
        self.executor.close()
        for process in _living(lambda process: _belongs(process, str(self.home))):
            process.kill()
            try:
                process.wait(5)
            except psutil.Error:
                continue


def _belongs(process: psutil.Process, home: str) -> bool:
    words = [*process.cmdline(), *process.environ().values()]
    return process.pid != os.getpid() and any(home in word for word in words)


def _living(chosen: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.status() != psutil.STATUS_ZOMBIE and chosen(process):
                found.append(process)
        except psutil.Error:
            continue
    return found
