"""Hyperparameters of built-in algorithms as checked attributes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["Hyperparameter"]


def _boolean(value: Any) -> bool:
    """Text as the service gives it back, too."""
    if isinstance(value, str):
        found = {"true": True, "1": True, "false": False, "0": False}.get(value.strip().lower())
        if found is None:
            raise ValueError(f"{value!r} is neither true nor false")
        return found
    return bool(value)


def _list(value: Any) -> list[Any]:
    """A list, its JSON text, or a text with commas between the items."""
    if isinstance(value, str):
        text = value.strip()
        return list(json.loads(text)) if text.startswith("[") else [item.strip() for item in text.split(",")]
    return list(value)


_CONVERSIONS: dict[Any, Callable[[Any], Any]] = {bool: _boolean, list: _list}


class Hyperparameter:
    """A hyperparameter of an estimator class; assigning to it converts and checks.

    Args:
        name: Name that the algorithm knows it by.
        validate: Functions that return whether a value is acceptable.
        validation_message: What is acceptable, for the error.
        data_type: Converts a given value; text is kept by default.
    """

    def __init__(
        self,
        name: str,
        validate: Callable[[Any], Any] | Iterable[Callable[[Any], Any]] = (),
        validation_message: str = "",
        data_type: Callable[[Any], Any] = str,
    ) -> None:
        self.name = name
        self.validation = tuple(validate) if isinstance(validate, Iterable) else (validate,)
        self.validation_message = validation_message
        self.data_type = _CONVERSIONS.get(data_type, data_type)

    def validate(self, value: Any) -> None:
        """Check a value.

        Raises:
            ValueError: It is not acceptable.
        """
        if value is None:
            return
        if not all(check(value) for check in self.validation):
            raise ValueError(self._refusal(value))

    def _refusal(self, value: Any) -> str:
        expected = f". Expecting: {self.validation_message}" if self.validation_message else ""
        return f"Invalid hyperparameter value {value} for {self.name}{expected}"

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        try:
            return instance.__dict__["_hyperparameters"][self.name]
        except KeyError:
            raise AttributeError(self.name) from None

    def __set__(self, instance: Any, value: Any) -> None:
        if value is not None:
            try:
                value = self.data_type(value)
            except (TypeError, ValueError) as error:
                raise ValueError(self._refusal(repr(value))) from error
        self.validate(value)
        instance.__dict__.setdefault("_hyperparameters", {})[self.name] = value

    def __delete__(self, instance: Any) -> None:
        instance.__dict__.get("_hyperparameters", {}).pop(self.name, None)

    @staticmethod
    def serialize_all(instance: Any) -> dict[str, str]:
        """Return all hyperparameters that are set, as text (lists as JSON)."""
        values = instance.__dict__.get("_hyperparameters", {})
        return {
            name: json.dumps(value) if isinstance(value, list) else str(value)
            for name, value in values.items()
            if value is not None
        }
