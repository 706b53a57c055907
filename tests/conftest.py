"""Fixtures for everyone: homes, real server processes and real AWS clients that point at them."""

from __future__ import annotations

import contextlib
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
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

# Whoever starts the tests in the background may have them ignore Ctrl-C, and every process they start with them.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

#: Variables of the developer's shell that no test may see.
FOREIGN = ("AWS_", "PEGBOX_", "BOTO_")


def clean_environment(home: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment that knows this home and nothing of the developer's AWS set-up."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
    nowhere = {
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**kept, **nowhere, "PEGBOX_HOME": str(home), **(extra or {})}


def _processes_of(home: Path) -> list[psutil.Process]:
    """Return the processes whose environment or command line names a home, this one excepted."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = [*process.environ().values(), *process.cmdline()]
            if process.pid != os.getpid() and any(str(home) in word for word in words):
                found.append(process)
    return found


def end_everything(home: Path) -> None:
    """Kill all processes of a home."""
    for _ in range(50):
        left = [item for item in _processes_of(home) if item.status() != psutil.STATUS_ZOMBIE]
        if not left:
            return
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        time.sleep(0.05)
    raise AssertionError(f"processes of {home} cannot be ended: {left}")


class RunningServer:
    """A server process of a home of its own, and clients of it.

    Attributes:
        home: The home folder.
        environment: Environment of commands and programs of this home.
    """

    def __init__(self, home: Path, settings: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.environment = clean_environment(home, settings)

    def pegbox(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a ``pegbox`` command of this home."""
        done = subprocess.run(
            [sys.executable, "-m", "pegbox.cli", *arguments],
            env=self.environment,
            cwd=self.home.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def start(self, *arguments: str) -> dict[str, Any]:
        """Start the server (or find it) and return what ``server start --json`` prints."""
        state: dict[str, Any] = json.loads(self.pegbox("server", "start", "--json", *arguments).stdout)
        return state

    def stop(self) -> None:
        """Stop the server."""
        self.pegbox("server", "stop")

    def kill(self) -> None:
        """``kill -9`` the server and wait until its process is gone."""
        process = psutil.Process(self.facts["pid"])
        process.send_signal(signal.SIGKILL)
        with contextlib.suppress(psutil.Error):
            process.wait(60)

    @property
    def facts(self) -> dict[str, Any]:
        """What ``server.json`` says."""
        facts: dict[str, Any] = json.loads((self.home / "server.json").read_text())
        return facts

    @property
    def url(self) -> str:
        """The server's address."""
        return str(self.facts["url"])

    @property
    def keys(self) -> dict[str, str]:
        """The owner's access key."""
        keys: dict[str, str] = json.loads((self.home / "credentials.json").read_text())
        return keys

    def upload_code(self, source: str, name: str = "train.py") -> str:
        """Put a one-file code archive into the server's bucket and return its address."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            entry = tarfile.TarInfo(name)
            entry.size = len(source.encode())
            archive.addfile(entry, io.BytesIO(source.encode()))
        digest = hashlib.sha256(source.encode()).hexdigest()
        target = self.home / "buckets" / "pegbox-local" / "code" / digest / "sourcedir.tar.gz"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(packed.getvalue())
        return f"s3://pegbox-local/code/{digest}/sourcedir.tar.gz"

    def client(self, service: str = "sagemaker", **config: Any) -> Any:
        """Return a boto3 client of this server that does not retry."""
        import boto3
        from botocore.config import Config

        keys = self.keys
        session = boto3.Session(
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
            region_name=keys["region"],
        )
        return session.client(
            service,
            endpoint_url=self.url,
            config=Config(retries={"max_attempts": 0}, connect_timeout=30, read_timeout=120, **config),
        )


@pytest.fixture(scope="session", autouse=True)
def _no_foreign_aws() -> None:
    """Keep the developer's AWS set-up out of this process, too."""
    for name in list(os.environ):
        if name.startswith(FOREIGN):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = "/nonexistent"
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = "/nonexistent"
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"


@contextlib.contextmanager
def new_home() -> Iterator[Path]:
    """Make a home with a short path (Unix sockets have short names); afterwards no process of it may be left."""
    folder = Path(tempfile.mkdtemp(prefix="pb", dir="/tmp"))
    try:
        yield folder / "home"
    finally:
        with contextlib.suppress(Exception):
            RunningServer(folder / "home").pegbox("server", "stop")
        end_everything(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home folder that does not exist yet; its server and programs are ended afterwards."""
    with new_home() as path:
        yield path


@pytest.fixture
def unstarted(home: Path) -> RunningServer:
    """A server that nobody has started yet, in a home that does not exist yet."""
    return RunningServer(home)


@pytest.fixture
def make_server() -> Iterator[Callable[..., RunningServer]]:
    """Start a server in a home of its own: ``make_server(PEGBOX_MODE="strict")``; stopped after the test."""
    with contextlib.ExitStack() as stack:

        def make(**settings: str) -> RunningServer:
            server = RunningServer(stack.enter_context(new_home()), settings)
            server.start()
            return server

        yield make


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A server shared by the tests of a module, with a short grace period for stopped programs."""
    with new_home() as path:
        server = RunningServer(path, {"PEGBOX_GRACE_SECONDS": "3"})
        server.start()
        yield server


@pytest.fixture(scope="module")
def sagemaker(server: RunningServer) -> Any:
    """boto3's ``sagemaker`` client of the module's server."""
    return server.client("sagemaker")


@pytest.fixture(scope="module")
def logs(server: RunningServer) -> Any:
    """boto3's ``logs`` client of the module's server."""
    return server.client("logs")


@pytest.fixture(scope="module")
def cloudwatch(server: RunningServer) -> Any:
    """boto3's ``cloudwatch`` client of the module's server."""
    return server.client("cloudwatch")


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., Any]:
    """``wait_until(condition, seconds=120)`` returns the condition's value as soon as it is true, or fails."""
    return _wait_until


@pytest.fixture(scope="session")
def processes_of() -> Callable[[Path], list[psutil.Process]]:
    """``processes_of(home)`` returns the processes whose environment or command line names the home."""
    return _processes_of


def _wait_until(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        time.sleep(0.05)
