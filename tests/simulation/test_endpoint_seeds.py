"""The simulation's watcher of endpoints sees planted faults."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.domain.hosting import InstanceState
from pegbox.engine.hosting import carrying, reconcile, routing
from pegbox.engine.hosting.machine import evolve
from pegbox.testing.invariants import InvariantBroken
from pegbox.testing.simulation import run_seed


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Refused commits are part of the play."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _broken(seeds: int) -> str:
    """Return the first invariant that breaks in schedules with endpoints, or nothing."""
    for seed in range(3, 8 * seeds, 8):
        try:
            run_seed(seed)
        except InvariantBroken as broken:
            return str(broken)
    return ""


def test_ending_without_draining_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A planner that ends instances while requests may be in flight is found within a few seeds."""
    monkeypatch.setattr(reconcile, "_was_routed", lambda endpoint, instance: False)
    assert _broken(10).startswith("E4")


def test_routing_to_two_generations_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Routes that name every ready instance, whatever its generation, are found within a few seeds."""
    for module in (routing, carrying):
        monkeypatch.setattr(module, "routed", lambda endpoint, item: item.state is InstanceState.READY)
    assert _broken(10).startswith("E3")


def test_a_forgotten_row_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance that counts as ended although its server runs is found within a few seeds."""
    honest = carrying._stop

    def hasty(parts: Any, work: Any, active: Any, row_id: int) -> None:
        honest(parts, work, active, row_id)
        instance = active.live[row_id]
        ended = evolve(instance, state=InstanceState.ENDED, ended_at=work.now, outcome="stopped")
        carrying._save(work, active, instance, ended)
        active.forget(ended)

    monkeypatch.setattr(carrying, "_stop", hasty)
    assert _broken(10).startswith("E5")
