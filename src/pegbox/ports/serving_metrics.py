"""Figures of invocations, as the engine sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One metric over one minute of one variant: values are summed up, single ones are not kept."""

    #: Start of the minute, seconds since the epoch.
    minute: int
    variant: str
    #: AWS's name: ``Invocations``, ``Invocation4XXErrors``, ``ModelLatency`` (microseconds), ...
    metric: str
    sum: float
    minimum: float
    maximum: float
    count: int


class ServingMetrics(Protocol):
    """Reads what the gateway counted; methods may be called from any thread."""

    def read(self, endpoint_id: int, start: float, end: float) -> Sequence[Figures]:
        """Return the figures of all minutes that begin in ``[start, end)``, in order of time; several may be of one minute."""
        ...
