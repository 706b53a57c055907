"""Where the best values are expected before anything was measured.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           encoded candidates                                                          (m, d)
inside      weight of the belief that a column's best values lie inside its range       (d,)
pi          believed density of the best values                                         (m,)
==========  ==========================================================================  ==========

Early on, deviations are largest at the bounds, and a search that follows them spends itself there, while people choose
ranges around what they expect. So a belief about where the best values lie multiplies EI and fades as observations
come in (Hvarfner et al., "piBO", 2022, eq. 6), here

    log pi(z) = -sum over numeric columns of inside_j (2 z_j - 1)^4 + weight log pi_experience(z)

A column whose name says more (:mod:`pegbox.strategies.experience`) is left to its name.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pegbox.strategies.experience import Experience
from pegbox.strategies.recipe import Recipe

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Belief:
    """One belief, with its weights at one moment.

    Attributes:
        inside: (d,) see the table of the module; 0 for columns about which it says nothing.
        experience: What the names of the space say, if anything.
        weight: How much that counts.
    """

    inside: Floats
    experience: Experience | None = None
    weight: float = 0.0

    def log_density(self, Z: Floats) -> tuple[Floats, Floats]:
        """log pi (m,) at candidates ``Z`` (m, d), and its gradient (m, d)."""
        from_centre = np.where(self.inside > 0.0, 2.0 * Z - 1.0, 0.0)
        cubed = from_centre**3
        value, gradient = -(cubed * from_centre) @ self.inside, -8.0 * self.inside * cubed
        if self.experience is not None:
            known, slope = self.experience.log_density(Z)
            value, gradient = value + self.weight * known, gradient + self.weight * slope
        return value, gradient


def belief_after(
    trials: int, categorical: Bools, bold: bool, experience: Experience | None, recipe: Recipe
) -> Belief | None:
    """What to believe after so many trials; None for nothing. ``bold`` suggestions expect no column's best inside."""
    inside = np.where(categorical | bold, 0.0, recipe.interior / trials)
    if experience is None:
        return Belief(inside) if inside.any() else None
    inside = np.where(experience.known, 0.0, inside)
    return Belief(inside, experience, recipe.experience / trials)
