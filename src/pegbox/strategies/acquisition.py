"""How much a candidate promises.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           candidates                                                                  (m, d)
mean, sd    posterior of one model for the noiseless f at Z                             (m,)
y           what an evaluation at Z would report, f plus noise                          (m,)
t           the best value reported so far                                              ()
c           posterior mean where it was reported: what it is worth without its luck     ()
S           deviation of y, sqrt(sd^2 + noise)                                          (m,)
z           (t - mean) / S                                                              (m,)
k, a        sd^2 / S and (c - mean) / k                                                 (m,)
==========  ==========================================================================  ==========

A tuning job returns the trial that reported the best value. So what counts is how much better the returned trial becomes:
a candidate must report less than t to be returned, and then f is had in place of c.

    improvement = E[(c - f) 1(y < t)] = k (phi(z) + a Phi(z)) = k (h(z) + (a - z) Phi(z)),   h(z) = phi(z) + z Phi(z)

Without noise c = t, a = z and k = sd, and this is expected improvement, sd h(z). With noise a lucky t at a mediocre place is
not polished but replaced, by evaluations where f is low and luck can beat t. Candidates that make the returned trial worse
have no improvement; they are kept in order below all others.

Always as a logarithm, so that candidates stay comparable where the improvement underflows (Ament et al. 2023).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.numerics import log_h, log_normal_cdf, normal_log_pdf

Floats = npt.NDArray[np.float64]

#: The least share of h that is left by candidates that are expected to make things worse.
_LEAST = 1e-3


@dataclass(frozen=True)
class Incumbent:
    """The trial that would be returned now.

    Attributes:
        reported: Its value, t.
        worth: The posterior mean there, c.
        noise: Variance of the noise of one evaluation.
    """

    reported: float
    worth: float
    noise: float = 0.0


def log_improvement(mean: Floats, sd: Floats, best: Incumbent) -> Floats:
    """log of the improvement over ``best``, (m,)."""
    _, k, z, a = _scaled(mean, sd, best)
    return _log_sum(z, a)[0] + np.log(k)


def log_improvement_gradient(
    mean: Floats, sd: Floats, d_mean: Floats, d_sd: Floats, best: Incumbent
) -> tuple[Floats, Floats]:
    """The same (m,) and its gradient (m, d) from the gradients of mean and deviation; 0 where things get worse.

    With g = k z - (c - mean), d/dmean = -Phi + phi g / S and d/dsd = phi (2 sd / S - (sd / S)^3 + z sd g / S^2); the ratios to
    the improvement are formed from logarithms.
    """
    S, k, z, a = _scaled(mean, sd, best)
    log_sum, floored = _log_sum(z, a)
    total = log_sum + np.log(k)
    density = np.exp(np.clip(normal_log_pdf(z) - total, -50.0, 50.0))
    below = np.exp(np.clip(log_normal_cdf(z) - total, -50.0, 50.0))
    gap = k * z - (best.worth - mean)
    share = sd / S
    toward_mean = np.where(floored, 0.0, density * gap / S - below)
    toward_sd = np.where(floored, 0.0, density * (2.0 * share - share**3 + z * share * gap / S))
    return total, toward_mean[:, None] * d_mean + toward_sd[:, None] * d_sd


def _scaled(mean: Floats, sd: Floats, best: Incumbent) -> tuple[Floats, Floats, Floats, Floats]:
    """S, k, z and a of the table of the module, each (m,)."""
    S = np.sqrt(sd * sd + best.noise)
    k = sd * sd / S
    return S, k, (best.reported - mean) / S, (best.worth - mean) / k


def _log_sum(z: Floats, a: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """log(h(z) + (a - z) Phi(z)) (m,), and where that is floored because next to nothing of h is left."""
    log_first, log_below = log_h(z), log_normal_cdf(z)
    more = np.maximum(a - z, np.finfo(float).tiny)
    lost = np.maximum(z - a, 0.0) * np.exp(np.minimum(log_below - log_first, 300.0))
    floored = lost > 1.0 - _LEAST
    less = (
        log_first + np.log1p(-np.minimum(lost, 1.0 - _LEAST)) - np.log1p(np.maximum(lost - 1.0 + _LEAST, 0.0))
    )
    return np.where(a >= z, np.logaddexp(log_first, np.log(more) + log_below), less), floored
