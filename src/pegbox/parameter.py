"""Ranges of hyperparameters to search."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pegbox._sdk.api_version import stands_for_sagemaker
from pegbox.workflow.entities import as_text

__all__ = ["CategoricalParameter", "ContinuousParameter", "IntegerParameter", "ParameterRange"]

_SCALING_TYPES = ("Auto", "Linear", "Logarithmic", "ReverseLogarithmic")


class ParameterRange:
    """Base class of hyperparameter ranges, and a range of real numbers itself.

    Args:
        min_value: Smallest value, included.
        max_value: Largest value, included.
        scaling_type: Scale of the search: ``Auto``, ``Linear``, ``Logarithmic`` or ``ReverseLogarithmic``.

    Raises:
        ValueError: ``min_value`` is above ``max_value``, a bound is no finite number, or the scaling type is unknown. Under
            the AWS SDK's name (:func:`pegbox.install_as_sagemaker`) it is the tuner that refuses the former.
    """

    __all_types__: ClassVar[tuple[str, ...]] = ("Continuous", "Categorical", "Integer")
    # Instances answer with their kind, as in the AWS SDK (classes keep Python's own __name__).
    __name__: str = "ParameterRange"

    def __init__(self, min_value: Any, max_value: Any, scaling_type: str = "Auto") -> None:
        kind = type(self).__name__
        _bound(kind, "min_value", min_value)
        _bound(kind, "max_value", max_value)
        if isinstance(scaling_type, str) and scaling_type not in _SCALING_TYPES:
            raise ValueError(
                f"{kind}: scaling_type={scaling_type!r} must be one of {', '.join(_SCALING_TYPES)}"
            )
        self.min_value = min_value
        self.max_value = max_value
        self.scaling_type = scaling_type
        if not stands_for_sagemaker():
            self._check_order()

    def _check_order(self, place: str = "") -> None:
        """Refuse bounds in the wrong order.

        Args:
            place: What the message starts with.
        """
        kind = type(self).__name__
        low, high = _bound(kind, "min_value", self.min_value), _bound(kind, "max_value", self.max_value)
        if low is not None and high is not None and low > high:
            raise ValueError(
                f"{place}{kind}: min_value={self.min_value!r} is above max_value={self.max_value!r}; swap them or correct "
                "one"
            )

    def is_valid(self, value: Any) -> bool:
        """Tell whether a value lies in the range, bounds included."""
        return bool(self.min_value <= value <= self.max_value)

    @classmethod
    def cast_to_type(cls, value: Any) -> Any:
        """Return a value as the type of this range: float."""
        return float(value)

    def as_tuning_range(self, name: str) -> dict[str, Any]:
        """Return the range as an item of a tuning-job request.

        Args:
            name: Name of the hyperparameter.

        Returns:
            ``Name``, ``MinValue`` and ``MaxValue`` as text, and ``ScalingType``.
        """
        return {
            "Name": name,
            "MinValue": as_text(self.min_value),
            "MaxValue": as_text(self.max_value),
            "ScalingType": self.scaling_type,
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.min_value!r}, {self.max_value!r}, {self.scaling_type!r})"


class ContinuousParameter(ParameterRange):
    """A range of real numbers.

    Args:
        min_value: Smallest value, included.
        max_value: Largest value, included.
        scaling_type: ``Auto`` (default), ``Linear``, ``Logarithmic`` (above 0) or ``ReverseLogarithmic`` (within [0, 1)).
    """

    __name__: str = "Continuous"

    @classmethod
    def cast_to_type(cls, value: Any) -> float:
        """Return a value as float."""
        return float(value)


class IntegerParameter(ParameterRange):
    """A range of whole numbers.

    Args:
        min_value: Smallest value, included.
        max_value: Largest value, included.
        scaling_type: ``Auto`` (default), ``Linear`` or ``Logarithmic`` (above 0).
    """

    __name__: str = "Integer"

    @classmethod
    def cast_to_type(cls, value: Any) -> int:
        """Return a value as int; text such as ``"1.5"`` is a ``ValueError``."""
        return int(value)


class CategoricalParameter(ParameterRange):
    """A list of possible values; all are used as text.

    Args:
        values: The values, as any list, tuple, set, range or other iterable, or one single value. Members of a set
            are sorted, so that the request does not depend on the process.

    Raises:
        ValueError: No value was given.
    """

    __name__: str = "Categorical"

    def __init__(self, values: Any) -> None:
        self.values = [as_text(value) for value in _choices(values)]
        if not self.values:
            raise ValueError("CategoricalParameter: values is empty; give at least one value")

    def _check_order(self, place: str = "") -> None:
        """Values have no order."""

    def as_tuning_range(self, name: str) -> dict[str, Any]:
        """Return name and values as an item of a tuning-job request.

        Args:
            name: Name of the hyperparameter.
        """
        return {"Name": name, "Values": self.values}

    def as_json_range(self, name: str) -> dict[str, Any]:
        """Return name and values for a framework estimator, whose values are JSON texts.

        Args:
            name: Name of the hyperparameter.
        """
        return {"Name": name, "Values": [json.dumps(value) for value in self.values]}

    def is_valid(self, value: Any) -> bool:
        """Tell whether a value, taken as text already, is one of the values."""
        return value in self.values

    @classmethod
    def cast_to_type(cls, value: Any) -> str:
        """Return a value as text."""
        return str(value)

    def __repr__(self) -> str:
        return f"CategoricalParameter({self.values!r})"


def _bound(kind: str, field: str, value: Any) -> float | None:
    """Return a bound as float, or None where it is a placeholder that only the service can judge."""
    if isinstance(value, bool) or value is None:
        raise ValueError(f"{kind}: {field}={value!r} must be a number")
    try:
        number = float(value)
    except (TypeError, ValueError):
        if isinstance(value, str):
            raise ValueError(f"{kind}: {field}={value!r} must be a number") from None
        return None
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError(f"{kind}: {field}={value!r} must be finite")
    return number


def _choices(values: Any) -> list[Any]:
    if isinstance(values, (set, frozenset)):
        return sorted(values, key=lambda value: (type(value).__name__, str(value)))
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__iter__"):
        return [values]
    return list(values)
