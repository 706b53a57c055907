"""Hyperparameters by maximum a posteriori.

==========  ==================================================================================  ==========
symbol      meaning                                                                             shape
==========  ==================================================================================  ==========
X, y        encoded observations and their transformed values (about mean 0, deviation 1)       (n, d), (n,)
theta       log l, log s2, log w1, log w2, log noise variance (see ``kernel``)                  (d + 5,)
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
from pegbox.surrogate.kernel import (
    NO_TREND,
    Kernel,
    Layout,
    pair_covariance,
    pair_differences,
    trend_features,
)
from pegbox.surrogate.numerics import NotPositiveDefinite, cholesky, inverse_from_cholesky

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prior:
    """Two-sided normal priors of the entries of ``theta``, and the box they are searched in.

    Attributes:
        mean: Most likely values (d + 5,).
        below, above: Deviations on either side of the mean (d + 5,).
        lower, upper: The box (d + 5,).
    """

    mean: Floats
    below: Floats
    above: Floats
    lower: Floats
    upper: Floats


def default_prior(
    layout: Layout,
    *,
    length: float = 0.4,
    noise: float = 1e-3,
    noise_below: float = 1.0,
    noise_above: float = 1.0,
    trend: float | None = None,
) -> Prior:
    """The prior of a usual tuning problem.

    Args:
        layout: The columns.
        length: Typical log length scale of a single numeric column.
        noise: Typical noise variance, in units of the transformed values' variance.
        noise_below, noise_above: Deviations of its logarithm on either side. Too much freedom above lets real
            structure be explained away as noise.
        trend: Typical log b; None for a surrogate without a trend.
    """
    d = layout.d
    if trend is None or layout.categorical.all():
        log_b, reach = NO_TREND, 0.0
    else:
        log_b, reach = trend, 4.0
    numeric = max(int((~layout.categorical).sum()), 1)
    center = np.where(layout.categorical, 0.25, length + 0.5 * math.log(numeric))
    mean = np.concatenate([center, [log_b, 0.0, -1.5, -1.5, math.log(noise)]])
    below = np.concatenate([np.ones(d + 2), [1.5, 1.5, noise_below]])
    above = np.concatenate([np.ones(d + 2), [1.5, 1.5, noise_above]])
    floor = [log_b - reach, math.log(0.05), -6.0, -6.0, math.log(1e-6)]
    ceiling = [log_b + reach, math.log(20.0), 3.0, 3.0, 0.0]
    lower = np.concatenate([np.full(d, math.log(0.02)), floor])
    upper = np.concatenate([np.full(d, math.log(50.0)), ceiling])
    return Prior(mean, below, above, lower, upper)


@dataclass(frozen=True)
class Evidence:
    """The data of one fit with everything that does not depend on ``theta``; build it with :func:`prepare`.

    Attributes:
        D: Squared differences of all pairs (d, P).
        F: Features of the trend (n, 2 c).
        y: Transformed values (n,).
        lower: Flat indices of the pairs in an (n, n) matrix (P,).
    """

    layout: Layout
    prior: Prior
    D: Floats
    F: Floats
    y: Floats
    lower: npt.NDArray[np.intp]


def prepare(X: Floats, y: Floats, layout: Layout, prior: Prior) -> Evidence:
    """Evidence of observations ``X`` (n, d) and transformed values ``y`` (n,)."""
    i, j = np.tril_indices(len(y), -1)
    F, _ = trend_features(X, layout.categorical)
    return Evidence(layout, prior, pair_differences(X, layout.categorical), F, y, i * len(y) + j)


def map_loss(theta: Floats, evidence: Evidence) -> tuple[float, Floats]:
    """The loss above and its gradient (d + 5,); infinite where the matrix cannot be factored."""
    layout, prior, y = evidence.layout, evidence.prior, evidence.y
    n, d = len(y), layout.d
    kernel = Kernel(layout, theta)
    pairs = pair_covariance(kernel, evidence.D)
    s2, noise = kernel.variance, kernel.noise
    K, trend = _covariance(kernel, evidence, pairs.k)
    try:
        L, _ = cholesky(K.reshape(n, n))
    except NotPositiveDefinite:
        return math.inf, np.zeros(layout.size)
    inverse = inverse_from_cholesky(L)
    ones = inverse.sum(axis=1)
    m = float(ones @ y) / (float(ones.sum()) + 1.0)
    centred = y - m
    alpha = inverse @ centred
    deviation = np.where(theta < prior.mean, prior.below, prior.above)
    z = (theta - prior.mean) / deviation
    log_determinant = float(np.log(L.ravel()[:: n + 1]).sum())
    loss = 0.5 * float(centred @ alpha) + log_determinant + 0.5 * m * m + 0.5 * float(z @ z)
    # dloss/dK = G / 2 with G = K^-1 - alpha alpha'; every pair occurs twice, the diagonal once
    G = (inverse - alpha[:, None] * alpha).ravel()
    trace = float(G[:: n + 1].sum())
    along_trend = 0.0 if trend is None else 0.5 * float(G @ trend)
    G = G[evidence.lower]
    gradient = z / deviation
    gradient[:d] += pairs.length_gradient(G, evidence.D)
    gradient[-5] += along_trend
    gradient[-4] += float(G @ pairs.k) + 0.5 * s2 * trace + along_trend
    if pairs.dw1 is not None and pairs.dw2 is not None:
        gradient[-3] += float(G @ pairs.dw1)
        gradient[-2] += float(G @ pairs.dw2)
    gradient[-1] += 0.5 * noise * trace
    return loss, gradient


def _covariance(kernel: Kernel, evidence: Evidence, pairs: Floats) -> tuple[Floats, Floats | None]:
    """The flat matrix K (n^2,), right below and on its diagonal, and the trend's part of it."""
    n = len(evidence.y)
    K = np.zeros(n * n)
    K[evidence.lower] = pairs
    K[:: n + 1] = kernel.variance + kernel.noise
    if not kernel.trend:
        return K, None
    trend = (kernel.trend * (evidence.F @ evidence.F.T)).ravel()
    K += trend
    return K, trend


def fit(
    X: Floats, y: Floats, layout: Layout, prior: Prior, starts: Floats, iterations: int
) -> tuple[Floats, float]:
    """The best ``theta`` found by descending from each row of ``starts`` (k, d + 5), and its loss.

    Raises:
        NotPositiveDefinite: When no start has a finite loss.
    """
    evidence = prepare(X, y, layout, prior)

    def function(points: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
        results = [map_loss(point, evidence) for point in points]
        return np.array([r[0] for r in results]), np.array([r[1] for r in results])

    theta, loss = descend(
        function,
        starts,
        prior.lower,
        prior.upper,
        iterations,
        gradient_tolerance=1e-2,
        decrease_tolerance=1e-5,
        first_step=0.5,
    )
    best = int(np.argmin(loss))
    if not math.isfinite(loss[best]):
        raise NotPositiveDefinite("no start of the fit has a finite loss")
    return theta[best], float(loss[best])
