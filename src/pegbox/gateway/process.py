"""The gateway as a process: one per home, listening, watching its snapshot, ending by itself when nobody needs it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import math
import os
import resource
import signal
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pegbox.errors import HomeError, HomeInUse, PortTaken
from pegbox.gateway.capture import FREE_SHARE, SYNC_SECONDS, Capture
from pegbox.gateway.connection import Front
from pegbox.gateway.control import Control
from pegbox.gateway.dispatch import Dispatcher
from pegbox.gateway.exchange import Exchange
from pegbox.gateway.files import write_durably
from pegbox.gateway.metrics import Metrics
from pegbox.gateway.queued import AsyncQueue
from pegbox.gateway.routing import Table
from pegbox.gateway.seals import Seals
from pegbox.gateway.snapshot import SnapshotError, parse_snapshot
from pegbox.wire.addressing import LOOPBACK_NAMES
from pegbox.wire.sigv4 import Verifier

_log = logging.getLogger("pegbox.gateway")

#: Greatest size of a request's or an answer's body, in bytes.
BODY_BYTES = 25 * 2**20
#: Seconds without endpoints after which the gateway ends, unless the home's file ``keep`` is there.
IDLE_SECONDS = 60.0
#: The same where no server speaks to it, without that file and with it.
ORPHAN_SECONDS = 3.0
KEPT_SECONDS = 600.0
#: Seconds that requests in flight have when the gateway ends.
END_SECONDS = 65.0
#: Seconds between flushes of metrics, and between tries to deliver what could not be delivered.
METRICS_SECONDS = 2.0
LEFTOVER_SECONDS = 30.0
#: Seconds for which a new gateway waits for the one that it replaces.
LOCK_SECONDS = 15.0
#: Connections that wait to be accepted.
BACKLOG = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a gateway works and listens.

    Attributes:
        home: The home folder.
        control: The control socket.
        host: Loopback address.
        port: TCP port.
        allowed_hosts: Names besides the loopback ones that Host may carry.
        free_share: Data capture pauses while less than this share of a disk is free.
        idle_seconds: Seconds without endpoints after which the gateway ends.
        listener: Descriptor of a socket bound to that port that the server holds, too; None where there is none.
        keys: The server's first word on data keys, as a line of the control socket; or nothing.
    """

    home: Path
    control: Path
    host: str
    port: int
    version: str
    home_id: str
    allowed_hosts: Sequence[str] = ()
    free_share: float = FREE_SHARE
    idle_seconds: float = IDLE_SECONDS
    listener: int | None = None
    keys: bytes = field(default=b"", repr=False)


