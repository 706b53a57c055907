"""Where suggestions are computed, as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRequest:
    """Inputs of one call of ``pegbox.strategies.suggest``; the answer is a pure function of them."""

    #: Which tuning job asks (a cache key, nothing else).
    job_id: int
    strategy: str
    #: ``Space.to_json()``.
    space: Mapping[str, Any]
    #: ``Observation.to_json()`` items in completion order.
    history: Sequence[Mapping[str, Any]]
    #: Values (typed, not text) of the running trials.
    pending: Sequence[Mapping[str, Any]]
    count: int
    seed: Sequence[int]
    maximize: bool
    budget: int | None = None
    #: ``ParentHistory.to_json()`` items; the same for all requests of a job's definition.
    parents: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestAnswer:
    """``Suggestion.to_json()`` items, or the fault that prevented them."""

    suggestions: Sequence[Mapping[str, Any]]
    numerics: str = ""
    #: Set when the computation crashed or took too long; then ``suggestions`` come from the Random strategy.
    fault: str | None = None


class Suggester(Protocol):
    """Computes suggestions outside the server's process.

    Contract: ``done`` is called exactly once per request, from any thread, and never with nothing: a crash or a time-out ends in
    random suggestions with ``fault`` set. One slow request never delays those of other jobs.
    """

    def request(self, request: SuggestRequest, done: Callable[[SuggestAnswer], None]) -> None:
        """Start a computation; returns at once."""
        ...

    def forget(self, job_id: int) -> None:
        """The job ended: whatever is cached for it may go."""
        ...

    def close(self) -> None:
        """End all computations."""
        ...
