"""How much a candidate promises.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           candidates                                                                  (m, d)
mean, sd    posterior of one model at Z                                                 (m,)
best        incumbent: the lowest posterior mean at an observed point                   ()
z           (best - mean) / sd                                                          (m,)
==========  ==========================================================================  ==========

    EI = E[max(best - f, 0)] = sd h(z),   h(z) = phi(z) + z Phi(z)

always as a logarithm, so that candidates stay comparable where EI underflows (Ament et al. 2023).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.numerics import log_h, log_normal_cdf, normal_log_pdf

Floats = npt.NDArray[np.float64]


def log_expected_improvement(mean: Floats, sd: Floats, best: float) -> Floats:
    """log EI below ``best``, (m,)."""
    return log_h((best - mean) / sd) + np.log(sd)


def log_expected_improvement_gradient(
    mean: Floats, sd: Floats, d_mean: Floats, d_sd: Floats, best: float
) -> tuple[Floats, Floats]:
    """log EI (m,) and its gradient (m, d) from the gradients of mean and deviation.

    dEI/dmean = -Phi(z) and dEI/dsd = phi(z); both ratios to EI are formed from logarithms.
    """
    z = (best - mean) / sd
    log_ratio = log_h(z)
    toward_mean = np.exp(np.clip(log_normal_cdf(z) - log_ratio, -50.0, 50.0)) / sd
    toward_sd = np.exp(np.clip(normal_log_pdf(z) - log_ratio, -50.0, 50.0)) / sd
    return log_ratio + np.log(sd), toward_sd[:, None] * d_sd - toward_mean[:, None] * d_mean
