"""One parent as an expert: what its own model expects anywhere in the child's space.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X, y        the parent's trials in the child's coordinates, raw values                  (n, d + e), (n,)
t           transformed values: mean 0, deviation 1                                     (n,)
p           the expert's expectation, in units of t                                     (m,)
==========  ==========================================================================  ==========

Only p is used, not the parent's deviation: where the parent saw nothing, p falls back to its mean and says nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.fit import default_prior, fit
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.posterior import Posterior, condition
from pegbox.surrogate.subset import representative
from pegbox.surrogate.transforms import half_rank
from pegbox.transfer.coordinates import Coordinates

Floats = npt.NDArray[np.float64]

#: How many trials all experts of a child look at together, and bounds of what one of them looks at: asking them costs
#: in proportion, at each of thousands of candidates.
TOGETHER, FEWEST, MOST = 180, 36, 100
#: The most trials that an expert's hyperparameters are fitted to.
FIT_LIMIT = 60
_ITERATIONS = 25
_NOISE = 1e-2


@dataclass(frozen=True)
class Expert:
    """A parent's model, asked with the child's codes."""

    posterior: Posterior
    coordinates: Coordinates

    def expect(self, Z: Floats) -> Floats:
        """p (m,) at codes ``Z`` (m, d) of the child."""
        posterior = self.posterior
        k = posterior.kernel.cross(posterior.X, self.coordinates.extend(Z))
        return np.asarray(posterior.m + k.T @ posterior.alpha)

    def expect_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """p (m,) and its gradient (m, d); 0 in categorical columns."""
        posterior, full = self.posterior, self.coordinates.extend(Z)
        k, dq = posterior.kernel.cross_parts(posterior.X, full)
        layout = posterior.kernel.layout
        scales = np.where(layout.categorical, 0.0, 2.0 * posterior.kernel.inverse_squares)
        W = dq * posterior.alpha[:, None]
        gradient = scales * (full * W.sum(axis=0)[:, None] - W.T @ posterior.X)
        return np.asarray(posterior.m + k.T @ posterior.alpha), gradient[:, : Z.shape[1]]


def consult(X: Floats, y: Floats, where: Coordinates, experts: int = 1) -> Expert | None:
    """The expert of a parent's trials ``X`` (n, d + e) and ``y`` (n,); None where they say nothing.

    Args:
        X: Rows of ``where``.
        y: Raw values.
        where: The parent's coordinates.
        experts: How many experts the child has.

    Raises:
        NotPositiveDefinite: When no covariance matrix of the trials has a factor.
    """
    rows = representative(y, max(FEWEST, min(MOST, TOGETHER // experts)))
    t = half_rank(y)
    if len(y) < 2 or not t.any():
        return None
    X, t = X[rows], t[rows]
    layout = Layout(where.categorical)
    prior = default_prior(layout, noise=_NOISE)
    few = representative(t, FIT_LIMIT)
    theta, _ = fit(X[few], t[few], layout, prior, prior.mean[None], _ITERATIONS)
    return Expert(condition(Kernel(layout, theta), X, t), where)
