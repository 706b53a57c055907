"""Values of a space as rows of numbers, and back.

==========  ============================================================================  ==========
symbol      meaning                                                                       shape
==========  ============================================================================  ==========
X, Z        encoded values; numeric columns in [0, 1], categorical columns hold the       (n, d)
            index of the choice (0, 1, ...)
U           points of the unit cube                                                       (n, d)
levels      number of values of each column, ``inf`` for real numbers                     (d,)
==========  ============================================================================  ==========

An integer owns the interval of its scale that rounds to it (from value - 1/2 to value + 1/2), and its code is its
own position on that scale: uniform points of the cube hit integers as often as their scale says, and a model never
sees a position that no value has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.space.ranges import CategoricalRange, ContinuousRange, IntegerRange, ParameterRange
from pegbox.space.scaling import Scaling, scale_from_unit, scale_to_unit

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def _integer_bounds(range_: IntegerRange) -> tuple[float, float]:
    low, high = range_.low - 0.5, range_.high + 0.5
    return low, high


class Encoding:
    """The encoding of one space; built once, used for whole matrices.

    Attributes:
        categorical: (d,) which columns hold choice indices.
        levels: (d,) number of values of each column, ``inf`` for real numbers.
    """

    def __init__(self, parameters: Sequence[ParameterRange]) -> None:
        self.parameters = tuple(parameters)
        self.dimension = len(self.parameters)
        self.categorical: Bools = np.array(
            [isinstance(p, CategoricalRange) for p in self.parameters], dtype=bool
        )
        self.levels: Floats = np.array([np.inf if p.size is None else float(p.size) for p in self.parameters])
        self._choices = [
            {choice: i for i, choice in enumerate(p.choices)} if isinstance(p, CategoricalRange) else {}
            for p in self.parameters
        ]

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> Floats:
        """(n, d) codes of ``rows``; values outside a range are brought to its nearest bound.

        Raises:
            KeyError: A row lacks a parameter, or holds a choice that the range does not have.
        """
        codes = np.empty((len(rows), self.dimension))
        for j, range_ in enumerate(self.parameters):
            if isinstance(range_, CategoricalRange):
                table = self._choices[j]
                codes[:, j] = [table[row[range_.name]] for row in rows]
            else:
                codes[:, j] = self._unit(range_, np.array([float(row[range_.name]) for row in rows]))
        return codes

    def decode(self, code: Floats) -> dict[str, float | int | str]:
        """The values nearest to one row of codes (d,)."""
        values: dict[str, float | int | str] = {}
        for j, range_ in enumerate(self.parameters):
            if isinstance(range_, CategoricalRange):
                values[range_.name] = range_.choices[int(min(max(round(float(code[j])), 0), range_.size - 1))]
            else:
                x = float(self._value(range_, np.array([code[j]]))[0])
                values[range_.name] = int(x) if isinstance(range_, IntegerRange) else x
        return values

    def snap(self, codes: Floats) -> Floats:
        """Move every row of ``codes`` (n, d) to codes that a value has; returns a new array."""
        out = codes.copy()
        for j, range_ in enumerate(self.parameters):
            if isinstance(range_, CategoricalRange):
                out[:, j] = np.clip(np.round(out[:, j]), 0, range_.size - 1)
            elif isinstance(range_, IntegerRange):
                out[:, j] = self._unit(range_, self._value(range_, out[:, j]))
            else:
                out[:, j] = 0.5 if range_.low == range_.high else np.clip(out[:, j], 0.0, 1.0)
        return out

    def from_cube(self, points: Floats) -> Floats:
        """(n, d) codes of uniform points of the unit cube: every choice and every integer gets its fair share."""
        codes = points.copy()
        for j in np.nonzero(self.categorical)[0]:
            codes[:, j] = np.floor(points[:, j] * self.levels[j])
        return self.snap(codes)

    def grid(self, column: int) -> Floats:
        """(levels,) codes of all values of a countable column, in order."""
        range_ = self.parameters[column]
        if isinstance(range_, CategoricalRange):
            return np.arange(float(range_.size))
        if isinstance(range_, IntegerRange):
            return self._unit(range_, np.arange(range_.low, range_.high + 1, dtype=float))
        return np.array([0.5])

    @staticmethod
    def _unit(range_: ContinuousRange | IntegerRange, x: Floats) -> Floats:
        if isinstance(range_, IntegerRange):
            if range_.low == range_.high:
                return np.full_like(x, 0.5)
            low, high = _integer_bounds(range_)
            return scale_to_unit(np.clip(x, range_.low, range_.high), low, high, range_.scale)
        return scale_to_unit(np.clip(x, range_.low, range_.high), range_.low, range_.high, range_.scale)

    @staticmethod
    def _value(range_: ContinuousRange | IntegerRange, u: Floats) -> Floats:
        if isinstance(range_, IntegerRange):
            low, high = _integer_bounds(range_)
            x = np.round(scale_from_unit(u, low, high, range_.scale))
            return np.clip(x, range_.low, range_.high)
        return scale_from_unit(u, range_.low, range_.high, range_.scale)


__all__ = ["Encoding", "Scaling"]
