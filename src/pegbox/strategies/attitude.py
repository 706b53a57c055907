"""Cautious or bold: where the search expects the best values to lie.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
t           half-ranked values of the job's own trials, smaller is better               (n,)
numbers     which trial of the job each of them was                                     (n,)
==========  ==========================================================================  ==========

A *cautious* suggestion stays near what was tried and inside the ranges, because people choose ranges around what they
expect. A *bold* one follows a trend of each parameter up to the bounds, where the best values of real training programs
often lie: the most units, the least weight decay. Each loses dozens of evaluations where the other is right, and the
likelihood of the data under the two surrogates does not tell which is (they differ by about one nat after 20 trials).
Results do. So of four trials in a row one is always cautious and one always bold, and the attitude whose own last
trials were better in the mean gets the other two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.strategies.recipe import Recipe
from pegbox.surrogate.transforms import half_rank

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_ROUND, _CAUTIOUS, _BOLD = 4, 1, 3
#: How many trials of each attitude are compared, at most and at least.
_MOST, _LEAST = 4, 2


def is_bold(
    number: int,
    y: Floats,
    numbers: Integers,
    categorical: npt.NDArray[np.bool_],
    design: int,
    recipe: Recipe,
) -> bool:
    """Whether trial ``number`` is suggested boldly; a function of the job's own results.

    Args:
        number: Which trial of its job is asked for (0 for the first).
        y: Raw values of the job's own trials (n,), smaller is better, in completion order.
        numbers: Which trial each was (n,).
        categorical: Which columns are categorical (d,); without a numeric one there is nothing to be bold about.
        design: The first so many trials were chosen without a model and speak for nobody.
        recipe: For how many columns the attitude is fixed.
    """
    fixed = recipe.fixed_attitude(len(categorical))
    if fixed is not None or categorical.all():
        return bool(fixed)
    turn = number % _ROUND
    if turn in (_CAUTIOUS, _BOLD):
        return turn == _BOLD
    cautious, bold = (_last(y, numbers, kind, design) for kind in (_CAUTIOUS, _BOLD))
    if min(len(cautious), len(bold)) < _LEAST:
        return number % (2 * _ROUND) >= _ROUND  # nothing to compare yet: in turn
    return bool(bold.mean() < cautious.mean())


def _last(y: Floats, numbers: Integers, kind: int, design: int) -> Floats:
    """Half-ranked values of the last trials that were surely of one attitude."""
    if not len(y):
        return y
    own = (numbers >= design) & (numbers % _ROUND == kind)
    last: Floats = half_rank(y)[own][-_MOST:]
    return last
