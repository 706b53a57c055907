"""Which instance gets a request: weights, outstanding requests, the bounded queue, instances that come and go."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pegbox.errors import ModelNotReadyException, ServiceUnavailable, ValidationError
from pegbox.gateway import routing
from pegbox.gateway.routing import Lease, Table
from pegbox.gateway.snapshot import Snapshot, parse_snapshot
from pegbox.testing.gateway_rig import endpoint, variant


class Clock:
    """The loop's own time, which tests may push forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return asyncio.get_running_loop().time() + self.ahead


class Desk:
    """A table with what it said of drained instances."""

    def __init__(self) -> None:
        self.drained: list[int] = []
        self.clock = Clock()
        self.table = Table(self.clock, self.drained.extend)
        self._version = 0

    def apply(self, **endpoints: dict[str, Any]) -> None:
        """Apply a snapshot."""
        self._version += 1
        data = {"version": self._version, "region": "r", "account": "1", "endpoints": endpoints}
        self.table.apply(parse_snapshot(json.dumps(data).encode()))

    async def lease(self, target: str | None = None, size: int = 0, seconds: float = 60.0) -> Lease:
        """Lease an instance of endpoint ``e``."""
        return await self.table.lease("e", target, (), deadline=self.clock() + seconds, size=size)


def in_loop(test: Callable[[Desk], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run a test in an event loop of its own."""

    def run() -> None:
        async def main() -> None:
            await asyncio.wait_for(test(Desk()), 30)

        asyncio.run(main())

    run.__doc__ = test.__doc__
    return run


@in_loop
async def test_the_least_busy_instance_is_taken(desk: Desk) -> None:
    """Ten requests to three instances that answer nothing are spread evenly."""
    desk.apply(e=endpoint("unix:/a", "unix:/b", "unix:/c"))
    leases = [await desk.lease() for _ in range(9)]
    assert Counter(lease.instance.route.id for lease in leases) == {1: 3, 2: 3, 3: 3}
    desk.table.release(leases[4])
    again = await desk.lease()
    assert again.instance is leases[4].instance


@in_loop
async def test_random_routing_does_not_look_at_load(desk: Desk) -> None:
    """RANDOM spreads by chance, so that even a busy instance gets more."""
    desk.apply(e=endpoint("unix:/a", "unix:/b", routing="RANDOM"))
    seen = Counter([(await desk.lease()).instance.route.id for _ in range(40)])
    assert set(seen) == {1, 2}
    assert max(seen.values()) <= routing.OUTSTANDING


@in_loop
async def test_weights_share_requests(desk: Desk) -> None:
    """Nobody is sent to a variant of weight 0; the others get their share."""
    variants = [
        variant("a", *["unix:/a"] * 4, first=1, weight=0.0),
        variant("b", *["unix:/b"] * 8, first=11, weight=1.0),
        variant("c", *["unix:/c"] * 8, first=21, weight=1.0),
    ]
    desk.apply(e=endpoint(variants=variants))
    seen = Counter([(await desk.lease()).variant.route.name for _ in range(200)])
    assert set(seen) == {"b", "c"}
    assert min(seen.values()) > 50
    assert (await desk.lease(target="a")).variant.route.name == "a"
    desk.apply(
        e=endpoint(variants=[variant("a", "unix:/a", weight=0.0), variant("b", "unix:/b", weight=0.0)])
    )
    with pytest.raises(ValidationError, match="no variant with instances and a weight above 0"):
        await desk.lease()


@in_loop
async def test_the_queue_is_bounded_by_number_and_bytes(desk: Desk) -> None:
    """When all instances have all they may have, requests wait; when too many wait, they are sent away at once."""
    desk.apply(e=endpoint("unix:/a"))
    leases = [await desk.lease() for _ in range(routing.OUTSTANDING)]
    waiting = [asyncio.ensure_future(desk.lease(size=routing.WAITING_BYTES // 4)) for _ in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(ServiceUnavailable, match="4 requests waiting"):
        await desk.lease(size=1)
    waiting += [asyncio.ensure_future(desk.lease()) for _ in range(routing.WAITING - 4)]
    await asyncio.sleep(0.01)
    with pytest.raises(ServiceUnavailable, match="send fewer at a time"):
        await desk.lease()
    for lease in leases:
        desk.table.release(lease)
    served = await asyncio.gather(*waiting[: routing.OUTSTANDING])
    assert len(served) == routing.OUTSTANDING
    assert not waiting[routing.OUTSTANDING].done()
    for future in waiting:
        future.cancel()
    await asyncio.sleep(0.01)
    (shown,) = desk.table.endpoints
    assert (shown.waiting, shown.waiting_bytes) == (0, 0)


@in_loop
async def test_waiting_requests_are_served_in_order(desk: Desk) -> None:
    """First come, first served; one that gave up does not hold the others up."""
    desk.apply(e=endpoint("unix:/a"))
    leases = [await desk.lease() for _ in range(routing.OUTSTANDING)]
    order: list[int] = []

    async def wait(number: int) -> None:
        await desk.lease()
        order.append(number)

    tasks = [asyncio.ensure_future(wait(number)) for number in range(5)]
    await asyncio.sleep(0.01)
    tasks[1].cancel()
    for lease in leases[:4]:
        desk.table.release(lease)
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.01)
    assert order == [0, 2, 3, 4]


@in_loop
async def test_a_busy_variant_ends_in_time(desk: Desk) -> None:
    """A request whose time is over while it waits is told that all instances were busy."""
    desk.apply(e=endpoint("unix:/a"))
    for _ in range(routing.OUTSTANDING):
        await desk.lease()
    with pytest.raises(ServiceUnavailable, match="busy for the whole time"):
        await desk.lease(seconds=0.05)


@in_loop
async def test_without_instances_requests_wait_for_a_while(desk: Desk) -> None:
    """A request waits for an instance that a later snapshot brings; after the patience is used up none waits any more."""
    desk.apply(e=endpoint())
    waiting = asyncio.ensure_future(desk.lease())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    desk.apply(e=endpoint("unix:/a"))
    assert (await waiting).instance.route.id == 1
    desk.apply(e=endpoint())
    late = asyncio.ensure_future(desk.lease())
    await asyncio.sleep(0.01)
    late.cancel()
    desk.clock.ahead += routing.PATIENCE_SECONDS
    with pytest.raises(
        ModelNotReadyException, match="its model is being loaded, or its number of instances is 0"
    ):
        await desk.lease()


@in_loop
async def test_an_unreachable_instance_is_passed_over(desk: Desk) -> None:
    """A bad instance gets nothing for a moment; it is tried again afterwards."""
    desk.apply(e=endpoint("unix:/a", "unix:/b"))
    bad = await desk.lease()
    desk.table.mark_bad(bad)
    others = {(await desk.lease()).instance.route.id for _ in range(5)}
    assert others == {3 - bad.instance.route.id}
    desk.clock.ahead += routing.BAD_SECONDS
    assert bad.instance.route.id in {(await desk.lease()).instance.route.id for _ in range(12)}


@in_loop
async def test_instances_are_drained_when_nothing_is_in_flight(desk: Desk) -> None:
    """What leaves is told at once if idle, else with its last answer; what stays keeps its count, also when it comes back."""
    desk.apply(e=endpoint("unix:/a", "unix:/b", "unix:/c"))
    leases = {lease.instance.route.id: lease for lease in [await desk.lease() for _ in range(3)]}
    desk.table.release(leases[3])
    desk.apply(e=endpoint("unix:/a"))
    assert desk.drained == [3]
    assert desk.table.busy == [2]
    desk.table.release(leases[2])
    assert desk.drained == [3, 2]
    assert desk.table.busy == []
    desk.apply()
    assert desk.drained == [3, 2]
    desk.apply(e=endpoint("unix:/a"))
    assert (await desk.lease()).instance is leases[1].instance
    desk.table.release(leases[1])
    assert desk.table.busy == []


@in_loop
async def test_a_deleted_endpoint_ends_what_waits(desk: Desk) -> None:
    """A request that waits when its endpoint is deleted is told that there is none."""
    desk.apply(e=endpoint())
    waiting = asyncio.ensure_future(desk.lease())
    await asyncio.sleep(0.01)
    desk.apply()
    with pytest.raises(ValidationError, match="Endpoint e of account 1 not found"):
        await waiting


def test_before_the_first_snapshot_there_is_nothing() -> None:
    """A table without a snapshot knows no endpoint."""
    assert Snapshot(version=0, region="r", account="a").endpoints == {}
