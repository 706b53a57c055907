"""The four scaling types and their inverses.

==========  ==============================================================  ==================
symbol      meaning                                                         shape
==========  ==============================================================  ==================
x           a value on the user's own scale                                 () or (n,)
u           its position on the chosen scale, 0 at ``low`` and 1 at ``high``  like x
==========  ==============================================================  ==================

Each pair ``scale_to_unit`` / ``scale_from_unit`` is a pair of inverses up to rounding, increasing in x, with both
bounds mapped exactly. Bounds as far apart as the largest doubles are fine: nothing here overflows.
"""

from __future__ import annotations

import math
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:  # the server checks ranges and computes nothing: it must not load numpy for that
    import numpy as np
    import numpy.typing as npt

Floats: TypeAlias = "npt.NDArray[np.float64]"

#: A range of positive numbers at least this wide (high / low) is searched on a log scale under ``Auto``.
AUTO_LOG_RATIO = 100.0


class Scaling(str, Enum):
    """How a numeric range is spread over the unit interval (AWS names)."""

    AUTO = "Auto"
    LINEAR = "Linear"
    LOGARITHMIC = "Logarithmic"
    REVERSE_LOGARITHMIC = "ReverseLogarithmic"


def resolve_auto(scaling: Scaling, low: float, high: float) -> Scaling:
    """The scale that is really used: ``Auto`` means logarithmic for wide positive ranges, else linear."""
    if scaling is not Scaling.AUTO:
        return scaling
    wide = low > 0 and high / AUTO_LOG_RATIO >= low
    return Scaling.LOGARITHMIC if wide else Scaling.LINEAR


def scale_to_unit(x: Floats, low: float, high: float, scaling: Scaling) -> Floats:
    """Position of ``x`` between ``low`` and ``high`` on a resolved scale, clipped to [0, 1]; 0.5 if they are equal."""
    import numpy as np

    if not high > low:
        return np.full_like(x, 0.5)
    if scaling is Scaling.LOGARITHMIC:
        start, end = math.log(low), math.log(high)
        at = np.log(np.maximum(x, low))
    elif scaling is Scaling.REVERSE_LOGARITHMIC:
        start, end = -math.log1p(-low), -math.log1p(-high)
        at = -np.log1p(-np.minimum(x, high))
    else:
        start, end = 0.5 * low, 0.5 * high
        at = 0.5 * x
    if not end > start:  # the bounds are neighbours that the logarithm cannot tell apart
        return np.where(x >= high, 1.0, 0.0)
    return np.clip((at - start) / (end - start), 0.0, 1.0)


def scale_from_unit(u: Floats, low: float, high: float, scaling: Scaling) -> Floats:
    """The value at position ``u`` (clipped to [0, 1]); exactly ``low`` at 0 and ``high`` at 1."""
    import numpy as np

    u = np.clip(u, 0.0, 1.0)
    if scaling is Scaling.LOGARITHMIC:
        start, end = math.log(low), math.log(high)
        x = np.exp(start + u * (end - start))
    elif scaling is Scaling.REVERSE_LOGARITHMIC:
        start, end = math.log1p(-low), math.log1p(-high)
        x = -np.expm1(start + u * (end - start))
    else:
        x = (1.0 - u) * low + u * high
    x = np.where(u <= 0.0, low, np.where(u >= 1.0, high, x))
    return np.clip(x, low, high)
