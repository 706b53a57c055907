"""Requests to model servers over kept connections.

A model server that ends takes its connections with it. What matters to the caller is how much of an answer had come by then:
nothing (another instance may be asked) or a part (the answer is lost).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from urllib.parse import urlsplit

import httptools

from pegbox.errors import PegboxError

#: Seconds for a connection to be made. AWS allows 0.25; a loaded machine needs more.
CONNECT_SECONDS = 2.0
#: Idle connections kept to one model server.
IDLE_CONNECTIONS = 64
#: Greatest head of an answer in bytes and in headers.
HEAD_BYTES = 65536
HEAD_COUNT = 200


class Unreachable(PegboxError):
    """No connection could be made; the request was not sent."""


class Broken(PegboxError):
    """The connection ended or carried no HTTP.

    Attributes:
        began: Whether a part of an answer had come.
    """

    def __init__(self, words: str, *, began: bool) -> None:
        super().__init__(words)
        self.began = began


class TooLarge(PegboxError):
    """The answer is larger than an answer may be."""


class Answer:
    """What a model server answers, while and after it comes.

    Args:
        limit: Greatest size of what is kept of the body, in bytes.
        on_end: Called at its end, at once.
    """

    __slots__ = (
        "_limit", "_on_end", "_sink", "_size", "begun", "error", "finished", "headers", "parts", "status",
    )  # fmt: skip

    def __init__(self, limit: int, on_end: Callable[[], None] | None = None) -> None:
        #: HTTP status; 0 until it is there.
        self.status = 0
        self.headers: dict[str, str] = {}
        #: Parts of the body that were not handed on.
        self.parts: list[bytes] = []
        #: Why there is no whole answer.
        self.error: Exception | None = None
        #: Done when the answer is complete, or cannot be completed; only made where someone waits for it.
        self.finished: asyncio.Future[None] | None = None
        #: Done when status and headers are there, or when ``finished`` is; only made where someone waits for it.
        self.begun: asyncio.Future[None] | None = None
        self._limit = limit
        self._on_end = on_end
        self._size = 0
        self._sink: Callable[[bytes], None] | None = None

    @classmethod
    def awaited(cls, limit: int) -> Answer:
        """Return an answer that is waited for."""
        answer = cls(limit)
        answer.finished = asyncio.get_running_loop().create_future()
        return answer

    @property
    def body(self) -> bytes:
        """The body kept."""
        return self.parts[0] if len(self.parts) == 1 else b"".join(self.parts)

    def hand_on(self, sink: Callable[[bytes], None]) -> None:
        """Give the body to ``sink``, what has come of it and what comes, instead of keeping it."""
        parts, self.parts = self.parts, []
        self._sink = sink
        for part in parts:
            sink(part)

    def take(self, data: bytes) -> None:
        """Take a part of the body.

        Raises:
            TooLarge: It is more than there may be.
        """
        if self._sink is not None:
            self._sink(data)
            return
        self._size += len(data)
        if self._size > self._limit:
            raise TooLarge(f"The model server's answer is larger than {self._limit} bytes.")
        self.parts.append(data)

    def began(self) -> None:
        """Status and headers are there."""
        if self.begun is not None and not self.begun.done():
            self.begun.set_result(None)

    def end(self, error: Exception | None = None) -> None:
        """The answer is complete, or ended by an error."""
        self.error = error
        if self.finished is not None and not self.finished.done():
            self.finished.set_result(None)
        self.began()
        if self._on_end is not None:
            self._on_end()


class Connection(asyncio.Protocol):
    """One connection to a model server; one request at a time."""

    def __init__(self, lost: Callable[[Connection], None]) -> None:
        self._lost = lost
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._head = 0
        self._began = False
        self._in_body = False
        self._until_close = False
        self._paused = False
        #: Requests sent on it.
        self.sent = 0
        self.transport: asyncio.Transport | None = None
        self.closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self.transport = transport  # type: ignore[assignment]

    def send(self, head: bytes, body: bytes, answer: Answer) -> None:
        """Send a request; its answer goes to ``answer``."""
        assert self.transport is not None
        self.sent += 1
        self._answer = answer
        self._began = self._in_body = self._until_close = False
        self._head = 0
        if len(body) < HEAD_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.writelines((head, body))

    def pause(self, paused: bool) -> None:
        """Stop or go on reading, because the client is slower than the model server."""
        if self.transport is not None and not self.closed and paused != self._paused:
            self._paused = paused
            (self.transport.pause_reading if paused else self.transport.resume_reading)()

    def close(self, error: Exception | None = None) -> None:
        """Close the connection; an answer that has not ended ends with ``error``."""
        self.closed = True
        if self._answer is not None:
            answer, self._answer = self._answer, None
            answer.end(error or Broken("The connection was closed.", began=self._began))
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Feed the parser."""
        if self._answer is None:
            # Words that nobody asked for: the next request could take them for its answer.
            self.close()
            return
        self._began = True
        if not self._in_body:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.close(Broken("The model server wants another protocol.", began=True))
        except httptools.HttpParserError as error:
            cause = error.__context__
            words = "The model server's answer is no HTTP."
            self.close(cause if isinstance(cause, TooLarge) else Broken(f"{words} {error}", began=True))
        else:
            if not self._in_body and self._answer is not None and self._head > 2 * HEAD_BYTES:
                self.close(Broken("The head of the model server's answer is too large.", began=True))

    def connection_lost(self, exc: Exception | None) -> None:
        """The model server closed the connection, or the machine did."""
        self.closed = True
        answer, self._answer = self._answer, None
        if answer is not None:
            if self._in_body and self._until_close and exc is None:
                answer.end()
            else:
                words = f" ({exc})" if exc is not None else ""
                answer.end(Broken(f"The model server closed the connection{words}.", began=self._began))
        self._lost(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header.

        Raises:
            ValueError: There are too many.
        """
        answer = self._answer
        if answer is not None:
            if len(answer.headers) >= HEAD_COUNT:
                raise ValueError("too many headers")
            answer.headers.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        answer = self._answer
        if answer is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            answer.headers.clear()
            return
        self._in_body = True
        answer.status = status
        headers = answer.headers
        chunked = "chunked" in headers.get("transfer-encoding", "").lower()
        self._until_close = not chunked and "content-length" not in headers and status not in (204, 304)
        answer.began()

    def on_body(self, data: bytes) -> None:
        """Hand on a part of the body."""
        if self._answer is not None:
            self._answer.take(data)

    def on_message_complete(self) -> None:
        """The answer is there; the connection may serve another request."""
        answer = self._answer
        if answer is None or not self._in_body:
            return  # An interim answer: the real one follows.
        self._answer = None
        if not self._parser.should_keep_alive():
            self.closed = True
            assert self.transport is not None
            self.transport.close()
        answer.end()


class ModelServer:
    """The connections to one model server.

    Args:
        address: ``unix:/path`` or ``http://host:port``.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._idle: list[Connection] = []
        self._closed = False
        #: What requests carry as Host.
        self.host = "localhost" if address.startswith("unix:") else urlsplit(address).netloc

    async def take(self) -> Connection:
        """Return a kept connection, or a new one.

        Raises:
            Unreachable: No connection could be made.
        """
        return self.kept() or await self.connect()

    def kept(self) -> Connection | None:
        """Return a kept connection, or None where there is none."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    def keep(self, connection: Connection) -> None:
        """Take a connection back after its answer has ended."""
        if not connection.closed and not self._closed and len(self._idle) < IDLE_CONNECTIONS:
            connection.pause(False)
            self._idle.append(connection)
        elif not connection.closed:
            connection.close()

    def close(self) -> None:
        """Close all connections without a request, and the others when theirs have ended."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    async def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            Unreachable: It could not be made.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                if self._address.startswith("unix:"):
                    path = self._address.removeprefix("unix:")
                    _, made = await loop.create_unix_connection(lambda: Connection(self._lost), path)
                else:
                    parts = urlsplit(self._address)
                    _, made = await loop.create_connection(
                        lambda: Connection(self._lost), parts.hostname or "", parts.port or 80
                    )
        except (OSError, asyncio.TimeoutError) as error:
            words = str(error) or f"no connection within {CONNECT_SECONDS:g} s"
            raise Unreachable(f"The model server at {self._address} cannot be reached: {words}.") from error
        return made

    def _lost(self, connection: Connection) -> None:
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)
