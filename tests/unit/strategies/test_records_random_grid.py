"""Records, random draws and the grid."""

from __future__ import annotations

import json
import math

import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import STRATEGIES, Memory, Observation, ParentHistory, Suggestion, suggest

SPACE = Space(
    [
        ContinuousRange("rate", 1e-5, 1e1, Scaling.LOGARITHMIC),
        IntegerRange("n", 1, 20),
        CategoricalRange("kind", ("a", "b", "c")),
    ]
)
FINITE = Space([IntegerRange("n", 0, 2), CategoricalRange("kind", ("a", "b"))])


def test_records_survive_json() -> None:
    """Observations, parents and suggestions come back equal, NaN and infinities included."""
    seen = Observation(3, {"rate": 0.1, "n": 2, "kind": "a"}, -math.inf, "stopped", ((1, 0.5), (2, math.inf)))
    assert Observation.from_json(json.loads(json.dumps(seen.to_json()))) == seen
    nothing = Observation(0, {"n": 1}, None, "failed")
    assert Observation.from_json(json.loads(json.dumps(nothing.to_json()))) == nothing
    parent = ParentHistory("p", SPACE, (seen, nothing), {"depth": 3}, {"kind": "b"}, identical=True)
    assert ParentHistory.from_json(json.loads(json.dumps(parent.to_json()))) == parent
    given = Suggestion({"n": 1}, "exploring", {"expected_improvement": 0.5}, ("slow",))
    assert Suggestion.from_json(json.loads(json.dumps(given.to_json()))) == given
    weird = Observation.from_json(json.loads(json.dumps(Observation(1, {"n": 1}, math.nan).to_json())))
    assert weird.objective is not None
    assert math.isnan(weird.objective)


def test_unknown_strategy_is_refused() -> None:
    """The error names the value and the choices."""
    with pytest.raises(ValueError, match="'Luck' is unknown; use one of Bayesian, Random, Grid, Hyperband"):
        suggest("Luck", SPACE, (), (), 1, (0, 0), maximize=True)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_exactly_as_many_as_asked_for(strategy: str) -> None:
    """Every strategy gives as many suggestions as asked for, each a point of the space."""
    for space in (SPACE, FINITE, Space([])):
        given = suggest(strategy, space, (), (), 5, (7, 0), maximize=True)
        assert len(given) == 5
        assert all(space.problems(one.values) == [] for one in given)


def test_a_random_trial_depends_on_seed_and_number_only() -> None:
    """Trial 5 gets the same values alone, in a batch, and after any history; another seed gives others."""
    batch = suggest("Random", SPACE, (), (), 8, (1, 0), maximize=True)
    history = [Observation(0, batch[0].values, 1.0)]
    alone = suggest("Random", SPACE, history, [batch[1].values], 1, (1, 5), maximize=False)
    assert alone[0].values == batch[5].values
    assert suggest("Random", SPACE, (), (), 1, (2, 5), maximize=True)[0].values != batch[5].values


def test_random_honours_scaling() -> None:
    """A log range is hit equally often in each decade; each integer and each choice in equal shares."""
    values = [s.values for s in suggest("Random", SPACE, (), (), 3000, (3, 0), maximize=True)]
    decades = [math.floor(math.log10(float(v["rate"]))) for v in values]
    for decade in range(-5, 1):
        assert 400 < decades.count(decade) < 600
    assert all(900 < [v["kind"] for v in values].count(kind) < 1100 for kind in "abc")
    assert {v["n"] for v in values} == set(range(1, 21))


def test_grid_is_complete_ordered_and_never_repeats_before_the_end() -> None:
    """Each combination comes once, last parameter fastest, skipping what is done or pending; then repeats, said so."""
    first = suggest("Grid", FINITE, (), (), 6, (0, 0), maximize=True)
    assert [tuple(s.values.values()) for s in first] == [(n, k) for n in range(3) for k in "ab"]
    rest = suggest(
        "Grid", FINITE, [Observation(0, first[0].values, 1.0)], [first[1].values], 5, (0, 2), maximize=True
    )
    assert [s.values for s in rest[:4]] == [s.values for s in first[2:]]
    assert rest[4].reason == "repeat"
    assert "all 6 combinations" in rest[4].warnings[-1]


def test_memory_is_bounded() -> None:
    """The least recently used entry goes first."""
    memory = Memory(limit=2)
    memory.put(b"a", 1)
    memory.put(b"b", 2)
    memory.get(b"a")
    memory.put(b"c", 3)
    assert (memory.get(b"a"), memory.get(b"b"), memory.get(b"c")) == (1, None, 3)
    assert len(memory) == 2
