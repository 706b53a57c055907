"""The first points, before a model can say anything.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
n           number of points of the design                                              ()
U           a Latin hypercube: each column visits n equal slices once                   (n, d)
==========  ==========================================================================  ==========

The centre first (what a careful user would try; of known names their usual values, around which every other row lies,
:mod:`pegbox.strategies.experience`), then a Latin hypercube in which every choice of every categorical
parameter occurs equally often, the best of a few by the smallest distance between two points.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.experience import Experience
from pegbox.strategies.seeds import generator

Floats = npt.NDArray[np.float64]

_PURPOSE = 2
_TRIES = 32
SMALLEST, USUAL, LARGEST = 4, 8, 12


def design_size(space: Space, budget: int | None = None) -> int:
    """How many points: d + 1, at most 8, or up to 12 so that each choice is seen twice.

    With a ``budget`` no more than a third of it (but two) is spent on the design.
    """
    usual = max(SMALLEST, min(space.dimension + 1, USUAL))
    categorical = space.encoding.categorical
    choices = int(space.encoding.levels[categorical].max()) if categorical.any() else 0
    size = max(usual, min(2 * choices, LARGEST))
    return size if budget is None else min(size, max(2, -(-budget // 3)))


def start_count(space: Space, budget: int | None = None) -> int:
    """How many of the first trials may come from parents: half of what the design would have, rounded up."""
    return (design_size(space, budget) + 1) // 2


def initial_design(space: Space, job_seed: int, experience: Experience | None = None) -> Floats:
    """The codes (n, d) of the design; a function of the space, the job's seed and what is known of the space's names."""
    rng = generator((job_seed,), _PURPOSE)
    n, d = design_size(space), space.dimension
    encoding = space.encoding
    best, best_distance = None, -1.0
    for _ in range(_TRIES):
        U = (np.argsort(rng.random((n, d)), axis=0) + rng.random((n, d))) / n
        U[0, ~encoding.categorical] = 0.5
        distance = _smallest_distance(U, encoding.categorical, encoding.levels)
        if distance > best_distance:
            best, best_distance = U, distance
    assert best is not None
    return encoding.from_cube(best if experience is None else experience.shape(best, encoding))


def _smallest_distance(U: Floats, categorical: npt.NDArray[np.bool_], levels: Floats) -> float:
    D = np.abs(U[:, None, :] - U[None, :, :])
    for j in np.nonzero(categorical)[0]:
        index = np.floor(U[:, j] * levels[j])
        D[:, :, j] = index[:, None] != index[None, :]
    total = (D * D).sum(axis=2)
    total[np.diag_indices(len(U))] = np.inf
    return float(total.min())


def fingerprint(row: Floats, digits: int = 9) -> bytes:
    """What two codes share when they are the same point but for rounding."""
    return (np.round(row, digits) + 0.0).tobytes()
