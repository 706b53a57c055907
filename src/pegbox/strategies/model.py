"""From evidence to an ensemble that can be searched.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X, y        codes and raw values that the posteriors are conditioned on                 (n, d), (n,)
t_i         values as member i sees them                                                (n,)
mean        average over members of the posterior mean at X                             (n,)
==========  ==========================================================================  ==========
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.strategies.acquisition import Incumbent
from pegbox.strategies.belief import belief_after
from pegbox.strategies.ensemble import Ensemble, Opinion, Region
from pegbox.strategies.evidence import Evidence
from pegbox.strategies.experience import Experience
from pegbox.strategies.feasibility import learn_feasibility
from pegbox.strategies.memory import Memory
from pegbox.strategies.recipe import Member, Recipe
from pegbox.strategies.relevance import EVERYTHING, Relevance
from pegbox.strategies.schedule import hyperparameters
from pegbox.strategies.trust_region import trust_region
from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.posterior import Posterior, condition, condition_on_pending
from pegbox.surrogate.subset import representative
from pegbox.surrogate.transforms import TRANSFORMS, invert
from pegbox.transfer.prior import Advice, AdvisedPosterior

Floats = npt.NDArray[np.float64]

#: Noise variance of the model whose hyperparameters come from the prior alone.
_UNFITTED_NOISE = 1e-2


@dataclass(frozen=True)
class Model:
    """What is believed about one job.

    Attributes:
        X, y: The observations the posteriors hold (n, d), (n,).
        mean: Posterior mean at ``X``, averaged over members, transformed units (n,).
        posteriors: One per member, without pending trials.
        ensemble: The same with pending trials, ready to be maximised.
    """

    X: Floats
    y: Floats
    mean: Floats
    posteriors: tuple[Posterior | AdvisedPosterior, ...]
    ensemble: Ensemble

    def predict(self, Z: Floats) -> tuple[Floats, Floats]:
        """Mean and deviation (m,) at ``Z`` (m, d) in raw units, by the first member."""
        posterior, Z = self.posteriors[0], self.ensemble.relevance.canonical(Z)
        mean, sd = posterior.predict(Z)
        raw = invert(mean, posterior.y, self.y)
        high, low = invert(mean + sd, posterior.y, self.y), invert(mean - sd, posterior.y, self.y)
        return raw, 0.5 * high - 0.5 * low  # halves first: both may be the largest double


def learn(
    evidence: Evidence,
    layout: Layout,
    recipe: Recipe,
    job_seed: int,
    memory: Memory,
    *,
    fitted: bool = True,
    advice: Advice | None = None,
    bold: bool = False,
    within: Region | None = None,
    experience: Experience | None = None,
    relevance: Relevance = EVERYTHING,
) -> Model:
    """The model of ``evidence``; with ``fitted`` false its hyperparameters are those of the prior.

    ``advice`` of parents becomes its prior mean, as far as the evidence grants it. A ``bold`` model has a trend, and its
    candidates may lie anywhere; with ``within`` they may lie there. ``experience`` with the names of the space weighs
    candidates while the job has measured little. ``evidence`` is as ``relevance`` shows it, and candidates are shown so, too.

    Raises:
        NotPositiveDefinite: When a covariance matrix has no factor.
    """
    rows = representative(evidence.y, recipe.posterior_limit)
    X, y = evidence.X[rows], evidence.y[rows]
    posteriors, opinions = [], []
    with_pending: Posterior | AdvisedPosterior
    total_weight = sum(member.weight for member in recipe.members)
    mean = np.zeros(len(rows))
    for member in recipe.members:
        if fitted:
            theta = hyperparameters(
                evidence.X, evidence.y, layout, member, recipe, job_seed, memory, advice, bold
            )
        else:
            theta = _prior_theta(layout, member)
        t = TRANSFORMS[member.transform](evidence.y)
        posterior = _posterior(Kernel(layout, theta), evidence.X, t, rows, advice)
        at_observed, _ = posterior.predict(X)
        mean += at_observed / len(recipe.members)
        if isinstance(posterior, AdvisedPosterior):
            # Its noise is also where the parents' advice does not fit: not luck, so the best it believes in is the incumbent.
            least = float(at_observed.min())
            best, with_pending = Incumbent(least, least), posterior.with_pending(evidence.P)
        else:
            first = int(np.argmin(y))
            best = Incumbent(float(t[rows][first]), float(at_observed[first]), posterior.kernel.noise)
            with_pending = condition_on_pending(posterior, evidence.P)
        posteriors.append(posterior)
        opinions.append(Opinion(with_pending, best, member.weight / total_weight))
    feasibility = learn_feasibility(evidence.X, evidence.F, layout)
    region, belief = within, None
    advised = any(isinstance(posterior, AdvisedPosterior) for posterior in posteriors)
    if within is None and not advised:
        # Both stand in for knowledge of where good values lie: parents have it, and trends learn some of it.
        tried = evidence.points
        belief = belief_after(len(tried), layout.categorical, bold, experience, recipe)
        region = None if bold else trust_region(tried, layout.categorical, recipe.trust_radius)
    ensemble = Ensemble(tuple(opinions), feasibility, region, belief, relevance)
    return Model(X, y, mean, tuple(posteriors), ensemble)


def _posterior(
    kernel: Kernel, X: Floats, t: Floats, rows: npt.NDArray[np.intp], advice: Advice | None
) -> Posterior | AdvisedPosterior:
    if advice is None:
        return condition(kernel, X[rows], t[rows])
    return advice.condition(kernel, X, t, rows)


def _prior_theta(layout: Layout, member: Member) -> Floats:
    return default_prior(layout, length=member.length, noise=_UNFITTED_NOISE).mean
