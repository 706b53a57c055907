"""What the engine knows of endpoints between two steps; rebuilt from the store after a crash."""

from __future__ import annotations

from dataclasses import dataclass, field

from pegbox.domain.hosting import Endpoint, EndpointInstance, EndpointStatus, InstanceState
from pegbox.engine.hosting.reconcile import Slot, Snapshot
from pegbox.ports.store import Reader

#: Ended instances of an endpoint that are kept with their logs.
KEPT_INSTANCES = 50


@dataclass(slots=True, kw_only=True)
class ActiveEndpoint:
    """An endpoint with its instances."""

    record: Endpoint
    #: The record as the store has it.
    stored: Endpoint
    #: Instances that have not ended, by row id.
    live: dict[int, EndpointInstance] = field(default_factory=dict)
    #: The newest ended instances, oldest first.
    ended: list[EndpointInstance] = field(default_factory=list)
    retry_at: dict[Slot, float] = field(default_factory=dict)
    drain_until: dict[int, float] = field(default_factory=dict)
    drained: set[int] = field(default_factory=set)
    #: Monotonic time at which it wants to be looked at, or None.
    wake: float | None = None

    def snapshot(self) -> Snapshot:
        """Return what the planner looks at."""
        past: dict[Slot, list[EndpointInstance]] = {}
        for instance in self.ended:
            past.setdefault((instance.generation, instance.variant), []).append(instance)
        return Snapshot(
            endpoint=self.record,
            live=[self.live[row_id] for row_id in sorted(self.live)],
            past=past,
            retry_at=dict(self.retry_at),
            drained=frozenset(self.drained),
            drain_until=dict(self.drain_until),
        )

    def forget(self, instance: EndpointInstance) -> None:
        """Move an instance that has ended to those."""
        self.live.pop(instance.id, None)
        self.drain_until.pop(instance.id, None)
        self.drained.discard(instance.id)
        self.ended.append(instance)


@dataclass(slots=True)
class HostingPicture:
    """All endpoints."""

    endpoints: dict[int, ActiveEndpoint] = field(default_factory=dict)
    #: Endpoint and instance by the attempt id of instances that have not ended.
    by_attempt: dict[str, tuple[ActiveEndpoint, int]] = field(default_factory=dict)

    def named(self, name: str) -> ActiveEndpoint | None:
        """Return the endpoint of this name."""
        return next((item for item in self.endpoints.values() if item.record.name == name), None)

    def next_wake(self) -> float | None:
        """Return the earliest time at which some endpoint wants to be looked at, or None."""
        return min((item.wake for item in self.endpoints.values() if item.wake is not None), default=None)

    def busy(self) -> bool:
        """Return whether an endpoint serves, is to serve, or has a process; may be called from any thread."""
        # Copied in one go: the engine's thread may add and remove endpoints meanwhile.
        endpoints = tuple(self.endpoints.values())
        return any(item.live or item.record.status is not EndpointStatus.FAILED for item in endpoints)


def load_hosting(reader: Reader, time: float, drain_seconds: float) -> HostingPicture:
    """Return all endpoints as the store has them.

    Args:
        reader: The store.
        time: Monotonic seconds; what drains has ``drain_seconds`` from now on.
        drain_seconds: See :class:`~pegbox.engine.policy.EnginePolicy`.
    """
    picture = HostingPicture()
    for endpoint in reader.endpoints():
        active = ActiveEndpoint(record=endpoint, stored=endpoint)
        for instance in reader.instances(endpoint.id):
            if instance.state is InstanceState.ENDED:
                active.ended.append(instance)
                continue
            active.live[instance.id] = instance
            picture.by_attempt[instance.attempt_id or ""] = (active, instance.id)
            if instance.state is InstanceState.DRAINING:
                active.drain_until[instance.id] = time + drain_seconds
        picture.endpoints[endpoint.id] = active
    return picture
