"""A connection that cannot be held open or filled by a slow or endless request."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Greatest size of a request line with its headers, in bytes. A read from the network may exceed it once.
HEAD_BYTES = 65536
#: Greatest number of headers.
HEAD_COUNT = 200


class GuardedConnection(HttpToolsProtocol):
    """uvicorn's fast protocol with limits on size and time of a request.

    The head must stay below ``HEAD_BYTES`` and ``HEAD_COUNT``, and a request must be there whole ``request_seconds`` after
    the connection was opened or its first byte came. Else the client is told so, where that is still possible, and cut off.
    """

    #: Seconds for a whole request; a subclass with the wanted value is made by :meth:`within`.
    request_seconds = 30.0

    @classmethod
    def within(cls, request_seconds: float) -> type[GuardedConnection]:
        """Return the class with another time limit."""
        return type("GuardedConnection", (cls,), {"request_seconds": request_seconds})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Start the time for the first request."""
        super().connection_made(transport)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock."""
        self._stop_deadline()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, unless the head has grown too large."""
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self._refuse(431, "The request's headers are too large.")

    def on_message_begin(self) -> None:
        """Start the time of a request on a connection that was kept open."""
        super().on_message_begin()
        self._in_head = True
        if self._deadline is None:
            self._start_deadline()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header.

        Raises:
            ValueError: There are too many or they are too large; the parser answers 400.
        """
        if len(self.headers) >= HEAD_COUNT or len(name) + len(value) > HEAD_BYTES:
            raise ValueError("too many or too large headers")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body."""
        self._in_head = False
        self._head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is there: its time is over."""
        self._stop_deadline()
        self._in_head = True
        super().on_message_complete()

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.request_seconds, self._too_late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_late(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(408, "The request took too long.")

    def _refuse(self, status: int, words: str) -> None:
        """Tell the client and close; nothing is told in the middle of another answer."""
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            head = f"HTTP/1.1 {status} Refused\r\ncontent-type: text/plain; charset=utf-8\r\n"
            self.transport.write(
                f"{head}content-length: {len(words)}\r\nconnection: close\r\n\r\n{words}".encode()
            )
        self.transport.close()
