"""Where the model may be asked while it knows little.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
S           numeric columns of all points tried so far                                  (n, c)
radius      how far, in any one column, a candidate may lie from the nearest of them     ()
==========  ==========================================================================  ==========

With few observations the deviation is largest in the corners of the cube, and an unconstrained search spends its
first dozens of evaluations there. So candidates stay within an L-infinity distance of what was tried, which grows
with the number of observations until it covers everything (the device of the Vizier GP bandit).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_FULL = 0.5
#: Score of a candidate outside, plus its distance: comparable among themselves, below every one inside.
_OUTSIDE = -1e6


@dataclass(frozen=True)
class TrustRegion:
    """The union of boxes of half-width ``radius`` around the points tried."""

    S: Floats
    numeric: Bools
    radius: float

    def penalty(self, Z: Floats) -> Floats:
        """0 for candidates (m, d) inside, very negative outside, (m,)."""
        distance, _ = self._nearest(Z)
        return np.where(distance > self.radius * (1 + 1e-9), _OUTSIDE * (1.0 + distance), 0.0)

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bounds (m, d) of the box that holds each candidate."""
        _, nearest = self._nearest(Z)
        lower, upper = np.zeros_like(Z), np.ones_like(Z)
        centre = self.S[nearest]
        lower[:, self.numeric] = np.maximum(centre - self.radius, 0.0)
        upper[:, self.numeric] = np.minimum(centre + self.radius, 1.0)
        return lower, upper

    def _nearest(self, Z: Floats) -> tuple[Floats, npt.NDArray[np.intp]]:
        distance = np.zeros((len(Z), len(self.S)))
        for k, j in enumerate(np.nonzero(self.numeric)[0]):  # one column at a time bounds the memory
            np.maximum(distance, np.abs(Z[:, j][:, None] - self.S[:, k][None, :]), out=distance)
        nearest = distance.argmin(axis=1)
        return distance[np.arange(len(Z)), nearest], nearest


def trust_region(tried: Floats, categorical: Bools, start: float) -> TrustRegion | None:
    """The region after ``tried`` (n, d) points, or None once it covers the cube or no column is numeric.

    The radius grows from ``start`` to one half over the first 5 (d + 1) points.
    """
    numeric = ~categorical
    if not numeric.any() or not len(tried):
        return None
    radius = start + (_FULL - start) * len(tried) / (5.0 * (len(categorical) + 1))
    return None if radius >= _FULL else TrustRegion(tried[:, numeric], numeric, radius)
