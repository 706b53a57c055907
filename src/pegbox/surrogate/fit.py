"""Hyperparameters by maximum a posteriori.

==========  ==================================================================================  ==========
symbol      meaning                                                                             shape
==========  ==================================================================================  ==========
X, y        encoded observations and their transformed values (about mean 0, deviation 1)       (n, d), (n,)
theta       log l, log s2, log w1, log w2, log noise variance (see ``kernel``)                  (d + 4,)
K           k(X, X) + noise I                                                                   (n, n)
m           constant mean with prior N(0, 1), eliminated in closed form                         ()
alpha       K^-1 (y - m)                                                                        (n,)
==========  ==================================================================================  ==========

    loss = 1/2 (y - m)' alpha + sum log L_ii + m^2 / 2 - log prior(theta)

(Rasmussen and Williams, "Gaussian processes for machine learning", 2006, eq. 2.30 and 5.9.) The length-scale prior
grows with the square root of the dimension after Hvarfner et al., "Vanilla Bayesian optimization performs great in
high dimensions" (2024), section 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.descent import descend
from pegbox.surrogate.kernel import Kernel, Layout, pair_covariance, pair_differences
from pegbox.surrogate.numerics import NotPositiveDefinite, cholesky, inverse_from_cholesky

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Normal priors of the entries of ``theta``, and the box they are searched in.

    Attributes:
        mean, deviation, lower, upper: (d + 4,) each.
    """

    mean: Floats
    deviation: Floats
    lower: Floats
    upper: Floats


def default_prior(
    layout: Layout,
    *,
    length: float = 0.4,
    length_deviation: float = 1.0,
    noise: float = 1e-3,
    noise_deviation: float = 1.0,
) -> Prior:
    """The prior of a usual tuning problem; ``length`` shifts the typical log length scale."""
    d = layout.d
    numeric = max(int((~layout.categorical).sum()), 1)
    center = np.where(layout.categorical, 0.25, length + 0.5 * math.log(numeric))
    mean = np.concatenate([center, [0.0, -1.5, -1.5, math.log(noise)]])
    deviation = np.concatenate([np.full(d, length_deviation), [1.0, 1.5, 1.5, noise_deviation]])
    lower = np.concatenate([np.full(d, math.log(0.02)), [math.log(0.05), -6.0, -6.0, math.log(1e-6)]])
    upper = np.concatenate([np.full(d, math.log(50.0)), [math.log(20.0), 3.0, 3.0, 0.0]])
    return Prior(mean, deviation, lower, upper)


def map_loss(theta: Floats, layout: Layout, prior: Prior, D: Floats, y: Floats) -> tuple[float, Floats]:
    """The loss above and its gradient (d + 4,); infinite where the matrix cannot be factored."""
    n, d = len(y), layout.d
    kernel = Kernel(layout, theta)
    k, dq, dh, dw1, dw2 = pair_covariance(kernel, D)
    s2, noise = kernel.variance, kernel.noise
    K = np.zeros((n, n))
    lower = np.tril_indices(n, -1)
    K[lower] = k
    K[np.diag_indices(n)] = s2 + noise
    try:
        L, _ = cholesky(K)  # reads the lower triangle only
    except NotPositiveDefinite:
        return math.inf, np.zeros(layout.size)
    inverse = inverse_from_cholesky(L)
    ones = inverse.sum(axis=1)
    m = float(ones @ y) / (float(ones.sum()) + 1.0)
    alpha = inverse @ (y - m)
    z = (theta - prior.mean) / prior.deviation
    loss = 0.5 * float((y - m) @ alpha) + float(np.log(np.diag(L)).sum()) + 0.5 * m * m + 0.5 * float(z @ z)
    # dloss/dK = (K^-1 - alpha alpha') / 2; every pair counts twice
    G = inverse - np.outer(alpha, alpha)
    pairs = G[lower]
    trace = float(np.trace(G))
    gradient = z / prior.deviation
    scales = -2.0 * kernel.inverse_squares
    categorical = layout.categorical
    if not categorical.all():
        gradient[:d][~categorical] += scales[~categorical] * (D[~categorical] @ (pairs * dq))
    if categorical.any():
        gradient[:d][categorical] += scales[categorical] * (D[categorical] @ (pairs * dh))
    gradient[d] += float(pairs @ k) + 0.5 * s2 * trace
    gradient[d + 1] += float(pairs @ dw1)
    gradient[d + 2] += float(pairs @ dw2)
    gradient[d + 3] += 0.5 * noise * trace
    return loss, gradient


def fit(
    X: Floats, y: Floats, layout: Layout, prior: Prior, starts: Floats, iterations: int
) -> tuple[Floats, float]:
    """The best ``theta`` found by descending from each row of ``starts`` (k, d + 4), and its loss.

    Raises:
        NotPositiveDefinite: When no start has a finite loss.
    """
    D = pair_differences(X, layout.categorical)

    def function(points: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        results = [map_loss(point, layout, prior, D, y) for point in points]
        return np.array([r[0] for r in results]), np.array([r[1] for r in results])

    theta, loss = descend(
        function, starts, prior.lower, prior.upper, iterations, tolerance=1e-2, first_step=0.5
    )
    best = int(np.argmin(loss))
    if not math.isfinite(loss[best]):
        raise NotPositiveDefinite("no start of the fit has a finite loss")
    return theta[best], float(loss[best])
