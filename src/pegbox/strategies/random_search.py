"""Independent draws, uniform on each parameter's own scale."""

from __future__ import annotations

from collections.abc import Sequence

from pegbox.space import Space
from pegbox.strategies.records import Suggestion
from pegbox.strategies.seeds import generator

_PURPOSE = 1


def suggest_random(space: Space, count: int, seed: Sequence[int]) -> list[Suggestion]:
    """``count`` draws; trial number k gets the same values whatever was observed and however calls are batched.

    Args:
        space: The space.
        count: How many.
        seed: The job's seed and the number of the first suggested trial.
    """
    job, first = seed
    suggestions = []
    for number in range(first, first + count):
        point = generator((job, number), _PURPOSE).random((1, space.dimension))
        values = space.encoding.decode(space.encoding.from_cube(point)[0])
        suggestions.append(Suggestion(values, "random"))
    return suggestions
