"""Whether a parent that is said to measure the same function does.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
y_p         the parent's raw values                                                     (n_p,)
X, y        the child's observations                                                    (n, d), (n,)
t           the child's values on the parent's transformed scale                        (n,)
p, s        what the parent's model expects at X, and its deviation                     (n,)
z           (t - p) / s                                                                 (n,)
==========  ==========================================================================  ==========

The mean of z^2 should be near 1; beyond a generous bound the parent is no longer believed to be the same function.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.transforms import half_rank
from pegbox.transfer.expert import Expert

Floats = npt.NDArray[np.float64]

#: Bound of the mean of z^2 for many observations, what few are allowed more, and the most that one may say.
_BOUND, _SPREAD, _MOST = 3.0, 4.0, 25.0
#: Variance that is granted beyond what the model claims.
_TOLERANCE = 0.05


def measures_the_same(expert: Expert, y_p: Floats, X: Floats, y: Floats) -> bool:
    """Whether the child's ``X`` (n, d) and ``y`` (n,) are what the parent's trials ``y_p`` predict; true for n = 0."""
    n = len(y)
    if not n:
        return True
    p, deviation = expert.posterior.predict(expert.coordinates.extend(X))
    variance = deviation**2 + expert.posterior.kernel.noise + _TOLERANCE
    z2 = np.minimum((_on_scale(y, y_p) - p) ** 2 / variance, _MOST)
    return float(z2.mean()) <= _BOUND + _SPREAD / math.sqrt(n)


def _on_scale(y: Floats, y_p: Floats) -> Floats:
    """``y`` as :func:`half_rank` of ``y_p`` would have it; better than the best, the line of the better half goes on."""
    order = np.argsort(y_p, kind="stable")
    t = half_rank(y_p)[order]
    y, known = y / 8.0, y_p[order] / 8.0  # so that differences of the largest doubles stay finite
    middle = (len(known) - 1) // 2
    at: Floats = np.interp(y, known, t)
    width = known[middle] - known[0]
    if not width > 0:
        return at
    with np.errstate(over="ignore", invalid="ignore"):
        beyond = (t[middle] - t[0]) * ((known[0] - y) / width)
    return np.where(y < known[0], t[0] - np.minimum(np.nan_to_num(beyond, nan=0.0), 1e3), at)