class Gateway:
    """The parts of a running gateway.

    Args:
        place: Where it works.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._loop = asyncio.get_running_loop()
        self._folder = place.home / "gateway"
        self._threads = ThreadPoolExecutor(4, "files")
        # One thread keeps the order of what happens to the files of captured data.
        self._tender = ThreadPoolExecutor(1, "tender")
        self._stop = asyncio.Event()
        self._routes_seen: tuple[int, int, int] | None = None
        self._captures: dict[str, dict[str, str]] = {}
        self._metrics = Metrics(self._folder / "metrics")
        self._table = Table(time.monotonic, self._drained)
        dispatcher = Dispatcher(self._table, self._metrics, max_answer=BODY_BYTES)
        self._seals = Seals(self._ask_for_key)
        self._capture = Capture(self._folder / "capture", self._seals, free_share=place.free_share)
        self._queue = AsyncQueue(
            self._folder / "async",
            place.home / "buckets",
            self._table,
            dispatcher,
            self._seals,
            self._threads,
        )
        keys = Keys(place.home / "credentials.json")
        exchange = Exchange(
            dispatcher,
            self._capture,
            self._queue,
            Verifier(keys.secret_of),
            now=lambda: datetime.now(timezone.utc),
            allowed=LOOPBACK_NAMES | {name.lower().rstrip(".") for name in place.allowed_hosts},
            health={"version": place.version, "home_id": place.home_id},
            max_payload=BODY_BYTES,
        )
        self._front = Front(exchange, max_body=BODY_BYTES)
        self._control = Control(
            place.control,
            routes=self._look,
            keys=self._take_keys,
            end=self.end,
            greeting=lambda: [self._applied(), self._status()],
        )
        if place.keys:
            self._control.take(place.keys)

    def end(self) -> None:
        """Finish what is in flight and end."""
        self._stop.set()

    async def run(
        self, listener: socket.socket, ready: Callable[[], None], retired: Callable[[], None]
    ) -> None:
        """Serve until told to end or not needed any more.

        Args:
            listener: The bound socket.
            ready: Called once requests are answered.
            retired: Called when nothing new is taken any more, so that another gateway may begin; what is in flight goes on.
        """
        for folder in ("metrics", "capture", "async"):
            (self._folder / folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self.end)
        self._look()
        self._queue.load()
        self._queue.look()
        await self._control.open(listener)
        server = await self._loop.create_server(self._front.connection, sock=listener, backlog=BACKLOG)
        beside = [
            asyncio.ensure_future(self._watch()),
            asyncio.ensure_future(self._tend()),
            asyncio.ensure_future(self._flush()),
        ]
        for task in beside:
            task.add_done_callback(self._fault)
        ready()
        await self._stop.wait()
        _log.info("the gateway ends")
        server.close()
        self._front.end()
        await self._queue.close()
        await self._control.close()
        retired()
        await self._finish_requests()
        for task in beside:
            task.cancel()
        await asyncio.wait(beside)
        await self._in_tender(self._capture.tend, self._table.snapshot.endpoints, all_files=True)
        self._metrics.write(self._metrics.take())
        self._table.close()
        self._tender.shutdown()
        self._threads.shutdown()

    async def _finish_requests(self) -> None:
        deadline = time.monotonic() + END_SECONDS
        while self._front.busy and time.monotonic() < deadline:
            await asyncio.sleep(0.02)
        late = set(self._front.tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        for client in list(self._front.open):
            client.end()

    async def _watch(self) -> None:
        """Look at the snapshot, at clients' times and at whether anybody needs the gateway, every second."""
        needed_at = time.monotonic()
        identity = _identity(self._place.home)
        while True:
            await asyncio.sleep(1.0)
            self._look()
            self._queue.look()
            self._front.sweep()
            now = time.monotonic()
            if self._table.snapshot.endpoints or self._front.busy or not self._queue.empty:
                needed_at = now
            kept = (self._place.home / "keep").exists()
            if self._control.connected:
                patience = math.inf if kept else self._place.idle_seconds
            else:
                patience = KEPT_SECONDS if kept else min(ORPHAN_SECONDS, self._place.idle_seconds)
            if _identity(self._place.home) != identity:
                _log.error("the home has vanished")
                os._exit(1)
            if now - needed_at >= patience:
                _log.info("no endpoints for %g s", now - needed_at)
                self.end()

    async def _tend(self) -> None:
        """Keep captured data safe and moving."""
        again = 0.0
        while True:
            if time.monotonic() >= again:
                await self._in_tender(self._capture.deliver_leftovers)
                again = time.monotonic() + LEFTOVER_SECONDS
            await self._in_tender(self._capture.tend, self._table.snapshot.endpoints)
            self._tell_captures()
            await asyncio.sleep(SYNC_SECONDS)

    async def _flush(self) -> None:
        """Write metrics."""
        while True:
            await asyncio.sleep(METRICS_SECONDS)
            lines = self._metrics.take()
            if lines:
                await self._loop.run_in_executor(self._threads, self._metrics.write, lines)

    async def _in_tender(self, call: Callable[..., None], *arguments: Any, **options: Any) -> None:
        await self._loop.run_in_executor(self._tender, lambda: call(*arguments, **options))

    def _look(self) -> None:
        """Apply the snapshot in the home if it is another than the current one."""
        path = self._folder / "routes.json"
        try:
            found = path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen == self._routes_seen:
                return
            snapshot = parse_snapshot(path.read_bytes())
        except FileNotFoundError:
            return
        except (OSError, SnapshotError) as error:
            _log.error("%s cannot be used; the last snapshot stays: %s", path, error)
            return
        self._routes_seen = seen
        self._table.apply(snapshot)
        self._queue.look()
        self._control.tell(self._applied())
        self._tell_captures()

    def _take_keys(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "opened":
            self._seals.take_opened(message)
            return
        self._seals.take(message)
        self._tell_captures()

    def _ask_for_key(self, key_id: str, wrapped: str) -> None:
        self._control.tell({"type": "unwrap", "key": key_id, "wrapped": wrapped})

    def _applied(self) -> dict[str, Any]:
        return {"type": "applied", "version": self._table.snapshot.version, "busy": self._table.busy}

    def _drained(self, instances: Sequence[int]) -> None:
        version = self._table.snapshot.version
        self._control.tell({"type": "drained", "version": version, "instances": list(instances)})

    def _status(self) -> dict[str, Any]:
        return {"type": "status", "captures": self._capture.status(self._table.snapshot.endpoints)}

    def _tell_captures(self) -> None:
        captures = self._capture.status(self._table.snapshot.endpoints)
        if captures != self._captures:
            self._captures = captures
            self._control.tell({"type": "status", "captures": captures})

    def _fault(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and task.exception() is not None:
            _log.error("a fault of the gateway; it ends", exc_info=task.exception())
            self.end()


class Keys:
    """The owner's access key, read again when its file changes.

    Args:
        file: ``credentials.json`` of the home.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._looked = 0.0
        self._keys: Mapping[str, str] = {}

    def secret_of(self, access_key_id: str) -> str | None:
        """Return the secret of an access key, or None where there is no such key."""
        now = time.monotonic()
        if now - self._looked >= 1.0 or access_key_id not in self._keys:
            self._looked = now
            self._read()
        return self._keys.get(access_key_id)

    def _read(self) -> None:
        try:
            found = self._file.stat()
            seen = (found.st_ino, found.st_mtime_ns)
            if seen != self._seen:
                data = json.loads(self._file.read_bytes())
                self._keys = {str(data["access_key_id"]): str(data["secret_access_key"])}
                self._seen = seen
        except (OSError, ValueError, KeyError, TypeError) as error:
            _log.error("%s cannot be read: %s", self._file, error)


def serve(place: Place, facts: Mapping[str, Any]) -> None:
    """Serve a home until told to end or not needed any more.

    Args:
        place: Where the gateway works.
        facts: What ``gateway.json`` says about it, besides its address.

    Raises:
        HomeInUse: Another gateway serves the home.
        HomeError: The port or the control socket cannot be had.
    """
    import uvloop

    os.umask(0o077)
    lock = _lock(place.home / "gateway.lock")
    told = place.home / "gateway.json"
    host = f"[{place.host}]" if ":" in place.host else place.host

    def ready() -> None:
        data = {"url": f"http://{host}:{place.port}", **facts}
        write_durably(told, json.dumps(data).encode() + b"\n")

    def retired() -> None:
        nonlocal lock
        if lock >= 0:
            with contextlib.suppress(OSError):
                told.unlink()
            os.close(lock)
            lock = -1

    async def main() -> None:
        await Gateway(place).run(listener, ready, retired)

    try:
        _raise_file_limit()
        listener = _bind(place)
        uvloop.run(main())
    finally:
        retired()


def _lock(path: Path) -> int:
    """Take the lock that makes this process the home's gateway, waiting a while for one that is just ending."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise HomeInUse(f"{path.parent} has a gateway already") from error
        time.sleep(0.01)


def _bind(place: Place) -> socket.socket:
    if place.listener is not None:
        return socket.socket(fileno=place.listener)
    family = socket.AF_INET6 if ":" in place.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((place.host, place.port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(
                f"port {place.port} of this home's gateway is used by another program; stop that program, or delete "
                f"{place.home / 'runtime-port'} to have another one chosen at the server's next start"
            ) from error
        raise HomeError(f"cannot listen on {place.host}:{place.port}: {error.strerror}") from error
    return listener


def _raise_file_limit() -> None:
    """Each client and each request needs a descriptor."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 8192 if hard == resource.RLIM_INFINITY else min(hard, 8192)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _identity(home: Path) -> tuple[int, int] | None:
    try:
        found = home.stat()
        return found.st_dev, found.st_ino
    except OSError:
        return None


def as_facts(version: str, home: Path) -> dict[str, Any]:
    """Return what ``gateway.json`` says about this process, besides its address."""
    return {
        "pid": os.getpid(),
        "start_time": _start_time(),
        "boot_id": _boot_id(),
        "version": version,
        "home": str(home),
    }


def _start_time() -> float:
    """Seconds since boot at which this process started; on systems without /proc, since the epoch."""
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    except OSError:
        import psutil

        return float(psutil.Process().create_time())
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
