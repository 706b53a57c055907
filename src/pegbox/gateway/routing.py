"""Which instance answers: weights of variants, outstanding requests of instances, and the bounded queue before them.

One thread, the event loop's, uses the table. A request takes a :class:`Lease` of an instance and gives it back; while it has one
the instance counts it. Snapshots come in between: instances that stay keep their count and connections, those that left are
told to be drained once the last lease is given back.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from pegbox.errors import ApiError, ModelNotReadyException, ServiceUnavailable, ValidationError
from pegbox.gateway.snapshot import NOTHING, EndpointRoute, InstanceRoute, Snapshot, VariantRoute
from pegbox.gateway.upstream import ModelServer

#: Requests that one instance is sent at a time; more wait here, where they can still go to another one.
OUTSTANDING = 32
#: Requests of one endpoint that may wait, and the bytes of their bodies.
WAITING = 1024
WAITING_BYTES = 64 * 2**20
#: Seconds for which an instance that could not be reached is passed over.
BAD_SECONDS = 1.0
#: Seconds for which requests wait for an instance, counted from when the last one was lost.
PATIENCE_SECONDS = 10.0

#: States in which an endpoint answers.
_ANSWERING = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"})


class Instance:
    """A model server as the gateway sees it."""

    __slots__ = ("bad_until", "gone", "outstanding", "route", "server")

    def __init__(self, route: InstanceRoute, server: ModelServer) -> None:
        self.route = route
        self.server = server
        self.outstanding = 0
        #: Loop time until which it is passed over.
        self.bad_until = 0.0
        #: Whether it left the snapshot.
        self.gone = False


class Variant:
    """A variant's instances and the requests that wait for one of them."""

    __slots__ = ("instances", "lost_at", "route", "waiting")

    def __init__(self, route: VariantRoute, instances: list[Instance]) -> None:
        self.route = route
        self.instances = instances
        self.waiting: deque[asyncio.Future[None]] = deque()
        #: Loop time at which it had no usable instance any more, or None.
        self.lost_at: float | None = None

    def pick(self, now: float, tried: Collection[int]) -> Instance | None:
        """Return the instance for the next request, or None where none is free."""
        best: Instance | None = None
        at_random = self.route.routing == "RANDOM"
        free: list[Instance] = []
        for instance in self.instances:
            if instance.outstanding >= OUTSTANDING or instance.bad_until > now or instance.route.id in tried:
                continue
            if at_random:
                free.append(instance)
            elif best is None or instance.outstanding < best.outstanding:
                best, free = instance, [instance]
            elif instance.outstanding == best.outstanding:
                free.append(instance)
        if not free:
            return None
        return free[0] if len(free) == 1 else random.choice(free)

    def usable(self, now: float, tried: Collection[int]) -> bool:
        """Whether an instance will be free as soon as it has answered what it has."""
        return any(item.bad_until <= now and item.route.id not in tried for item in self.instances)


class Endpoint:
    """An endpoint and its queue."""

    __slots__ = ("route", "variants", "waiting", "waiting_bytes")

    def __init__(self, route: EndpointRoute) -> None:
        self.route = route
        self.variants: dict[str, Variant] = {}
        self.waiting = 0
        self.waiting_bytes = 0


@dataclass(slots=True)
class Lease:
    """An instance on loan to one request."""

    endpoint: Endpoint
    variant: Variant
    instance: Instance


