"""A model server for tests of the gateway: ``python -m pegbox.testing.stub_model_server unix:/path`` or ``http://127.0.0.1:PORT``.

It answers ``POST /invocations`` with the request's body and content type, and does what the custom attributes say,
separated by semicolons: ``status=415``, ``sleep=0.5``, ``hold=/path`` (until that file is there; it makes ``/path.held`` before),
``die`` (kill -9 of itself), ``half`` (a part of an answer, then the end), ``close`` (no answer), ``noise`` (no HTTP),
``stream=5`` (chunks), ``break=2`` (chunks, then the end), ``size=1000``, ``headers`` (tells what came), ``attributes=text``,
``type=text/csv``, ``http10``, ``pid``. It prints ``ready`` once it listens.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from urllib.parse import urlsplit

import httptools
import uvloop


class Connection(asyncio.Protocol):
    """One connection of the gateway."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep it."""
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.parser = httptools.HttpRequestParser(self)
        self.headers: dict[str, str] = {}
        self.url = b""
        self.body: list[bytes] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def data_received(self, data: bytes) -> None:
        """Parse."""
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self.url = url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self.headers[name.decode().lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        """Keep a part."""
        self.body.append(data)

    def on_message_complete(self) -> None:
        """Answer."""
        headers, self.headers = self.headers, {}
        body, self.body = b"".join(self.body), []
        if self.url == b"/ping":
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            return
        attributes = headers.get("x-amzn-sagemaker-custom-attributes", "")
        if not attributes:
            self.answer(200, headers.get("content-type", "application/octet-stream"), body)
            return
        task = asyncio.get_running_loop().create_task(self.obey(attributes, headers, body))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def answer(self, status: int, content_type: str, body: bytes, more: str = "") -> None:
        """Write a whole answer."""
        head = f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        self.transport.write(head.encode() + body)

    async def obey(self, attributes: str, headers: dict[str, str], body: bytes) -> None:
        """Do what the custom attributes say."""
        orders = dict(part.partition("=")[::2] for part in attributes.split(";"))
        await asyncio.sleep(float(orders.get("sleep", 0)))
        if "hold" in orders:
            open(orders["hold"] + ".held", "w").close()
            while not os.path.exists(orders["hold"]):
                await asyncio.sleep(0.02)
        if self.transport.is_closing():
            return
        if "die" in orders:
            os.kill(os.getpid(), signal.SIGKILL)
        if "close" in orders:
            self.transport.close()
        elif "noise" in orders:
            self.transport.write(b"what do you want?\r\n\r\n")
        elif "half" in orders:
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            self.transport.close()
        elif "http10" in orders:
            self.transport.write(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n" + body)
            self.transport.close()
        elif "stream" in orders or "break" in orders:
            await self.stream(int(orders.get("stream") or orders["break"]), "break" in orders, body)
        else:
            self.tell(orders, headers, body)

    def tell(self, orders: dict[str, str], headers: dict[str, str], body: bytes) -> None:
        """Answer with what was asked for."""
        if "headers" in orders:
            body = json.dumps(headers).encode()
        if "pid" in orders:
            body = str(os.getpid()).encode()
        if "size" in orders:
            body = b"x" * int(orders["size"])
        given = orders.get("attributes")
        more = f"x-amzn-sagemaker-custom-attributes: {given}\r\nx-secret: inner\r\n" if given else ""
        kind = orders.get("type", headers.get("content-type", "text/plain"))
        self.answer(int(orders.get("status", 200)), kind, body, more)

    async def stream(self, count: int, breaks: bool, body: bytes) -> None:
        """Answer in chunks."""
        self.transport.write(
            b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
        )
        for number in range(count):
            if self.transport.is_closing():
                return
            part = body + str(number).encode()
            self.transport.write(b"%x\r\n%b\r\n" % (len(part), part))
            await asyncio.sleep(0.01)
        if breaks:
            self.transport.close()
        else:
            self.transport.write(b"0\r\n\r\n")


async def main(address: str) -> None:
    """Serve."""
    loop = asyncio.get_running_loop()
    if address.startswith("unix:"):
        server = await loop.create_unix_server(Connection, address.removeprefix("unix:"))
    else:
        parts = urlsplit(address)
        server = await loop.create_server(Connection, parts.hostname, parts.port or 0)
    print("ready", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
