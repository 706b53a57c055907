"""A request and a response as plain data, independent of any HTTP library."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


class Response(NamedTuple):
    """What goes back to the client.

    Attributes:
        status: HTTP status.
        headers: Names and values; the length of the body is left to the HTTP server.
        body: The bytes.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came over the network.

    Attributes:
        method: For example ``POST``.
        path: The path exactly as sent, percent-encoding included.
        query: What follows ``?``, exactly as sent; empty if nothing does.
        headers: Names in lower case with their values, in order, repeated ones repeated. Values are the header's
            bytes read as Latin-1.
        body: The bytes.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Request:
        """Make a request from a request target (path and query together) and headers in any case."""
        path, _, query = target.partition("?")
        return cls(method, path, query, tuple((name.lower(), value) for name, value in headers), body)

    def header(self, name: str) -> str | None:
        """The first value of a header, or None. ``name`` is in lower case."""
        return next((value for key, value in self.headers if key == name), None)

    def header_values(self, name: str) -> list[str]:
        """All values of a header in order. ``name`` is in lower case."""
        return [value for key, value in self.headers if key == name]
