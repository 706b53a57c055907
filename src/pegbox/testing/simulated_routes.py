"""A gateway that is not there, and the ``Routes`` port to it, on a clock that tests move.

:class:`SimulatedGateway` outlives the server as the real one does; :class:`SimulatedRoutes` is the server's side.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pegbox.engine.hosting.unrouted import instances_of
from pegbox.ports.clock import Clock
from pegbox.ports.routes import Drained


@dataclass(slots=True)
class SimulatedGateway:
    """What the gateway knows: its snapshot, and whose requests it still waits for."""

    clock: Clock
    rng: random.Random
    #: Longest time that requests in flight take.
    seconds: float = 1.0
    #: Share of words to the server that are lost.
    lost: float = 0.0
    snapshot: Mapping[str, Any] = field(default_factory=dict)
    captures: dict[str, Any] = field(default_factory=dict)
    #: Instances that left: (time at which nothing is in flight any more, instance).
    leaving: list[tuple[float, int]] = field(default_factory=list)
    #: Every version that was published, in order.
    versions: list[int] = field(default_factory=list)

    def apply(self, snapshot: Mapping[str, Any]) -> None:
        """Route by another snapshot, if it is no older."""
        self.versions.append(int(snapshot["version"]))
        if self.versions[-1] < int(self.snapshot.get("version", 0)):
            return
        time = self.clock.monotonic()
        gone = instances_of(self.snapshot) - instances_of(snapshot)
        self.leaving += [(time + self.rng.uniform(0.0, self.seconds), item) for item in sorted(gone)]
        self.snapshot = snapshot

    def routed(self, endpoint: str) -> dict[str, list[int]]:
        """Return the instances of an endpoint's variants that requests go to."""
        variants = self.snapshot["endpoints"][endpoint]["variants"]
        return {item["name"]: [instance["id"] for instance in item["instances"]] for item in variants}


class SimulatedRoutes:
    """The ``Routes`` port to a simulated gateway; :meth:`deliver` plays the socket."""

    def __init__(self, gateway: SimulatedGateway) -> None:
        self.gateway = gateway
        self._sink: Callable[[Drained], None] | None = None

    def open(self, sink: Callable[[Drained], None]) -> None:
        """Start."""
        self._sink = sink

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Let the gateway have a snapshot."""
        self.gateway.apply(snapshot)

    def status(self) -> Mapping[str, Any]:
        """Return what the gateway says."""
        return {
            "captures": dict(self.gateway.captures),
            "version": int(self.gateway.snapshot.get("version", 0)),
        }

    def close(self) -> None:
        """End; the gateway goes on."""
        self._sink = None

    def next_time(self) -> float | None:
        """Return when the next word is due."""
        return min((at for at, _ in self.gateway.leaving), default=None)

    def deliver(self) -> None:
        """Tell who has nothing in flight any more."""
        gateway = self.gateway
        time = gateway.clock.monotonic()
        done = [item for at, item in gateway.leaving if at <= time]
        gateway.leaving = [(at, item) for at, item in gateway.leaving if at > time]
        if done and self._sink is not None and gateway.rng.random() >= gateway.lost:
            self._sink(Drained(int(gateway.snapshot["version"]), tuple(done)))
