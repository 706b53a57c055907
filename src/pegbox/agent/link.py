"""The agent's end of the connection to the server: never blocks on it, never dies of it."""

from __future__ import annotations

import select
import time

from pegbox.agent.codec import FrameBuffer, FrameError, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: First and longest pause between attempts to connect, in seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 1.0


class Link:
    """One connection, made again whenever it is lost.

    Attributes:
        welcome: Whether the server has accepted this agent on the current connection.
        gone_since: Monotonic time since which there is no welcome, or None.
    """

    def __init__(self, path: str, hello: Callable[[], dict[str, Any]]) -> None:
        self._path = path
        self._hello = hello
        self._socket: Any = None
        self._buffer = FrameBuffer()
        self._outbox = bytearray()
        self._pause = FIRST_PAUSE
        self._next_try = 0.0
        self.welcome = False
        self.gone_since: float | None = time.monotonic()

    def send(self, message: dict[str, Any]) -> None:
        """Queue a message and send what the socket takes; without a connection it is dropped (the spool has it)."""
        if self._socket is not None:
            self._outbox += encode_frame(message)
            self._flush()

    @property
    def backlog(self) -> int:
        """Bytes that wait for the socket."""
        return len(self._outbox)

    def wait(
        self, seconds: float, descriptors: tuple[int, ...] = ()
    ) -> tuple[list[dict[str, Any]], set[int]]:
        """Wait for messages or for a descriptor to become readable, at most some seconds.

        Returns:
            The messages received and the descriptors that are readable.
        """
        now = time.monotonic()
        if self._socket is None and now >= self._next_try:
            self._connect(now)
        if self._socket is None:
            seconds = min(seconds, max(0.0, self._next_try - now))
        poll = select.poll()
        for descriptor in descriptors:
            poll.register(descriptor, select.POLLIN)
        own = -1
        if self._socket is not None:
            own = self._socket.fileno()
            poll.register(own, select.POLLIN | (select.POLLOUT if self._outbox else 0))
        ready = {descriptor for descriptor, _ in poll.poll(max(0.0, seconds) * 1000)}
        messages: list[dict[str, Any]] = []
        if own in ready:
            ready.discard(own)
            self._flush()
            messages = self._receive()
        return messages, ready

    def accepted(self) -> None:
        """The server said welcome."""
        self.welcome = True
        self.gone_since = None
        self._pause = FIRST_PAUSE

    def _connect(self, now: float) -> None:
        import _socket

        connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            connection.connect(self._path)
            connection.setblocking(False)
        except OSError:
            connection.close()
            self._next_try = now + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)
            return
        self._socket = connection
        self._buffer = FrameBuffer()
        self._outbox = bytearray()
        self.send(self._hello())

    def _flush(self) -> None:
        try:
            while self._outbox and self._socket is not None:
                sent = self._socket.send(self._outbox)
                del self._outbox[:sent]
        except BlockingIOError:
            pass
        except OSError:
            # What the server sent before it went away is still to be read; the end of the stream tells the rest.
            self._outbox.clear()

    def _receive(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = []
        try:
            while self._socket is not None:
                data = self._socket.recv(1 << 18)
                if not data:
                    self.drop()
                    break
                messages += self._buffer.feed(data)
        except BlockingIOError:
            pass
        except (OSError, FrameError):
            self.drop()
        return messages

    def drop(self) -> None:
        """Close the connection; another is made after a pause."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        now = time.monotonic()
        self.welcome = False
        if self.gone_since is None:
            self.gone_since = now
        self._next_try = now + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
