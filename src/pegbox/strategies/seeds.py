"""Random generators that depend on recorded numbers only."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_MASK = 2**64 - 1


def generator(seed: Sequence[int], purpose: int) -> np.random.Generator:
    """An independent generator for each (seed, purpose); any integers are accepted."""
    return np.random.default_rng([int(part) & _MASK for part in seed] + [purpose])
