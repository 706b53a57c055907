"""Output transforms keep the order and do not care about units."""

from __future__ import annotations

import numpy as np
import pytest

from pegbox.surrogate.subset import representative
from pegbox.surrogate.transforms import TRANSFORMS, invert, ranks

NAMES = sorted(TRANSFORMS)


@pytest.mark.parametrize("name", NAMES)
def test_order_is_kept(name: str) -> None:
    """Better raw values are never worse after the transform, ties stay ties."""
    y = np.round(np.random.default_rng(0).standard_cauchy(60), 1)
    t = TRANSFORMS[name](y)
    order = np.argsort(y, kind="stable")
    assert (np.diff(t[order]) >= -1e-12).all()
    assert t.mean() == pytest.approx(0.0, abs=1e-9)
    assert t.std() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_units_do_not_matter(name: str, scale: float) -> None:
    """Values of any magnitude give the same transformed values, without overflow."""
    y = np.random.default_rng(1).normal(size=25)
    assert np.allclose(TRANSFORMS[name](y * scale), TRANSFORMS[name](y), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "y", [[3.0], [0.0, 0.0], [5.0] * 9, [1e308, -1e308], [1.0, 1.0, 1.0, 2.0], [0.0, 5e-324]]
)
def test_degenerate_values_stay_finite(name: str, y: list[float]) -> None:
    """One value, equal values, extreme and denormal values never give NaN."""
    t = TRANSFORMS[name](np.array(y))
    assert np.isfinite(t).all()
    if len(set(y)) == 1:
        assert (t == 0).all()


def test_half_rank_forgets_how_bad_bad_values_are() -> None:
    """Making the worst value a million times worse changes nothing; the better half keeps its spacing."""
    y = np.array([1.0, 2.0, 4.0, 8.0, 9.0, 10.0, 50.0])
    worse = y.copy()
    worse[-1] = 5e7
    a, b = TRANSFORMS["half_rank"](y), TRANSFORMS["half_rank"](worse)
    assert np.allclose(a, b, atol=1e-5)
    assert (a[2] - a[1]) / (a[1] - a[0]) == pytest.approx(2.0)


def test_ties_share_a_rank() -> None:
    """Mid-ranks: equal values are not ordered by chance."""
    assert ranks(np.array([5.0, 1.0, 5.0])).tolist() == [1.5, 0.0, 1.5]


def test_subset_keeps_the_best_and_spreads_over_the_rest() -> None:
    """The best half of the limit is kept, the worst value is represented, and small sets are kept whole."""
    y = np.random.default_rng(3).permutation(1000).astype(float)
    rows = representative(y, 100)
    chosen = set(y[rows])
    assert len(rows) == 100
    assert set(range(50)) <= chosen
    assert 999.0 in chosen
    assert representative(y[:40], 100).tolist() == list(range(40))


@pytest.mark.parametrize("name", NAMES)
def test_inversion_undoes_the_transform(name: str) -> None:
    """At observed values the raw ones come back; in between and beyond, order is kept and nothing overflows."""
    y = np.random.default_rng(4).normal(size=30)
    t = TRANSFORMS[name](y)
    assert np.allclose(invert(t, t, y), y, atol=1e-12)
    assert (np.diff(invert(np.linspace(-9, 9, 50), t, y)) >= 0).all()
    huge = y / np.abs(y).max() * 1.7e308
    assert np.isfinite(invert(np.array([-50.0, 50.0]), TRANSFORMS[name](huge), huge)).all()
    assert (invert(np.array([-3.0, 3.0]), np.zeros(5), np.full(5, 7.0)) == 7.0).all()
