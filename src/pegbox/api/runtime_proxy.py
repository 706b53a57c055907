"""Invocations of endpoints that come to the server's own address: handed to the gateway as they are, signature and all.

So one address serves every service. The gateway verifies, decides and answers; bodies pass through in parts, no faster than the
other side takes them, and nothing of them is kept here.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from concurrent.futures import Executor as Threads
from urllib.parse import urlsplit

import httptools
from starlette.types import Receive, Scope, Send

from pegbox.errors import PegboxError

_log = logging.getLogger("pegbox.api.runtime")

#: Headers that speak of one connection only.
_HOP_BY_HOP = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"te", b"upgrade", b"expect"})
_READ_BYTES = 65536


class RuntimeProxy:
    """An ASGI application that hands requests to the gateway.

    Args:
        url: The gateway's address.
        ensure: Returns once the gateway answers there, starting it if need be; blocks.
        threads: Where ``ensure`` is called.
    """

    def __init__(self, url: str, ensure: Callable[[], object], threads: Threads) -> None:
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._port = parts.port or 80
        self._ensure = ensure
        self._threads = threads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request and its answer on."""
        try:
            reader, writer = await self._connect()
        except (OSError, PegboxError) as error:
            _log.error("the gateway cannot be reached: %s", error)
            await _unavailable(send, f"The gateway cannot be reached: {error}")
            return
        pump = asyncio.ensure_future(_pass_request(scope, receive, writer))
        answer = _Answer(send)
        try:
            while not answer.complete:
                data = await reader.read(_READ_BYTES)
                if not data:
                    break
                await answer.feed(data)
            if not answer.started:
                await _unavailable(send, "The gateway closed the connection without an answer; try again.")
        except (OSError, httptools.HttpParserError) as error:
            _log.warning("an answer of the gateway was cut off: %s", error)
            if not answer.started:
                await _unavailable(send, "The gateway was interrupted; try again.")
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await pump
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        try:
            return await asyncio.open_connection(self._host, self._port)
        except ConnectionRefusedError:
            await asyncio.get_running_loop().run_in_executor(self._threads, self._ensure)
            return await asyncio.open_connection(self._host, self._port)


async def _pass_request(scope: Scope, receive: Receive, writer: asyncio.StreamWriter) -> None:
    """Send the request to the gateway, then wait for the client to go away and hang up for it."""
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    target = path + b"?" + query if query else path
    lines = [scope["method"].encode() + b" " + target + b" HTTP/1.1"]
    chunked = False
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            chunked = True
        if name not in _HOP_BY_HOP:
            lines.append(name + b": " + value)
    writer.write(b"\r\n".join([*lines, b"connection: close", b"", b""]))
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            writer.transport.abort()
            return
        body = message.get("body", b"")
        more = message.get("more_body", False)
        if chunked:
            body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + (b"" if more else b"0\r\n\r\n")
        writer.write(body)
        await writer.drain()
    while (await receive())["type"] != "http.disconnect":
        pass
    writer.transport.abort()


class _Answer:
    """Parses the gateway's answer and hands its parts to the client."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._parser = httptools.HttpResponseParser(self)
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._status = 0
        self.started = False
        self.complete = False

    async def feed(self, data: bytes) -> None:
        """Take bytes of the gateway."""
        self._parser.feed_data(data)
        if self._status and not self.started:
            self.started = True
            await self._send(
                {"type": "http.response.start", "status": self._status, "headers": self._headers}
            )
        if self.started and (self._parts or self.complete):
            body, self._parts = b"".join(self._parts), []
            await self._send({"type": "http.response.body", "body": body, "more_body": not self.complete})

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        if name.lower() not in _HOP_BY_HOP and name.lower() != b"transfer-encoding":
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The status is there."""
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
        else:
            self._headers.clear()

    def on_body(self, data: bytes) -> None:
        """Keep a part until it is sent."""
        self._parts.append(data)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self.complete = bool(self._status)


async def _unavailable(send: Send, words: str) -> None:
    body = json.dumps({"Message": words[:1000]}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"x-amzn-errortype", b"ServiceUnavailable"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
