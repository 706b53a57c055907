"""HTTP/1.1 requests from bytes, and answers as bytes. No I/O."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable, Union

    Body = Union[bytes, Iterable[Any]]

#: Longest request line with headers, in bytes.
MAX_HEAD = 32 * 1024
#: Most headers.
MAX_HEADERS = 128
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
    505: "HTTP Version Not Supported",
}
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_DIGITS = re.compile(r"[0-9]{1,18}\Z")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")
_END = b"\r\n\r\n"


class BadRequest(Exception):
    """What came is not a request that can be answered; the connection is closed after saying so.

    Args:
        status: HTTP status of the answer.
        text: What is wrong.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Request:
    """One request.

    Attributes:
        method: Its method.
        path: Its path, without a query.
        headers: Its headers by lower-case name; of a repeated one the values with commas between them.
        body: Its body.
        keep_alive: Whether the connection stays open after the answer.
        chunks_allowed: Whether the client takes an answer in chunks.
    """

    __slots__ = ("body", "chunks_allowed", "headers", "keep_alive", "method", "path")

    def __init__(self, method: str, path: str, version: str, headers: dict[str, str]) -> None:
        self.method = method
        self.path = path
        self.headers = headers
        self.body = b""
        connection = headers.get("connection", "").lower()
        self.chunks_allowed = version == "HTTP/1.1"
        self.keep_alive = "close" not in connection if self.chunks_allowed else "keep-alive" in connection


