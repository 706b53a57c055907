"""The covariance of the surrogate over mixed spaces.

==========  =====================================================================================  ==========
symbol      meaning                                                                                shape
==========  =====================================================================================  ==========
X, Z        encoded values; categorical columns hold choice indices                                (n, d), (m, d)
D           squared differences of all pairs i > j, per column; 0 or 1 for categorical columns     (d, P)
l           length scales                                                                          (d,)
q           sum over numeric columns of D_j / l_j^2                                                (P,)
h           sum over categorical columns of D_j / l_j^2                                            (P,)
M(q)        Matern-5/2 correlation (1 + sqrt(5q) + 5q/3) exp(-sqrt(5q))                            (P,)
C(h)        categorical correlation exp(-h)                                                        (P,)
s2          signal variance                                                                        ()
w1, w2      weights of what all choices share, and of what holds wherever the numbers are          ()
F           Legendre polynomials of degree 1 and 2 of the numeric columns                          (n, 2 c)
b           variance of the trend's coefficients over s2                                           ()
theta       log l, log b, log s2, log w1, log w2, log noise variance                               (d + 5,)
==========  =====================================================================================  ==========

    k = s2 (M C + w1 M + w2 C) / (1 + w1 + w2) + s2 b F F'

With only the product, one bad value of a choice condemns the choice and says nothing about the numbers of the others;
the two additive terms let knowledge cross (compare Ru et al., "Bayesian optimisation over multiple continuous and
categorical inputs", 2020, eq. 4). With only one kind of column, k = s2 M or k = s2 C.

The last term is a trend: a linear and a curved effect of each number on its own, whose coefficients are normal (Rasmussen
and Williams 2006, section 2.7). In many columns a few dozen observations say little about any one place, but much about
the trends, and a trend goes on towards the bounds where a stationary kernel falls back to the mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_SQRT5 = math.sqrt(5.0)


def matern(q: Floats) -> tuple[Floats, Floats]:
    """M(q) and its derivative dM/dq for squared scaled distances ``q`` >= 0."""
    r = _SQRT5 * np.sqrt(q)
    e = np.exp(-r)
    return (1.0 + r + (5.0 / 3.0) * q) * e, (-5.0 / 6.0) * (1.0 + r) * e


#: A trend whose log b is not above this is left out.
NO_TREND = -20.0


def trend_features(X: Floats, categorical: Bools) -> tuple[Floats, Floats]:
    """F (n, 2 c) at the rows of ``X`` (n, d) and its slope in each row's own columns (n, 2 c).

    The polynomials are orthogonal on [0, 1]; the curved ones weigh half. The mean variance of F F' is 3 / 2.
    """
    u = 2.0 * X[:, ~categorical] - 1.0
    c = max(u.shape[1], 1)
    linear, curved = math.sqrt(3.0 / c), math.sqrt(2.5 / c)
    value = np.hstack([linear * u, curved * (1.5 * u * u - 0.5)])
    return value, np.hstack([np.full_like(u, 2.0 * linear), 6.0 * curved * u])


@dataclass(frozen=True)
class Layout:
    """Where things stand in ``theta`` for one space.

    Attributes:
        categorical: (d,) which columns are categorical.
    """

    categorical: Bools

    @property
    def d(self) -> int:
        """Number of columns."""
        return len(self.categorical)

    @property
    def mixed(self) -> bool:
        """Whether both kinds of column occur."""
        return bool(self.categorical.any() and not self.categorical.all())

    @property
    def size(self) -> int:
        """Length of ``theta``."""
        return self.d + 5


@dataclass(frozen=True)
class Kernel:
    """The kernel at given hyperparameters ``theta`` (d + 5,)."""

    layout: Layout
    theta: Floats

    @property
    def inverse_squares(self) -> Floats:
        """1 / l^2, (d,)."""
        return np.exp(-2.0 * self.theta[: self.layout.d])

    @property
    def variance(self) -> float:
        """s2, the prior variance of the function."""
        return math.exp(self.theta[-4])

    @property
    def trend(self) -> float:
        """s2 b, the prior variance of the trend's coefficients; 0 without a trend."""
        log_b = self.theta[self.layout.d]
        return self.variance * math.exp(log_b) if log_b > NO_TREND else 0.0

    def variances(self, Z: Floats) -> Floats:
        """k(z, z) of the rows of ``Z`` (m, d), (m,)."""
        total = np.full(len(Z), self.variance)
        if self.trend:
            F, _ = trend_features(Z, self.layout.categorical)
            total += self.trend * (F * F).sum(axis=1)
        return total

    @property
    def weights(self) -> tuple[float, float, float]:
        """Weights of the product, the numeric and the categorical term; they sum to 1."""
        if not self.layout.mixed:
            return 1.0, 0.0, 0.0
        w1, w2 = math.exp(self.theta[-3]), math.exp(self.theta[-2])
        total = 1.0 + w1 + w2
        return 1.0 / total, w1 / total, w2 / total

    @property
    def noise(self) -> float:
        """Noise variance of one observation."""
        return math.exp(self.theta[-1])

    def cross(self, X: Floats, Z: Floats) -> Floats:
        """Covariances (n, m) between the rows of ``X`` and of ``Z``."""
        k = self.cross_parts(X, Z)[0]
        return k + self.trend_cross(X, Z) if self.trend else k

    def trend_cross(self, X: Floats, Z: Floats) -> Floats:
        """The trend's part of the covariances (n, m)."""
        categorical = self.layout.categorical
        return self.trend * (trend_features(X, categorical)[0] @ trend_features(Z, categorical)[0].T)

    def cross_parts(self, X: Floats, Z: Floats) -> tuple[Floats, Floats]:
        """Covariances (n, m) but for the trend, and their derivative with respect to q (n, m)."""
        q, h = self._distances(X, Z)
        a, b, c = self.weights
        M, dM = matern(q)
        if not self.layout.categorical.any():
            return self.variance * M, self.variance * dM
        C = np.exp(-h)
        if self.layout.categorical.all():
            return self.variance * C, np.zeros_like(C)
        factor = a * C + b
        return self.variance * (factor * M + c * C), self.variance * factor * dM

    def _distances(self, X: Floats, Z: Floats) -> tuple[Floats, Floats]:
        categorical = self.layout.categorical
        roots = np.sqrt(self.inverse_squares[~categorical])
        A, B = X[:, ~categorical] * roots, Z[:, ~categorical] * roots
        q = (A * A).sum(1)[:, None] + (B * B).sum(1)[None, :] - 2.0 * (A @ B.T)
        np.maximum(q, 0.0, out=q)
        h = np.zeros_like(q) if categorical.any() else q
        for j in np.nonzero(categorical)[0]:
            h += self.inverse_squares[j] * (X[:, j][:, None] != Z[:, j][None, :])
        return q, h


