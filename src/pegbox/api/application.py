"""The ASGI application: one door for every service and protocol, and an unsigned sign of life."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Threads
from dataclasses import dataclass
from datetime import datetime

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse
from starlette.responses import Response as HttpResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from pegbox.api.dispatch import Table
from pegbox.api.doorman import Doorman
from pegbox.errors import ApiError, InternalFailure, PegboxError, ServiceUnavailable, StoreFull
from pegbox.wire import Call, Request, Response, Service, Verifier

_log = logging.getLogger("pegbox.api")


@dataclass(frozen=True, kw_only=True)
class Served:
    """What the application needs, and who it says it is."""

    #: Recognises, reads and answers requests of every service.
    service: Service
    #: Handler of each (service, operation).
    table: Table
    #: Checks signatures.
    verifier: Verifier
    #: Threads in which requests are checked and handled; handlers block until their effect is committed.
    threads: Threads
    #: The current time.
    now: Callable[[], datetime]
    #: Told that a signed request came.
    touched: Callable[[], None]
    version: str
    home_id: str
    max_body_bytes: int = 16 * 2**20
    #: Names besides the loopback ones that Host may carry.
    allowed_hosts: Sequence[str] = ()
    #: Takes invocations of endpoints; None where there is no gateway.
    runtime: ASGIApp | None = None


def create_app(served: Served) -> Starlette:
    """Return the application."""

    async def health(request: HttpRequest) -> HttpResponse:
        return JSONResponse({"version": served.version, "home_id": served.home_id})

    runtime = [Mount("/endpoints", served.runtime)] if served.runtime is not None else []
    return Starlette(
        routes=[
            Route("/healthz", health, methods=["GET"]),
            *runtime,
            Route("/{path:path}", _Door(served)),
        ],
        middleware=[Middleware(Doorman, allowed=served.allowed_hosts)],
    )


class _Door:
    """Takes every request but the sign of life: reads it within limits, and lets a thread verify and answer it."""

    def __init__(self, served: Served) -> None:
        self._served = served

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = HttpRequest(scope, receive)
        try:
            body = await self._body(http)
        except ClientDisconnect:
            return
        if body is None:
            words = f"The request's body is larger than {self._served.max_body_bytes} bytes."
            response = HttpResponse(words, 413, {"connection": "close"}, "text/plain")
        else:
            request = _plain(scope, body)
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._served.threads, self._answer, request)
            response = HttpResponse(answer.body, answer.status, dict(answer.headers))
        await response(scope, receive, send)

    async def _body(self, http: HttpRequest) -> bytes | None:
        """Return the body, or None as soon as it is known to be too large."""
        limit = self._served.max_body_bytes
        declared = http.headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > limit:
            return None
        parts: list[bytes] = []
        size = 0
        async for part in http.stream():
            size += len(part)
            if size > limit:
                return None
            parts.append(part)
        return b"".join(parts)

    def _answer(self, request: Request) -> Response:
        served = self._served
        request_id = str(uuid.uuid4())
        call = served.service.open(request)
        try:
            names = {call.signing_name} if call.signing_name else served.service.signing_names
            served.verifier.verify(request, served.now(), names)
            served.touched()
            params = call.params()
            handler = served.table[call.service or "", call.operation or ""]
            return call.respond(handler(params), request_id)
        except ApiError as error:
            return _refuse(call, error, request_id)
        except StoreFull as error:
            _log.error("%s %s: %s", request_id, call.operation, error)
            return call.respond_error(ServiceUnavailable(f"Nothing was changed: {error}"), request_id)
        except PegboxError as error:
            _log.exception("%s %s: %s", request_id, call.operation, error)
            return call.respond_error(InternalFailure(f"{error} (request {request_id})"), request_id)
        except Exception:
            _log.exception("%s %s: unhandled fault", request_id, call.operation)
            words = f"A fault of Pegbox; the server's log tells more under request {request_id}."
            return call.respond_error(InternalFailure(words), request_id)


def _refuse(call: Call, error: ApiError, request_id: str) -> Response:
    level = logging.ERROR if error.status >= 500 else logging.INFO
    _log.log(level, "%s %s: %s: %s", request_id, call.operation, error.code, error.message[:500])
    return call.respond_error(error, request_id)


def _plain(scope: Scope, body: bytes) -> Request:
    """Return the request as ``wire`` takes it: path and query as they were sent."""
    return Request(
        method=scope["method"],
        path=(scope.get("raw_path") or scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]),
        body=body,
    )
