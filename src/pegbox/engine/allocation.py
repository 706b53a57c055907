"""Whose turn it is: how the training jobs of one tuning job are shared out among several definitions. Pure.

The rule: see ``docs/several_algorithms.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

#: Trials that each definition gets before results count.
START = 3


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


def next_turns(arms: Sequence[Arm], count: int, *, maximize: bool) -> list[Turn]:
    """Return whose turn it is for the next ``count`` trials, as if they were launched one after the other."""
    found: list[Turn] = []
    now = list(arms)
    for _ in range(count):
        turn = next_turn(now, maximize=maximize)
        found.append(turn)
        arm = now[turn.definition]
        room = None if arm.room is None else max(0, arm.room - 1)
        now[turn.definition] = replace(arm, launched=arm.launched + 1, room=room)
    return found


def next_turn(arms: Sequence[Arm], *, maximize: bool) -> Turn:
    """Return whose turn it is."""
    places = range(len(arms))
    open_ = [p for p in places if arms[p].room != 0] or list(places)
    fit = [p for p in open_ if not arms[p].barren] or open_
    fewest = min(fit, key=lambda p: (arms[p].launched, p))
    if arms[fewest].launched < START:
        return Turn(fewest, f"start: trial {arms[fewest].launched + 1} of {START}")
    return Turn(fewest, "equal")
