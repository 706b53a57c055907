"""Checks of hyperparameter values, by the names that the AWS SDK gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]


def gt(minimum: float) -> Check:
    """Return a check that a value is above a bound."""
    return lambda value: bool(value > minimum)


def ge(minimum: float) -> Check:
    """Return a check that a value is at least a bound."""
    return lambda value: bool(value >= minimum)


def lt(maximum: float) -> Check:
    """Return a check that a value is below a bound."""
    return lambda value: bool(value < maximum)


def le(maximum: float) -> Check:
    """Return a check that a value is at most a bound."""
    return lambda value: bool(value <= maximum)


def isin(*expected: Any) -> Check:
    """Return a check that a value is one of several."""
    return lambda value: value in expected


def istype(expected: type) -> Check:
    """Return a check that a value is of a type."""
    return lambda value: isinstance(value, expected)
