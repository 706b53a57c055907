"""Warm start is worth its name, and bad parents do no harm.

Statistical but not flaky: seeds are fixed and margins are stated. All losses have their optimum at 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, Scaling, Space
from pegbox.strategies import Memory, Observation, ParentHistory, suggest

SPACE = Space(
    [
        ContinuousRange("rate", 1e-5, 1.0, Scaling.LOGARITHMIC),
        *(ContinuousRange(f"x{j}", 0.0, 1.0, Scaling.LINEAR) for j in range(3)),
        CategoricalRange("kind", ("a", "b", "c")),
    ]
)
SEEDS, EVALUATIONS = range(6), 18
Loss = Callable[[Mapping[str, Any]], float]


def _task(shift: float) -> Loss:
    def loss(values: Mapping[str, Any]) -> float:
        good = {"a": 0.6, "b": 0.0, "c": 0.3}[values["kind"]]
        rate = (math.log10(values["rate"]) + 3.0 - shift) ** 2
        return (
            good
            + 0.3 * rate
            + sum(2.0 * (values[f"x{j}"] - 0.2 - 0.15 * j - 0.1 * shift) ** 2 for j in range(3))
        )

    return loss


CHILD = _task(0.0)


def _parent(loss: Loss, seed: int, *, identical: bool = False, n: int = 150) -> ParentHistory:
    drawn = suggest("Random", SPACE, (), (), n, (1000 + seed, 0), maximize=False)
    seen = tuple(Observation(k, one.values, loss(one.values)) for k, one in enumerate(drawn))
    return ParentHistory(f"parent {seed}", SPACE, seen, identical=identical)


def _best(parents: Sequence[ParentHistory], seed: int) -> np.ndarray:
    """The best loss so far after each evaluation."""
    history: list[Observation] = []
    memory = Memory()
    for k in range(EVALUATIONS):
        one = suggest(
            "Bayesian", SPACE, history, (), 1, (seed, k), maximize=False, parents=parents, memory=memory
        )[0]
        assert one.warnings == ()
        history.append(Observation(k, one.values, CHILD(one.values)))
    return np.minimum.accumulate([float(seen.objective or 0.0) for seen in history])


@pytest.fixture(scope="module")
def cold() -> np.ndarray:
    """Cold runs (seeds, evaluations)."""
    return np.array([_best((), seed) for seed in SEEDS])


def test_related_parents_halve_the_loss(cold: np.ndarray) -> None:
    """With a related parent, or three of different worth, half of the evaluations end at half the loss of a cold run; the end
    is no worse than a cold run's."""
    half = EVALUATIONS // 2 - 1
    for shifts in ((0.4,), (0.3, -1.5, 0.6)):
        found = np.array([_best([_parent(_task(shift), seed) for shift in shifts], seed) for seed in SEEDS])
        assert np.median(found[:, half]) <= 0.5 * np.median(cold[:, half])
        assert np.median(found[:, -1]) <= np.median(cold[:, -1])


def test_an_identical_parent_goes_on(cold: np.ndarray) -> None:
    """A job that goes on where an identical one ended soon passes what a cold one ends with."""
    third = EVALUATIONS // 3
    found = [_best([_parent(CHILD, seed, identical=True)], seed)[third - 1] for seed in SEEDS]
    assert np.median(found) <= np.median(cold[:, -1])


def _mirror(values: Mapping[str, Any]) -> float:
    flipped = {f"x{j}": 1.0 - values[f"x{j}"] for j in range(3)}
    kind = {"a": "b", "b": "a", "c": "c"}[values["kind"]]
    return CHILD({**flipped, "rate": 1e-5 / values["rate"], "kind": kind})


BAD: dict[str, Callable[[int], ParentHistory]] = {
    "good and bad exchanged": lambda seed: _parent(lambda v: -CHILD(v), seed),
    "the same, said to be identical": lambda seed: _parent(lambda v: -CHILD(v), seed, identical=True),
    "mirrored": lambda seed: _parent(_mirror, seed),
    "noise": lambda seed: _parent(lambda v: math.sin(1e6 * v["x0"]), seed),
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_bad_parents_do_no_harm(name: str, cold: np.ndarray) -> None:
    """The median run with a misleading parent ends no worse than the upper quartile of cold runs, and a fifth."""
    found = [_best([BAD[name](seed)], seed)[-1] for seed in SEEDS]
    assert np.median(found) <= 1.2 * np.quantile(cold[:, -1], 0.75)
