"""Clients' connections: HTTP/1.1 over httptools, with limits on every size and time.

A connection serves one request at a time. Bodies of all requests together may have ``BODIES_BYTES``: beyond that a request is
sent away before its body is read, so that memory stays flat however many clients come.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

import httptools

from pegbox.wire.http import Request, Response

#: Greatest size of a request line with its headers, in bytes, and greatest number of headers.
HEAD_BYTES = 65536
HEAD_COUNT = 200
#: Greatest size of all bodies that are held at a time.
BODIES_BYTES = 256 * 2**20
#: Seconds for a whole request, for an idle connection, and for a client to take some of its answer.
REQUEST_SECONDS = 30.0
IDLE_SECONDS = 75.0
WRITE_SECONDS = 60.0

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class Handler(Protocol):
    """Answers requests; see :mod:`pegbox.gateway.exchange`."""

    def begin(self, request: Request, client: Client) -> None:
        """Take a request; :meth:`Client.reply` or :meth:`Client.reply_later` is called for it, now or later, once."""
        ...


class Front:
    """What all connections share.

    Args:
        handler: Answers requests.
        max_body: Greatest size of one body in bytes.
        connections: Connections at a time; more are told to come again.
        bodies: Greatest size of all bodies held at a time, in bytes.
    """

    def __init__(
        self, handler: Handler, *, max_body: int, connections: int = 1024, bodies: int = BODIES_BYTES
    ) -> None:
        self.handler = handler
        self.max_body = max_body
        self.max_connections = connections
        self.max_bodies = bodies
        self.open: set[Client] = set()
        #: Answers that are being made by tasks.
        self.tasks: set[asyncio.Task[None]] = set()
        #: Requests that have no answer yet.
        self.busy = 0
        #: Bytes of bodies held now.
        self.held = 0
        #: Set when the process is to end: answers then close their connections.
        self.ending = False

    def connection(self) -> Client:
        """Return the protocol of a new connection."""
        return Client(self)

    def sweep(self) -> None:
        """Close connections whose time is over; called every second or so."""
        now = asyncio.get_running_loop().time()
        for client in list(self.open):
            client.check_time(now)

    def end(self) -> None:
        """Close idle connections, and the others with their next answer."""
        self.ending = True
        for client in list(self.open):
            client.end()


class Client(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._parser = httptools.HttpRequestParser(self)
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body: list[bytes] = []
        self._size = 0
        #: Bytes of the bodies budget that this connection holds.
        self._held = 0
        self._head = 0
        self._in_head = True
        #: Loop time of the last thing that happened; what may be late is told by the state.
        self._since = self._loop.time()
        self._idle = True
        self._busy = False
        self._refused = False
        #: Whether the connection stays after the answer that is being made.
        self._keep = True
        self._waiting: list[tuple[Request, bool]] = []
        self._resumed: asyncio.Future[None] | None = None
        self._stopped_writing = False
        self._chunked = False
        self._gone: asyncio.Future[None] | None = None
        self.closed = False

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client came."""
        self._transport = transport  # type: ignore[assignment]
        front = self._front
        if len(front.open) >= front.max_connections:
            self._refuse(503, "ServiceUnavailable", "Too many connections; try again.")
            return
        front.open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client went away."""
        self.closed = True
        self._front.open.discard(self)
        self._waiting.clear()
        if not self._busy:
            self._give_back()
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head has grown too large."""
        if self._refused:
            return
        if self._in_head:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return  # Refused already, when the request was complete.
        except httptools.HttpParserError as error:
            self._refuse(400, "SerializationException", f"This is no HTTP request: {str(error)[:200]}")
            return
        if self._in_head and self._head > HEAD_BYTES and not self._refused:
            self._refuse(431, "ValidationError", "The request's headers are too large.")
        elif self._busy and self._waiting and self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it comes."""
        self._stopped_writing = True
        self._since = self._loop.time()
        if self._resumed is None or self._resumed.done():
            self._resumed = self._loop.create_future()

    def resume_writing(self) -> None:
        """The client has taken some."""
        self._stopped_writing = False
        if self._resumed is not None and not self._resumed.done():
            self._resumed.set_result(None)

    # Called by the parser.

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []
        self._body = []
        self._size = 0
        self._in_head = True
        if self._idle:
            self._idle = False
            self._since = self._loop.time()

    def on_url(self, url: bytes) -> None:
        """Keep a part of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header.

        Raises:
            ValueError: There are too many or they are too large.
        """
        if len(self._headers) >= HEAD_COUNT or len(name) + len(value) > HEAD_BYTES:
            raise ValueError("too many or too large headers")
        self._headers.append((_lower(name), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """Decide whether the body may come."""
        self._in_head = False
        self._head = 0
        declared = 0
        expects = False
        for name, value in self._headers:
            if name == "content-length" and value.isdigit():
                declared = int(value)
            elif name == "expect":
                expects = value.strip().lower() == "100-continue"
        front = self._front
        if declared > front.max_body:
            self._too_large()
        elif not self._hold(declared):
            self._too_much()
        elif expects and declared and self._transport is not None and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        """Keep a part of the body."""
        if self._refused:
            return
        self._size += len(data)
        if self._size > self._front.max_body:
            self._too_large()
        elif self._size > self._held and not self._hold(self._size - self._held):
            self._too_much()
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Answer the request, or let it wait for its turn."""
        if not self._refused and self._parser.should_upgrade():
            self._refuse(400, "SerializationException", "Only HTTP/1.1 is spoken here.")
        if self._refused:
            return
        self._idle = True
        self._in_head = True
        self._head = 0
        path, _, query = self._url.decode("latin-1").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        method = self._parser.get_method().decode("latin-1")
        request = Request(method, path, query, tuple(self._headers), body)
        self._body = []
        keep = self._parser.should_keep_alive()
        if self._busy:
            self._waiting.append((request, keep))
        else:
            self._start(request, keep)

    # Called by handlers.

    def reply(self, response: Response) -> None:
        """Send the answer to the request."""
        self._keep = self._keep and not self._front.ending
        self._send(response, self._keep)
        if self._stopped_writing:
            self._task(self._done_later())
        else:
            self._done()

    def reply_later(self, answer: Coroutine[Any, Any, Response | None]) -> None:
        """Send the answer that a coroutine returns; None where it wrote the answer itself."""
        self._task(self._deliver(answer))

    # Called by handlers that write their answer themselves.

    def begin_stream(self, status: int, headers: tuple[tuple[str, str], ...]) -> None:
        """Send the head of an answer whose length is not known yet."""
        self._chunked = True
        self._write(_head(status, (*headers, ("Transfer-Encoding", "chunked"))))

    def write_part(self, data: bytes) -> None:
        """Send a part of such an answer."""
        if data:
            self._write(b"%x\r\n%b\r\n" % (len(data), data))

    def end_stream(self) -> None:
        """Such an answer is whole."""
        self._chunked = False
        self._write(b"0\r\n\r\n")

    def abort(self) -> None:
        """Cut the client off: its answer cannot be completed."""
        if self._transport is not None:
            self._transport.abort()

    async def drained(self) -> None:
        """Wait until the client can take more."""
        while self._stopped_writing and not self.closed and self._resumed is not None:
            await self._resumed

    @property
    def streaming(self) -> bool:
        """Whether an answer whose length is not known has begun and not ended."""
        return self._chunked

    @property
    def gone(self) -> asyncio.Future[None]:
        """Done when the client has gone away."""
        if self._gone is None:
            self._gone = self._loop.create_future()
            if self.closed:
                self._gone.set_result(None)
        return self._gone

    @property
    def slow(self) -> bool:
        """Whether the client has more to take than it takes."""
        return self._stopped_writing and not self.closed

    # Times.

    def check_time(self, now: float) -> None:
        """Close the connection if its client is too late."""
        waited = now - self._since
        if self._stopped_writing:
            if waited > WRITE_SECONDS:
                self.abort()
        elif self._busy:
            return
        elif self._refused or (self._idle and waited > IDLE_SECONDS):
            self._close()
        elif not self._idle and waited > REQUEST_SECONDS:
            self._refuse(408, "ValidationError", "The request took too long.")

    def end(self) -> None:
        """Close the connection as soon as nothing is owed on it."""
        if not self._busy and self._idle:
            self._close()

    # Within.

    def _start(self, request: Request, keep: bool) -> None:
        self._busy = True
        self._keep = keep
        self._front.busy += 1
        self._front.handler.begin(request, self)

    async def _deliver(self, answer: Coroutine[Any, Any, Response | None]) -> None:
        response = await answer
        if response is not None:
            self.reply(response)
            return
        if self._chunked:
            self._keep = False  # The handler gave up in the middle.
            self.abort()
        await self.drained()
        self._done()

    async def _done_later(self) -> None:
        await self.drained()
        self._done()

    def _task(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        tasks = self._front.tasks
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def _done(self) -> None:
        """The answer has been taken: go on to the next request, if there is one."""
        front = self._front
        front.busy -= 1
        self._busy = False
        self._since = self._loop.time()
        if self.closed or not self._keep or front.ending:
            self._give_back()
            self._close()
        elif self._waiting:
            self._busy = True  # Until its turn comes; it is not started from within the answer before it.
            self._loop.call_soon(self._next)
        elif self._idle:
            self._give_back()

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            self._give_back()
            return
        following, keep = self._waiting.pop(0)
        if not self._waiting and self._transport is not None and not self.closed:
            self._transport.resume_reading()
        self._start(following, keep)

    def _send(self, response: Response, keep: bool) -> None:
        headers = [*response.headers, ("Content-Length", str(len(response.body)))]
        if not keep:
            headers.append(("Connection", "close"))
        head = _head(response.status, tuple(headers))
        if len(response.body) < HEAD_BYTES:
            self._write(head + response.body)
        else:
            self._write(head)
            self._write(response.body)

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.closed:
            self._transport.write(data)

    def _hold(self, size: int) -> bool:
        if self._front.held + size > self._front.max_bodies:
            return False
        self._front.held += size
        self._held += size
        return True

    def _give_back(self) -> None:
        self._front.held -= self._held
        self._held = 0

    def _too_large(self) -> None:
        limit = self._front.max_body
        self._refuse(413, "ValidationError", f"The request's body is larger than {limit} bytes.")

    def _too_much(self) -> None:
        self._refuse(503, "ServiceUnavailable", "The bodies of waiting requests fill the memory; try again.")

    def _refuse(self, status: int, code: str, words: str) -> None:
        """Tell the client and close; nothing is told in the middle of another answer."""
        self._refused = True
        self._body = []
        if not self._busy:
            body = json.dumps({"Message": words}).encode()
            headers = [("Content-Type", "application/json"), ("x-amzn-ErrorType", code)]
            if status == 503:
                headers.append(("Retry-After", "1"))
            self._send(Response(status, tuple(headers), body), False)
            # What the client still sends is read and dropped for a moment, so that it sees the answer and not a reset.
            self._since = self._loop.time()
            self._give_back()
            self._loop.call_later(1.0, self._close)
        else:
            self._close()

    def _close(self) -> None:
        if self._transport is not None and not self.closed:
            self._transport.close()


@lru_cache(maxsize=256)
def _short(name: bytes) -> str:
    return name.decode("latin-1").lower()


def _lower(name: bytes) -> str:
    """Return a header's name in lower case; clients use few different ones, so the short ones are remembered."""
    return _short(name) if len(name) <= 64 else name.decode("latin-1").lower()


def _head(status: int, headers: tuple[tuple[str, str], ...]) -> bytes:
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Answer')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
