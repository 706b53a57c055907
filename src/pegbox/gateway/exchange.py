"""One request from its first to its last byte: checked, verified, dispatched, captured, answered."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Protocol

from pegbox.errors import AccessDeniedException, ApiError, InternalFailure
from pegbox.gateway.answers import error_answer, request_id, result_headers
from pegbox.gateway.capture import Capture
from pegbox.gateway.connection import Client
from pegbox.gateway.dispatch import Dispatcher, Sent
from pegbox.gateway.eventstream import exception, payload_part
from pegbox.gateway.invocation import Invocation, Operation, read_invocation
from pegbox.gateway.routing import Lease
from pegbox.gateway.upstream import Broken
from pegbox.wire.addressing import foreign
from pegbox.wire.http import Request, Response
from pegbox.wire.sigv4 import Verifier

_log = logging.getLogger("pegbox.gateway")

_SERVICES = frozenset({"sagemaker"})
_ATTRIBUTES = "x-amzn-sagemaker-custom-attributes"


class Queue(Protocol):
    """Takes asynchronous invocations; see :mod:`pegbox.gateway.queued`."""

    async def accept(self, invocation: Invocation, identity: str) -> Response:
        """Store an invocation durably and return the answer.

        Raises:
            ApiError: It cannot be taken.
        """
        ...


class Exchange:
    """Answers the requests of clients.

    Args:
        dispatcher: Sends invocations to instances.
        capture: Takes records.
        queue: Takes asynchronous invocations.
        verifier: Checks signatures.
        now: The current time, aware.
        allowed: Names that Host may carry.
        health: What ``GET /healthz`` tells.
        max_payload: Greatest size of a captured stream in bytes.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        capture: Capture,
        queue: Queue,
        verifier: Verifier,
        *,
        now: Callable[[], datetime],
        allowed: Collection[str],
        health: dict[str, str],
        max_payload: int,
    ) -> None:
        self._dispatcher = dispatcher
        self._capture = capture
        self._queue = queue
        self._verifier = verifier
        self._now = now
        self._allowed = allowed
        self._health = json.dumps(health).encode()
        self._max_payload = max_payload

    def begin(self, request: Request, client: Client) -> None:
        """Take a request; ``client`` is given its answer, now or later."""
        arrived = time.monotonic()
        identity = request_id()
        try:
            fault = foreign(request.headers, self._allowed)
            if fault is not None:
                raise AccessDeniedException(fault)
            if request.path == "/healthz" and request.method == "GET":
                client.reply(Response(200, (("Content-Type", "application/json"),), self._health))
                return
            self._verifier.verify(request, self._now(), _SERVICES)
            invocation = read_invocation(request)
            if invocation.operation is Operation.INVOKE and self._dispatcher.start(
                invocation, arrived, lambda sent: self._ended(sent, invocation, identity, client, arrived)
            ):
                return
        except Exception as error:
            client.reply(_error(error, identity))
            return
        client.reply_later(self._answer(invocation, identity, client, arrived, None))

    def _ended(
        self, sent: Sent, invocation: Invocation, identity: str, client: Client, arrived: float
    ) -> None:
        """An answer has ended: reply, or have the invocation sent again."""
        error = sent.answer.error
        if isinstance(error, Broken) and not error.began:
            self._dispatcher.give_back(sent)
            client.reply_later(self._answer(invocation, identity, client, arrived, sent.lease))
            return
        try:
            self._dispatcher.conclude(sent, arrived)
            response = self._result(sent, invocation, identity)
        except Exception as error:
            response = _error(error, identity)
        client.reply(response)

    async def _answer(
        self, invocation: Invocation, identity: str, client: Client, arrived: float, lost: Lease | None
    ) -> Response | None:
        """Return the answer to an invocation, or None where it was written already."""
        try:
            if invocation.operation is Operation.INVOKE:
                sent = await self._dispatcher.send(invocation, arrived, lost=lost)
                return self._result(sent, invocation, identity)
            if invocation.operation is Operation.ASYNC:
                return await self._queue.accept(invocation, identity)
            await self._stream(invocation, identity, client, arrived)
            return None
        except Exception as error:
            response = _error(error, identity)
            return None if client.streaming else response

    def _result(self, sent: Sent, invocation: Invocation, identity: str) -> Response:
        """Return a model server's answer as the client's; it is recorded first, if it is to be captured."""
        answer = sent.answer
        content_type = answer.headers.get("content-type")
        body = answer.body
        if self._capture.wants(sent.lease.endpoint.route.capture):
            self._record(sent, invocation, (content_type, body), identity)
        variant = sent.lease.variant.route.name
        headers = result_headers(identity, variant, content_type, answer.headers.get(_ATTRIBUTES))
        return Response(200, headers, body)

    async def _stream(self, invocation: Invocation, identity: str, client: Client, arrived: float) -> None:
        sent = await self._dispatcher.open(invocation, arrived)
        try:
            answer = sent.answer
            content_type = answer.headers.get("content-type")
            variant = sent.lease.variant.route.name
            attributes = answer.headers.get(_ATTRIBUTES)
            client.begin_stream(200, result_headers(identity, variant, content_type, attributes, stream=True))
            captured = _Captured(self._max_payload)
            wanted = self._capture.wants(sent.lease.endpoint.route.capture)
            await _hand_on(sent, client, captured if wanted else None)
            if wanted and answer.error is None and captured.whole:
                self._record(sent, invocation, (content_type, b"".join(captured.parts)), identity)
            if answer.error is not None:
                late = isinstance(answer.error, TimeoutError)
                code = "ModelInvocationTimeExceeded" if late else "StreamBroken"
                words = "The stream took too long." if late else str(answer.error)
                client.write_part(exception("ModelStreamError", words, code))
            client.end_stream()
        finally:
            if sent.answer.finished is not None and not sent.answer.finished.done():
                sent.connection.close()
            self._dispatcher.finish(sent, arrived)

    def _record(
        self, sent: Sent, invocation: Invocation, answer: tuple[str | None, bytes], identity: str
    ) -> None:
        lease = sent.lease
        self._capture.write(lease.endpoint.route, lease.variant.route.name, invocation, answer, identity)


