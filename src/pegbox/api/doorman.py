"""Who may knock: requests that were meant for someone else are refused before anything is read."""

from __future__ import annotations

import json
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from pegbox.wire.addressing import LOOPBACK_NAMES, foreign


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
        headers = (
            (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]
        )
        fault = foreign(headers, self._allowed)
        if fault is None:
            await self._app(scope, receive, send)
            return
        body = json.dumps({"__type": "AccessDeniedException", "message": fault}).encode()
        answer = [
            (b"content-type", b"application/x-amz-json-1.1"),
            (b"x-amzn-errortype", b"AccessDeniedException"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": answer})
        await send({"type": "http.response.body", "body": body if scope["method"] != "HEAD" else b""})
