"""Output transforms: what the surrogate sees instead of raw values (which are minimised here).

==========  ==================================================================  =======
symbol      meaning                                                             shape
==========  ==================================================================  =======
y           finite raw values, smaller is better                                (n,)
t           transformed values, mean 0 and deviation 1 (all 0 when all equal)   (n,)
==========  ==================================================================  =======

Every transform is increasing, so the order of the observations is kept. All are scale-free: values of size 1e-300 or
1e300 give the same result as values of size 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.numerics import normal_quantile

Floats = npt.NDArray[np.float64]

_EXPONENTS = np.linspace(-2.0, 3.0, 26)[:, None]


def rescale(y: Floats) -> Floats:
    """``y`` moved and scaled so that median 0 and largest absolute value at most 1; no overflow at 1e308."""
    y = y / max(float(np.abs(y).max()), np.finfo(float).tiny)
    y = y - np.median(y)
    top = float(np.abs(y).max())
    return y / top if top > 0 else y


def standardise(y: Floats) -> Floats:
    """Mean 0, deviation 1; zeros when all values are equal."""
    centred = rescale(y)
    centred = centred - centred.mean()
    deviation = float(centred.std())
    return centred / deviation if deviation > 1e-12 else np.zeros_like(centred)


def ranks(y: Floats) -> Floats:
    """Mid-ranks 0..n-1; ties share their mean rank."""
    _, inverse, counts = np.unique(y, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - 0.5 * (counts + 1))[inverse]


def half_rank(y: Floats) -> Floats:
    """Values worse than the median become Gaussian quantiles on the scale of the better half.

    How bad a bad value was then no longer matters, only its rank (Golovin et al., "Google Vizier", 2017, and the
    output warping of its successor).
    """
    y = rescale(y)
    median = float(np.median(y))
    good = y <= median
    z = normal_quantile((ranks(y) + 0.5) / len(y))
    spread = float(np.sqrt(np.mean((y[good] - median) ** 2)))
    reference = float(np.sqrt(np.mean(np.minimum(z[good], 0.0) ** 2)))
    if spread <= 0 or reference <= 0:  # the better half is all equal: only the ranks speak
        return standardise(z)
    return standardise(np.where(good, y, median + np.maximum(z, 0.0) * spread / reference))


def winsorise(y: Floats) -> Floats:
    """Bad outliers are pulled in to the third quartile plus three interquartile ranges."""
    y = rescale(y)
    first, third = np.percentile(y, [25, 75])
    limit = third + 3.0 * (third - first)
    return np.minimum(y, limit) if third > first else y


def yeo_johnson(y: Floats) -> Floats:
    """Winsorise, standardise, then the power transform of highest likelihood (Yeo and Johnson 2000, eq. 2.1)."""
    z = standardise(winsorise(y))
    if not z.any():
        return z
    up, down = np.log1p(np.maximum(z, 0.0)), np.log1p(np.maximum(-z, 0.0))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        a = np.where(np.abs(_EXPONENTS) < 1e-9, up, np.expm1(_EXPONENTS * up) / _EXPONENTS)
        b = np.where(
            np.abs(_EXPONENTS - 2) < 1e-9, down, np.expm1((2 - _EXPONENTS) * down) / (2 - _EXPONENTS)
        )
        t = np.where(z >= 0, a, -b)
        likelihood = -0.5 * len(z) * np.log(t.var(axis=1) + 1e-12) + ((_EXPONENTS - 1) * (up - down)).sum(
            axis=1
        )
    likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
    return standardise(t[int(np.argmax(likelihood))])


def invert(t_new: Floats, t: Floats, y: Floats) -> Floats:
    """Raw values that belong to transformed ones, by interpolation between observed pairs (t, y).

    Beyond the observed range the line through its ends goes on, up to the largest double. Where all observed values
    are equal there is no unit, and everything inverts to that value.
    """
    order = np.argsort(t, kind="stable")
    low, high = order[0], order[-1]
    width = float(t[high] - t[low])  # 0, or at least 1 for standardised values
    eighth = y / 8.0  # so that differences of the largest doubles stay finite
    inside = np.interp(t_new, t[order], np.maximum.accumulate(eighth[order]))
    slope = (eighth[high] - eighth[low]) / width if width > 0 else 0.0
    outside = np.where(t_new < t[low], t_new - t[low], np.maximum(t_new - t[high], 0.0))
    limit = np.finfo(float).max / 8.0
    with np.errstate(over="ignore"):
        return np.asarray(8.0 * np.clip(inside + slope * outside, -limit, limit))


TRANSFORMS = {
    "standardise": standardise,
    "half_rank": half_rank,
    "yeo_johnson": yeo_johnson,
}
