"""Model servers for tests: started as an agent starts them, spoken to over their Unix socket."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from pegbox.agent.serving_plan import SERVER


class UnixConnection(http.client.HTTPConnection):
    """An HTTP connection to a Unix socket.

    Args:
        path: Path of the socket.
        seconds: Most seconds of each operation.
    """

    def __init__(self, path: str, seconds: float = 120.0) -> None:
        super().__init__("localhost", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        """Connect."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def ask(
    path: str, body: bytes, content_type: str = "text/csv", accept: str | None = None, **headers: str
) -> tuple[int, bytes, str]:
    """Send one invocation on a connection of its own; return status, body and type of the answer."""
    connection = UnixConnection(path)
    named = {"Content-Type": content_type, **({"Accept": accept} if accept else {}), **headers}
    try:
        connection.request("POST", "/invocations", body, named)
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Content-Type", "")
    finally:
        connection.close()


def ping(path: str) -> int:
    """Return the status of ``/ping``."""
    connection = UnixConnection(path)
    try:
        connection.request("GET", "/ping")
        return connection.getresponse().status
    finally:
        connection.close()


class RunningServer:
    """A model server as a subprocess.

    Args:
        folder: A folder with a short path; the model lies in ``model``, a script in ``code``.
        files: Files to write there, by path.
        python: Interpreter.
        words: Further arguments.
        environment: Further variables.
        ready: Whether to wait until it listens.
    """

    def __init__(
        self,
        folder: Path,
        files: Mapping[str, str | bytes],
        *,
        python: str = sys.executable,
        words: tuple[str, ...] = (),
        environment: Mapping[str, str] | None = None,
        ready: bool = True,
    ) -> None:
        (folder / "model").mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
        self.path = str(folder / "s.sock")
        self.log_path = folder / "log"
        argv = [python, SERVER, "--socket", self.path, "--model-dir", str(folder / "model"), *words]
        if (folder / "code").is_dir():
            argv += ["--code-dir", str(folder / "code"), "--program", "inference.py"]
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                argv, env={**os.environ, **(environment or {})}, stdout=log, stderr=subprocess.STDOUT
            )
        if ready:
            self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log()
            try:
                if ping(self.path) == 200:
                    return
            except OSError:
                time.sleep(0.02)
        raise AssertionError(self.log())

    def log(self) -> str:
        """Return what it wrote."""
        return self.log_path.read_text(errors="replace")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(120)

    def close(self) -> None:
        """End it at once."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
