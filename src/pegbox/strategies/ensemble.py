"""Several models, one opinion.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           candidates                                                                  (m, d)
EI_i        improvement that member i expects, in units of its transformed values       (m,)
w_i         weight of member i; they sum to 1                                           ()
p           probability of feasibility                                                  (m,)
pi          belief where the best values lie                                            (m,)
==========  ==========================================================================  ==========

    score(z) = log sum_i w_i EI_i(z) + log p(z) + log pi(z)

Each member sees the same observations through another output transform or prior. Averaging keeps the search from
standing or falling with one of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pegbox.strategies.acquisition import Incumbent, log_improvement, log_improvement_gradient
from pegbox.strategies.belief import Belief
from pegbox.strategies.feasibility import Feasibility
from pegbox.strategies.relevance import EVERYTHING, Relevance
from pegbox.surrogate.numerics import log_mean_exp
from pegbox.surrogate.posterior import Posterior
from pegbox.transfer.prior import AdvisedPosterior

Floats = npt.NDArray[np.float64]


class Region(Protocol):
    """Where candidates may lie."""

    def penalty(self, Z: Floats) -> Floats:
        """0 for candidates (m, d) inside, very negative outside, (m,)."""

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bounds (m, d) within which each candidate may be improved continuously."""


@dataclass(frozen=True)
class Opinion:
    """One member: its posterior (pending trials included), the incumbent in its eyes, and its weight."""

    posterior: Posterior | AdvisedPosterior
    best: Incumbent
    weight: float


@dataclass(frozen=True)
class Ensemble:
    """The members and, once something failed, the feasibility model.

    Attributes:
        opinions: At least one.
        feasibility: None while nothing failed.
        region: Where candidates may lie; None for everywhere.
        belief: Where the best values are expected; None for no expectation.
        relevance: What of a candidate has an effect; all the others see nothing else.
    """

    opinions: tuple[Opinion, ...]
    feasibility: Feasibility | None = None
    region: Region | None = None
    belief: Belief | None = None
    relevance: Relevance = EVERYTHING

    def score(self, Z: Floats) -> Floats:
        """The acquisition (m,) at candidates ``Z`` (m, d)."""
        Z = self.relevance.canonical(Z)
        parts = []
        for opinion in self.opinions:
            mean, sd = opinion.posterior.predict(Z)
            parts.append(log_improvement(mean, sd, opinion.best))
        total = self._combine(np.stack(parts))
        if self.belief is not None:
            total = total + self.belief.log_density(Z)[0]
        if self.region is not None:
            total = total + self.region.penalty(Z)
        return total if self.feasibility is None else total + self.feasibility.log_probability(Z)

    def score_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """The acquisition (m,) without the region's penalty, and its gradient (m, d); 0 in categorical and idle columns."""
        total, gradient = self._with_gradient(self.relevance.canonical(Z))
        return total, np.where(self.relevance.idle(Z), 0.0, gradient)

    def _with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        values, gradients = [], []
        for opinion in self.opinions:
            mean, sd, d_mean, d_sd = opinion.posterior.predict_with_gradient(Z)
            value, gradient = log_improvement_gradient(mean, sd, d_mean, d_sd, opinion.best)
            values.append(value)
            gradients.append(gradient)
        stacked = np.stack(values)
        total = self._combine(stacked)
        shares = np.exp(stacked + self._log_weights()[:, None] - total)
        gradient = (shares[:, :, None] * np.stack(gradients)).sum(axis=0)
        if self.belief is not None:
            value, more = self.belief.log_density(Z)
            total, gradient = total + value, gradient + more
        if self.feasibility is None:
            return total, gradient
        value, more = self.feasibility.log_probability_with_gradient(Z)
        return total + value, gradient + more

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """Bounds (m, d) within which each candidate may be improved continuously."""
        return (np.zeros_like(Z), np.ones_like(Z)) if self.region is None else self.region.box(Z)

    def _log_weights(self) -> Floats:
        return np.array([math.log(opinion.weight) for opinion in self.opinions])

    def _combine(self, parts: Floats) -> Floats:
        return parts[0] if len(parts) == 1 else log_mean_exp(parts, self._log_weights())
