"""Sending an invocation to an instance, and to another one when the first loses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass

from pegbox.errors import ValidationError
from pegbox.gateway.answers import model_error
from pegbox.gateway.invocation import Invocation, model_request
from pegbox.gateway.metrics import Metrics
from pegbox.gateway.routing import Lease, Table
from pegbox.gateway.upstream import Answer, Broken, Connection, Unreachable

#: Instances that may lose one request before it is given up: it may be the request that ends them.
LOSSES = 3
#: Seconds a streamed answer may take in all.
STREAM_SECONDS = 480.0


@dataclass(slots=True)
class Sent:
    """A request that a model server is answering or has answered.

    Attributes:
        lease: The instance, on loan.
        answer: Its answer.
        connection: The connection it comes on.
        started: Loop time at which the request was sent.
    """

    lease: Lease
    answer: Answer
    connection: Connection
    started: float


class Dispatcher:
    """Sends invocations to instances.

    Args:
        table: The endpoints.
        metrics: Counts what happens.
        max_answer: Greatest size of an answer in bytes.
    """

    def __init__(self, table: Table, metrics: Metrics, *, max_answer: int) -> None:
        self.table = table
        self._metrics = metrics
        self._max_answer = max_answer

    async def send(self, invocation: Invocation, arrived: float, seconds: float | None = None) -> Sent:
        """Return an instance's whole answer, which has status 2xx. The instance is given back and the invocation counted.

        Args:
            invocation: What is asked.
            arrived: Loop time at which it came.
            seconds: Time it may take, or None for the variant's.

        Raises:
            ModelError: The model server answered otherwise, too late, or not at all.
            ApiError: It could not be sent.
        """
        sent = await self._send(invocation, arrived, seconds, whole=True)
        self.finish(sent, arrived)
        answer = sent.answer
        if answer.error is not None:
            raise self._no_answer(answer.error, sent.lease)
        if 200 <= answer.status < 300:
            return sent
        raise self._refusal(answer, sent.lease)

    async def open(self, invocation: Invocation, arrived: float) -> Sent:
        """Return an instance's answer with status 2xx once it has begun; the caller calls :meth:`finish` at its end.

        Raises:
            ModelError: The model server answered otherwise, too late, or not at all.
            ApiError: It could not be sent.
        """
        sent = await self._send(invocation, arrived, None, whole=False)
        answer = sent.answer
        if answer.error is None and 200 <= answer.status < 300:
            limit = arrived + STREAM_SECONDS - time.monotonic()
            timer = asyncio.get_running_loop().call_later(limit, sent.connection.close, TimeoutError())
            answer.finished.add_done_callback(lambda _: timer.cancel())
            return sent
        await answer.finished
        self.finish(sent, arrived)
        if answer.error is not None:
            raise self._no_answer(answer.error, sent.lease)
        raise self._refusal(answer, sent.lease)

    def finish(self, sent: Sent, arrived: float) -> None:
        """Give the instance back and count the invocation; its answer has ended."""
        now = time.monotonic()
        lease, answer = sent.lease, sent.answer
        if answer.error is None:
            lease.instance.server.keep(sent.connection)
            lease.instance.bad_until = 0.0
        else:
            sent.connection.close()
        self.table.release(lease)
        failed = answer.error is not None
        self._metrics.count(
            lease.endpoint.route.id,
            lease.variant.route.name,
            None if failed else answer.status,
            None if failed else (now - sent.started) * 1e6,
            (sent.started - arrived) * 1e6,
        )

    async def _send(
        self, invocation: Invocation, arrived: float, seconds: float | None, *, whole: bool
    ) -> Sent:
        """Send a request to one instance after the other until one answers or loses a part of its answer."""
        lost: set[int] = set()
        while True:
            lease, deadline = await self._lease(invocation, lost, arrived, seconds)
            started = time.monotonic()
            kept = False
            try:
                connection, answer = await self._ask(lease, invocation, deadline, whole)
                error = answer.error
                if isinstance(error, Broken) and not error.began and await self._lose(lease, lost):
                    continue
                kept = True
                return Sent(lease, answer, connection, started)
            except Unreachable:
                self.table.mark_bad(lease)
            finally:
                if not kept:
                    self.table.release(lease)

    async def _lose(self, lease: Lease, lost: set[int]) -> bool:
        """An instance closed the connection without a word: return whether another one may be asked."""
        server = lease.instance.server
        try:
            server.keep(await server.connect())
        except Unreachable:
            self.table.mark_bad(lease)
        lost.add(lease.instance.route.id)
        return len(lost) < LOSSES

    async def _lease(
        self, invocation: Invocation, lost: Collection[int], arrived: float, seconds: float | None
    ) -> tuple[Lease, float]:
        """Return an instance, and the loop time at which the request's time is over."""
        endpoint = self.table.find(invocation.endpoint)
        if seconds is None:
            times = [item.route.timeout_seconds for item in endpoint.variants.values()] if endpoint else ()
            seconds = max(times, default=60.0)
        size = len(invocation.body)
        deadline = arrived + seconds
        lease = await self.table.lease(
            invocation.endpoint, invocation.target_variant, lost, deadline=deadline, size=size
        )
        limit = lease.variant.route.max_payload_bytes
        if size > limit:
            self.table.release(lease)
            raise ValidationError(
                f"Body: has {size} bytes; endpoint {invocation.endpoint} takes at most {limit}. Send less at a time."
            )
        return lease, deadline

    async def _ask(
        self, lease: Lease, invocation: Invocation, deadline: float, whole: bool
    ) -> tuple[Connection, Answer]:
        """Send the request and wait for its answer, or for the answer's beginning.

        A kept connection may have been closed by the model server just now; the request then goes over a new one.
        """
        loop = asyncio.get_running_loop()
        server = lease.instance.server
        head = model_request(invocation, server.host)
        connection = await server.take()
        while True:
            answer = Answer(self._max_answer)
            if not whole:
                answer.begun = loop.create_future()
            connection.send(head, invocation.body, answer)
            timer = loop.call_at(deadline, connection.close, TimeoutError())
            try:
                await (answer.finished if answer.begun is None else answer.begun)
            except asyncio.CancelledError:
                connection.close()
                raise
            finally:
                timer.cancel()
            error = answer.error
            if isinstance(error, Broken) and not error.began and connection.sent > 1:
                try:
                    connection = await server.connect()
                except Unreachable:
                    return connection, answer
                continue
            return connection, answer

    def _no_answer(self, error: Exception, lease: Lease) -> Exception:
        if isinstance(error, TimeoutError):
            words = "The model server did not answer within the time of the request."
        elif isinstance(error, Broken) and not error.began:
            words = f"{LOSSES} model servers ended without an answer to this request."
        else:
            words = str(error)
        return model_error(0, words, lease.instance.route.log_stream_arn)

    def _refusal(self, answer: Answer, lease: Lease) -> Exception:
        words = answer.body[:8192].decode("utf-8", "replace")
        return model_error(answer.status, words, lease.instance.route.log_stream_arn)
