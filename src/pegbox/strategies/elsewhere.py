"""Leaving a false basin: looks at other choices, and elsewhere when nothing is left to gain here.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
x*          the best observed point                                                     (d,)
j           one column, drawn by lot                                                    ()
gain        expected improvement of the best candidate, raw units                       ()
spread      lower quartile of the initial design minus the best value, raw units        ()
==========  ==========================================================================  ==========

Where one parameter decides the basin, a model polishes a poor basin for ever: its values crowd together there, and what
differs between worse basins is small beside what it believes of the good one. So while gain < 0.3 % of spread, every
third suggestion is the best candidate of another model, conditioned only on the observations whose column j is away
from that of x*, among candidates that are away from it as well, too. It starts from the best point of another basin and
improves on that one, unimpressed by x*.

A choice decides the basin most often, and a choice that did a little worse in its first trials, with numbers that do not
suit it, promises less than one more step of polishing, again and again. So where there are choices and numbers, every
fourth suggestion, from the model of all observations, takes another level than x* in one choice, each choice in its turn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pegbox.space import Encoding
from pegbox.strategies.candidates import SMALL
from pegbox.strategies.evidence import Evidence

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

EVERY = 3
#: Of so many suggestions in a row this one takes another choice. It is one whose attitude is compared with no other's
#: (:mod:`pegbox.strategies.attitude`).
_ROUND, _TURN = 4, 2
#: With fewer observations away from x* a draw by lot is as good as a model.
FEWEST = 4
_NEGLIGIBLE = 0.003
_GAP = 0.2
_OUTSIDE = -1e6


@dataclass(frozen=True)
class Elsewhere:
    """All codes whose column ``column`` is away from ``at``: another level, or at least ``gap`` off.

    A region of an ensemble, as the trust region is.
    """

    column: int
    at: float
    gap: float

    def holds(self, Z: Floats) -> Bools:
        """Which rows of ``Z`` (m, d) are in it, (m,)."""
        distance = np.abs(Z[:, self.column] - self.at)
        return np.asarray(distance > 1e-9 if self.gap == 0.0 else distance >= self.gap - 1e-9)

    def penalty(self, Z: Floats) -> Floats:
        """0 for candidates (m, d) inside, very negative outside, (m,)."""
        return np.where(self.holds(Z), 0.0, _OUTSIDE)

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """Lower and upper bounds (m, d) within which each candidate stays on its side."""
        lower, upper = np.zeros_like(Z), np.ones_like(Z)
        if self.gap:
            above = Z[:, self.column] > self.at
            lower[above, self.column] = min(self.at + self.gap, 1.0)
            upper[~above, self.column] = max(self.at - self.gap, 0.0)
        return lower, upper

    def part(self, evidence: Evidence) -> Evidence:
        """What of the evidence lies in it."""
        rows = self.holds(evidence.X)
        return replace(
            evidence,
            X=evidence.X[rows],
            y=evidence.y[rows],
            censored=evidence.censored[rows],
            numbers=evidence.numbers[rows],
            P=evidence.P[self.holds(evidence.P)],
        )


def somewhere_else(encoding: Encoding, best: Floats, rng: np.random.Generator) -> Elsewhere:
    """Away from ``best`` (d,) in a column drawn by lot."""
    column = int(rng.choice(np.nonzero(encoding.levels > 1)[0]))
    small = bool(encoding.categorical[column] or encoding.levels[column] <= SMALL)
    return Elsewhere(column, float(best[column]), 0.0 if small else _GAP)


def other_choice(encoding: Encoding, best: Floats, idle: Bools, number: int) -> Elsewhere | None:
    """Another level than that of ``best`` (d,) in one choice; None where it is not suggestion ``number``'s turn.

    Choices that are ``idle`` (d,) beside the others of ``best`` are left out, and so are spaces without numbers: there
    is nothing to polish.
    """
    columns = np.nonzero(encoding.categorical & (encoding.levels > 1) & ~idle)[0]
    if number % _ROUND != _TURN or not len(columns) or encoding.categorical.all():
        return None
    column = int(columns[number // _ROUND % len(columns)])
    return Elsewhere(column, float(best[column]), 0.0)


def exhausted(gain: float, y: Floats, design: int) -> bool:
    """Whether a model that expects an improvement of ``gain`` expects next to nothing, after values ``y`` (n,).

    Never before the model had as many trials as the ``design``.
    """
    if len(y) < 2 * design:
        return False
    half = 0.5 * y  # the difference of the largest doubles stays finite
    return 0.5 * gain <= _NEGLIGIBLE * float(np.quantile(half[:design], 0.25) - half.min())
