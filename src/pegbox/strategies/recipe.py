"""Every number that decides how the Bayesian strategy searches, in one place."""

from __future__ import annotations

from dataclasses import dataclass


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
        many: From the first number of columns on, and below the second, the surrogate has a trend and the search goes
            to the bounds freely: the best values of some columns lie at a bound almost surely, and a corner is no
            longer the exception. Still more columns have more trends than a usual job has observations.
        trend: Typical logarithm of the trend's share b.
        trust_radius: Half-width of the first trust region.
        interior: How strongly early candidates are drawn from the bounds to the inside; fades as 1 / observations.
        fit_limit: The most observations a fit looks at.
        posterior_limit: The most observations a posterior is conditioned on.
    """

    members: tuple[Member, ...] = (Member("half_rank"),)
    full_iterations: int = 30
    warm_iterations: int = 12
    starts: int = 3
    uniform: int = 512
    local: int = 512
    elite: int = 5
    ascent_iterations: int = 20
    many: tuple[int, int] = (10, 30)
    trend: float = -1.0
    trust_radius: float = 0.2
    interior: float = 10.0
    fit_limit: int = 150
    posterior_limit: int = 300

    def follows_trends(self, columns: int) -> bool:
        """Whether a space of so many columns is searched by trends instead of with caution about its bounds."""
        return self.many[0] <= columns < self.many[1]


DEFAULT = Recipe()
