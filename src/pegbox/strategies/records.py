"""What strategies take and give: observations, parents and suggestions, as frozen records that travel as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pegbox.space import Space, Value


@dataclass(frozen=True)
class Observation:
    """One finished evaluation.

    Attributes:
        number: Which trial of its job it was (0 for the first).
        values: Its parameter values.
        objective: Its final objective, or the last one seen when it was stopped; None when there is none.
        status: ``completed``, ``failed`` or ``stopped``. A stopped trial's objective is a bound, not a final value.
        curve: (step, objective) pairs reported on the way, if any.
    """

    number: int
    values: Mapping[str, Value]
    objective: float | None
    status: str = "completed"
    curve: tuple[tuple[int, float], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back; NaN and infinities become text."""
        return {
            "number": self.number,
            "values": dict(self.values),
            "objective": number_to_json(self.objective),
            "status": self.status,
            "curve": [[step, number_to_json(value)] for step, value in self.curve],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Observation:
        """The observation that :meth:`to_json` described."""
        return Observation(
            number=int(data["number"]),
            values=dict(data["values"]),
            objective=number_from_json(data.get("objective")),
            status=str(data.get("status", "completed")),
            curve=tuple((int(step), float(value)) for step, value in data.get("curve") or ()),
        )


@dataclass(frozen=True)
class ParentHistory:
    """What an earlier job found, as evidence for another one.

    Attributes:
        name: The parent's name, for reasons and warnings.
        space: What the parent tuned; its ranges may differ from the child's.
        observations: Its finished trials in completion order; their values are of ``space``.
        constants: Values that all its trials had for parameters that it held fixed and the child tunes.
        pinned: The child's fixed values of parameters that the parent tuned.
        identical: Whether parent and child measure the same function: the same data and the same algorithm.
    """

    name: str
    space: Space
    observations: tuple[Observation, ...]
    constants: Mapping[str, Value] = field(default_factory=dict)
    pinned: Mapping[str, Value] = field(default_factory=dict)
    identical: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        return {
            "name": self.name,
            "space": self.space.to_json(),
            "observations": [seen.to_json() for seen in self.observations],
            "constants": dict(self.constants),
            "pinned": dict(self.pinned),
            "identical": self.identical,
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> ParentHistory:
        """The parent that :meth:`to_json` described."""
        return ParentHistory(
            name=str(data["name"]),
            space=Space.from_json(data["space"]),
            observations=tuple(Observation.from_json(item) for item in data["observations"]),
            constants=dict(data.get("constants") or {}),
            pinned=dict(data.get("pinned") or {}),
            identical=bool(data.get("identical", False)),
        )


@dataclass(frozen=True)
class Suggestion:
    """Values to try next, and why.

    Attributes:
        values: One value per parameter.
        reason: ``initial design``, ``exploring``, ``exploiting``, ``random``, ``grid``, ``from a parent`` or
            ``repeat``.
        details: ``expected_improvement``, ``predicted_mean`` and ``predicted_sd`` on the objective's own scale, where
            a model was asked.
        warnings: What went wrong on the way to this suggestion, if anything did.
    """

    values: Mapping[str, Value]
    reason: str
    details: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data that :meth:`from_json` reads back."""
        return {
            "values": dict(self.values),
            "reason": self.reason,
            "details": {name: number_to_json(value) for name, value in self.details.items()},
            "warnings": list(self.warnings),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Suggestion:
        """The suggestion that :meth:`to_json` described."""
        return Suggestion(
            values=dict(data["values"]),
            reason=str(data["reason"]),
            details={name: float(value) for name, value in (data.get("details") or {}).items()},
            warnings=tuple(data.get("warnings") or ()),
        )


def number_to_json(value: float | None) -> float | str | None:
    """A number as JSON can hold it: NaN and infinities as the texts ``nan``, ``inf`` and ``-inf``."""
    if value is None or math.isfinite(value):
        return value
    return str(float(value))


def number_from_json(value: Any) -> float | None:
    """The inverse of :func:`number_to_json`."""
    return None if value is None else float(value)
