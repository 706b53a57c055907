"""What to do next for one endpoint: wanted instances against those that live. Pure.

:func:`plan` looks at a snapshot and returns instructions; the caller carries them out and asks again until nothing is left to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from pegbox.domain.hosting import Endpoint, EndpointInstance, EndpointStatus, Generation, InstanceState
from pegbox.engine.hosting.machine import MAX_STARTS, failed_in_a_row, hopeless, reason_of

#: A variant of a generation: (generation's number, variant's name).
Slot: TypeAlias = tuple[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """An endpoint as the planner sees it."""

    endpoint: Endpoint
    #: Instances that have not ended, by row id.
    live: Sequence[EndpointInstance]
    #: Ended instances of each slot, oldest first.
    past: Mapping[Slot, Sequence[EndpointInstance]] = field(default_factory=dict)
    #: Monotonic time before which a slot gets no new instance.
    retry_at: Mapping[Slot, float] = field(default_factory=dict)
    #: Draining instances without a request in flight.
    drained: frozenset[int] = frozenset()
    #: Monotonic time at which a draining instance is stopped in any case.
    drain_until: Mapping[int, float] = field(default_factory=dict)

    def tries(self, slot: Slot) -> list[EndpointInstance]:
        """Return the ended instances of a slot that were started after its newest ready one, oldest first."""
        ready = (i.id for i in self.live if _slot(i) == slot and i.state is InstanceState.READY)
        since = max(ready, default=0)
        return [item for item in self.past.get(slot, ()) if item.id > since]


@dataclass(frozen=True, slots=True)
class Launch:
    """Start an instance."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class Drain:
    """Take an instance from the routes."""

    instance: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End an instance."""

    instance: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Let the next generation serve: all its instances are ready."""


@dataclass(frozen=True, slots=True)
class Settle:
    """The numbers of instances that were asked for are reached."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The next generation, or more instances of this one, do not come up."""

    reason: str


@dataclass(frozen=True, slots=True)
class RolledBack:
    """Nothing is left of the generation that was given up."""


@dataclass(frozen=True, slots=True)
class GoOut:
    """A variant has no instance, and its new ones do not come up."""

    reason: str


