"""Whatever happens to an endpoint: what the planner says is allowed, comes to an end, and leads to rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.domain.hosting import (
    ENDPOINT_MOVES,
    INSTANCE_MOVES,
    Endpoint,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    VariantTarget,
)
from pegbox.domain.records import evolve
from pegbox.engine.hosting import machine
from pegbox.engine.hosting import reconcile as r
from pegbox.errors import InvalidTransition

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
S = EndpointStatus


def generation(number: int, counts: dict[str, int]) -> Generation:
    """Return a generation with some instances of each variant."""
    return Generation(
        number=number,
        config_name=f"c{number}",
        config={"ProductionVariants": [{"VariantName": name, "ModelName": "m"} for name in counts]},
        models={"m": {}},
        variants=tuple(
            VariantTarget(name=name, weight=1.0, count=n, desired=n) for name, n in counts.items()
        ),
    )


@dataclass
class Life:
    """An endpoint whose planner is obeyed, and whose instances do what they are told."""

    endpoint: Endpoint
    time: float = 0.0
    ids: int = 0
    live: dict[int, EndpointInstance] = field(default_factory=dict)
    ended: list[EndpointInstance] = field(default_factory=list)
    retry_at: dict[r.Slot, float] = field(default_factory=dict)
    until: dict[int, float] = field(default_factory=dict)
    drained: set[int] = field(default_factory=set)
    removed: bool = False

    @property
    def now(self) -> datetime:
        """The time, for records."""
        return START + timedelta(seconds=self.time)

    def view(self) -> r.Snapshot:
        """Return what the planner looks at."""
        past: dict[r.Slot, list[EndpointInstance]] = {}
        for item in self.ended:
            past.setdefault((item.generation, item.variant), []).append(item)
        return r.Snapshot(
            endpoint=self.endpoint,
            live=list(self.live.values()),
            past=past,
            retry_at=self.retry_at,
            drained=frozenset(self.drained),
            drain_until=self.until,
        )

    def settle(self) -> None:
        """Obey until only waits are left; check each word on the way."""
        for _ in range(60):
            if self.removed or not [self.obey(item) for item in r.plan(self.view(), self.time)]:
                return
            if all(isinstance(item, r.WakeAt) for item in r.plan(self.view(), self.time)):
                self.check()
                return
        raise AssertionError("the planner does not come to an end")

    def check(self) -> None:
        """Check what must hold between two words."""
        want = r.wanted(self.endpoint)
        active: dict[r.Slot, int] = {}
        for item in self.live.values():
            if item.state in (InstanceState.STARTING, InstanceState.READY):
                active[(item.generation, item.variant)] = active.get((item.generation, item.variant), 0) + 1
        for slot, count in active.items():
            assert count <= want.get(slot, 0), (slot, count, want)
        current = self.endpoint.current
        routed = {item.generation for item in self.live.values() if r.routed(self.endpoint, item)}
        assert routed <= {current.number if current else 0}

    def obey(self, word: Any) -> None:
        """Do what the planner says."""
        status = self.endpoint.status
        if isinstance(word, r.Launch):
            assert status not in (S.FAILED, S.DELETING)
            self.ids += 1
            self.live[self.ids] = EndpointInstance(
                id=self.ids,
                endpoint_id=1,
                endpoint_name="e",
                generation=word.slot[0],
                variant=word.slot[1],
                model_name="m",
                state=InstanceState.STARTING,
                created_at=self.now,
            )
        elif isinstance(word, r.Drain):
            self.live[word.instance] = machine.move_instance(self.live[word.instance], InstanceState.DRAINING)
            self.until[word.instance] = self.time + 70
        elif isinstance(word, r.Stop):
            instance = self.live[word.instance]
            assert not r.routed(self.endpoint, instance)
            self.live[word.instance] = machine.move_instance(instance, InstanceState.STOPPING)
        elif isinstance(word, r.Remove):
            assert not self.live
            assert status is S.DELETING
            self.removed = True
        elif not isinstance(word, r.WakeAt):
            self.endpoint = self.changed(word)

    def changed(self, word: Any) -> Endpoint:
        """Return the endpoint after a change of its own."""
        e, now = self.endpoint, self.now
        if isinstance(word, r.Promote):
            return machine.move_endpoint(e, S.IN_SERVICE, now, current=e.next, next=None)
        if isinstance(word, r.RolledBack):
            return machine.move_endpoint(e, S.IN_SERVICE, now, next=None)
        if isinstance(word, r.ComeBack):
            return machine.move_endpoint(e, S.IN_SERVICE, now)
        if isinstance(word, r.GoOut):
            return machine.move_endpoint(e, S.OUT_OF_SERVICE, now, failure_reason=word.reason)
        if isinstance(word, r.GiveUp) and e.current is None:
            return machine.move_endpoint(e, S.FAILED, now, failure_reason=word.reason)
        if isinstance(word, r.GiveUp) and e.next is not None:
            return machine.move_endpoint(e, S.ROLLING_BACK, now, failure_reason=word.reason)
        assert e.current is not None
        settled = machine.unscaled if isinstance(word, r.GiveUp) else machine.settled
        return machine.move_endpoint(e, S.IN_SERVICE, now, current=settled(e.current))

    def happen(self, row_id: int, event: dict[str, Any]) -> None:
        """Let an instance report."""
        instance = machine.apply_event(self.live[row_id], event, self.now)
        self.live[row_id] = instance
        if instance.state is InstanceState.ENDED:
            del self.live[row_id]
            self.drained.discard(row_id)
            self.ended.append(instance)
            slot = (instance.generation, instance.variant)
            self.retry_at[slot] = self.time + machine.backoff(self.view().tries(slot))

    def obedient(self, row_id: int) -> None:
        """Let an instance do what it is told."""
        state = self.live[row_id].state
        if state is InstanceState.STARTING:
            self.happen(row_id, {"kind": "ready", "address": "unix:/x"})
        elif state is InstanceState.DRAINING:
            self.drained.add(row_id)
        elif state is InstanceState.STOPPING:
            self.happen(row_id, {"kind": "finished", "outcome": "stopped"})


FAILURES = (
    {"outcome": "failed", "failure": {"class": "AlgorithmError", "message": "x"}, "exit_code": 1},
    {"outcome": "failed", "failure": {"class": "ClientError", "message": "x"}},
    {"outcome": "failed", "failure": {"class": "InternalServerError", "message": "x"}},
    {"outcome": "lost"},
    {"outcome": "completed", "exit_code": 0},
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("obey"), st.integers(0, 9)),
        st.tuples(st.just("fail"), st.integers(0, 9), st.sampled_from(FAILURES)),
        st.tuples(st.just("wait"), st.sampled_from((0.5, 5.0, 80.0))),
        st.tuples(st.just("update"), st.integers(0, 3), st.integers(0, 2)),
        st.tuples(st.just("scale"), st.integers(0, 4)),
        st.tuples(st.just("delete")),
    ),
    max_size=40,
)


def _take(life: Life, step: tuple[Any, ...]) -> None:
    kind = step[0]
    rows = sorted(life.live)
    changeable = life.endpoint.status in (S.IN_SERVICE, S.OUT_OF_SERVICE)
    if kind == "obey" and rows:
        life.obedient(rows[step[1] % len(rows)])
    elif kind == "fail" and rows:
        life.happen(rows[step[1] % len(rows)], {"kind": "finished", **step[2]})
    elif kind == "wait":
        life.time += step[1]
    elif kind == "update" and changeable:
        number = life.endpoint.generations + 1
        coming = generation(number, {"a": step[1], "b": step[2]})
        life.endpoint = machine.move_endpoint(
            life.endpoint, S.UPDATING, life.now, next=coming, generations=number
        )
    elif kind == "scale" and changeable and life.endpoint.current is not None:
        current = life.endpoint.current
        first = evolve(current.variants[0], desired=step[1])
        life.endpoint = machine.move_endpoint(
            life.endpoint, S.UPDATING, life.now, current=machine.with_targets(current, {first.name: first})
        )
    elif kind == "delete" and life.endpoint.status is not S.DELETING:
        life.endpoint = machine.move_endpoint(life.endpoint, S.DELETING, life.now)


def _born() -> Life:
    return Life(
        Endpoint(
            id=1,
            name="e",
            status=S.CREATING,
            created_at=START,
            modified_at=START,
            next=generation(1, {"a": 2, "b": 1}),
            generations=1,
        )
    )


@given(STEPS)
def test_every_life_is_lawful_and_comes_to_rest(steps: list[tuple[Any, ...]]) -> None:
    """No word is unlawful; never more instances than wanted, never two generations routed; left alone it settles."""
    life = _born()
    life.settle()
    for step in steps:
        if life.removed:
            break
        _take(life, step)
        life.settle()
    for _ in range(80):
        if life.removed:
            break
        for row_id in sorted(life.live):
            life.obedient(row_id)
        life.time += 15
        life.settle()
    if life.removed:
        return
    assert life.endpoint.status in (S.IN_SERVICE, S.FAILED)
    ready: dict[str, int] = {}
    for item in life.live.values():
        assert r.routed(life.endpoint, item)
        ready[item.variant] = ready.get(item.variant, 0) + 1
    if life.endpoint.status is S.IN_SERVICE:
        assert life.endpoint.current is not None
        assert ready == {item.name: item.count for item in life.endpoint.current.variants if item.count}
        assert all(item.count == item.desired for item in life.endpoint.current.variants)
    else:
        assert not life.live


@given(st.lists(st.sampled_from(FAILURES), max_size=15))
def test_trying_again_is_bounded(failures: list[dict[str, Any]]) -> None:
    """Ten failed starts of any kind end a roll-out, three of the program, one of the request; pauses stay within ten seconds."""
    past: list[EndpointInstance] = []
    for index, failure in enumerate(failures):
        instance = EndpointInstance(
            id=index + 1,
            endpoint_id=1,
            endpoint_name="e",
            generation=1,
            variant="a",
            model_name="m",
            state=InstanceState.STARTING,
            created_at=START,
        )
        past.append(machine.apply_event(instance, {"kind": "finished", **failure}, START))
        assert 0 <= machine.backoff(past) <= 10
    kinds = [item.failure_kind for item in past if item.outcome != "lost"]
    own = [kind for kind in kinds if kind != "InternalServerError"]
    over = len(past) >= 10 or len(own) >= 3 or (past and past[-1].failure_kind == "ClientError")
    assert (machine.hopeless(past) is not None) == bool(over)


@pytest.mark.parametrize("status", EndpointStatus)
def test_endpoints_move_along_their_graph(status: EndpointStatus) -> None:
    """Each pair in the graph is allowed and every other one is refused with the history."""
    record = evolve(_born().endpoint, status=status)
    for to in EndpointStatus:
        if to in ENDPOINT_MOVES[status]:
            assert machine.move_endpoint(record, to, START).status is to
        else:
            with pytest.raises(InvalidTransition, match="generation 1"):
                machine.move_endpoint(record, to, START)


@pytest.mark.parametrize("state", InstanceState)
def test_instances_move_along_their_graph(state: InstanceState) -> None:
    """Each pair in the graph is allowed and every other one is refused; from ended there is no way."""
    life = _born()
    life.settle()
    record = evolve(life.live[1], state=state)
    for to in InstanceState:
        if to in INSTANCE_MOVES[state]:
            assert machine.move_instance(record, to).state is to
        else:
            with pytest.raises(InvalidTransition, match="instance i-1"):
                machine.move_instance(record, to)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "ready", "address": "ftp://x"},
        {"kind": "ready"},
        {"kind": "nonsense"},
        {"kind": "finished"},
        {},
    ],
)
def test_malformed_events_are_refused(event: dict[str, Any]) -> None:
    """An event that cannot be read raises one of the errors that the caller expects, and nothing else."""
    life = _born()
    life.settle()
    with pytest.raises((KeyError, TypeError, ValueError)):
        machine.apply_event(life.live[1], event, START)


def test_long_reasons_keep_their_end() -> None:
    """A FailureReason has at most 1024 characters; the end of the log is what stays."""
    reason = machine.clipped("head: ", "x" * 2000 + "the error")
    assert len(reason) == 1024
    assert reason.startswith("head: ... x")
    assert reason.endswith("the error")
