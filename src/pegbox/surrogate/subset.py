"""Which observations a model looks at when there are too many for all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def representative(y: Floats, limit: int) -> Indices:
    """Indices (at most ``limit``, ascending) of the best half and of an even spread over the others' ranks.

    A function of the values only, so that the same history always gives the same subset.
    """
    n = len(y)
    if n <= limit:
        return np.arange(n)
    order = np.argsort(y, kind="stable")
    half = limit // 2
    rest = order[half:]
    spread = rest[np.linspace(0, len(rest) - 1, limit - half).astype(np.intp)]
    return np.sort(np.concatenate([order[:half], spread]))
