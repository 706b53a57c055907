"""Who may knock: Host on every request, Origin and Sec-Fetch-Site where a browser sends them.

A page of a foreign site can make the owner's browser send requests to loopback, and DNS rebinding can even make them look
like the site's own. Its requests then carry the foreign name in Host, or in Origin, and are refused before anything is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

#: Names of this machine's loopback.
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def host_name(authority: str) -> str | None:
    """Return the name in ``name``, ``name:port`` or ``[v6]:port``, in lower case without a final dot; None if it is none."""
    text = authority.strip().lower()
    if text.startswith("["):
        name, bracket, rest = text.partition("]")
        name += bracket
    else:
        name, colon, digits = text.partition(":")
        rest = colon + digits
    if rest and not (rest[0] == ":" and rest[1:].isdigit()):
        return None
    return name.rstrip(".") or None


class Doorman:
    """ASGI middleware that refuses requests from foreign names.

    Args:
        app: What lies behind the door.
        allowed: Names besides the loopback ones.
    """

    def __init__(self, app: ASGIApp, allowed: Iterable[str] = ()) -> None:
        self._app = app
        self._allowed = LOOPBACK_NAMES | {name.lower().rstrip(".") for name in allowed}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        fault = self._fault([(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]])
        if fault is None:
            await self._app(scope, receive, send)
            return
        body = json.dumps({"__type": "AccessDeniedException", "message": fault}).encode()
        headers = [
            (b"content-type", b"application/x-amz-json-1.1"),
            (b"x-amzn-errortype", b"AccessDeniedException"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})

    def _fault(self, headers: list[tuple[bytes, str]]) -> str | None:
        hosts = [value for name, value in headers if name == b"host"]
        if len(hosts) != 1:
            return "The request must carry exactly one Host header."
        if host_name(hosts[0]) not in self._allowed:
            return (
                f"The Host header {hosts[0][:100]!r} is not a name of this server; use its loopback address, "
                "or add the name to the setting allowed_hosts."
            )
        for name, value in headers:
            if name == b"origin" and not self._same_origin(value, hosts[0]):
                return f"Requests from the web page origin {value[:100]!r} are refused."
            if name == b"sec-fetch-site" and value not in ("same-origin", "none"):
                return "Requests from other web pages are refused."
        return None

    def _same_origin(self, origin: str, host: str) -> bool:
        scheme, separator, authority = origin.lower().partition("://")
        return bool(separator) and scheme in ("http", "https") and authority == host.strip().lower()
