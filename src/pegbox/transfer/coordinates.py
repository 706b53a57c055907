"""A parent's values in the coordinates of its child.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X           the parent's trials: the child's columns, then the pinned ones              (n, d + e)
pinned      the child's place in the pinned columns                                     (e,)
==========  ==========================================================================  ==========

A number inside the child's range gets the child's own code. One outside keeps its place on the child's scale, below 0 or
above 1 (at most ``REACH`` away): it tells what lies out there and only fades into the range. A choice that the child
does not have gets an index of its own. A parameter that the parent tuned and the child holds fixed is a further column in
which all points of the child stand at one place; one that the parent held fixed stands at one place for its trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, ParameterRange, Scaling, Space

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: How many widths of the child's range a value outside may stand away from it.
REACH = 2.0


@dataclass(frozen=True)
class Coordinates:
    """How a parent's values become rows beside the child's codes; build it with :func:`coordinates`.

    Attributes:
        columns: A range per column; the child's come first.
        constants: Values that all trials of the parent had for columns that it did not tune.
        pinned: The child's codes in the columns after its own (e,).
    """

    columns: tuple[ParameterRange, ...]
    constants: Mapping[str, Any]
    pinned: Floats

    @property
    def categorical(self) -> Bools:
        """Which columns are categorical (d + e,)."""
        return np.array([isinstance(range_, CategoricalRange) for range_ in self.columns], dtype=bool)

    def place(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """The rows (n, d + e) of trials; all must be usable by :meth:`covers`."""
        X = np.empty((len(rows), len(self.columns)))
        for j, range_ in enumerate(self.columns):
            X[:, j] = _places(range_, [row.get(range_.name, self.constants.get(range_.name)) for row in rows])
        return X

    def covers(self, row: Mapping[str, Any]) -> bool:
        """Whether a trial has a value of the right kind for every column."""
        return all(
            _is_kind(range_, row.get(range_.name, self.constants.get(range_.name))) for range_ in self.columns
        )

    def inside(self, X: Floats) -> Bools:
        """Which rows (n, d + e) are points of the child (n,)."""
        d = len(self.columns) - len(self.pinned)
        top = [
            float(range_.size - 1) if isinstance(range_, CategoricalRange) else 1.0
            for range_ in self.columns[:d]
        ]
        within = ((X[:, :d] >= 0.0) & (X[:, :d] <= np.array(top))).all(axis=1)
        return np.asarray(within & (np.abs(X[:, d:] - self.pinned) < 1e-9).all(axis=1))

    def extend(self, Z: Floats) -> Floats:
        """Codes of the child (m, d) as rows (m, d + e)."""
        if not len(self.pinned):
            return Z
        return np.hstack([Z, np.broadcast_to(self.pinned, (len(Z), len(self.pinned)))])


def coordinates(
    child: Space, parent: Space, constants: Mapping[str, Any], pinned: Mapping[str, Any]
) -> Coordinates:
    """The coordinates of a parent's trials beside a child's codes.

    Args:
        child: What the child tunes.
        parent: What the parent tuned.
        constants: The parent's fixed values of parameters that the child tunes.
        pinned: The child's fixed values of parameters that the parent tuned; those not named do not count.
    """
    further = [
        range_
        for range_ in parent.parameters
        if range_.name not in child.names and _is_kind(range_, pinned.get(range_.name))
    ]
    places = [float(_places(range_, [pinned[range_.name]])[0]) for range_ in further]
    return Coordinates((*child.parameters, *further), dict(constants), np.array(places, dtype=float))


def _is_kind(range_: ParameterRange, value: Any) -> bool:
    if isinstance(range_, CategoricalRange):
        return isinstance(value, str)
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _places(range_: ParameterRange, values: Sequence[Any]) -> Floats:
    if isinstance(range_, CategoricalRange):
        known = list(range_.choices)
        strangers = sorted({value for value in values if value not in known})
        table = {choice: float(i) for i, choice in enumerate((*known, *strangers))}
        return np.array([table[value] for value in values], dtype=float)
    low, high = float(range_.low), float(range_.high)
    x = np.array([float(value) for value in values])
    if low == high:
        return np.where(x == low, 0.5, np.where(x < low, -0.5, 1.5))
    if isinstance(range_, IntegerRange):
        low, high = low - 0.5, high + 0.5
    return np.clip(_on_scale(x, low, high, range_), -REACH, 1.0 + REACH)


def _on_scale(x: Floats, low: float, high: float, range_: ContinuousRange | IntegerRange) -> Floats:
    """The place of each value where ``low`` is 0 and ``high`` is 1, on the range's scale continued beyond them."""
    if range_.scale is Scaling.LOGARITHMIC:
        start, end = math.log(low), math.log(high)
        at = np.log(np.maximum(x, np.finfo(float).tiny))
    elif range_.scale is Scaling.REVERSE_LOGARITHMIC:
        start, end = -math.log1p(-low), -math.log1p(-high)
        at = -np.log1p(-np.minimum(x, 1.0 - 2.0**-53))
    else:
        start, end, at = 0.5 * low, 0.5 * high, 0.5 * x
    if not end > start:
        return np.where(x >= high, 1.0, 0.0)
    with np.errstate(over="ignore"):
        return np.asarray((at - start) / (end - start))
