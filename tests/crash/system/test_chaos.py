"""The kills of ``make chaos``, a few of each."""

from __future__ import annotations

from pegbox.testing.chaos import VICTIMS, run


def test_nothing_is_lost_to_kills() -> None:
    """Servers, agents and suggesters killed at random instants: nothing is lost, doubled or left."""
    verdict = run(10, 3, VICTIMS)
    assert verdict.faults == [], verdict.summary()
    assert set(verdict.kills) == set(VICTIMS)
    assert verdict.trials >= 48
