"""Endpoints in the simulation: what their owner does, how model servers fare, and what must hold."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pegbox.domain.hosting import (
    ENDPOINT_MOVES,
    INSTANCE_MOVES,
    Endpoint,
    EndpointInstance,
    EndpointStatus,
    InstanceState,
)
from pegbox.domain.orders import ServingOrder
from pegbox.engine.hosting.handlers import (
    CreateConfig,
    CreateEndpoint,
    CreateModel,
    DeleteConfig,
    DeleteEndpoint,
    DeleteModel,
    UpdateEndpoint,
    UpdateVariants,
)
from pegbox.engine.hosting.unrouted import instances_of
from pegbox.executors.simulated import SimulatedMachine
from pegbox.ports.store import Page, Reader
from pegbox.testing.invariants import InvariantBroken
from pegbox.testing.simulated_routes import SimulatedGateway

#: How model servers fare: (fate, share), the rest serves.
FATES = (("fails", 0.08), ("is refused", 0.02), ("crashes", 0.15), ("is lost", 0.05))
#: Steps after which the owner deletes all endpoints.
LAST_STEP = 140
#: An endpoint whose configuration was deleted is asked for so often, all before that.
MOST_TRIES = 10
_PAGE = Page(limit=10)


def some_fate(order: ServingOrder, rng: random.Random) -> str:
    """Return what becomes of a model server; those of the model ``bad`` never come up."""
    if order.model_name == "bad":
        return "fails"
    roll = rng.random()
    for fate, share in FATES:
        if roll < share:
            return fate
        roll -= share
    return "serves"


class HostingOwner:
    """Creates models, configurations and endpoints; updates, scales, kills and deletes them; tries again what went unanswered.

    Args:
        rng: Its own.
        post: Sends a command; the second argument is called when it succeeded or the resource was there already.
        later: Plans something some steps from now.
        reader: The store's.
        machine: Where model servers run.
        watcher: Is told what was answered.
    """

    def __init__(
        self,
        rng: random.Random,
        post: Callable[[Any, Callable[[], None]], Any],
        later: Callable[[int, Callable[[], None]], None],
        reader: Callable[[], Reader],
        machine: SimulatedMachine,
        watcher: HostingWatcher,
    ) -> None:
        self._rng = rng
        self._post = post
        self._later = later
        self._reader = reader
        self._machine = machine
        self._watcher = watcher
        machine.server = some_fate
        self._prepare()
        names = ["front", "back"][: rng.choice((1, 1, 2))]
        for index, name in enumerate(names):
            later(4 + 5 * index, self._creator(name))
        for _ in range(rng.randint(3, 8)):
            later(rng.randint(10, LAST_STEP - 10), self._mischief)
        later(LAST_STEP, self._close)

    def _prepare(self) -> None:
        """Create models and configurations until they are there."""
        reader = self._reader()
        for name in ("good", "bad"):
            if reader.model(name) is None:
                container: dict[str, Any] = {"PrimaryContainer": {"Image": "x"}}
                self._post(CreateModel(name=name, request=container, tags={}), _nothing)
        for name, model, counts in (("one", "good", (1, 0)), ("two", "good", (2, 1)), ("bad", "bad", (1, 0))):
            if reader.endpoint_config(name) is None and reader.model(model) is not None:
                variants = [
                    {"VariantName": variant, "ModelName": model, "InitialInstanceCount": count}
                    for variant, count in zip("ab", counts, strict=True)
                    if count
                ]
                request = {"ProductionVariants": variants}
                self._post(CreateConfig(name=name, request=request, tags={}), _nothing)
        if len(reader.list_endpoint_configs(_PAGE).items) < 3:
            self._later(1, self._prepare)

    def _creator(self, name: str) -> Callable[[], None]:
        tries = itertools.count(1)

        def create() -> None:
            there = name in self._watcher.created or self._reader().endpoint(name) is not None
            if there or next(tries) > MOST_TRIES:
                return
            config = self._rng.choice(("one", "two"))
            self._post(
                CreateEndpoint(name=name, config_name=config, tags={}),
                lambda: self._watcher.created.add(name),
            )
            self._later(10, create)

        return create

    def _mischief(self) -> None:
        endpoints = [item.name for item in self._reader().endpoints()]
        roll, servers = self._rng.random(), self._machine.servers()
        if roll < 0.25 and servers:
            self._machine.kill(self._rng.choice(servers).attempt_id)
        elif roll < 0.55 and endpoints:
            config = self._rng.choice(("one", "two", "two", "bad"))
            name = self._rng.choice(endpoints)
            retain = self._rng.random() < 0.3
            self._post(UpdateEndpoint(name=name, config_name=config, retain=retain), _nothing)
        elif roll < 0.8 and endpoints:
            targets = {"a": (self._rng.choice((None, 1.0, 2.0)), self._rng.randint(1, 3))}
            self._post(UpdateVariants(name=self._rng.choice(endpoints), targets=targets), _nothing)
        elif roll < 0.88 and endpoints:
            self._delete(self._rng.choice(endpoints))
        elif roll < 0.94:
            self._post(DeleteModel(name="good"), _nothing)
        else:
            self._post(DeleteConfig(name="two"), _nothing)

    def _delete(self, name: str) -> None:
        self._watcher.deleted.add(name)
        self._post(DeleteEndpoint(name=name), _nothing)

    def _close(self) -> None:
        left = [item.name for item in self._reader().endpoints()]
        for name in left:
            self._delete(name)
        if left:
            self._later(10, self._close)


def _nothing() -> None:
    return None


@dataclass(slots=True)
class HostingWatcher:
    """Looks at every committed state of endpoints in turn.

    E1 what was acknowledged is there. E2 statuses and states move along their graphs. E3 requests go to one generation only.
    E4 an instance that is told to end gets no requests and has none in flight. E5 a running server has a living row, one at most.
    E6 snapshots of the routes are numbered in order.
    """

    machine: SimulatedMachine
    gateway: SimulatedGateway
    created: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    _endpoints: dict[int, Endpoint] = field(default_factory=dict)
    _instances: dict[int, EndpointInstance] = field(default_factory=dict)

    def check(self, reader: Reader) -> None:
        """Check a committed state.

        Raises:
            InvariantBroken: One does not hold.
        """
        endpoints = {item.id: item for item in reader.endpoints()}
        if not endpoints and not self._endpoints and not self.created:
            return
        names = {item.name for item in endpoints.values()}
        lost = self.created - self.deleted - names
        _require(not lost, "E1", f"creation was answered, yet these are gone: {sorted(lost)}")
        instances = {item.id: item for name in reader.served_names() for item in reader.instances_named(name)}
        self._moves(endpoints, instances)
        self._routes(instances)
        self._servers(instances)
        self._endpoints, self._instances = endpoints, instances

    def _moves(self, endpoints: Mapping[int, Endpoint], instances: Mapping[int, EndpointInstance]) -> None:
        for row_id, before in self._endpoints.items():
            now = endpoints.get(row_id)
            status = now.status if now is not None else EndpointStatus.DELETING
            moved = _reachable(ENDPOINT_MOVES, before.status, status)
            _require(moved, "E2", f"{before.name} moved from {before.status.value} to {status.value}")
        for row_id, old in self._instances.items():
            new = instances.get(row_id)
            state = new.state if new is not None else InstanceState.ENDED
            moved = _reachable(INSTANCE_MOVES, old.state, state)
            _require(moved, "E2", f"i-{row_id} moved from {old.state.value} to {state.value}")

    def _routes(self, instances: Mapping[int, EndpointInstance]) -> None:
        gateway = self.gateway
        for name, endpoint in gateway.snapshot.get("endpoints", {}).items():
            routed = [item["id"] for variant in endpoint["variants"] for item in variant["instances"]]
            generations = {instances[row_id].generation for row_id in routed if row_id in instances}
            _require(len(generations) <= 1, "E3", f"{name}: requests go to generations {sorted(generations)}")
        busy = instances_of(gateway.snapshot) | {row_id for _, row_id in gateway.leaving}
        for instance in instances.values():
            if instance.state is InstanceState.STOPPING and instance.ready_at is not None:
                _require(instance.id not in busy, "E4", f"i-{instance.id} is told to end and has requests")
        versions = gateway.versions
        _require(versions == sorted(versions), "E6", f"versions {versions[-3:]} are not in order")

    def _servers(self, instances: Mapping[int, EndpointInstance]) -> None:
        running = Counter(order.instance_id for order in self.machine.servers())
        for row_id, count in running.items():
            row = instances.get(row_id)
            living = row is not None and row.state is not InstanceState.ENDED
            _require(living and count == 1, "E5", f"{count} servers of i-{row_id} run, its row is {row}")
        for instance in instances.values():
            simulated = self.machine.attempts.get(instance.attempt_id or "")
            if simulated is not None:
                kept = simulated.acknowledged <= instance.reported
                _require(kept, "E1", f"i-{instance.id}: {simulated.acknowledged} events acknowledged")


def unsettled(reader: Reader) -> list[str]:
    """Return the names of endpoints that are not at rest: all but failed ones."""
    return [item.name for item in reader.endpoints() if item.status is not EndpointStatus.FAILED]


def _reachable(moves: Mapping[Any, frozenset[Any]], start: Any, end: Any) -> bool:
    seen, frontier = {start}, {start}
    while frontier:
        frontier = {to for status in frontier for to in moves[status]} - seen
        seen |= frontier
    return end in seen


def _require(holds: bool, invariant: str, text: str) -> None:
    if not holds:
        raise InvariantBroken(f"{invariant}: {text}")
