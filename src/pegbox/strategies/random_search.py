"""Independent draws, uniform on each parameter's own scale; with parents, their best points among the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.records import Suggestion
from pegbox.strategies.seeds import generator

Floats = npt.NDArray[np.float64]

_PURPOSE = 1


def suggest_random(
    space: Space, count: int, seed: Sequence[int], starts: Floats | None = None
) -> list[Suggestion]:
    """``count`` draws; trial number k gets the same values whatever was observed and however calls are batched.

    Args:
        space: The space.
        count: How many.
        seed: The job's seed and the number of the first suggested trial.
        starts: Parents' points (s, d); they take every other one of the first 2 s trials.
    """
    job, first = seed
    suggestions = []
    for number in range(first, first + count):
        if starts is not None and number % 2 == 0 and number // 2 < len(starts):
            suggestions.append(Suggestion(space.decode(starts[number // 2]), "from a parent"))
            continue
        point = generator((job, number), _PURPOSE).random((1, space.dimension))
        values = space.encoding.decode(space.encoding.from_cube(point)[0])
        suggestions.append(Suggestion(values, "random"))
    return suggestions