@dataclass(frozen=True, slots=True)
class ComeBack:
    """Every variant has an instance again."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Nothing is left of an endpoint that is being deleted."""


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Look again at this monotonic time."""

    at: float


Instruction = (
    Launch | Drain | Stop | Promote | Settle | GiveUp | RolledBack | GoOut | ComeBack | Remove | WakeAt
)
_ACTIVE = (InstanceState.STARTING, InstanceState.READY)


def plan(view: Snapshot, time: float) -> list[Instruction]:
    """Return what to do now.

    Args:
        view: The endpoint.
        time: Monotonic seconds.
    """
    change = _change(view)
    if change is not None:
        return [change]
    return [*_retirements(view, time), *_launches(view, time)]


def routed(endpoint: Endpoint, instance: EndpointInstance) -> bool:
    """Return whether requests go to an instance: it is ready and of the generation that serves."""
    current = endpoint.current
    return (
        current is not None
        and endpoint.status.serving
        and instance.generation == current.number
        and instance.state is InstanceState.READY
    )


def wanted(endpoint: Endpoint) -> dict[Slot, int]:
    """Return how many instances of each slot there should be."""
    status = endpoint.status
    if status in (EndpointStatus.DELETING, EndpointStatus.FAILED):
        return {}
    generations = [endpoint.current]
    if status in (EndpointStatus.CREATING, EndpointStatus.UPDATING):
        generations.append(endpoint.next)
    return {
        (generation.number, item.name): item.desired
        for generation in generations
        if generation is not None
        for item in generation.variants
    }


def _change(view: Snapshot) -> Instruction | None:
    """Return the change of the endpoint itself that is due."""
    endpoint, status = view.endpoint, view.endpoint.status
    if status is EndpointStatus.DELETING:
        return None if view.live else Remove()
    if status is EndpointStatus.ROLLING_BACK:
        gone = endpoint.next is None or not any(i.generation == endpoint.next.number for i in view.live)
        return RolledBack() if gone else None
    if endpoint.next is not None and status in (EndpointStatus.CREATING, EndpointStatus.UPDATING):
        return Promote() if _complete(view, endpoint.next) else _given_up(view, endpoint.next)
    if endpoint.current is None:
        return None
    if status is EndpointStatus.UPDATING:
        return Settle() if _complete(view, endpoint.current) else _given_up(view, endpoint.current)
    missing = [item for item in endpoint.current.variants if item.desired and not _ready(view, item.name)]
    if status is EndpointStatus.OUT_OF_SERVICE:
        return None if missing else ComeBack()
    for item in missing:
        failed = failed_in_a_row(view.tries((endpoint.current.number, item.name)))
        if len(failed) >= MAX_STARTS:
            return GoOut(reason_of(failed[0], len(failed)))
    return None


def _ready(view: Snapshot, variant: str) -> int:
    """Return how many instances of a variant requests go to."""
    return sum(i.variant == variant and routed(view.endpoint, i) for i in view.live)


def _complete(view: Snapshot, generation: Generation) -> bool:
    return all(
        sum(
            i.generation == generation.number and i.variant == item.name and i.state is InstanceState.READY
            for i in view.live
        )
        >= item.desired
        for item in generation.variants
    )


def _given_up(view: Snapshot, generation: Generation) -> GiveUp | None:
    for item in generation.variants:
        tries = view.tries((generation.number, item.name))
        blamed = hopeless(tries)
        if blamed is not None and _missing(view, generation, item.name, item.desired):
            return GiveUp(reason_of(blamed, len(failed_in_a_row(tries))))
    return None


def _missing(view: Snapshot, generation: Generation, variant: str, desired: int) -> bool:
    slot = (generation.number, variant)
    return desired > sum(_slot(i) == slot and i.state is InstanceState.READY for i in view.live)


def _slot(instance: EndpointInstance) -> Slot:
    return instance.generation, instance.variant


def _retirements(view: Snapshot, time: float) -> Iterator[Instruction]:
    """Take surplus instances from the routes, those that start first, and end what has no request in flight."""
    want = wanted(view.endpoint)
    active: dict[Slot, list[EndpointInstance]] = {}
    for instance in view.live:
        if instance.state in _ACTIVE:
            active.setdefault(_slot(instance), []).append(instance)
        elif instance.state is InstanceState.DRAINING:
            until = view.drain_until.get(instance.id, time)
            if instance.id in view.drained or time >= until:
                yield Stop(instance.id)
            else:
                yield WakeAt(until)
    for slot, group in active.items():
        surplus = len(group) - want.get(slot, 0)
        leaving = sorted(group, key=lambda item: (item.state is InstanceState.READY, -item.id))
        for instance in leaving[: max(0, surplus)]:
            yield Drain(instance.id) if _was_routed(view.endpoint, instance) else Stop(instance.id)


def _was_routed(endpoint: Endpoint, instance: EndpointInstance) -> bool:
    """Return whether requests may be in flight at an instance that is about to leave."""
    current = endpoint.current
    return (
        instance.state is InstanceState.READY
        and current is not None
        and instance.generation <= current.number
    )


def _launches(view: Snapshot, time: float) -> Iterator[Instruction]:
    active: dict[Slot, int] = {}
    for instance in view.live:
        if instance.state in _ACTIVE:
            active[_slot(instance)] = active.get(_slot(instance), 0) + 1
    for slot, count in wanted(view.endpoint).items():
        missing = count - active.get(slot, 0)
        if missing <= 0:
            continue
        at = view.retry_at.get(slot, time)
        if at > time:
            yield WakeAt(at)
        else:
            yield from (Launch(slot) for _ in range(missing))
