"""The delicate primitives, each against an independent way to the same number."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from pegbox.surrogate.numerics import (
    JITTERS,
    NotPositiveDefinite,
    cholesky,
    inverse_from_cholesky,
    inverse_lower,
    log_h,
    log_mean_exp,
    log_normal_cdf,
    normal_quantile,
)


def _log_h_by_integration(z: float) -> float:
    """log of the integral of (z - t) phi(t) below z, with the factor exp(-z^2/2) taken out exactly."""
    # substitute t = z - s: integral of s exp(-(z - s)^2 / 2) ds = exp(-z^2/2) integral of s exp(z s - s^2/2) ds
    s = np.linspace(0.0, 60.0 / (1.0 + abs(z)) + max(z, 0.0) + 10.0 / (1.0 + abs(z)), 400_001)
    integrand = s * np.exp(z * s - 0.5 * s * s - max(z, 0.0) ** 2 / 2)
    total = (0.5 * (integrand[1:] + integrand[:-1]) * np.diff(s)).sum()
    return float(np.log(total) - 0.5 * z * z + max(z, 0.0) ** 2 / 2 - 0.5 * math.log(2 * math.pi))


@pytest.mark.parametrize("z", [-3e4, -1e4, -9999.0, -500.0, -40.0, -5.0, -1.001, -1.0, -0.999, 0.0, 1.0, 6.0])
def test_log_h_agrees_with_quadrature_on_every_branch(z: float) -> None:
    """All three branches, and both sides of each threshold, give the integral that defines the function."""
    assert float(log_h(np.array([z]))[0]) == pytest.approx(_log_h_by_integration(z), rel=2e-7, abs=2e-7)


def test_log_h_is_continuous_and_increasing() -> None:
    """No step at the thresholds, and more improvement is never worth less."""
    z = np.concatenate(
        [np.linspace(-2e4, -9e3, 2001), np.linspace(-9e3, -2, 2001)[1:], np.linspace(-2, 5, 2001)[1:]]
    )
    assert (np.diff(log_h(z)) > 0).all()


def test_cholesky_climbs_the_jitter_ladder() -> None:
    """A singular matrix gets the smallest jitter that helps; a regular one gets none."""
    regular = np.array([[2.0, 1.0], [1.0, 2.0]])
    assert cholesky(regular)[1] == 0.0
    singular = np.ones((6, 6))
    singular[0, 0] -= 1e-9
    L, jitter = cholesky(singular)
    assert jitter in [rung * float(np.mean(np.diag(singular))) for rung in JITTERS[1:]]
    assert np.allclose(L @ L.T, singular, atol=2 * jitter)


@pytest.mark.parametrize("bad", [np.array([[1.0, 9.0], [9.0, 1.0]]), np.full((3, 3), np.nan)])
def test_cholesky_gives_up_with_its_own_error(bad: np.ndarray) -> None:
    """An indefinite or non-finite matrix raises NotPositiveDefinite after the last rung."""
    with pytest.raises(NotPositiveDefinite):
        cholesky(bad)


def test_inverses_invert() -> None:
    """R L = I and K K^-1 = I for a well-conditioned matrix."""
    A = np.random.default_rng(0).normal(size=(30, 30))
    K = A @ A.T + 30 * np.eye(30)
    L, _ = cholesky(K)
    assert np.allclose(inverse_lower(L) @ L, np.eye(30), atol=1e-10)
    assert np.allclose(inverse_from_cholesky(L) @ K, np.eye(30), atol=1e-10)


def test_log_mean_exp_survives_extremes() -> None:
    """Weights count, and neither overflow nor underflow nor empty mass breaks the mean."""
    half = np.log([0.5, 0.5])
    assert float(log_mean_exp(np.array([[1000.0], [-1000.0]]), half)[0]) == pytest.approx(
        1000 + math.log(0.5)
    )
    assert float(log_mean_exp(np.array([[-np.inf], [-np.inf]]), half)[0]) == -np.inf
    exact = math.log(Fraction(1, 4) * Fraction(2) + Fraction(3, 4) * Fraction(6))
    assert float(log_mean_exp(np.log([[2.0], [6.0]]), np.log([0.25, 0.75]))[0]) == pytest.approx(exact)


def test_normal_quantile_inverts_the_distribution_function() -> None:
    """Quantile and log distribution function are inverses far into the lower tail."""
    p = np.array([1e-300, 1e-12, 0.3, 0.5, 0.97])
    assert np.allclose(log_normal_cdf(normal_quantile(p)), np.log(p), rtol=1e-9)
