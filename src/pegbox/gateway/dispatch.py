"""Sending an invocation to an instance, and to another one when the first loses it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
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

    def start(self, invocation: Invocation, arrived: float, ended: Callable[[Sent], None]) -> bool:
        """Send an invocation at once if an instance and a connection to it are free; return whether they were.

        This is the common case, and it needs no task.

        Args:
            invocation: What is asked.
            arrived: Loop time at which it came.
            ended: Called when the answer has ended; :meth:`conclude` or :meth:`give_back` is then due.

        Raises:
            ApiError: It cannot be sent.
        """
        lease = self.table.lease_now(invocation.endpoint, invocation.target_variant)
        if lease is None:
            return False
        connection = lease.instance.server.kept()
        if connection is None:
            self.table.release(lease)
            return False
        self._check_size(lease, invocation)
        deadline = arrived + lease.variant.route.timeout_seconds
        timer = asyncio.get_running_loop().call_at(deadline, connection.close, TimeoutError())

        def on_end() -> None:
            timer.cancel()
            ended(sent)

        sent = Sent(lease, Answer(self._max_answer, on_end), connection, time.monotonic())
        head = model_request(invocation, lease.instance.server.host)
        connection.send(head, invocation.body, sent.answer)
        return True

    def conclude(self, sent: Sent, arrived: float) -> None:
        """Give the instance back after a whole answer, and count the invocation.

        Raises:
            ModelError: The answer is not whole, or not 2xx.
        """
        self.finish(sent, arrived)
        answer = sent.answer
        if answer.error is not None:
            raise self._no_answer(answer.error, sent.lease)
        if not 200 <= answer.status < 300:
            raise self._refusal(answer, sent.lease)

    def give_back(self, sent: Sent) -> None:
        """Give the instance back without counting the invocation: it is to be sent again."""
        sent.connection.close()
        self.table.release(sent.lease)

    async def send(
        self,
        invocation: Invocation,
        arrived: float,
        seconds: float | None = None,
        lost: Lease | None = None,
    ) -> Sent:
        """Return an instance's whole answer, which has status 2xx. The instance is given back and the invocation counted.

        Args:
            invocation: What is asked.
            arrived: Loop time at which it came.
            seconds: Time it may take, or None for the variant's.
            lost: The instance that lost it already.

        Raises:
            ModelError: The model server answered otherwise, too late, or not at all.
            ApiError: It could not be sent.
        """
        sent = await self._send(invocation, arrived, seconds, whole=True, before=lost)
        self.conclude(sent, arrived)
        return sent

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
            if answer.finished is not None:
                answer.finished.add_done_callback(lambda _: timer.cancel())
            return sent
        if answer.finished is not None:
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
        self,
        invocation: Invocation,
        arrived: float,
        seconds: float | None,
        *,
        whole: bool,
        before: Lease | None = None,
    ) -> Sent:
        """Send a request to one instance after the other until one answers or loses a part of its answer."""
        # Instances not to be asked again, and those that may have ended of this request. A kept connection that ended may
        # only have been old, so its instance is asked again if it can be reached; but a process that was just killed can
        # be reached for a moment, too.
        lost: set[int] = set()
        suspects: set[int] = set()
        if before is not None:
            suspects.add(before.instance.route.id)
            if not await self._lives(before):
                lost.add(before.instance.route.id)
        while True:
            lease, deadline = await self._lease(invocation, lost, arrived, seconds)
            started = time.monotonic()
            kept = False
            try:
                connection, answer = await self._ask(lease, invocation, deadline, whole)
                error = answer.error
                if isinstance(error, Broken) and not error.began:
                    await self._lives(lease)
                    lost.add(lease.instance.route.id)
                    suspects.add(lease.instance.route.id)
                    if len(suspects) < LOSSES:
                        continue
                kept = True
                return Sent(lease, answer, connection, started)
            except Unreachable:
                self.table.mark_bad(lease)
            finally:
                if not kept:
                    self.table.release(lease)

    async def _lives(self, lease: Lease) -> bool:
        """Whether an instance can be reached; it is passed over for a moment if not."""
        server = lease.instance.server
        try:
            server.keep(await server.connect())
            return True
        except Unreachable:
            self.table.mark_bad(lease)
            return False

    def _check_size(self, lease: Lease, invocation: Invocation) -> None:
        """Give the instance back if the body is too large for its variant.

        Raises:
            ValidationError: It is.
        """
        size, limit = len(invocation.body), lease.variant.route.max_payload_bytes
        if size > limit:
            self.table.release(lease)
            raise ValidationError(
                f"Body: has {size} bytes; endpoint {invocation.endpoint} takes at most {limit}. Send less at a time."
            )

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
        self._check_size(lease, invocation)
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
            answer = Answer.awaited(self._max_answer)
            if not whole:
                answer.begun = loop.create_future()
            connection.send(head, invocation.body, answer)
            timer = loop.call_at(deadline, connection.close, TimeoutError())
            try:
                await (answer.begun or answer.finished)  # type: ignore[misc]
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
