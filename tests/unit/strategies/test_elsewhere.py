"""Leaving a false basin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, suggest
from pegbox.strategies.elsewhere import Elsewhere, exhausted, other_choice, somewhere_else
from pegbox.strategies.evidence import gather


def test_a_basin_is_exhausted_by_what_the_design_spans() -> None:
    """A tiny gain counts, a real one or one soon after the design does not, whatever the units."""
    y = np.array([90.0, 100.0, 50.0, 95.0, 41.0, 41.1, 42.0, 41.2])
    for unit in (1e-300, 1.0, 1e300):
        assert exhausted(unit * 0.1, unit * y, 4)
        assert not exhausted(unit * 1.0, unit * y, 4)
        assert not exhausted(unit * 0.1, unit * y[:7], 4)
    assert exhausted(0.0, np.zeros(9), 4)
    assert exhausted(1e300, np.array([1.7e308, 1.7e308, -1.7e308, 1.7e308] * 9), 4)


@pytest.mark.parametrize("seed", range(20))
def test_elsewhere_is_away_in_one_column(seed: int) -> None:
    """Another level of a small column or at least a fifth of the range off; its box keeps each candidate inside."""
    space = Space(
        [
            ContinuousRange("x", 0.0, 1.0, Scaling.LINEAR),
            CategoricalRange("k", ("a", "b", "c")),
            IntegerRange("i", 1, 5),
            CategoricalRange("one", ("always",)),
        ]
    )
    rng = np.random.default_rng(seed)
    codes = space.encoding.from_cube(rng.random((200, 4)))
    best = codes[0]
    region = somewhere_else(space.encoding, best, rng)
    assert region.column != 3
    inside = region.holds(codes)
    off = np.abs(codes[:, region.column] - best[region.column])
    assert (inside == (off >= 0.2 - 1e-9 if region.column == 0 else off > 0.0)).all()
    assert not inside[0]
    assert ((region.penalty(codes) == 0.0) == inside).all()
    if region.column == 0:  # the only one that is improved continuously
        lower, upper = region.box(codes[inside])
        x = codes[inside][:, 0]
        assert (lower[:, 0] <= x).all()
        assert (x <= upper[:, 0]).all()
        assert region.holds(np.clip(best, lower, upper)).all()


def test_every_fourth_suggestion_takes_another_choice_in_turn() -> None:
    """Each choice that matters comes up in its turn, numbers and idle or single choices never; without numbers none does."""
    names = ("k", "idle", "one", "l")
    choices = [CategoricalRange(name, ("a", "b", "c")[: 1 if name == "one" else 3]) for name in names]
    space = Space([ContinuousRange("x", 0.0, 1.0), *choices])
    best, idle = np.array([0.5, 2.0, 1.0, 0.0, 1.0]), np.array([False, False, True, False, False])
    regions = [other_choice(space.encoding, best, idle, number) for number in range(16)]
    turns = {number: region for number, region in enumerate(regions) if region is not None}
    assert list(turns) == [2, 6, 10, 14]
    assert [(region.column, region.at) for region in turns.values()] == [(1, 2.0), (4, 1.0)] * 2
    Z = np.array([[0.1, level, 0.0, 0.0, 0.0] for level in (0.0, 1.0, 2.0)])
    assert turns[2].holds(Z).tolist() == [True, True, False]
    only = Space(choices)
    assert all(other_choice(only.encoding, best[1:], idle[1:], number) is None for number in range(8))


@pytest.mark.parametrize("seed", range(3))
def test_a_choice_that_did_worse_keeps_getting_trials(seed: int) -> None:
    """In its turn the other choice is taken, however good the first one looks, and with numbers that suit it in the end."""
    space = Space(
        [ContinuousRange("x", 0.0, 1.0), ContinuousRange("y", 0.0, 1.0), CategoricalRange("kind", ("a", "b"))]
    )

    def loss(values: Mapping[str, Any]) -> float:
        good = 0.8 if values["kind"] == "a" else 0.1
        distance = (values["x"] - good) ** 2 + (values["y"] - good) ** 2
        return float(distance if values["kind"] == "a" else 5.0 + distance)

    history: list[Observation] = []
    memory = Memory()
    for k in range(31):
        asked = suggest("Bayesian", space, history, (), 1, (seed, k), maximize=False, memory=memory)[0]
        if k % 4 == 2 and k >= 6:
            assert asked.values["kind"] == "b"
        history.append(Observation(k, asked.values, loss(asked.values)))
    assert min(seen.objective or 9.0 for seen in history if seen.values["kind"] == "b") < 5.05


def test_a_part_of_the_evidence_keeps_its_rows_together() -> None:
    """Codes, values and marks of what lies elsewhere stay in step; pending trials are parted as well."""
    space = Space([ContinuousRange("x", 0.0, 1.0, Scaling.LINEAR)])
    history = [Observation(k, {"x": k / 10}, float(k)) for k in range(10)]
    evidence = gather(space, history, [{"x": 0.05}, {"x": 0.95}], False)
    part = Elsewhere(0, 0.0, 0.35).part(evidence)
    assert part.y.tolist() == [4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    assert part.numbers.tolist() == [4, 5, 6, 7, 8, 9]
    assert np.allclose(part.X[:, 0], part.y / 10)
    assert np.allclose(part.P, [[0.95]])


@pytest.mark.parametrize("seed", range(3))
def test_a_safe_but_poor_level_is_left(seed: int) -> None:
    """One layer is always fair, more layers are hopeless except in a corner that is far better: it gets found."""
    space = Space(
        [
            ContinuousRange("rate", 0.0, 1.0),
            ContinuousRange("decay", 0.0, 1.0),
            IntegerRange("layers", 1, 5),
        ]
    )

    def loss(values: Mapping[str, Any]) -> float:
        distance = abs(values["rate"] - 0.8) + 0.3 * abs(values["decay"] - 0.3)
        if values["layers"] == 1:
            return 40.0 + distance
        return 100.0 if distance > 0.3 else 10.0 + 50.0 * distance

    history: list[Observation] = []
    memory = Memory()
    for k in range(60):
        asked = suggest("Bayesian", space, history, (), 1, (seed, k), maximize=False, memory=memory)[0]
        history.append(Observation(k, asked.values, loss(asked.values)))
    assert min(seen.objective or 0.0 for seen in history) < 25.0