class Table:
    """The endpoints of the current snapshot.

    Args:
        clock: The event loop's time.
        drained: Told the ids of instances that left the snapshot and have no request in flight any more.
    """

    def __init__(self, clock: Callable[[], float], drained: Callable[[Sequence[int]], None]) -> None:
        self._clock = clock
        self._drained = drained
        self.snapshot: Snapshot = NOTHING
        self._endpoints: dict[str, Endpoint] = {}
        self._leaving: dict[int, Instance] = {}

    @property
    def busy(self) -> list[int]:
        """Ids of instances that left the snapshot but still have requests in flight."""
        return sorted(self._leaving)

    @property
    def endpoints(self) -> Iterable[Endpoint]:
        """All endpoints."""
        return self._endpoints.values()

    def find(self, name: str) -> Endpoint | None:
        """Return an endpoint by its exact name."""
        return self._endpoints.get(name)

    def answering(self, name: str) -> Endpoint:
        """Return an endpoint that is in service.

        Raises:
            ValidationError: There is none of this name, or it is not in service.
        """
        endpoint = self._endpoints.get(name)
        words = f"Endpoint {name} of account {self.snapshot.account} not found."
        if endpoint is None:
            near = next((known for known in self._endpoints if known.lower() == name.lower()), None)
            raise ValidationError(
                f"{words} Upper and lower case count: there is {near!r}." if near else words
            )
        if endpoint.route.status not in _ANSWERING:
            raise ValidationError(f"{words[:-1]}: its status is {endpoint.route.status}.")
        return endpoint

    def apply(self, snapshot: Snapshot) -> None:
        """Go over to another snapshot; requests in flight and in the queue go on."""
        known = {item.route.id: item for item in self._instances()}
        known.update(self._leaving)
        old = self._endpoints
        self.snapshot = snapshot
        self._endpoints = {name: self._endpoint(route, known) for name, route in snapshot.endpoints.items()}
        kept = {item.route.id for item in self._instances()}
        left = [item for key, item in known.items() if key not in kept]
        for item in left:
            item.gone = True
        self._leaving = {item.route.id: item for item in left if item.outstanding}
        ended = [item for item in left if not item.outstanding]
        for item in ended:
            item.server.close()
        for endpoint in old.values():
            for variant in endpoint.variants.values():
                _wake_all(variant)
        if ended:
            self._drained([item.route.id for item in ended])

    def close(self) -> None:
        """Close all connections to model servers."""
        for item in [*self._instances(), *self._leaving.values()]:
            item.server.close()

    async def lease(
        self,
        name: str,
        target: str | None,
        tried: Collection[int],
        *,
        deadline: float,
        size: int,
    ) -> Lease:
        """Return an instance for a request, waiting for one if need be.

        Args:
            name: The endpoint's exact name.
            target: The variant that the client wants, or None for one by weight.
            tried: Ids of instances that lost this request already.
            deadline: Loop time at which the request's time is over.
            size: Bytes of its body, which the queue counts.

        Raises:
            ValidationError: No such endpoint or variant, or it is not in service.
            ServiceUnavailable: The queue is full, or no instance became usable in time.
            ModelNotReadyException: Its instances are all being started.
        """
        waited = False
        wanted = target
        while True:
            endpoint = self.answering(name)
            variant = self._variant(endpoint, wanted if wanted in endpoint.variants else target)
            wanted = variant.route.name
            now = self._clock()
            if waited or not variant.waiting:
                instance = variant.pick(now, tried)
                if instance is not None:
                    instance.outstanding += 1
                    variant.lost_at = None
                    return Lease(endpoint, variant, instance)
            if waited and tried and variant.pick(now, ()) is not None:
                _wake(variant)  # What is free is not for this request, but may be for the next one.
            await self._wait(
                endpoint, variant, tried, deadline=deadline, size=size, first=waited and not tried
            )
            waited = True

    def lease_now(self, name: str, target: str | None) -> Lease | None:
        """Return an instance for a request if one is free and nobody waits for it, else None.

        Raises:
            ValidationError: No such endpoint or variant, or it is not in service.
        """
        endpoint = self.answering(name)
        variant = self._variant(endpoint, target)
        instance = None if variant.waiting else variant.pick(self._clock(), ())
        if instance is None:
            return None
        instance.outstanding += 1
        variant.lost_at = None
        return Lease(endpoint, variant, instance)

    def release(self, lease: Lease) -> None:
        """Give an instance back."""
        instance = lease.instance
        instance.outstanding -= 1
        if instance.gone:
            if not instance.outstanding and self._leaving.pop(instance.route.id, None) is not None:
                instance.server.close()
                self._drained([instance.route.id])
            return
        endpoint = self._endpoints.get(lease.endpoint.route.name)
        variant = endpoint.variants.get(lease.variant.route.name) if endpoint is not None else None
        if variant is not None and variant.waiting:
            _wake(variant)

    def mark_bad(self, lease: Lease) -> None:
        """Pass an instance over for a moment, because it could not be reached or lost a request."""
        lease.instance.bad_until = self._clock() + BAD_SECONDS

    def mark_good(self, lease: Lease) -> None:
        """Believe an instance again: it answered."""
        lease.instance.bad_until = 0.0

    def _instances(self) -> Iterable[Instance]:
        for endpoint in self._endpoints.values():
            for variant in endpoint.variants.values():
                yield from variant.instances

    def _endpoint(self, route: EndpointRoute, known: dict[int, Instance]) -> Endpoint:
        endpoint = Endpoint(route)
        for variant in route.variants:
            instances = []
            for item in variant.instances:
                instance = known.get(item.id)
                if instance is None or instance.route.address != item.address:
                    instance = Instance(item, ModelServer(item.address))
                elif instance.gone:
                    instance.gone = False
                instance.route = item
                instances.append(instance)
            endpoint.variants[variant.name] = Variant(variant, instances)
        return endpoint

    def _variant(self, endpoint: Endpoint, target: str | None) -> Variant:
        variants = endpoint.variants
        if target is not None:
            found = variants.get(target)
            if found is None:
                raise ValidationError(
                    f"TargetVariant = {target!r}: endpoint {endpoint.route.name} has no such variant; "
                    f"its variants are {', '.join(sorted(variants)) or '(none)'}."
                )
            return found
        if len(variants) == 1:
            return next(iter(variants.values()))
        weights = [max(variant.route.weight, 0.0) for variant in variants.values()]
        if not any(weights):
            raise ValidationError(
                f"Endpoint {endpoint.route.name} has no variant with instances and a weight above 0; name one with "
                "TargetVariant, or give it both with UpdateEndpointWeightsAndCapacities."
            )
        return random.choices(list(variants.values()), weights)[0]

    async def _wait(
        self,
        endpoint: Endpoint,
        variant: Variant,
        tried: Collection[int],
        *,
        deadline: float,
        size: int,
        first: bool,
    ) -> None:
        """Wait until an instance may be free."""
        now = self._clock()
        until = deadline
        if not variant.usable(now, tried):
            if variant.lost_at is None:
                variant.lost_at = now
            until = min(until, variant.lost_at + PATIENCE_SECONDS)
            bad = [item.bad_until for item in variant.instances if item.bad_until > now]
            wake_at = min([until, *bad])
        else:
            variant.lost_at = None
            wake_at = until
        if now >= until:
            raise self._unavailable(endpoint, variant, now >= deadline)
        if endpoint.waiting >= WAITING or endpoint.waiting_bytes + size > WAITING_BYTES:
            raise ServiceUnavailable(
                f"Endpoint {endpoint.route.name} has {endpoint.waiting} requests waiting, which is all it may have; "
                "send fewer at a time or give it more instances."
            )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        timer = loop.call_at(wake_at, _finish, future)
        (variant.waiting.appendleft if first else variant.waiting.append)(future)
        endpoint.waiting += 1
        endpoint.waiting_bytes += size
        try:
            await future
        finally:
            timer.cancel()
            endpoint.waiting -= 1
            endpoint.waiting_bytes -= size
            if future in variant.waiting:
                variant.waiting.remove(future)
            elif future.cancelled():
                _wake(variant)

    def _unavailable(self, endpoint: Endpoint, variant: Variant, late: bool) -> ApiError:
        where = f"variant {variant.route.name} of endpoint {endpoint.route.name}"
        if late and variant.instances:
            return ServiceUnavailable(
                f"All instances of {where} were busy for the whole time of the request."
            )
        if not variant.instances:
            return ModelNotReadyException(
                f"No instance of {where} is ready: its model is being loaded, or its number of instances is 0."
            )
        return ServiceUnavailable(f"No instance of {where} can be reached.")


def _wake(variant: Variant) -> None:
    while variant.waiting:
        future = variant.waiting.popleft()
        if not future.done():
            future.set_result(None)
            return


def _wake_all(variant: Variant) -> None:
    while variant.waiting:
        _finish(variant.waiting.popleft())


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
