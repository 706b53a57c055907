"""Leaving a false basin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Space
from pegbox.strategies import Memory, Observation, suggest
from pegbox.strategies.stall import WINDOW, fresh_draws, stalled


def test_a_stall_is_measured_by_what_the_design_spans() -> None:
    """Tiny gains count as a stall, real ones do not, and a short run is never stalled, whatever the units."""
    design = [90.0, 100.0, 50.0, 95.0]
    polishing = [41.0 - 0.01 * k for k in range(WINDOW + 2)]
    falling = [41.0 - 2.0 * k for k in range(WINDOW + 2)]
    for unit in (1e-300, 1.0, 1e300):
        assert stalled(unit * np.array(design + polishing), 4)
        assert not stalled(unit * np.array(design + falling), 4)
        assert not stalled(unit * np.array(design + polishing[:5]), 4)
    assert stalled(np.array([1.7e308, -1.7e308] * 20), 4)
    assert stalled(np.zeros(40), 4)


def test_fresh_draws_take_the_least_tried_level() -> None:
    """With one small column, every draw is at a level that was tried least; the other columns are spread out."""
    space = Space([ContinuousRange("x", 0.0, 1.0), CategoricalRange("k", ("a", "b", "c"))])
    tried = np.array([[0.1, 0.0], [0.2, 0.0], [0.3, 1.0], [0.4, 2.0], [0.5, 2.0]])
    draws = fresh_draws(space.encoding, tried, 50, np.random.default_rng(0))
    assert set(draws[:, 1]) == {1.0}
    assert draws[:, 0].std() > 0.2


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
    for k in range(70):
        values = suggest("Bayesian", space, history, (), 1, (seed, k), maximize=False, memory=memory)[
            0
        ].values
        history.append(Observation(k, values, loss(values)))
    assert min(seen.objective or 0.0 for seen in history) < 25.0
