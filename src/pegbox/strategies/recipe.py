"""Every number that decides how the Bayesian strategy searches, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Member:
    """One model of the ensemble.

    Attributes:
        transform: Name of an output transform of :mod:`pegbox.surrogate.transforms`.
        length: Typical log length scale of a single column under the prior.
        noise: Typical noise variance under the prior, in units of the transformed values' variance.
        weight: Share in the averaged improvement, relative to the others.
    """

    transform: str
    length: float = 0.4
    noise: float = 1e-3
    weight: float = 1.0


@dataclass(frozen=True)
class Recipe:
    """How to search.

    Attributes:
        members: The models whose expected improvement is averaged.
        full_iterations, warm_iterations: Bounds of a full fit and of a fit that starts from the last full one.
        starts: Starting points of a full fit.
        uniform, local: Random candidates over the whole space and around the best observations.
        elite: How many candidates are improved further.
        ascent_iterations: Bound of the gradient ascent of the elite.
        several, many, most: With fewer than ``several`` columns no suggestion is bold (:mod:`pegbox.strategies.attitude`):
            the few corners are soon known. From there on results decide. From ``many`` on all are: the best values of
            some columns lie at a bound almost surely. From ``most`` on none is: so many columns have more trends than
            a usual job has observations.
        trend: Typical logarithm of the trend's share b.
        trust_radius: Half-width of the first trust region.
        interior: How strongly early cautious candidates are drawn from the bounds to the inside; fades as 1 / trials.
        experience: How strongly early candidates are drawn to the usual values of names that are known; fades as 1 / trials.
        fit_limit: The most observations a fit looks at.
        posterior_limit: The most observations a posterior is conditioned on.
    """

    members: tuple[Member, ...] = (Member("half_rank"),)
    full_iterations: int = 30
    warm_iterations: int = 9
    starts: int = 3
    uniform: int = 512
    local: int = 512
    elite: int = 5
    ascent_iterations: int = 12
    several: int = 5
    many: int = 10
    most: int = 30
    trend: float = -1.0
    trust_radius: float = 0.2
    interior: float = 10.0
    experience: float = 2.0
    fit_limit: int = 150
    posterior_limit: int = 300

    def in_brief(self) -> Recipe:
        """The same with fits from the prior's mean only, for a model that is asked once."""
        return replace(self, starts=1, full_iterations=self.warm_iterations)

    def fixed_attitude(self, columns: int) -> bool | None:
        """Whether all suggestions in a space of so many columns are bold, or none; None where results decide."""
        if self.several <= columns < self.many:
            return None
        return self.many <= columns < self.most


DEFAULT = Recipe()
