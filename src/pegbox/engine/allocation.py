"""Whose turn it is: how the training jobs of one tuning job are shared out among several definitions. Pure.

==========  ==============================================================================================
symbol      meaning
==========  ==============================================================================================
k           number of definitions
n_d, N      trials launched of definition d, and of all
q_d         share of all observed values that are no better than the best one of d
==========  ==============================================================================================

Each definition starts with ``START`` trials, with fewer where that would take more than half of the budget. Then the next one is
that of the greatest

    q_d + C sqrt(ln N / n_d),    C = 0.5,

but first one that has had less than a quarter of an equal share, N / (4 k). The form is UCB1's (Auer, Cesa-Bianchi and Fischer,
"Finite-time analysis of the multiarmed bandit problem", 2002) with the rank of the best value in the place of the mean: what
counts is the best trial of the whole job, and ranks need no scale, only a direction. Reasons and measurements:
``docs/several_algorithms.md``. Nothing is random, so that a decision can be made again from what was known.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass

#: Trials that each definition gets before results count, at most; and that must have failed before it is set aside.
START = 3
#: Weight of what is not known yet, C.
CURIOSITY = 0.5
#: Part of an equal share that every definition gets, however it fares.
LEAST_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Arm:
    """What one definition has to show."""

    #: Trials launched so far.
    launched: int
    #: Objectives of its finished trials in completion order; None where there is no finite one.
    objectives: tuple[float | None, ...]
    #: Combinations of a finite space that were not launched yet, or None.
    room: int | None = None

    @property
    def barren(self) -> bool:
        """Whether all trials of its start have ended without an objective."""
        return len(self.objectives) >= START and all(value is None for value in self.objectives)


@dataclass(frozen=True, slots=True)
class Turn:
    """A decision: the place of the definition whose turn it is, and why."""

    definition: int
    reason: str


def start_of(budget: int | None, definitions: int) -> int:
    """Return how many trials each definition gets before results count: no more than half of the budget is spent on that.

    Args:
        budget: Trials of the whole job, or None where it has no such limit.
        definitions: How many definitions there are.
    """
    return START if budget is None else max(1, min(START, budget // (2 * definitions)))


def next_turns(arms: Sequence[Arm], count: int, *, maximize: bool, start: int = START) -> list[Turn]:
    """Return whose turn it is for the next ``count`` trials, launched one after the other before any of them ends.

    Args:
        arms: One for each definition.
        count: How many trials.
        maximize: Whether larger objectives are better.
        start: Trials of each definition before results count, as :func:`start_of` says.
    """
    standing = _standings(arms, maximize=maximize)
    launched = [arm.launched for arm in arms]
    room = [math.inf if arm.room is None else arm.room for arm in arms]
    found = []
    for _ in range(count):
        turn = _turn(arms, standing, launched, room, start)
        launched[turn.definition] += 1
        room[turn.definition] -= 1
        found.append(turn)
    return found


def _standings(arms: Sequence[Arm], *, maximize: bool) -> list[float | None]:
    """Return q of each definition, None for those without a value."""
    sign = 1.0 if maximize else -1.0
    values = [[sign * value for value in arm.objectives if value is not None] for arm in arms]
    everything = sorted(value for own in values for value in own)
    return [bisect.bisect_right(everything, max(own)) / len(everything) if own else None for own in values]


def _turn(
    arms: Sequence[Arm],
    standing: Sequence[float | None],
    launched: Sequence[int],
    room: Sequence[float],
    start: int,
) -> Turn:
    """Return one decision; of equals, the one with fewer trials, then the first."""
    places = [place for place in range(len(arms)) if room[place] > 0] or list(range(len(arms)))
    fit = [place for place in places if not arms[place].barren] or places
    fewest = min(fit, key=lambda place: (launched[place], place))
    if launched[fewest] < start:
        return Turn(fewest, f"start: training job {launched[fewest] + 1} of {start}")
    for place in fit:
        # A short start without any value is no verdict yet.
        if standing[place] is None and len(arms[place].objectives) == launched[place] < START:
            return Turn(place, f"start again: its first {launched[place]} gave no value")
    # One whose first trials all still run says nothing yet; more of them would only fill the slots.
    known = [place for place in fit if standing[place] is not None]
    if not known:
        return Turn(fewest, "no results yet: the one with the fewest training jobs")
    total = sum(launched)
    lagging = min(known, key=lambda place: (launched[place], place))
    if launched[lagging] < LEAST_SHARE * total / len(arms):
        return Turn(lagging, f"least share: {launched[lagging]} of {total} training jobs were its own")
    scores = {
        place: (standing[place] or 0.0) + CURIOSITY * math.sqrt(math.log(total) / launched[place])
        for place in known
    }
    chosen = max(known, key=lambda place: (scores[place], -launched[place], -place))
    return Turn(
        chosen,
        f"score {scores[chosen]:.3f}: {standing[chosen] or 0.0:.0%} of all values are no better than its best, "
        f"{launched[chosen]} of {total} training jobs were its own",
    )