def pair_differences(X: Floats, categorical: Bools) -> Floats:
    """D (d, P): squared differences of all pairs i > j in the order of ``numpy.tril_indices(n, -1)``."""
    i, j = np.tril_indices(len(X), -1)
    D = (X[i] - X[j]).T
    D *= D
    D[categorical] = D[categorical] > 0
    return np.ascontiguousarray(D)


@dataclass(frozen=True)
class PairCovariance:
    """Covariances of all pairs but for the trend, and what their gradient needs; terms that a space does not have are None.

    Attributes:
        k: Covariances (P,).
        dq, dh: Derivatives with respect to q and h (P,).
        dw1, dw2: Derivatives with respect to log w1 and log w2 (P,).
    """

    kernel: Kernel
    k: Floats
    dq: Floats | None = None
    dh: Floats | None = None
    dw1: Floats | None = None
    dw2: Floats | None = None

    def length_gradient(self, G: Floats, D: Floats) -> Floats:
        """Sum over pairs of ``G`` (P,) times dk/dlog l, (d,); dq/dlog l_j = -2 D_j / l_j^2."""
        numeric = np.zeros(len(D)) if self.dq is None else D @ (G * self.dq)
        categorical = numeric if self.dh is None else D @ (G * self.dh)
        total = np.where(self.kernel.layout.categorical, categorical, numeric)
        return np.asarray(-2.0 * self.kernel.inverse_squares * total)


def pair_covariance(kernel: Kernel, D: Floats) -> PairCovariance:
    """Covariances of all pairs whose squared differences are ``D`` (d, P)."""
    categorical = kernel.layout.categorical
    scales, s2 = kernel.inverse_squares, kernel.variance
    if not categorical.any():
        M, dM = matern(scales @ D)
        return PairCovariance(kernel, s2 * M, dq=s2 * dM)
    C = np.exp(-(np.where(categorical, scales, 0.0) @ D))
    if categorical.all():
        k = s2 * C
        return PairCovariance(kernel, k, dh=-k)
    M, dM = matern(np.where(categorical, 0.0, scales) @ D)
    a, b, c = kernel.weights
    k = s2 * (a * M * C + b * M + c * C)
    return PairCovariance(
        kernel,
        k,
        dq=s2 * (a * C + b) * dM,
        dh=-s2 * (a * M + c) * C,
        dw1=b * (s2 * M - k),
        dw2=c * (s2 * C - k),
    )
