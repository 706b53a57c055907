"""A parent's values in its child's coordinates."""

from __future__ import annotations

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.transfer.coordinates import REACH, coordinates

LOG, LINEAR, REVERSE = Scaling.LOGARITHMIC, Scaling.LINEAR, Scaling.REVERSE_LOGARITHMIC
CHILD = Space(
    [
        ContinuousRange("rate", 1e-3, 1e-1, LOG),
        IntegerRange("layers", 2, 5, LINEAR),
        CategoricalRange("kind", ("a", "b")),
        ContinuousRange("momentum", 0.5, 0.99, REVERSE),
    ]
)
POINT = {"rate": 1e-2, "layers": 3, "kind": "b", "momentum": 0.9}


def test_inside_is_the_childs_own_code() -> None:
    """Values within the child's ranges get exactly the child's code, whatever ranges the parent had."""
    parent = Space([ContinuousRange("rate", 1e-6, 1.0, LINEAR), IntegerRange("layers", 1, 50)])
    where = coordinates(CHILD, parent, {"kind": "b", "momentum": 0.9}, {})
    row = where.place([{"rate": 1e-2, "layers": 3}])
    assert row[0] == pytest.approx(CHILD.encode(POINT), abs=1e-12)
    assert where.inside(row).tolist() == [True]


def test_outside_keeps_its_side_and_distance() -> None:
    """Values beyond a bound stand beyond it on the child's scale, no further than the reach."""
    where = coordinates(CHILD, CHILD, {}, {})
    rows = where.place(
        [
            {**POINT, "rate": 1.0},
            {**POINT, "rate": 1e-300},
            {**POINT, "layers": 9},
            {**POINT, "momentum": 0.0},
            {**POINT, "momentum": 5.0},
        ]
    )
    assert rows[0, 0] == pytest.approx(1.5)
    assert rows[1, 0] == -REACH
    assert 1.0 < rows[2, 1] <= 1.0 + REACH
    assert rows[3, 3] < 0.0 < 1.0 < rows[4, 3] <= 1.0 + REACH
    assert not where.inside(rows).any()


def test_unknown_choices_are_apart() -> None:
    """Each choice that the child lacks gets an index of its own, outside the child's."""
    where = coordinates(CHILD, CHILD, {}, {})
    rows = where.place([{**POINT, "kind": kind} for kind in ("a", "z", "b", "y", "z")])
    assert rows[:, 2].tolist() == [0.0, 3.0, 1.0, 2.0, 3.0]
    assert where.inside(rows).tolist() == [True, False, True, False, False]


def test_fixed_in_the_parent() -> None:
    """A parameter that the parent held fixed stands at that value; without a value the trial is of no use."""
    parent = Space([range_ for range_ in CHILD.parameters if range_.name != "layers"])
    without = coordinates(CHILD, parent, {}, {})
    assert not without.covers({name: value for name, value in POINT.items() if name != "layers"})
    where = coordinates(CHILD, parent, {"layers": 3}, {})
    trial = {name: value for name, value in POINT.items() if name != "layers"}
    assert where.covers(trial)
    assert where.place([trial])[0] == pytest.approx(CHILD.encode(POINT))


def test_fixed_in_the_child() -> None:
    """A parameter that only the parent tuned is a column where the child stands at its fixed value."""
    parent = Space(
        [*CHILD.parameters, ContinuousRange("decay", 0.0, 4.0, LINEAR), IntegerRange("other", 0, 9)]
    )
    where = coordinates(CHILD, parent, {}, {"decay": 1.0})
    rows = where.place([{**POINT, "decay": 1.0, "other": 1}, {**POINT, "decay": 3.0, "other": 1}])
    assert rows[:, 4].tolist() == [0.25, 0.75]
    assert where.inside(rows).tolist() == [True, False]
    assert where.extend(rows[:, :4])[:, 4].tolist() == [0.25, 0.25]
    assert where.categorical.tolist() == [False, False, True, False, False]


def test_wrong_kinds_are_left_out() -> None:
    """A text for a number, a number for a choice, NaN and truth values make a trial unusable."""
    where = coordinates(CHILD, CHILD, {}, {})
    for name, value in (
        ("rate", "fast"),
        ("kind", 3),
        ("layers", float("nan")),
        ("rate", True),
        ("rate", None),
    ):
        assert not where.covers({**POINT, name: value}), (name, value)


def test_a_range_of_one_value() -> None:
    """Where the child has a single value, the parent's others lie on either side of it."""
    child = Space([ContinuousRange("x", 2.0, 2.0)])
    where = coordinates(child, Space([ContinuousRange("x", 0.0, 9.0)]), {}, {})
    assert where.place([{"x": 1.0}, {"x": 2.0}, {"x": 3.0}])[:, 0].tolist() == [-0.5, 0.5, 1.5]


def test_scales_that_end_before_the_value() -> None:
    """A parent's zero or negative value on the child's logarithmic scale lies at the reach."""
    where = coordinates(CHILD, CHILD, {}, {})
    rows = where.place([{**POINT, "rate": 0.0}, {**POINT, "rate": -1.0}, {**POINT, "layers": 10**12}])
    assert rows[:2, 0].tolist() == [-REACH, -REACH]
    assert rows[2, 1] == 1.0 + REACH
    assert np.isfinite(rows).all()
