"""When polishing leads nowhere: leaving a false basin.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
y           raw values in completion order, smaller is better                           (n,)
gain        what the last ``WINDOW`` evaluations improved the best value by              ()
spread      median of the initial design minus the best value                           ()
==========  ==========================================================================  ==========

Where a choice or a small integer decides the basin, a model that saw the good level once, at a bad place of its other
parameters, condemns it and polishes a poor one for ever. So while gain < 0.3 % of spread, every third suggestion is a
fresh draw at the least tried level of one small column, which no model can veto.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pegbox.space import Encoding

Floats = npt.NDArray[np.float64]

WINDOW = 12
EVERY = 3
_NEGLIGIBLE = 0.003
_SMALL = 12


def stalled(y: Floats, design: int) -> bool:
    """Whether the last evaluations improved next to nothing, measured by what the initial design spans."""
    if len(y) < design + WINDOW:
        return False
    best = float(y.min())
    with np.errstate(over="ignore"):
        gain = float(y[:-WINDOW].min()) - best
        spread = float(np.median(y[:design])) - best
    return gain <= _NEGLIGIBLE * spread


def fresh_draws(encoding: Encoding, tried: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Uniform codes (count, d); in one small column, drawn by lot, all take the level that was tried least."""
    codes = encoding.from_cube(rng.random((count, encoding.dimension)))
    small = np.nonzero((encoding.levels > 1) & (encoding.levels <= _SMALL))[0]
    if len(small):
        column = int(rng.choice(small))
        grid = encoding.grid(column)
        times = np.array([(np.abs(tried[:, column] - level) < 1e-9).sum() for level in grid])
        least = np.nonzero(times == times.min())[0]
        codes[:, column] = grid[int(rng.choice(least))]
    return codes
