"""HTTP over plain sockets: what is sent is exactly what stands here, and connections are kept open as real clients do."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType

from pegbox.wire.http import Request


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer.

    Attributes:
        status: HTTP status; 0 where the server closed the connection without an answer.
        headers: Names in lower case.
        body: The bytes.
        seconds: From the first byte sent to the last byte read.
    """

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def accepted(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300


def to_bytes(request: Request, extra: Iterable[tuple[str, str]] = ()) -> bytes:
    """The request as HTTP/1.1 bytes, exactly as it stands, with its length, on a connection to be kept open."""
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in (*request.headers, *extra)]
    lines += [f"content-length: {len(request.body)}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + request.body


class RawConnection:
    """A connection to a server, opened when first needed and again whenever the server has closed it.

    Args:
        host: Address to connect to.
        port: Its port.
        timeout: Seconds to wait for bytes.
    """

    def __init__(self, host: str, port: int, timeout: float = 30.0) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._socket: socket.socket | None = None

    def __enter__(self) -> RawConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next exchange opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, request: bytes) -> Answer:
        """Send a request and read its answer.

        A connection that was kept open may be closed by the server at any time, also while we send. Then the request is
        sent once more on a new one, and only what happens there counts.
        """
        kept = self._socket is not None
        answer = self._exchange(request)
        if answer.status == 0 and kept:
            answer = self._exchange(request)
        return answer

    def _exchange(self, request: bytes) -> Answer:
        began = time.monotonic()
        try:
            if self._socket is None:
                self._socket = socket.create_connection(self._address, self._timeout)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # A refusal may have been written before the request was read to its end.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._socket.sendall(request)
            status, headers, body = self._read(self._socket, head_only=request.startswith(b"HEAD "))
        except (ConnectionError, EOFError):
            self.close()
            return Answer(0, {}, b"", time.monotonic() - began)
        except OSError:
            self.close()
            raise
        if headers.get("connection", "").lower() == "close" or status in (408, 413, 431):
            self.close()
        return Answer(status, headers, body, time.monotonic() - began)

    def _read(self, stream: socket.socket, head_only: bool) -> tuple[int, dict[str, str], bytes]:
        data = b""
        while b"\r\n\r\n" not in data:
            data += _some(stream)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = 0 if head_only else int(headers.get("content-length", 0))
        while len(body) < length:
            body += _some(stream)
        if len(body) > length or "transfer-encoding" in headers:
            raise ValueError(f"an answer has more bytes than it says: {(head + body)[:300]!r}")
        return int(first.split()[1]), headers, body


def _some(stream: socket.socket) -> bytes:
    data = stream.recv(65536)
    if not data:
        raise EOFError
    return data