def _error(error: Exception, identity: str) -> Response:
    """Return an error as a client reads it; what is nobody's mistake but ours goes to the log."""
    if isinstance(error, ApiError):
        _log.debug("%s: %s: %s", identity, error.code, error.message[:500])
        return error_answer(error, identity)
    _log.error("%s: unhandled fault", identity, exc_info=error)
    words = f"A fault of Pegbox; logs/gateway.log tells more under request {identity}."
    return error_answer(InternalFailure(words), identity)


class _Captured:
    """Keeps a streamed answer for its record, as long as it is not too large."""

    def __init__(self, limit: int) -> None:
        self.parts: list[bytes] = []
        self.whole = True
        self._left = limit

    def take(self, data: bytes) -> None:
        """Keep a part."""
        self._left -= len(data)
        if self._left < 0:
            self.whole = False
            self.parts.clear()
        else:
            self.parts.append(data)


async def _hand_on(sent: Sent, client: Client, captured: _Captured | None) -> None:
    """Hand the parts of an answer on as they come, no faster than the client takes them, until the answer or the client ends."""
    answer = sent.answer
    finished = answer.finished
    assert finished is not None
    loop = asyncio.get_running_loop()
    news: asyncio.Future[None] = loop.create_future()

    def take(data: bytes) -> None:
        if captured is not None:
            captured.take(data)
        client.write_part(payload_part(data))
        if client.slow or client.closed:
            sent.connection.pause(True)
            if not news.done():
                news.set_result(None)

    answer.hand_on(take)
    finished.add_done_callback(lambda _: None if news.done() else news.set_result(None))
    while not finished.done():
        await asyncio.wait([news, finished, client.gone], return_when=asyncio.FIRST_COMPLETED)
        if client.closed:
            sent.connection.close()
            return
        if client.slow:
            await client.drained()
        news = loop.create_future()
        sent.connection.pause(False)
