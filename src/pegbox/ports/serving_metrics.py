"""Figures of invocations, as the engine sees them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
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
    """Reads and prunes what the gateway counted; methods may be called from any thread."""

    def read(self, endpoint_id: int, start: float, end: float) -> Sequence[Figures]:
        """Return the figures of all minutes that begin in ``[start, end)``, in order of time; several may be of one minute."""
        ...

    def prune(self, living: Collection[int], *, before: float, gone_before: float) -> int:
        """Forget old figures and return how many days' files that were.

        Args:
            living: Row ids of the endpoints that there are.
            before: Days that ended before this time go, seconds since the epoch.
            gone_before: Endpoints that are not living go as a whole when their last day ended before this time.
        """
        ...
