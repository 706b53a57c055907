"""What the surrogate believes after its observations.

==========  ==================================================================================  ==========
symbol      meaning                                                                             shape
==========  ==================================================================================  ==========
X, y        encoded observations and transformed values                                         (n, d), (n,)
R           inverse of the lower Cholesky factor of k(X, X) + noise I                           (n, n)
m           posterior constant mean                                                             ()
v           R (y - m)                                                                           (n,)
alpha       R' v = K^-1 (y - m)                                                                 (n,)
A           R k(X, Z)                                                                           (n, m)
==========  ==================================================================================  ==========

    mean(z) = m + A' v        var(z) = k(z, z) - column sums of A^2

(Rasmussen and Williams 2006, eq. 2.25 and 2.26; the uncertainty of m is left out, it is small after a few points.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.kernel import Kernel, trend_features
from pegbox.surrogate.numerics import cholesky, inverse_lower

Floats = npt.NDArray[np.float64]

#: Variances are kept above this, so that logarithms of deviations stay finite at observed points.
MIN_VARIANCE = 1e-10


@dataclass(frozen=True)
class Posterior:
    """A kernel conditioned on observations; build it with :func:`condition`."""

    kernel: Kernel
    X: Floats
    y: Floats
    R: Floats
    m: float
    v: Floats
    alpha: Floats
    jitter: float

    def predict(self, Z: Floats) -> tuple[Floats, Floats]:
        """Mean and standard deviation (m,) of the noiseless function at the rows of ``Z`` (m, d)."""
        A = self.R @ self.kernel.cross(self.X, Z)
        mean: Floats = self.m + A.T @ self.v
        return mean, self._deviation(A, Z)

    def predict_with_gradient(self, Z: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, deviation (m,) and their gradients (m, d); categorical columns get zero."""
        kernel, categorical = self.kernel, self.kernel.layout.categorical
        k, dq = kernel.cross_parts(self.X, Z)
        if kernel.trend:
            k = k + kernel.trend_cross(self.X, Z)
        A = self.R @ k
        sd = self._deviation(A, Z)
        B = self.R.T @ A  # K^-1 k(X, Z)
        # dk(x_i, z)/dz_j = dk/dq 2 (z_j - x_ij) / l_j^2
        scales = np.where(categorical, 0.0, 2.0 * kernel.inverse_squares)
        W = dq * self.alpha[:, None]
        d_mean = scales * (Z * W.sum(axis=0)[:, None] - W.T @ self.X)
        W = dq * B
        d_sd = -scales * (Z * W.sum(axis=0)[:, None] - W.T @ self.X) / sd[:, None]
        if kernel.trend:
            (F, _), (at, slope) = trend_features(self.X, categorical), trend_features(Z, categorical)
            along = kernel.trend * (self.alpha @ F) * slope
            d_mean[:, ~categorical] += along[:, : along.shape[1] // 2] + along[:, along.shape[1] // 2 :]
            along = kernel.trend * (at - B.T @ F) * slope / sd[:, None]
            d_sd[:, ~categorical] += along[:, : along.shape[1] // 2] + along[:, along.shape[1] // 2 :]
        mean: Floats = self.m + A.T @ self.v
        return mean, sd, d_mean, d_sd

    def leave_one_out(self) -> tuple[Floats, Floats]:
        """Mean and deviation (n,) of each observation predicted from the others (R and W 2006, eq. 5.12)."""
        precision = (self.R * self.R).sum(axis=0)  # diagonal of K^-1
        mean: Floats = self.y - self.alpha / precision
        return mean, np.sqrt(1.0 / precision)

    def _deviation(self, A: Floats, Z: Floats) -> Floats:
        variance = self.kernel.variances(Z) - (A * A).sum(axis=0)
        deviation: Floats = np.sqrt(np.maximum(variance, MIN_VARIANCE))
        return deviation


def condition(kernel: Kernel, X: Floats, y: Floats) -> Posterior:
    """The posterior given observations ``X`` (n, d) and ``y`` (n,), n >= 1.

    Raises:
        NotPositiveDefinite: When the covariance matrix has no factor.
    """
    K = kernel.cross(X, X)
    K[np.diag_indices(len(X))] = kernel.variances(X) + kernel.noise
    L, jitter = cholesky(K)
    R = inverse_lower(L)
    ones, values = R.sum(axis=1), R @ y
    m = float(ones @ values) / (float(ones @ ones) + 1.0)
    v = values - m * ones
    return Posterior(kernel, X, y, R, m, v, R.T @ v, jitter)


def condition_on_pending(posterior: Posterior, pending: Floats) -> Posterior:
    """The posterior as if each pending point (p, d) had returned its own mean: only the deviation shrinks."""
    if not len(pending):
        return posterior
    mean, _ = posterior.predict(pending)
    return condition(posterior.kernel, np.vstack([posterior.X, pending]), np.concatenate([posterior.y, mean]))
