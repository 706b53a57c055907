"""The server's side of the gateway: routing snapshots to it, its word back, and a gateway process whenever one is needed.

The gateway is a process of its own session and outlives the server. A new server finds it by ``gateway.json``, talks to it over
its control socket, and replaces it if it is of another version or hangs; requests in flight are finished by the old one.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from pegbox import __version__
from pegbox.bootstrap.gateway_keys import GatewayKeys, in_memory
from pegbox.bootstrap.gateway_listener import HeldListener
from pegbox.bootstrap.home import PORT_RANGE, Home, boot_id, process_start, read_json, write_private
from pegbox.errors import HomeError, PortTaken, ServerError
from pegbox.ports.keys import Keys
from pegbox.ports.routes import Drained

_log = logging.getLogger("pegbox.server.gateway")

#: File in the home that remembers the gateway's port.
PORT_FILE = "runtime-port"
#: Seconds given to a gateway to answer after its start, and to say something when it is spoken to.
READY_SECONDS = 30.0
WORD_SECONDS = 10.0
#: Seconds before a gateway is started again: doubled each time it ended before it said a word.
PAUSES = (0.1, 15.0)
#: A gateway that does not start is waited for by clients until this pause; then they are refused.
HOLD_SECONDS = 2.0
#: Seconds that a new gateway has to load, before the one that it replaces is told to end.
OVERLAP_SECONDS = 1.0
#: The gateway's log is put aside at a start when it is longer than this.
LOG_BYTES = 16 * 2**20
#: What a gateway inherits of the environment; it needs no secret.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayPolicy:
    """How gateways are started.

    Attributes:
        host: Loopback address to listen on.
        port: Port to listen on; 0 for the one chosen at the first start.
        allowed_hosts: Names besides the loopback ones that Host may carry.
        capture_free_percent: Data capture pauses while less of a disk is free.
        log_level: Least level that is logged.
        idle_seconds: Seconds without endpoints after which a gateway ends.
    """

    host: str = "127.0.0.1"
    port: int = 0
    allowed_hosts: Sequence[str] = ()
    capture_free_percent: float = 5.0
    log_level: str = "info"
    idle_seconds: float = 60.0


class GatewayRoutes:
    """The ``Routes`` port over a gateway process. One thread talks to it and keeps it running.

    Args:
        home: The home.
        policy: How gateways are started.
        keys: Master keys of which the gateway gets data keys.

    Raises:
        HomeError: No port can be chosen.
    """

    def __init__(self, home: Home, policy: GatewayPolicy, keys: Keys | None = None) -> None:
        self._home = home
        self._policy = policy
        self._keys = GatewayKeys(keys)
        self._folder = home.path / "gateway"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = _port(home, policy)
        host = f"[{policy.host}]" if ":" in policy.host else policy.host
        #: Where the gateway answers, when one runs.
        self.url = f"http://{host}:{port}"
        self._port = port
        self._socket_path = home.gateway_socket()
        self._lock = threading.Lock()
        self._snapshot: Mapping[str, Any] = read_json(self._folder / "routes.json")
        self._unwritten = False
        #: Instances that left the snapshot and were not told to be drained.
        self._left: set[int] = set()
        self._captures: Mapping[str, Any] = {}
        #: Version of the snapshot that the gateway last said it had applied.
        self._applied = 0
        self._sink: Callable[[Drained], None] | None = None
        self._wanted = False
        self._closing = False
        self._thread: threading.Thread | None = None
        self._waking, self._wakes = socket.socketpair()
        self._waking.setblocking(False)
        self._wakes.setblocking(False)
        self._process: subprocess.Popen[bytes] | None = None
        #: Earlier processes that may still finish what they had.
        self._former: list[subprocess.Popen[bytes]] = []
        self._listener = HeldListener(policy.host, port)
        #: Whether the gateway said a word since it was started: then it had started well.
        self._spoke = False
        self._pause = PAUSES[0]

    # Called by the engine.

    def open(self, sink: Callable[[Drained], None]) -> None:
        """Start; ``sink`` is called from another thread."""
        self._sink = sink
        self._thread = threading.Thread(target=self._run, name="gateway", daemon=True)
        self._thread.start()

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Make a snapshot the current one: durable file first, then word to the gateway, which is started if it is needed."""
        with self._lock:
            before, after = _instances(self._snapshot), _instances(snapshot)
            self._left |= before - after
            self._left -= after
            self._snapshot = snapshot
            self._write()
        self._wake()

    def status(self) -> Mapping[str, Any]:
        """Return what the gateway last said of itself."""
        return {"captures": self._captures, "version": self._applied}

    def close(self) -> None:
        """End the connection; the gateway itself goes on."""
        self._closing = True
        self._wake()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._listener.close()
        self._waking.close()
        self._wakes.close()
        for process in [*self._former, *([self._process] if self._process else [])]:
            process.poll()
            process.returncode = process.returncode or 0  # It is meant to outlive us.

    # Called by request threads.

    def keys_changed(self) -> None:
        """A key was made, enabled or disabled: the gateway is told what it may use now."""
        self._wake()

    def ensure(self) -> str:
        """Return the gateway's address once one answers there, starting it if need be.

        Raises:
            ServerError: It does not start.
        """
        deadline = time.monotonic() + READY_SECONDS
        while not self.answers():
            self._wanted = True
            self._wake()
            if self._closing or time.monotonic() > deadline:
                raise ServerError(
                    f"the gateway does not answer at {self.url}; look into {self._home.path / 'logs' / 'gateway.log'}"
                )
            time.sleep(0.05)
        return self.url

    def answers(self) -> bool:
        """Return whether this home's gateway answers."""
        connection = HTTPConnection(self._policy.host, self._port, timeout=2.0)
        try:
            connection.request("GET", "/healthz")
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read(65536)).get("home_id") == self._home.id
        except (OSError, HTTPException, ValueError, AttributeError):
            return False
        finally:
            connection.close()

    def describe(self) -> dict[str, Any]:
        """Return facts about the gateway, as plain JSON data."""
        facts = living_gateway(self._home)
        return {
            "url": self.url,
            "state": "running" if facts else "stopped",
            "pid": facts["pid"] if facts else None,
            "version": facts["version"] if facts else None,
            "endpoints": len(self._snapshot.get("endpoints", {})),
        }

    # Within the thread.

    def _run(self) -> None:
        while not self._closing:
            try:
                self._step()
            except Exception:
                _log.exception("a fault beside the gateway")
                self._sleep(1.0)

    def _step(self) -> None:
        """Talk to the gateway until it ends, or start one, or wait until one is needed."""
        self._write_again()
        self._former = [process for process in self._former if process.poll() is None]
        facts = living_gateway(self._home)
        connection = self._connect() if facts else None
        if connection is not None and facts is not None:
            with contextlib.closing(connection):
                if facts["version"] != __version__ or facts["url"] != self.url:
                    self._replace(connection, facts)
                else:
                    self._talk(connection, int(facts["pid"]))
        elif self._needed():
            self._start()
        elif facts is not None:
            self._sleep(0.2)
        else:
            self._listener.close()
            self._all_drained()
            self._sleep(60.0)

    def _needed(self) -> bool:
        return self._wanted or bool(self._snapshot.get("endpoints")) or self._home.keep_file.exists()

    def _all_drained(self) -> None:
        """Nobody routes to anyone."""
        with self._lock:
            left, self._left = self._left, set()
            version = int(self._snapshot.get("version", 0))
        self._tell(version, left)

    def _talk(self, connection: socket.socket, pid: int) -> None:
        """Pass on words in both directions until the gateway ends or we do."""
        told = -1
        told_keys: Mapping[str, Any] | None = None
        heard = time.monotonic()
        greeted = False
        pending = b""
        with selectors.DefaultSelector() as selector:
            selector.register(connection, selectors.EVENT_READ)
            selector.register(self._waking, selectors.EVENT_READ)
            while not self._closing:
                version = int(self._snapshot.get("version", 0))
                keys = self._keys.message(self._snapshot)
                if keys != told_keys:
                    # Before the routes that need them.
                    connection.sendall(_line(keys))
                    told_keys = keys
                if version != told:
                    connection.sendall(_line({"type": "routes", "version": version}))
                    told = version
                ready = {
                    key.fileobj for key, _ in selector.select(1.0 if self._unwritten or not greeted else 60.0)
                }
                self._write_again()
                if self._waking in ready:
                    self._drain_wakes()
                if connection in ready:
                    data, descriptors, _, _ = socket.recv_fds(connection, 65536, 4)
                    self._listener.take(descriptors)
                    if not data:
                        self._ended()
                        return
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        answer = self._take(json.loads(line))
                        if answer is not None:
                            connection.sendall(_line(answer))
                    greeted = self._spoke = greeted or bool(lines)
                if not greeted and time.monotonic() - heard > WORD_SECONDS:
                    _log.error("the gateway (process %d) says nothing; it is killed", pid)
                    _kill(self._home, pid, signal.SIGKILL)
                    return

    def _take(self, message: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Act on a message of the gateway's; return the answer, if it asked something."""
        kind = message.get("type")
        if kind == "status":
            self._captures = message["captures"]
            return None
        if kind == "listener":
            return None
        if kind == "unwrap":
            return self._keys.opened(message)
        version = int(message["version"])
        with self._lock:
            if kind == "applied":
                self._applied = version
                # Those of a snapshot that it has not seen may still be sent requests.
                current = version >= int(self._snapshot.get("version", 0))
                ended = self._left - set(message["busy"]) if current else set()
            else:
                ended = self._left & set(message["instances"])
            self._left -= ended
        self._wanted = False
        self._tell(version, ended)
        return None

    def _tell(self, version: int, instances: set[int]) -> None:
        if instances and self._sink is not None:
            self._sink(Drained(version, tuple(sorted(instances))))

    def _replace(self, connection: socket.socket, facts: Mapping[str, Any]) -> None:
        """Load a new gateway beside the old one, then let the old one finish what it has."""
        _log.info(
            "the gateway (process %s) is of version %s at %s; it is replaced",
            facts["pid"],
            facts["version"],
            facts["url"],
        )
        if self._needed():
            self._spawn()
            time.sleep(OVERLAP_SECONDS)
        connection.sendall(_line({"type": "end"}))
        deadline = time.monotonic() + WORD_SECONDS
        while living_gateway(self._home) == facts and not self._closing:
            if time.monotonic() > deadline:
                _kill(self._home, int(facts["pid"]), signal.SIGKILL)
            time.sleep(0.02)
        self._wait_for_start()

    def _start(self) -> None:
        """Start a gateway and wait until it can be spoken to; one that does not start is tried again, ever more slowly."""
        self._spawn()
        self._wait_for_start()

    def _wait_for_start(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._closing and time.monotonic() < deadline and living_gateway(self._home) is None:
            if self._process is None or self._process.poll() is not None:
                if self._needed():
                    self._ended()
                return
            time.sleep(0.02)

    def _spawn(self) -> None:
        log = _open_log(self._home.path / "logs" / "gateway.log")
        policy = self._policy
        if self._process is not None:
            self._former.append(self._process)
        command = [sys.executable, "-m", "pegbox.gateway", "--home", str(self._home.path)]
        command += ["--control", str(self._socket_path), "--host", policy.host, "--port", str(self._port)]
        command += ["--capture-free", str(policy.capture_free_percent / 100), "--log-level", policy.log_level]
        command += ["--idle-seconds", str(policy.idle_seconds), "--keys-on-stdin"]
        for name in policy.allowed_hosts:
            command += ["--allowed-host", name]
        listener = self._listener.open()
        if listener is not None:
            command += ["--listener", str(listener)]
        # With the process, so that it seals from its first request on.
        keys = in_memory(_line(self._keys.message(self._snapshot)))
        try:
            self._process = subprocess.Popen(
                command,
                cwd=self._home.path,
                env=_environment(),
                stdin=keys,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=() if listener is None else (listener,),
            )
        finally:
            os.close(log)
            os.close(keys)
        self._spoke = False
        _log.info("the gateway is started (process %d)", self._process.pid)

    def _ended(self) -> None:
        """The gateway has ended: note how, and wait if it did so at its start, ever longer."""
        status = None
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = self._process.wait(1.0)
        if not self._needed():
            self._listener.close()
            return
        self._pause = PAUSES[0] if self._spoke else min(2 * self._pause, PAUSES[1])
        _log.warning("the gateway has ended (status %s)", status)
        if self._pause > HOLD_SECONDS:
            self._listener.close()
        self._sleep(self._pause)

    def _connect(self) -> socket.socket | None:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(WORD_SECONDS)
            connection.connect(str(self._socket_path))
            return connection
        except OSError:
            connection.close()
            return None

    # Within either.

    def _write(self) -> None:
        """Write the current snapshot; what cannot be written is tried again."""
        try:
            write_private(self._folder / "routes.json", json.dumps(self._snapshot).encode())
            self._unwritten = False
        except HomeError as error:
            if not self._unwritten:
                _log.error("routes cannot be written: %s", error)
            self._unwritten = True

    def _write_again(self) -> None:
        if self._unwritten:
            with self._lock:
                self._write()

    def _wake(self) -> None:
        with contextlib.suppress(OSError):
            self._wakes.send(b"w")

    def _drain_wakes(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._waking.recv(4096):
                pass

    def _sleep(self, seconds: float) -> None:
        """Sleep until woken or the time is over."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._waking, selectors.EVENT_READ)
            selector.select(1.0 if self._unwritten else seconds)
        self._drain_wakes()


def _port(home: Home, policy: GatewayPolicy) -> int:
    """Return the gateway's port, choosing it at the first start."""
    file = home.path / PORT_FILE
    if policy.port:
        if file.exists() and file.read_text(errors="replace").strip() == str(policy.port):
            return policy.port
        write_private(file, f"{policy.port}\n".encode())
        return policy.port
    if file.exists():
        text = file.read_text(errors="replace").strip()
        if not (text.isdigit() and 0 < int(text) < 65536):
            raise HomeError(f"{file} holds {text!r}, which is no port; delete the file")
        return int(text)
    port = _free_port(home, policy.host)
    write_private(file, f"{port}\n".encode())
    return port


def _free_port(home: Home, host: str) -> int:
    """Return a free port, from a place of its own in the range that homes choose from."""
    low, high = PORT_RANGE
    start = int(home.id[::-1], 16) % (high - low)
    last: OSError | None = None
    for step in range(200):
        port = low + (start + step * 7) % (high - low)
        # Without SO_REUSEADDR: with it the server's own port, bound but not listened on yet, would look free.
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            try:
                probe.bind((host, port))
                return port
            except OSError as error:
                last = error
    raise PortTaken(f"no free port found on {host} between {low} and {high}: {last}")


def living_gateway(home: Home) -> Mapping[str, Any] | None:
    """Return what ``gateway.json`` says if its process lives."""
    facts = read_json(home.path / "gateway.json")
    try:
        if facts.get("boot_id") != boot_id():
            return None
        started = process_start(int(facts["pid"]))
        return facts if started is not None and abs(started - float(facts["start_time"])) < 0.05 else None
    except (KeyError, TypeError, ValueError):
        return None


def _kill(home: Home, pid: int, number: signal.Signals) -> None:
    facts = living_gateway(home)
    if facts is not None and facts["pid"] == pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _instances(snapshot: Mapping[str, Any]) -> set[int]:
    return {
        int(instance["id"])
        for endpoint in snapshot.get("endpoints", {}).values()
        for variant in endpoint["variants"]
        for instance in variant["instances"]
    }


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    kept |= {name: value for name, value in os.environ.items() if name.startswith("PEGBOX_TEST_")}
    if "PYTHONPATH" in kept:
        entries = kept["PYTHONPATH"].split(os.pathsep)
        kept["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in entries if entry)
    return kept


def _open_log(file: Path) -> int:
    with contextlib.suppress(OSError):
        if file.stat().st_size > LOG_BYTES:
            file.replace(file.with_suffix(".log.1"))
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
