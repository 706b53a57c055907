"""The lockstep minimiser."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.descent import descend

Floats = npt.NDArray[np.float64]


def _rosenbrock(points: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
    x, y = points[:, 0], points[:, 1]
    value = 100 * (y - x * x) ** 2 + (1 - x) ** 2
    gradient = np.stack([-400 * x * (y - x * x) - 2 * (1 - x), 200 * (y - x * x)], axis=1)
    return value, gradient


def test_finds_the_bottom_of_a_curved_valley() -> None:
    """Every row reaches the minimum of Rosenbrock's function from its own start."""
    starts = np.array([[-1.2, 1.0], [0.0, 0.0], [1.8, -1.0]])
    x, f = descend(_rosenbrock, starts, np.full(2, -2.0), np.full(2, 2.0), 200, gradient_tolerance=1e-8)
    assert np.allclose(x, 1.0, atol=1e-4)
    assert (f < 1e-8).all()


def test_stops_at_a_bound_where_the_minimum_lies_outside() -> None:
    """The constrained minimum on an edge of the box is found exactly on the edge."""
    x, _ = descend(_rosenbrock, np.array([[-1.0, 1.0]]), np.full(2, -2.0), np.array([0.5, 2.0]), 200)
    assert x[0, 0] == 0.5
    assert abs(x[0, 1] - 0.25) < 1e-3


def test_rows_do_not_influence_each_other() -> None:
    """A row's result is bit-equal whether it runs alone or beside others."""
    starts = np.random.default_rng(1).uniform(-2, 2, (5, 2))
    together, _ = descend(_rosenbrock, starts, np.full(2, -2.0), np.full(2, 2.0), 25)
    for i, start in enumerate(starts):
        alone, _ = descend(_rosenbrock, start[None], np.full(2, -2.0), np.full(2, 2.0), 25)
        assert (alone[0] == together[i]).all()


def test_non_finite_regions_are_walls() -> None:
    """Steps into NaN are shortened, a start in NaN stays where it is with value infinity, nothing raises."""

    def walled(points: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        value, gradient = _rosenbrock(points, rows)
        outside = points[:, 0] < 0
        return np.where(outside, np.nan, value), np.where(outside[:, None], np.nan, gradient)

    x, f = descend(walled, np.array([[0.1, 1.5], [-1.0, 0.0]]), np.full(2, -2.0), np.full(2, 2.0), 100)
    assert f[0] < 1e-3
    assert np.isinf(f[1])
    assert (x[1] == [-1.0, 0.0]).all()


def test_never_worse_than_the_start() -> None:
    """Even one iteration keeps or lowers every value."""
    starts = np.random.default_rng(2).uniform(-2, 2, (20, 2))
    before, _ = _rosenbrock(starts, np.arange(20))
    _, after = descend(_rosenbrock, starts, np.full(2, -2.0), np.full(2, 2.0), 1)
    assert (after <= before).all()
