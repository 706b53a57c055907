"""The three kinds of parameter range.

Each range knows three things: what is wrong with it (:meth:`problems`, so that a space can report everything at
once), whether it contains a value, and how many values it holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias

from pegbox.space.scaling import Scaling, resolve_auto


def _name_problems(name: str) -> list[str]:
    if not isinstance(name, str) or not name:
        return [f"Name {name!r} is not a non-empty string; give the parameter a name"]
    return []


def _log_problems(name: str, low: float, scaling: Scaling) -> list[str]:
    if scaling is Scaling.LOGARITHMIC and low <= 0:
        return [
            f"MinValue {low!r} of {name!r} is not above 0 as ScalingType Logarithmic needs; "
            "raise MinValue or use Linear"
        ]
    return []


@dataclass(frozen=True)
class ContinuousRange:
    """Real numbers from ``low`` to ``high``, both included."""

    name: str
    low: float
    high: float
    scaling: Scaling = Scaling.AUTO

    @property
    def scale(self) -> Scaling:
        """The scale after ``Auto`` was resolved."""
        return resolve_auto(self.scaling, self.low, self.high)

    @property
    def size(self) -> int | None:
        """How many values there are; None when they cannot be counted."""
        return 1 if self.low == self.high else None

    def problems(self) -> list[str]:
        """Everything that keeps this from being a range, each with field, value and remedy."""
        found = _name_problems(self.name)
        for field, value in (("MinValue", self.low), ("MaxValue", self.high)):
            if not math.isfinite(value):
                found.append(f"{field} {value!r} of {self.name!r} is not finite; give a finite number")
        if self.low > self.high:
            found.append(
                f"MinValue {self.low!r} of {self.name!r} is above MaxValue {self.high!r}; swap or correct them"
            )
        found += _log_problems(self.name, self.low, self.scaling)
        if self.scaling is Scaling.REVERSE_LOGARITHMIC and (self.low < 0 or self.high >= 1):
            found.append(
                f"MinValue {self.low!r} and MaxValue {self.high!r} of {self.name!r} do not lie in [0, 1) as "
                "ScalingType ReverseLogarithmic needs; change the bounds or use Linear"
            )
        return found

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is a number within the bounds."""
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and self.low <= value <= self.high
        )


@dataclass(frozen=True)
class IntegerRange:
    """Whole numbers from ``low`` to ``high``, both included."""

    name: str
    low: int
    high: int
    scaling: Scaling = Scaling.AUTO

    @property
    def scale(self) -> Scaling:
        """The scale after ``Auto`` was resolved."""
        return resolve_auto(self.scaling, self.low, self.high)

    @property
    def size(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def problems(self) -> list[str]:
        """Everything that keeps this from being a range, each with field, value and remedy."""
        found = _name_problems(self.name)
        if self.low > self.high:
            found.append(
                f"MinValue {self.low!r} of {self.name!r} is above MaxValue {self.high!r}; swap or correct them"
            )
        found += _log_problems(self.name, self.low, self.scaling)
        if self.scaling is Scaling.REVERSE_LOGARITHMIC:
            found.append(
                f"ScalingType ReverseLogarithmic of {self.name!r} is for continuous parameters only; "
                "use Linear or Logarithmic"
            )
        for field, value in (("MinValue", self.low), ("MaxValue", self.high)):
            if abs(value) > 2**53:
                found.append(f"{field} {value!r} of {self.name!r} is beyond ±2**53; give a smaller number")
        return found

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is a whole number within the bounds."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class CategoricalRange:
    """A choice among texts without order."""

    name: str
    choices: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.choices)

    def problems(self) -> list[str]:
        """Everything that keeps this from being a range, each with field, value and remedy."""
        found = _name_problems(self.name)
        if not self.choices:
            found.append(f"Values of {self.name!r} is empty; list at least one value")
        seen: set[str] = set()
        choice: Any
        for choice in self.choices:
            if not isinstance(choice, str):
                found.append(
                    f"Values of {self.name!r} holds {choice!r}, which is not text; write it as a string"
                )
            elif choice in seen:
                found.append(f"Values of {self.name!r} holds {choice!r} more than once; list each value once")
            seen.add(choice)
        return found

    def contains(self, value: Any) -> bool:
        """Whether ``value`` is one of the choices."""
        return value in self.choices


ParameterRange: TypeAlias = "ContinuousRange | IntegerRange | CategoricalRange"
