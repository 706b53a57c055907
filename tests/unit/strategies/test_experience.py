"""What names say: which are known, where their usual values lie, and what becomes of it."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, suggest
from pegbox.strategies.experience import NUMBERS, Usual, experience_with, usual
from pegbox.strategies.initial_design import initial_design

RATE = ContinuousRange("learning_rate", 1e-4, 1.0, Scaling.LOGARITHMIC)
DEPTH = IntegerRange("max_depth", 1, 15)
BOOSTER = CategoricalRange("booster", ("gblinear", "gbtree", "dart"))
UNKNOWN = ContinuousRange("x1", 0.0, 1.0)
SPACE = Space([RATE, DEPTH, BOOSTER, UNKNOWN])


@pytest.mark.parametrize(
    "name", ["max_depth", "maxDepth", "max-depth", "model__max_depth", "tree.max_depth", "max_depth_2"]
)
def test_a_name_is_known_however_it_is_written(name: str) -> None:
    """Case, separators, a prefix and a number at the end do not matter."""
    assert usual(name) is not None
    assert usual(name) == usual("max_depth")


@pytest.mark.parametrize("name", ["x1", "alpha", "gamma", "k", "depth", "C", "max", "", "__", "rate", "7"])
def test_other_names_are_not_known(name: str) -> None:
    """Nothing is guessed from names that are unknown or mean different things in different programs."""
    assert usual(name) is None


def test_usual_values_are_placed_on_the_scale_of_the_range() -> None:
    """The centre is the code of the usual value; columns of unknown names have none."""
    found = experience_with(SPACE.encoding)
    assert found is not None
    assert found.known.tolist() == [True, True, False, False]
    assert found.centre[0] == pytest.approx(math.log(0.03 / 1e-4) / math.log(1e4))
    assert found.width[0] == pytest.approx(math.log(6.0) / math.log(1e4))
    assert np.argmax(found.choices[2]) == 1
    assert experience_with(Space([UNKNOWN]).encoding) is None


@pytest.mark.parametrize(
    "range_",
    [
        ContinuousRange("learning_rate", 1e-6, 1e-4, Scaling.LOGARITHMIC),
        ContinuousRange("learning_rate", 0.03, 0.03),
        CategoricalRange("booster", ("gbtree",)),
        CategoricalRange("booster", ("a", "b")),
    ],
)
def test_a_range_that_says_otherwise_is_believed(range_: object) -> None:
    """Where the usual value is not in the range, or there is no choice, the name says nothing."""
    assert experience_with(Space([range_]).encoding) is None  # type: ignore[list-item]


@given(st.integers(0, 1000), st.sampled_from(list(Scaling)))
def test_the_design_stays_in_the_ranges_and_begins_with_the_usual_values(seed: int, scaling: Scaling) -> None:
    """On every scale all values are the space's; the first row is the usual one, the others lie on both sides of it."""
    low = 0.0 if scaling is Scaling.REVERSE_LOGARITHMIC else 0.01
    space = Space([ContinuousRange("momentum", low, 0.99, scaling), DEPTH, BOOSTER, UNKNOWN])
    design = initial_design(space, seed, experience_with(space.encoding))
    rows = [space.decode(row) for row in design]
    for range_ in space.parameters:
        assert all(range_.contains(row[range_.name]) for row in rows)
    assert rows[0]["momentum"] == pytest.approx(0.9)
    assert (rows[0]["max_depth"], rows[0]["booster"]) == (8, "gbtree")
    assert 1 <= sum(row["max_depth"] < 8 for row in rows[1:]) < len(rows)
    assert {row["booster"] for row in rows} == set(BOOSTER.choices)


def test_the_documentation_lists_what_is_known() -> None:
    """Every name, value and spread stands in docs/search.md, and no other."""
    text = (Path(__file__).parents[3] / "docs" / "search.md").read_text()
    told = {}
    for names, value, spread in re.findall(
        r"^\| (`\w+`(?:, `\w+`)*) \| ([\d.e-]+) \| ([^|]+) \|$", text, re.MULTILINE
    ):
        for name in names.replace("`", "").split(", "):
            told[name] = Usual(float(value), float(spread.split()[-1]), by_factor="factor" in spread)
    assert told == {name: what for names, what in NUMBERS for name in names.split()}


@pytest.mark.parametrize(
    ("low", "high"),
    [(0.9, math.nextafter(0.9, 1.0)), (-1e308, 1e308), (0.9, 0.9 + 1e-12), (0.0, 0.9), (5e-324, 0.95)],
)
@pytest.mark.parametrize("scaling", [Scaling.LINEAR, Scaling.AUTO])
def test_extreme_ranges_have_a_design(low: float, high: float, scaling: Scaling) -> None:
    """Neighbouring doubles, the widest range and a usual value at a bound give values of the range, and finite beliefs."""
    space = Space([ContinuousRange("momentum", low, high, scaling), UNKNOWN])
    found = experience_with(space.encoding)
    assert found is not None
    for seed in range(20):
        design = initial_design(space, seed, found)
        assert np.isfinite(design).all()
        assert all(low <= float(space.decode(row)["momentum"]) <= high for row in design)
    value, gradient = found.log_density(design)
    assert np.isfinite(value).all()
    assert np.isfinite(gradient).all()


def test_a_wrong_name_costs_little() -> None:
    """With the best value at the far end of a known name's range, the search is there within a few trials all the same."""
    space = Space([ContinuousRange("learning_rate", 1e-6, 1.0, Scaling.LOGARITHMIC), UNKNOWN])
    history, memory = [], Memory()
    for number in range(20):
        values = suggest("Bayesian", space, history, [], 1, (1, number), maximize=False, memory=memory)[
            0
        ].values
        loss = abs(math.log10(float(values["learning_rate"])) + 6.0) + float(values["x1"])
        history.append(Observation(number, values, loss))
    assert min(float(seen.values["learning_rate"]) for seen in history[:12]) < 1e-5
    assert min(seen.objective or 0.0 for seen in history) < 0.3
