"""The prior mean that parents give to a child's surrogate.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
p_k         what expert k expects                                                       (m,)
c_k         share of expert k in the advice; they sum to 1                              ()
p           advice: sum of c_k p_k                                                      (m,)
rho, v      correlation of child and advice, and the child's unit (see ``agreement``)   ()
r           v t - w p at the observations: what the child's own model has to explain  (n,)
theta_k     the fitted hyperparameters of expert k (see ``surrogate.kernel``)           (d + e + 5,)
==========  ==========================================================================  ==========

    f(z) = w p(z) + g(z),   w = rho h / (h + n),   g a Gaussian process conditioned on r

so advice decides where the child knows nothing and its own observations decide where it has some (the residual stacking
of Golovin et al., "Google Vizier", 2017, section 3.3, with a weight that is learnt). Several experts are averaged by the
precision that each would have alone, rho_k / (1 - rho_k^2), as independent witnesses. The weight w fades as the child
learns: the details of a parent are not those of the child, and a likelihood over the whole space forgives it that.

What outlives the advice is which parameters matter: the hyperparameters of g are expected at

    (1 - rho) theta_0 + rho sum of c_k theta_k

in the entries of length scales and categories, theta_0 the usual expectation. A child looks mostly at good points and
would need many of them to find out by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pegbox.surrogate.fit import Prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.posterior import Posterior, condition, condition_on_pending
from pegbox.transfer.agreement import judge
from pegbox.transfer.expert import Expert

Floats = npt.NDArray[np.float64]

#: Advice that is granted less than this is not worth its time.
LEAST = 0.05
#: Correlation from which on a child asks its model at once, without the rest of an initial design.
TRUSTED = 0.4
#: h: after so many observations, or as many as there are columns, advice has half its weight.
HALF = 4


@dataclass(frozen=True)
class PriorMean:
    """Weighted advice.

    Attributes:
        experts: Those with a share.
        shares: c_k, summing to 1 (k,).
        weight: w, how much of the advice is believed.
        unit: v.
        rho: The correlation of child and advice that is expected, in [0, 1).
    """

    experts: tuple[Expert, ...]
    shares: tuple[float, ...]
    weight: float
    unit: float
    rho: float

    def value(self, Z: Floats) -> Floats:
        """w p (m,) at codes ``Z`` (m, d)."""
        total = np.zeros(len(Z))
        for expert, share in zip(self.experts, self.shares, strict=True):
            total += (self.weight * share) * expert.expect(Z)
        return total

    def value_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """w p (m,) and its gradient (m, d)."""
        total, gradient = np.zeros(len(Z)), np.zeros(Z.shape)
        for expert, share in zip(self.experts, self.shares, strict=True):
            value, slope = expert.expect_with_gradient(Z)
            total += (self.weight * share) * value
            gradient += (self.weight * share) * slope
        return total, gradient


def prior_mean(experts: Sequence[Expert], X: Floats, t: Floats, layout: Layout) -> PriorMean | None:
    """The prior mean that observations ``X`` (n, d), ``t`` (n,) grant to ``experts``; None where they grant none."""
    if not experts:
        return None
    expected = np.stack([expert.expect(X) for expert in experts])
    alone = judge(X, t, expected, layout)
    precision = np.array([one.rho / (1.0 - one.rho**2) if one.rho >= LEAST else 0.0 for one in alone])
    if not precision.any():
        return None
    shares = precision / precision.sum()
    together = judge(X, t, (shares @ expected)[None], layout)[0] if len(experts) > 1 else alone[0]
    if together.rho < LEAST:
        return None
    half = max(HALF, layout.d)
    kept = [k for k in range(len(experts)) if shares[k] > 0.0]
    return PriorMean(
        tuple(experts[k] for k in kept),
        tuple(float(shares[k]) for k in kept),
        together.rho * half / (half + len(t)),
        together.unit,
        together.rho,
    )


def own_prior(prior: Prior, granted: PriorMean | None) -> Prior:
    """The hyperparameters' prior for r: 1 - w^2 of the child's variance is left, and parents tell what matters."""
    if granted is None:
        return prior
    mean = prior.mean.copy()
    matters = [*range(len(mean) - 5), -3, -2]  # length scales, and how categories act
    mean[matters] *= 1.0 - granted.rho
    for expert, share in zip(granted.experts, granted.shares, strict=True):
        mean[matters] += granted.rho * share * expert.posterior.kernel.theta[matters]
    mean[-4] += math.log(1.0 - granted.weight**2)
    return replace(prior, mean=mean)


@dataclass(frozen=True)
class AdvisedPosterior:
    """A posterior of the child's own model plus the advice; answers like a :class:`Posterior`.

    Attributes:
        own: Conditioned on r.
        prior: The advice.
        y: The child's transformed values in the expert's unit, v t (n,).
    """

    own: Posterior
    prior: PriorMean
    y: Floats

    @property
    def kernel(self) -> Kernel:
        """The kernel of the child's own model."""
        return self.own.kernel

    def predict(self, Z: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation (m,) at the rows of ``Z`` (m, d)."""
        mean, sd = self.own.predict(Z)
        return mean + self.prior.value(Z), sd

    def predict_with_gradient(self, Z: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Mean, deviation (m,) and their gradients (m, d)."""
        mean, sd, d_mean, d_sd = self.own.predict_with_gradient(Z)
        value, slope = self.prior.value_with_gradient(Z)
        return mean + value, sd, d_mean + slope, d_sd

    def with_pending(self, pending: Floats) -> AdvisedPosterior:
        """The same as if each pending point (p, d) had returned its own mean."""
        return replace(self, own=condition_on_pending(self.own, pending))


@dataclass(frozen=True)
class Advice:
    """All experts of a child, before its observations were asked.

    Attributes:
        experts: One per parent that has something to say.
        tag: Tells apart fits under different advice.
    """

    experts: tuple[Expert, ...]
    tag: bytes

    def is_trusted(self, X: Floats, t: Floats, layout: Layout) -> bool:
        """Whether observations ``X`` (n, d), ``t`` (n,) agree so well that the advice replaces an initial design."""
        granted = prior_mean(self.experts, X, t, layout)
        return granted is not None and granted.rho >= TRUSTED

    def residuals(self, X: Floats, t: Floats, layout: Layout) -> tuple[Floats, PriorMean | None]:
        """r (n,) of observations ``X`` (n, d), ``t`` (n,), and what was granted; ``t`` itself where nothing was."""
        granted = prior_mean(self.experts, X, t, layout)
        return (t, None) if granted is None else (granted.unit * t - granted.value(X), granted)

    def condition(
        self, kernel: Kernel, X: Floats, t: Floats, rows: npt.NDArray[np.intp]
    ) -> Posterior | AdvisedPosterior:
        """The posterior that holds the observations ``rows`` of ``X`` (n, d), ``t`` (n,).

        Raises:
            NotPositiveDefinite: When the covariance matrix has no factor.
        """
        r, granted = self.residuals(X, t, kernel.layout)
        own = condition(kernel, X[rows], r[rows])
        return own if granted is None else AdvisedPosterior(own, granted, granted.unit * t[rows])
