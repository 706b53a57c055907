"""The rule that shares out a budget, on any results."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from pegbox.engine.allocation import LEAST_SHARE, START, Arm, next_turns

VALUES = st.one_of(st.none(), st.floats(-1e6, 1e6))
TABLES = st.lists(st.lists(VALUES, min_size=150, max_size=150), min_size=2, max_size=5)


@given(table=TABLES, maximize=st.booleans(), late=st.integers(0, 6), start=st.integers(1, START))
def test_everyone_gets_a_start_and_a_least_share(
    table: list[list[float | None]], maximize: bool, late: int, start: int
) -> None:
    """In any job: a start for each, decisions that can be made again, nothing for barren ones, a least share for the others."""
    launched = [0] * len(table)
    queue: list[int] = []
    finished = [0] * len(table)
    for step in range(120):
        arms = [
            Arm(launched=launched[place], objectives=tuple(values[: finished[place]]))
            for place, values in enumerate(table)
        ]
        (turn,) = next_turns(arms, 1, maximize=maximize, start=start)
        assert next_turns(arms, 1, maximize=maximize, start=start) == [turn]
        assert turn.reason
        if step < start * len(table) and not any(arm.barren for arm in arms):
            assert launched[turn.definition] == min(launched) < start
        if not all(arm.barren for arm in arms):
            assert not arms[turn.definition].barren
        launched[turn.definition] += 1
        queue.append(turn.definition)
        if len(queue) > late:
            finished[queue.pop(0)] += 1
    least = math.floor(LEAST_SHARE * 120 / len(table)) - 1
    for place, values in enumerate(table):
        ended = values[: finished[place]]
        if any(value is not None for value in ended[:START]):
            assert launched[place] >= max(start, least)
