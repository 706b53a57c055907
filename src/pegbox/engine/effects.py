"""What a step wants done outside the store, after its transaction is committed."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from pegbox.domain.orders import Order
from pegbox.domain.statuses import StopReason
from pegbox.ports.executor import Report
from pegbox.ports.suggester import SuggestRequest


@dataclass(frozen=True, slots=True)
class LaunchAttempt:
    """Start an attempt whose row is committed; ``resume`` if an earlier server may have started it."""

    order: Order
    resume: bool = False


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End an attempt's program."""

    attempt_id: str
    reason: StopReason
    #: Seconds between SIGTERM and SIGKILL; None for those of training jobs.
    grace_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class DiscardAttempt:
    """An attempt's end is committed."""

    attempt_id: str


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """A report is committed up to a sequence number."""

    report: Report
    up_to: int


@dataclass(frozen=True, slots=True)
class Fence:
    """A report came from an attempt that is not the live one."""

    report: Report


@dataclass(frozen=True, slots=True)
class AskSuggester:
    """Compute suggestions for a tuning job."""

    tuning_id: int
    ask_id: int
    request: SuggestRequest


@dataclass(frozen=True, slots=True)
class ForgetTuning:
    """A tuning job ended."""

    tuning_id: int


@dataclass(frozen=True, slots=True)
class DeleteLogs:
    """A training job's record is gone."""

    training_job_id: int


@dataclass(frozen=True, slots=True)
class DeleteInstanceLogs:
    """An instance's row is gone."""

    endpoint_id: int
    instance_id: int


@dataclass(frozen=True, slots=True)
class PublishRoutes:
    """The routes have changed."""

    snapshot: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resolve:
    """Answer a command: with its result, or with the error that it met."""

    future: Future[Any]
    result: Any = None
    error: BaseException | None = None


Effect = (
    LaunchAttempt
    | StopAttempt
    | DiscardAttempt
    | Acknowledge
    | Fence
    | AskSuggester
    | ForgetTuning
    | DeleteLogs
    | DeleteInstanceLogs
    | PublishRoutes
    | Resolve
)