class RequestReader:
    """Requests out of the bytes of one connection.

    Args:
        most: Longest body in bytes.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._data = bytearray()
        self._request: Request | None = None
        #: Length of the body that is awaited; -1 where it comes in chunks.
        self._length = 0
        self._chunks = bytearray()
        self._expects = False

    def feed(self, data: bytes) -> None:
        """Take bytes that arrived."""
        self._data += data

    @property
    def empty(self) -> bool:
        """Whether nothing of a request has arrived."""
        return not self._data and self._request is None

    def wants_continue(self) -> bool:
        """Whether the client waits for leave to send its body; told once."""
        expects, self._expects = self._expects, False
        return expects

    def next(self) -> Request | None:
        """Return the next whole request, or None when more bytes are needed.

        Raises:
            BadRequest: It is malformed or too large.
        """
        if self._request is None and not self._head():
            return None
        request = self._request
        assert request is not None
        if self._length < 0:
            body = self._chunked()
            if body is None:
                return None
        else:
            if len(self._data) < self._length:
                return None
            body = bytes(self._data[: self._length])
            del self._data[: self._length]
        request.body = body
        self._request = None
        self._expects = False
        return request

    def _head(self) -> bool:
        while self._data[:2] == b"\r\n":
            del self._data[:2]
        end = self._data.find(_END, 0, MAX_HEAD + len(_END))
        if end < 0:
            if len(self._data) > MAX_HEAD:
                raise BadRequest(431, f"the request's headers are longer than {MAX_HEAD} bytes")
            return False
        lines = self._data[:end].decode("latin-1").split("\r\n")
        del self._data[: end + len(_END)]
        method, path, version = _request_line(lines[0])
        headers = _headers(lines[1:])
        self._request = Request(method, path, version, headers)
        self._length = self._body_length(headers)
        self._expects = headers.get("expect", "").lower() == "100-continue" and version == "HTTP/1.1"
        return True

    def _body_length(self, headers: dict[str, str]) -> int:
        coding = headers.get("transfer-encoding")
        length = headers.get("content-length")
        if coding is not None:
            if length is not None:
                raise BadRequest(400, "Content-Length and Transfer-Encoding in one request")
            if coding.lower() != "chunked":
                raise BadRequest(501, f"Transfer-Encoding {coding[:40]!r} is not understood")
            return -1
        if length is None:
            return 0
        if not _DIGITS.match(length):
            raise BadRequest(400, f"Content-Length {length[:40]!r} is no number")
        number = int(length)
        if number > self._most:
            raise BadRequest(413, f"the body has {number} bytes; at most {self._most} are taken")
        return number

    def _chunked(self) -> bytes | None:
        while True:
            end = self._data.find(b"\r\n", 0, 4098)
            if end < 0:
                if len(self._data) > 4096:
                    raise BadRequest(400, "a chunk's header is too long")
                return None
            digits = bytes(self._data[:end]).partition(b";")[0].strip()
            if not _HEX.match(digits):
                raise BadRequest(400, "a chunk has no length")
            size = int(digits, 16)
            if size == 0:
                return self._trailers(end)
            if len(self._chunks) + size > self._most:
                raise BadRequest(413, f"the body has more than the {self._most} bytes that are taken")
            start = end + 2
            if len(self._data) < start + size + 2:
                return None
            if self._data[start + size : start + size + 2] != b"\r\n":
                raise BadRequest(400, "a chunk is longer than it says")
            self._chunks += self._data[start : start + size]
            del self._data[: start + size + 2]

    def _trailers(self, end: int) -> bytes | None:
        """Step over the trailers after the last chunk, whose header ends at ``end``."""
        if self._data[end + 2 : end + 4] == b"\r\n":
            stop = end + 4
        else:
            found = self._data.find(_END, end, end + MAX_HEAD)
            if found < 0:
                if len(self._data) > end + MAX_HEAD:
                    raise BadRequest(431, "the trailers are too long")
                return None
            stop = found + len(_END)
        body = bytes(self._chunks)
        self._chunks.clear()
        del self._data[:stop]
        return body


def _request_line(line: str) -> tuple[str, str, str]:
    words = line.split(" ")
    if len(words) != 3 or not _TOKEN.match(words[0]):
        raise BadRequest(400, f"{line[:60]!r} is no request line")
    method, target, version = words
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        known = version.startswith("HTTP/")
        raise BadRequest(505 if known else 400, f"{version[:40]!r} is not spoken here; use HTTP/1.1")
    if not target.startswith("/"):
        raise BadRequest(400, f"{target[:60]!r} is no path")
    return method, target.partition("?")[0], version


def _headers(lines: Iterable[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for count, line in enumerate(lines, 1):
        name, colon, value = line.partition(":")
        if not colon or not _TOKEN.match(name) or "\r" in value or "\n" in value or "\0" in value:
            raise BadRequest(400, f"{line[:60]!r} is no header")
        if count > MAX_HEADERS:
            raise BadRequest(431, f"there are more than {MAX_HEADERS} headers")
        name = name.lower()
        value = value.strip(" \t")
        if name not in headers:
            headers[name] = value
        elif name == "content-length":
            if headers[name] != value:
                raise BadRequest(400, "two different Content-Length headers")
        else:
            headers[name] += ", " + value
    return headers


class Answer:
    """One answer.

    Attributes:
        status: HTTP status.
        content_type: Type of the body.
        body: Bytes, or what yields them (or text) piece by piece.
        headers: Further headers.
    """

    __slots__ = ("body", "content_type", "headers", "status")

    def __init__(
        self, status: int, content_type: str, body: Body, headers: dict[str, str] | None = None
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.body = body
        self.headers = headers or {}

    @classmethod
    def text(cls, status: int, text: str) -> Answer:
        """Return an answer that is a line of text."""
        return cls(status, "text/plain; charset=utf-8", text.encode("utf-8", "replace"))

    def head(self, framing: str, keep_alive: bool) -> bytes:
        """Return the status line and headers; ``framing`` is the header that tells the body's end."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Status')}"]
        lines.append("Content-Type: " + _one_line(self.content_type))
        lines.extend(_one_line(name) + ": " + _one_line(value) for name, value in self.headers.items())
        if framing:
            lines.append(framing)
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def encode(self, keep_alive: bool) -> bytes:
        """Return the whole answer; its body must be bytes."""
        assert isinstance(self.body, bytes)
        return self.head(f"Content-Length: {len(self.body)}", keep_alive) + self.body


def _one_line(value: str) -> str:
    return str(value).replace("\r", " ").replace("\n", " ")


PONG = Answer(200, "text/plain", b"")
