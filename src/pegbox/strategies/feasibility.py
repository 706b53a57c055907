"""Where trials fail: a second surrogate over success and failure.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X, F        codes of trials that gave a number, and of those that failed                (n, d), (f, d)
label       +1 for success, -1 for failure                                              (n + f,)
p           probability of success of a candidate                                       (m,)
==========  ==========================================================================  ==========

A Gaussian process regresses the labels; p = Phi(mean / sqrt(noise + sd^2)). With rare failures it stays near 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.fit import Prior, default_prior, fit
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.numerics import log_normal_cdf
from pegbox.surrogate.posterior import Posterior, condition

Floats = npt.NDArray[np.float64]

#: The most trials the model looks at; failures come first.
LIMIT = 200
_ITERATIONS = 15
_NOISE = 0.1


class Feasibility:
    """The learnt probability that a trial succeeds."""

    def __init__(self, posterior: Posterior) -> None:
        self._posterior = posterior

    def log_probability(self, Z: Floats) -> Floats:
        """log p (m,) of candidates ``Z`` (m, d)."""
        mean, sd = self._posterior.predict(Z)
        return log_normal_cdf(mean / np.sqrt(self._posterior.kernel.noise + sd * sd))

    def log_probability_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """log p (m,) and its gradient (m, d)."""
        mean, sd, d_mean, d_sd = self._posterior.predict_with_gradient(Z)
        total = np.sqrt(self._posterior.kernel.noise + sd * sd)
        ratio = mean / total
        value = log_normal_cdf(ratio)
        slope = np.exp(np.clip(-0.5 * ratio * ratio - 0.9189385332046727 - value, -50.0, 50.0))
        inner = d_mean / total[:, None] - (mean * sd / total**3)[:, None] * d_sd
        return value, slope[:, None] * inner


def learn_feasibility(X: Floats, F: Floats, layout: Layout) -> Feasibility | None:
    """The model, or None while nothing failed or nothing succeeded.

    Raises:
        NotPositiveDefinite: When the labels cannot be fitted.
    """
    if not len(F) or not len(X):
        return None
    F = F[-LIMIT // 2 :]
    X = X[-(LIMIT - len(F)) :]
    rows = np.vstack([X, F])
    labels = np.concatenate([np.ones(len(X)), -np.ones(len(F))])
    prior = _prior(layout)
    theta, _ = fit(rows, labels, layout, prior, prior.mean[None], _ITERATIONS)
    return Feasibility(condition(Kernel(layout, theta), rows, labels))


def _prior(layout: Layout) -> Prior:
    return default_prior(layout, noise=_NOISE, noise_below=0.5, noise_above=0.5)
