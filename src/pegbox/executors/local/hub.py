"""The agents' listener: one thread that moves frames and watches processes, and decides nothing."""

from __future__ import annotations

import logging
import os
import selectors
import socket
import stat
import struct
import threading
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from pegbox.agent import processes
from pegbox.agent.codec import FrameBuffer, FrameError, encode_frame
from pegbox.errors import HomeError
from pegbox.executors.local.process import ProcessIdentity

_log = logging.getLogger(__name__)

#: Where process descriptors are missing, watched processes are looked at so often (seconds).
_LOOK_SECONDS = 0.2


class Connection:
    """One agent's connection. ``send`` may be called from any thread; everything else belongs to the hub."""

    def __init__(self, hub: Hub, channel: socket.socket, pid: int) -> None:
        self._hub = hub
        self.channel = channel
        #: Process id of the other side, as the kernel says.
        self.pid = pid
        self.buffer = FrameBuffer()
        self.closed = False
        self._lock = threading.Lock()
        self._outbox = bytearray()

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a frame; what the socket does not take now goes when it does. A closed connection takes nothing."""
        frame = encode_frame(dict(message))
        with self._lock:
            if self.closed:
                return
            if not self._outbox:
                try:
                    frame = frame[self.channel.send(frame) :]
                except BlockingIOError:
                    pass
                except OSError:
                    return
            self._outbox += frame
            waiting = bool(self._outbox)
        if waiting:
            self._hub.call(lambda: self._hub.want_write(self))

    def flush(self) -> bool:
        """Send what waits; return whether something still does."""
        with self._lock:
            try:
                while self._outbox:
                    del self._outbox[: self.channel.send(self._outbox)]
            except BlockingIOError:
                return True
            except OSError:
                self._outbox.clear()
            return False

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self.closed = True
            self.channel.close()


class Listener(Protocol):
    """Who is told what arrives; called in the hub's thread."""

    def received(self, connection: Connection, message: dict[str, Any]) -> None:
        """A message arrived."""
        ...

    def disconnected(self, connection: Connection) -> None:
        """The connection is gone: a hint to look, never a verdict."""
        ...


class Hub:
    """Accepts agents on a Unix socket of this user.

    Args:
        path: The socket; its folder is for this user only.
        listener: Who is told.
    """

    def __init__(self, path: Path, listener: Listener) -> None:
        self._path = path
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], object]] = deque()
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._blind: dict[ProcessIdentity, Callable[[], object]] = {}
        self._server: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._closing = False

    def open(self) -> None:
        """Listen and start the thread.

        Raises:
            HomeError: The socket cannot be made.
        """
        server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._path.exists() and stat.S_ISSOCK(self._path.lstat().st_mode):
                self._path.unlink()
            server.bind(str(self._path))
            self._path.chmod(0o600)
            server.listen(128)
        except OSError as error:
            server.close()
            raise HomeError(f"the agents' socket {self._path} cannot be made: {error}") from None
        server.setblocking(False)
        self._server = server
        self._selector.register(server, selectors.EVENT_READ, self._accept)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, self._woken)
        self._thread = threading.Thread(target=self._run, name="pegbox-agents", daemon=True)
        self._thread.start()

    def call(self, function: Callable[[], object]) -> None:
        """Run a function in the hub's thread, soon."""
        self._calls.append(function)
        try:
            os.write(self._wake_writer, b"!")
        except (BlockingIOError, OSError):
            return  # It is awake already, or closed.

    def watch(self, identity: ProcessIdentity, died: Callable[[], object]) -> None:
        """Call ``died`` once, in the hub's thread, when a process is gone."""
        self.call(lambda: self._watch(identity, died))

    def want_write(self, connection: Connection) -> None:
        """Finish sending when the socket takes more."""
        if not connection.closed:
            both = selectors.EVENT_READ | selectors.EVENT_WRITE
            self._selector.modify(connection.channel, both, lambda mask: self._serve(connection, mask))

    def close(self) -> None:
        """Stop listening and close all connections."""
        self._closing = True
        self.call(lambda: None)
        if self._thread is not None:
            self._thread.join()
        self._path.unlink(missing_ok=True)
        os.close(self._wake_reader)
        os.close(self._wake_writer)

    def _run(self) -> None:
        while not self._closing:
            for key, mask in self._selector.select(_LOOK_SECONDS if self._blind else None):
                self._guarded(key.data, mask)
            self._look()
            while self._calls and not self._closing:
                self._guarded(self._calls.popleft())
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
            elif key.fileobj != self._wake_reader:
                os.close(int(key.fd))
        self._selector.close()

    def _guarded(self, function: Callable[..., object], *arguments: object) -> None:
        try:
            function(*arguments)
        except Exception:
            _log.exception("the agents' listener met a fault of its own")

    def _woken(self, mask: int) -> None:
        try:
            while os.read(self._wake_reader, 4096):
                pass
        except BlockingIOError:
            return

    def _accept(self, mask: int) -> None:
        assert self._server is not None
        try:
            channel, _ = self._server.accept()
        except OSError:
            return
        channel.setblocking(False)
        pid, uid, _ = struct.unpack(
            "3i", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        )
        if uid != os.getuid():
            channel.close()
            return
        connection = Connection(self, channel, pid)
        self._selector.register(channel, selectors.EVENT_READ, lambda mask: self._serve(connection, mask))
        self._read(connection)

    def _serve(self, connection: Connection, mask: int) -> None:
        if mask & selectors.EVENT_WRITE and not connection.flush():
            self._selector.modify(
                connection.channel, selectors.EVENT_READ, lambda mask: self._serve(connection, mask)
            )
        if mask & selectors.EVENT_READ:
            self._read(connection)

    def _read(self, connection: Connection) -> None:
        try:
            data = connection.channel.recv(1 << 20)
            messages = connection.buffer.feed(data) if data else None
        except BlockingIOError:
            return
        except (OSError, FrameError) as error:
            _log.warning("an agent's connection is dropped: %s", error)
            messages = None
        if messages is None:
            self.drop(connection)
            return
        for message in messages:
            if connection.closed:
                return
            self._listener.received(connection, message)

    def read_rest(self, connection: Connection) -> None:
        """Read what a dead agent still sent, and close; only in the hub's thread."""
        connection.channel.setblocking(True)
        connection.channel.settimeout(1.0)
        while not connection.closed:
            self._read(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection and tell; only in the hub's thread."""
        if not connection.closed:
            self._selector.unregister(connection.channel)
            connection.close()
            self._listener.disconnected(connection)

    def _watch(self, identity: ProcessIdentity, died: Callable[[], object]) -> None:
        descriptor = processes.open_pidfd(identity.pid)
        if not identity.alive():
            if descriptor is not None:
                os.close(descriptor)
            died()
        elif descriptor is None:
            self._blind[identity] = died
        else:
            self._selector.register(
                descriptor, selectors.EVENT_READ, lambda mask: self._died(descriptor, died)
            )

    def _died(self, descriptor: int, died: Callable[[], object]) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        died()

    def _look(self) -> None:
        for identity in [one for one in self._blind if not one.alive()]:
            self._blind.pop(identity)()
