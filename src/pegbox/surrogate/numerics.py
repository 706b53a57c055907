"""Numerically delicate primitives, each in one place.

==========  ==================================================================  =======
symbol      meaning                                                             shape
==========  ==================================================================  =======
K           symmetric positive (semi-)definite matrix                           (n, n)
L           lower Cholesky factor, K = L L'                                     (n, n)
z           standardised improvement (best - mean) / sd                         (m,)
phi, Phi    density and distribution function of the standard normal law
==========  ==================================================================  =======
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Added to the diagonal, one after the other, until a factorisation succeeds (relative to the mean diagonal).
JITTERS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)

_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
_SQRT_HALF_PI = math.sqrt(0.5 * math.pi)


class NotPositiveDefinite(ArithmeticError):
    """A matrix has no Cholesky factor even with the largest jitter, or holds non-finite entries."""


def cholesky(K: Floats) -> tuple[Floats, float]:
    """Lower factor of ``K`` and the absolute jitter that was needed.

    Raises:
        NotPositiveDefinite: When the largest jitter does not help.
    """
    from scipy.linalg.lapack import dpotrf

    scale = float(np.mean(np.diag(K))) if len(K) else 1.0
    for jitter in JITTERS:
        A = K if jitter == 0.0 else K + (jitter * scale) * np.eye(len(K))
        L, info = dpotrf(A, lower=1, clean=1)
        if info == 0 and np.isfinite(L[-1, -1]):
            return L, jitter * scale
    raise NotPositiveDefinite(f"no Cholesky factor of a {K.shape} matrix")


def inverse_lower(L: Floats) -> Floats:
    """The inverse of a lower triangular matrix; products with it are faster than many triangular solves."""
    from scipy.linalg.lapack import dtrtri

    inverse, _ = dtrtri(L, lower=1)
    return np.asarray(inverse)


def inverse_from_cholesky(L: Floats) -> Floats:
    """The full symmetric inverse of L L', as R' R with R = L^-1.

    LAPACK's own routine for this (dpotri) is not faster, and with several BLAS threads on a busy machine it can take
    a thousand times longer on matrices of this size.
    """
    R = inverse_lower(L)
    return np.asarray(R.T @ R)


def normal_log_pdf(z: Floats) -> Floats:
    """log phi(z)."""
    return -0.5 * z * z - _LOG_SQRT_2PI


def normal_quantile(p: Floats) -> Floats:
    """The z with Phi(z) = p, for p in (0, 1)."""
    from scipy.special import ndtri

    return np.asarray(ndtri(p))


def log_normal_cdf(z: Floats) -> Floats:
    """log Phi(z), accurate in the lower tail."""
    from scipy.special import log_ndtr

    return np.asarray(log_ndtr(z))


def log_h(z: Floats) -> Floats:
    """log(phi(z) + z Phi(z)), the logarithm of the standardised expected improvement.

    Three branches after Ament et al., "Unexpected Improvements to Expected Improvement" (2023), eq. 9: above -1 the
    sum is well conditioned; down to -1e4 phi(z) is factored out and the rest is a scaled error function, which loses
    about 2 log10|z| of its 16 digits; below, phi(z) / z^2 is exact to double precision.
    """
    from scipy.special import erfcx, ndtr

    out = np.empty_like(z)
    near = z > -1.0
    far = z < -1e4
    middle = ~near & ~far
    if near.any():
        a = z[near]
        out[near] = np.log(np.exp(normal_log_pdf(a)) + a * ndtr(a))
    if middle.any():
        a = -z[middle]
        out[middle] = normal_log_pdf(a) + np.log1p(-a * _SQRT_HALF_PI * erfcx(a / math.sqrt(2.0)))
    if far.any():
        a = -z[far]
        out[far] = normal_log_pdf(a) - 2.0 * np.log(a)
    return out


def log_mean_exp(values: Floats, log_weights: Floats) -> Floats:
    """log(sum_i w_i exp(values_i)) over the first axis, without overflow; weights (k,) in logarithms."""
    shifted = values + log_weights.reshape((-1,) + (1,) * (values.ndim - 1))
    top = shifted.max(axis=0)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(top + np.log(np.exp(shifted - top).sum(axis=0)))
