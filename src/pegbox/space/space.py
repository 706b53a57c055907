"""A search space: an ordered set of ranges with distinct names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

from pegbox.errors import SpaceError
from pegbox.space.ranges import CategoricalRange, ContinuousRange, IntegerRange, ParameterRange
from pegbox.space.scaling import Floats, Scaling

if TYPE_CHECKING:
    from pegbox.space.encoding import Encoding

Value: TypeAlias = "float | int | str"
Values: TypeAlias = "dict[str, Value]"


class Space:
    """What can be tuned.

    Args:
        parameters: The ranges; their order is the order of the encoded columns.

    Raises:
        SpaceError: Listing every problem of every range, and names used twice.
    """

    def __init__(self, parameters: Sequence[ParameterRange]) -> None:
        self.parameters: tuple[ParameterRange, ...] = tuple(parameters)
        found = [problem for range_ in self.parameters for problem in range_.problems()]
        found += duplicate_names([range_.name for range_ in self.parameters])
        if found:
            raise SpaceError(found)

    @property
    def names(self) -> tuple[str, ...]:
        """Parameter names in column order."""
        return tuple(range_.name for range_ in self.parameters)

    @property
    def dimension(self) -> int:
        """Number of parameters."""
        return len(self.parameters)

    @cached_property
    def cardinality(self) -> int | None:
        """How many different values the space holds; None when they cannot be counted."""
        sizes = [range_.size for range_ in self.parameters]
        return None if None in sizes else math.prod(size for size in sizes if size is not None)

    @cached_property
    def encoding(self) -> Encoding:
        """The matrix encoding of this space."""
        from pegbox.space.encoding import Encoding

        return Encoding(self.parameters)

    def encode(self, values: Mapping[str, Any]) -> Floats:
        """The (d,) code of one set of values; see :mod:`pegbox.space.encoding`."""
        code: Floats = self.encoding.encode([values])[0]
        return code

    def decode(self, code: Floats) -> Values:
        """The values at, or nearest to, a (d,) code."""
        import numpy as np

        return self.encoding.decode(np.asarray(code, dtype=float))

    def problems(self, values: Mapping[str, Any]) -> list[str]:
        """What keeps ``values`` from being a point of this space: missing, unknown and out-of-range parameters."""
        found = [f"{name!r} is missing; give a value for it" for name in self.names if name not in values]
        found += [
            f"{name!r} is not a parameter of this space; remove it"
            for name in values
            if name not in self.names
        ]
        for range_ in self.parameters:
            if range_.name in values and not range_.contains(values[range_.name]):
                found.append(
                    f"{values[range_.name]!r} is not in the range of {range_.name!r}; choose a value within it"
                )
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        items: list[dict[str, Any]] = []
        for range_ in self.parameters:
            if isinstance(range_, CategoricalRange):
                items.append({"kind": "categorical", "name": range_.name, "choices": list(range_.choices)})
            else:
                kind = "integer" if isinstance(range_, IntegerRange) else "continuous"
                scaling = range_.scaling.value
                items.append(
                    {
                        "kind": kind,
                        "name": range_.name,
                        "low": range_.low,
                        "high": range_.high,
                        "scaling": scaling,
                    }
                )
        return {"parameters": items}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Space:
        """The space that :meth:`to_json` described."""
        ranges: list[ParameterRange] = []
        for item in data["parameters"]:
            if item["kind"] == "categorical":
                ranges.append(CategoricalRange(item["name"], tuple(item["choices"])))
            elif item["kind"] == "integer":
                ranges.append(
                    IntegerRange(item["name"], int(item["low"]), int(item["high"]), Scaling(item["scaling"]))
                )
            else:
                low, high = float(item["low"]), float(item["high"])
                ranges.append(ContinuousRange(item["name"], low, high, Scaling(item["scaling"])))
        return Space(ranges)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.parameters == other.parameters

    def __hash__(self) -> int:
        return hash(self.parameters)

    def __repr__(self) -> str:
        return f"Space({list(self.parameters)!r})"


def duplicate_names(names: Sequence[str]) -> list[str]:
    """One problem for each name that occurs more than once."""
    twice = sorted({name for name in names if names.count(name) > 1})
    return [f"Name {name!r} is used by more than one parameter; rename one of them" for name in twice]
