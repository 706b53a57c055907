"""One client's connection: bytes in, requests out, answers back, without blocking."""

from __future__ import annotations

import select

from .messages import Answer, RequestReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from .messages import Request

#: Bytes taken from a connection at once.
_RECEIVE = 1 << 18


class Gone(Exception):
    """The client is not there any more, or does not take what it is sent."""


class Connection:
    """One connection.

    Attributes:
        owned: Whether a request of it is being answered, or waits for that; then nothing is read from it.
        detached: Whether the poller was told to forget it meanwhile.
        flushing: Whether an answer waits for the client to take it.
        closing: Whether it ends when what is to be sent is sent.
        request: The request that is being answered.
        started: Monotonic time when that began, or when the request began to wait.
        answering: Whether the answer has begun.
        abandoned: Whether the client was told that it took too long; what comes is thrown away.
    """

    def __init__(self, channel: socket.socket, most: int) -> None:
        self.channel = channel
        self.number = channel.fileno()
        self.reader = RequestReader(most)
        self.owned = self.detached = self.flushing = self.closing = False
        self.answering = self.abandoned = False
        self.request: Request | None = None
        self.started = 0.0
        self._outbox: Any = b""

    def receive(self) -> bool:
        """Take what arrived; return whether the connection goes on."""
        try:
            data = self.channel.recv(_RECEIVE)
        except (BlockingIOError, InterruptedError):
            return True
        except OSError:
            return False
        if not data:
            return False
        self.reader.feed(data)
        return True

    def send(self, data: bytes) -> bool:
        """Send what the client takes and keep the rest; return whether all is sent.

        Raises:
            Gone: The client went away.
        """
        try:
            sent = self.channel.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            raise Gone from None
        if sent == len(data):
            return True
        self._outbox = memoryview(data)[sent:]
        return False

    def flush(self) -> bool:
        """Send more of what was kept; return whether all is sent.

        Raises:
            Gone: The client went away.
        """
        try:
            sent = self.channel.send(self._outbox)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError:
            raise Gone from None
        self._outbox = self._outbox[sent:]
        return not len(self._outbox)

    def send_patiently(self, data: bytes, seconds: float) -> None:
        """Send all, waiting for the client at most some seconds each time.

        Raises:
            Gone: The client went away or takes nothing.
        """
        rest = memoryview(data)
        poller = None
        while len(rest):
            try:
                rest = rest[self.channel.send(rest) :]
            except (BlockingIOError, InterruptedError):
                if poller is None:
                    poller = select.poll()
                    poller.register(self.number, select.POLLOUT)
                if not poller.poll(seconds * 1000):
                    raise Gone from None
            except OSError:
                raise Gone from None

    def stream(self, answer: Answer, seconds: float, tick: Any) -> None:
        """Send an answer whose body comes in pieces; ``tick`` is called before each is asked for.

        Raises:
            Gone: The client went away.
            Exception: Whatever the body raises.
        """
        request = self.request
        assert request is not None
        in_chunks = request.chunks_allowed
        pieces = iter(answer.body)
        tick()
        piece = next(pieces, None)
        framing = "Transfer-Encoding: chunked" if in_chunks else ""
        self.closing = self.closing or not in_chunks
        self.send_patiently(answer.head(framing, not self.closing), seconds)
        while piece is not None:
            data = piece.encode() if isinstance(piece, str) else bytes(piece)
            if data:
                framed = b"%x\r\n%b\r\n" % (len(data), data) if in_chunks else data
                self.send_patiently(framed, seconds)
            tick()
            piece = next(pieces, None)
        if in_chunks:
            self.send_patiently(b"0\r\n\r\n", seconds)

    def close(self) -> None:
        """End it."""
        try:  # noqa: SIM105
            self.channel.close()
        except OSError:
            pass
