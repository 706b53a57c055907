"""Frozen records of tuning jobs, training jobs and their attempts, as the store keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
    TuningStatus,
)

_R = TypeVar("_R")


def evolve(record: _R, /, **changes: Any) -> _R:
    """Return a copy of a frozen record with some fields changed."""
    return replace(record, **changes)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionRecord:
    """Hyperparameter values with the reason for them and the exact inputs they were computed from (promise P8)."""

    #: Tuned hyperparameters as text, as they go to the program and to ``TunedHyperParameters``.
    values: Mapping[str, str]
    #: Why these values: ``initial design``, ``exploring``, ``exploiting``, ``random``, ``grid``, ...
    reason: str
    #: Numbers behind the reason (expected improvement, predicted mean, predicted deviation).
    details: Mapping[str, float] = field(default_factory=dict)
    #: Strategy that computed it.
    strategy: str = ""
    #: Number of observations seen: the first ``observed`` ones in completion order (``TrainingJob.observed_seq``); of a job with
    #: several definitions, those among them that belong to this one.
    observed: int = 0
    #: Numbers of the trials that were pending when it was computed, with their values already fixed. Numbers within the
    #: definition where the job has several.
    pending: tuple[int, ...] = ()
    #: Seed sequence handed to the strategy.
    seed: tuple[int, ...] = ()
    #: Version of the numerics (``pegbox.strategies.NUMERICS_VERSION``).
    numerics: str = ""
    #: Whether it was computed ahead, before the last observation was known.
    ahead: bool = False
    #: Index within the batch of suggestions that one call returned.
    index: int = 0
    #: How many suggestions that call was asked for.
    count: int = 1
    #: Fallbacks that were taken.
    warnings: tuple[str, ...] = ()
    #: In a job with several definitions: why it was this one's turn, and the number of observations of the whole job that were
    #: known when that was decided.
    turn: str = ""
    turn_observed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One entry of a training job's ``SecondaryStatusTransitions``."""

    status: SecondaryStatus
    started_at: datetime
    ended_at: datetime | None = None
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningJob:
    """A search: one ``CreateHyperParameterTuningJob`` and what became of it."""

    #: Internal row id; never reused. 0 before the row is inserted.
    id: int
    name: str
    #: The accepted request, as ``wire`` parsed it, with the entries that the service adds.
    request: Mapping[str, Any]
    status: TuningStatus
    created_at: datetime
    modified_at: datetime
    ended_at: datetime | None = None
    failure_reason: str | None = None
    #: RandomSeed of the request, or one drawn at creation; all suggestions derive from it.
    seed: int = 0
    #: Trials launched so far; the next trial's number is ``launched + 1``.
    launched: int = 0
    #: Observations so far; the next completed trial gets ``observed_seq = observed + 1``.
    observed: int = 0
    #: What ended the search (budget used, target reached, ...), in words.
    completion_reason: str | None = None
    #: When convergence was first detected, whether or not it ends the job.
    converged_at: datetime | None = None
    #: Things the owner should know (a metric pattern that matched nothing, a fallback of the search).
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One evaluation: a trial of a tuning job, or a training job of its own."""

    id: int
    name: str
    status: TrainingStatus
    secondary: SecondaryStatus
    created_at: datetime
    modified_at: datetime
    #: The tuning job it belongs to, or None.
    tuning_job_id: int | None = None
    #: Number within the tuning job, from 1.
    number: int | None = None
    #: ``DefinitionName`` of its definition, where the job has several.
    definition: str | None = None
    #: The accepted ``CreateTrainingJob`` request; for a trial the equivalent one that the engine built.
    request: Mapping[str, Any] = field(default_factory=dict)
    suggestion: SuggestionRecord | None = None
    #: Number of the current attempt, from 1; 0 before the first.
    attempt: int = 0
    #: When the first program was about to start.
    started_at: datetime | None = None
    ended_at: datetime | None = None
    stop_reason: StopReason | None = None
    failure_kind: FailureKind | None = None
    failure_reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    #: Last value of each metric: name to (value, time). Non-finite values are kept as they are.
    final_metrics: Mapping[str, tuple[float, datetime]] = field(default_factory=dict)
    #: Final objective (finite) and whether it counts.
    objective: float | None = None
    objective_status: ObjectiveStatus | None = None
    #: Place in completion order among the tuning job's terminal trials, from 1; None while it runs.
    observed_seq: int | None = None
    #: ``{"model": {"uri", "sha256", "size"}, "output": {...}}``; None where nothing was published.
    artifacts: Mapping[str, Any] = field(default_factory=dict)
    transitions: tuple[Transition, ...] = ()
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One start of a training job's program."""

    #: Public, unguessable id: 32 hex digits; also the mark in the program's environment.
    id: str
    training_job_id: int
    number: int
    created_at: datetime
    #: ``live`` until its ``finished`` event is committed, then ``ended``; ``fenced`` when another took over.
    state: str = "live"
    #: Events ``1..reported`` of this attempt are committed.
    reported: int = 0
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricPoint:
    """One emitted value of one metric."""

    training_job_id: int
    attempt: int
    name: str
    #: k-th value of this metric in this attempt, from 1: the resource index of early stopping.
    count: int
    value: float
    at: datetime
    step: int | None = None
