"""The deterministic simulation, a thousand schedules."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from pegbox.domain.orders import AttemptOrder
from pegbox.engine import active, handlers, recovery, reports
from pegbox.engine.effects import Acknowledge
from pegbox.engine.faultpoints import POINTS, set_hook
from pegbox.executors.simulated import SimulatedExecutor
from pegbox.testing import simulation
from pegbox.testing.invariants import InvariantBroken
from pegbox.testing.simulation import run_seed


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Refused commits are part of the play."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.timeout(1500)  # a busy machine takes several times as long
def test_a_thousand_schedules_break_no_invariant(capsys: pytest.CaptureFixture[str]) -> None:
    """Faults of programs, agents, network, disk and server, at every labelled point: I1 to I10 hold in each state, and every
    suggestion can be computed again."""
    failed = simulation.main(["--seeds", "1000"])
    told = capsys.readouterr().out
    with capsys.disabled():
        print(f"\n{told.strip()}")
    assert not failed


def test_a_seed_replays_step_by_step() -> None:
    """The same seed is the same schedule."""
    assert run_seed(4711) == run_seed(4711)


def test_crashes_reach_every_labelled_point() -> None:
    """Each point between two instructions is passed and crashed at; the run goes on to its end."""
    crashes = dict.fromkeys(POINTS[:-1], 0)
    for label in crashes:
        for seed in range(11, 16):
            crashes[label] += _crashing_at(label, seed)
    assert all(crashes.values()), crashes


def _crashing_at(label: str, seed: int) -> int:
    world = simulation.World(seed, dangers=simulation.NO_DANGERS)
    client = simulation.Client(world)

    def hook(passed: str) -> None:
        if passed == label and world.rng.random() < 0.3:
            raise simulation.SimulatedCrash(label)

    world._arm = lambda: set_hook(hook)
    while client.plans or not world.quiet():
        client.act()
        world.step()
        assert world.outcome.steps < simulation.MAX_STEPS, label
    return world.outcome.crashes


def _breaks(seeds: int) -> bool:
    for seed in range(seeds):
        try:
            run_seed(seed)
        except (InvariantBroken, AssertionError, KeyError):
            return True
    return False


def test_the_watcher_sees_acknowledging_before_the_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: reports acknowledged before they are durable are found within a few seeds."""
    honest = reports._apply_events

    def hasty(parts: Any, picture: Any, work: Any, active: Any, events: Sequence[Any]) -> None:
        for effect in work.effects:
            if isinstance(effect, Acknowledge):
                effect.report.acknowledge(effect.up_to)
        honest(parts, picture, work, active, events)

    monkeypatch.setattr(reports, "_apply_events", hasty)
    assert _breaks(40)


def test_the_watcher_sees_a_launch_that_forgets_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a planner that allows one trial too many is found within a few seeds."""
    honest = handlers.read_tuning

    def generous(request: Any, **values: Any) -> Any:
        spec = honest(request, **values)
        return replace(spec, goals=replace(spec.goals, parallel=spec.goals.parallel + 1))

    monkeypatch.setattr(handlers, "read_tuning", generous)
    assert _breaks(40)


def test_the_watcher_sees_a_restart_that_forgets_the_parents(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a recovered warm start without what it took over gives values that cannot be computed again."""
    monkeypatch.setattr(recovery, "histories_for", lambda taken, spec: ())
    assert _breaks(60)


def test_the_watcher_sees_a_turn_out_of_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a definition whose turn is told wrongly is found within a few seeds."""
    honest = active.next_turns

    def confused(arms: Any, count: int, *, maximize: bool) -> Any:
        return honest(arms, count, maximize=not maximize)

    monkeypatch.setattr(active, "next_turns", confused)
    assert _breaks(40)


def test_the_watcher_sees_a_program_that_is_started_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planted fault: a launch that is repeated after a crash instead of resumed is found within a few seeds."""

    def careless(self: SimulatedExecutor, order: AttemptOrder) -> None:
        self.launch(order)

    monkeypatch.setattr(SimulatedExecutor, "resume", careless)
    assert _breaks(20)
