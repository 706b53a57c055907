"""The machine of a training job and its attempts.

::

    InProgress ── finished ──> Completed | Failed
        │  └── finished with an internal error, attempts left ──> InProgress (Starting, next attempt)
        └── stop ──> Stopping ── finished ──> Stopped | Completed | Failed
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from pegbox.domain.records import MetricPoint, SuggestionRecord, TrainingJob, Transition, evolve
from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
)
from pegbox.engine.lifecycle.moves import STAGE_MOVES, check_training_move
from pegbox.engine.lifecycle.tuning import MAX_NOTICES, REASON_LENGTH

_RUNNING = (SecondaryStatus.DOWNLOADING, SecondaryStatus.TRAINING, SecondaryStatus.UPLOADING)
_STAGES = {
    "downloading": SecondaryStatus.DOWNLOADING,
    "training": SecondaryStatus.TRAINING,
    "uploading": SecondaryStatus.UPLOADING,
}
_MESSAGES = {
    SecondaryStatus.STARTING: "Preparing the training job",
    SecondaryStatus.DOWNLOADING: "Linking input data and preparing the code",
    SecondaryStatus.TRAINING: "Training program is running",
    SecondaryStatus.UPLOADING: "Packing and publishing the model",
    SecondaryStatus.STOPPING: "Stopping the training program",
    SecondaryStatus.COMPLETED: "Training job completed",
    SecondaryStatus.FAILED: "Training job failed",
    SecondaryStatus.STOPPED: "Training job stopped",
    SecondaryStatus.MAX_RUNTIME_EXCEEDED: "Training job runtime exceeded MaxRuntimeInSeconds provided",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRules:
    """What the machine needs to know of a job's request."""

    #: The metric that is the objective of its tuning job, or None for a job of its own.
    objective: str | None = None
    #: Attempts that RetryStrategy allows in all.
    max_attempts: int = 1
    #: Wall-clock seconds that all attempts may run together, or None.
    max_runtime: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of a job by one event."""

    job: TrainingJob
    points: tuple[MetricPoint, ...] = ()
    #: The attempt has ended ...
    ended: bool = False
    #: ... and another one is to be started.
    retry: bool = False


def newborn(
    *,
    name: str,
    request: Mapping[str, Any],
    now: datetime,
    tuning_job_id: int | None = None,
    number: int | None = None,
    definition: str | None = None,
    suggestion: SuggestionRecord | None = None,
) -> TrainingJob:
    """Return a job about to start its first attempt."""
    return TrainingJob(
        id=0,
        name=name,
        status=TrainingStatus.IN_PROGRESS,
        secondary=SecondaryStatus.STARTING,
        created_at=now,
        modified_at=now,
        tuning_job_id=tuning_job_id,
        number=number,
        definition=definition,
        request=request,
        suggestion=suggestion,
        attempt=1,
        objective_status=ObjectiveStatus.PENDING if tuning_job_id is not None else None,
        transitions=(_opened(SecondaryStatus.STARTING, now),),
    )


def request_stop(
    job: TrainingJob, reason: StopReason, now: datetime, message: str | None = None
) -> TrainingJob:
    """Move a running job to Stopping; a job that is stopping keeps its first reason.

    Raises:
        InvalidTransition: The job is terminal.
    """
    if job.status is TrainingStatus.STOPPING:
        return job
    check_training_move(job, TrainingStatus.STOPPING)
    text = message[:REASON_LENGTH] if message is not None else None
    job = _enter(job, SecondaryStatus.STOPPING, now, text)
    return evolve(job, status=TrainingStatus.STOPPING, stop_reason=reason)


def apply(job: TrainingJob, event: Mapping[str, Any], rules: TrialRules, now: datetime) -> Step:
    """Apply one event of the job's current attempt.

    Raises:
        InvalidTransition: The job is terminal.
        ValueError: The event is malformed.
    """
    kind = event.get("kind")
    at = _time(event, now)
    if kind in _STAGES:
        return Step(job=_stage(job, _STAGES[kind], at))
    if kind == "metric":
        return _metric(job, event, at)
    if kind == "notice":
        return Step(job=with_notice(job, str(event.get("text", ""))))
    if kind == "stopping":
        return Step(job=request_stop(job, _stop_reason(event) or StopReason.MAX_RUNTIME, at))
    if kind == "finished":
        return _finished(job, event, rules, at)
    raise ValueError(f"kind = {kind!r}: no such event")


def runtime_used(job: TrainingJob, until: datetime) -> float:
    """Return the wall-clock seconds that the job's attempts have run, all together."""
    used = 0.0
    for entry in job.transitions:
        if entry.status in _RUNNING or entry.status is SecondaryStatus.STOPPING:
            used += max(0.0, ((entry.ended_at or until) - entry.started_at).total_seconds())
    return used


def with_notice(job: TrainingJob, text: str) -> TrainingJob:
    """Return the job with one more notice, each text once and at most ``MAX_NOTICES``."""
    text = text[:REASON_LENGTH]
    if not text or text in job.notices or len(job.notices) >= MAX_NOTICES:
        return job
    return evolve(job, notices=(*job.notices, text))


def _opened(status: SecondaryStatus, at: datetime, message: str | None = None) -> Transition:
    text = message if message is not None else _MESSAGES.get(status, "")
    return Transition(status=status, started_at=at, message=text)


def _enter(job: TrainingJob, to: SecondaryStatus, at: datetime, message: str | None = None) -> TrainingJob:
    last = job.transitions[-1]
    # Clocks may be set back; a stage never ends before it began.
    at = max(at, last.started_at)
    entries = (*job.transitions[:-1], evolve(last, ended_at=at), _opened(to, at, message))
    return evolve(job, secondary=to, transitions=entries, modified_at=max(at, job.modified_at))


def _stage(job: TrainingJob, to: SecondaryStatus, at: datetime) -> TrainingJob:
    if job.status.terminal:
        check_training_move(job, TrainingStatus.IN_PROGRESS)
    if job.started_at is None:
        job = evolve(job, started_at=max(at, job.created_at))
    return _enter(job, to, at) if to in STAGE_MOVES[job.secondary] else job


def _metric(job: TrainingJob, event: Mapping[str, Any], at: datetime) -> Step:
    if job.status.terminal:
        check_training_move(job, TrainingStatus.IN_PROGRESS)
    name, value = str(event["name"]), float(event["value"])
    step = event.get("step")
    point = MetricPoint(
        training_job_id=job.id,
        attempt=job.attempt,
        name=name,
        count=int(event["count"]),
        value=value,
        at=at,
        step=int(step) if step is not None else None,
    )
    final = {**job.final_metrics, name: (value, at)}
    return Step(job=evolve(job, final_metrics=final, modified_at=max(at, job.modified_at)), points=(point,))


def _finished(job: TrainingJob, event: Mapping[str, Any], rules: TrialRules, at: datetime) -> Step:
    outcome = event.get("outcome")
    if outcome not in ("completed", "failed", "stopped", "lost"):
        raise ValueError(f"outcome = {outcome!r}: give completed, failed, stopped or lost")
    failure = event.get("failure") or {}
    kind = FailureKind(failure.get("class", FailureKind.INTERNAL.value))
    message = str(failure.get("message") or _default_message(outcome, event))
    if outcome == "lost" and job.status is TrainingStatus.STOPPING:
        outcome = "stopped"
    elif outcome == "lost":
        outcome, kind = "failed", FailureKind.INTERNAL
    if outcome == "failed" and kind is FailureKind.INTERNAL and _may_retry(job, rules, at):
        return Step(job=_restart(job, message, at), ended=True, retry=True)
    job = evolve(
        job,
        exit_code=_integer(event.get("exit_code")),
        signal=_integer(event.get("signal")),
        artifacts={k: v for k, v in (event.get("artifacts") or {}).items() if v},
    )
    if outcome == "stopped":
        reason = _stop_reason(event) or job.stop_reason or StopReason.STOPPED
        job = evolve(request_stop(job, reason, at), stop_reason=reason)
        to = TrainingStatus.STOPPED
    else:
        to = TrainingStatus.COMPLETED if outcome == "completed" else TrainingStatus.FAILED
    check_training_move(job, to)
    if to is TrainingStatus.FAILED:
        job = evolve(job, failure_kind=kind, failure_reason=_prefixed(kind, message))
    job = _TRANSITIONS[job.status, to](job, at)
    return Step(job=_judged(job, rules, event), ended=True)


def _may_retry(job: TrainingJob, rules: TrialRules, at: datetime) -> bool:
    if job.status is not TrainingStatus.IN_PROGRESS or job.attempt >= rules.max_attempts:
        return False
    return rules.max_runtime is None or runtime_used(job, at) < rules.max_runtime


def _restart(job: TrainingJob, message: str, at: datetime) -> TrainingJob:
    text = f"Attempt {job.attempt} ended by an internal error ({message}); starting attempt {job.attempt + 1}"
    job = _enter(job, SecondaryStatus.STARTING, at, text[:REASON_LENGTH])
    return with_notice(evolve(job, attempt=job.attempt + 1), text)


def _ended(job: TrainingJob, to: TrainingStatus, secondary: SecondaryStatus, at: datetime) -> TrainingJob:
    message = job.failure_reason if to is TrainingStatus.FAILED else None
    job = _enter(job, secondary, at, message)
    last = job.transitions[-1]
    closed = (*job.transitions[:-1], evolve(last, ended_at=last.started_at))
    return evolve(job, status=to, ended_at=last.started_at, transitions=closed)


def _transition_to_completed(job: TrainingJob, at: datetime) -> TrainingJob:
    return _ended(job, TrainingStatus.COMPLETED, SecondaryStatus.COMPLETED, at)


def _transition_to_failed(job: TrainingJob, at: datetime) -> TrainingJob:
    return _ended(job, TrainingStatus.FAILED, SecondaryStatus.FAILED, at)


def _transition_stopping_stopped(job: TrainingJob, at: datetime) -> TrainingJob:
    timeout = job.stop_reason is StopReason.MAX_RUNTIME
    secondary = SecondaryStatus.MAX_RUNTIME_EXCEEDED if timeout else SecondaryStatus.STOPPED
    return _ended(job, TrainingStatus.STOPPED, secondary, at)


_TRANSITIONS: dict[tuple[TrainingStatus, TrainingStatus], Callable[[TrainingJob, datetime], TrainingJob]] = {
    (TrainingStatus.IN_PROGRESS, TrainingStatus.COMPLETED): _transition_to_completed,
    (TrainingStatus.IN_PROGRESS, TrainingStatus.FAILED): _transition_to_failed,
    (TrainingStatus.STOPPING, TrainingStatus.STOPPED): _transition_stopping_stopped,
    (TrainingStatus.STOPPING, TrainingStatus.COMPLETED): _transition_to_completed,
    (TrainingStatus.STOPPING, TrainingStatus.FAILED): _transition_to_failed,
}


def _judged(job: TrainingJob, rules: TrialRules, event: Mapping[str, Any]) -> TrainingJob:
    """Set the final objective: the last emitted value, if it is finite and the job did not fail."""
    unmatched = event.get("unmatched") or {}
    for metric, lines in unmatched.items():
        nearest = "; nearest log lines: " + " | ".join(str(line)[:200] for line in lines) if lines else ""
        job = with_notice(job, f"Metric {metric!r} was never found in the log{nearest}")
    if job.tuning_job_id is None:
        return job
    objective = rules.objective or ""
    last = job.final_metrics.get(objective)
    if last is None and job.status is TrainingStatus.COMPLETED and objective not in unmatched:
        job = with_notice(job, f"Metric {objective!r} was never found in the log or reported")
    if last is None or job.status is TrainingStatus.FAILED:
        return evolve(job, objective=None, objective_status=ObjectiveStatus.FAILED)
    if not math.isfinite(last[0]):
        text = f"The last value of objective {rules.objective!r} is {last[0]}; it cannot be compared and does not count"
        return evolve(with_notice(job, text), objective=None, objective_status=ObjectiveStatus.FAILED)
    return evolve(job, objective=last[0], objective_status=ObjectiveStatus.SUCCEEDED)


def _default_message(outcome: Any, event: Mapping[str, Any]) -> str:
    if outcome == "lost":
        return "the process that ran the training program is gone and its exit status is unknown"
    if event.get("signal") is not None:
        return f"the training program was ended by signal {event['signal']}"
    return f"the training program ended with exit code {event.get('exit_code')}"


def _prefixed(kind: FailureKind, message: str) -> str:
    text = message if message.startswith(f"{kind.value}:") else f"{kind.value}: {message}"
    return text[:REASON_LENGTH]


def _stop_reason(event: Mapping[str, Any]) -> StopReason | None:
    reason = event.get("stop_reason") or event.get("reason")
    return StopReason(reason) if reason else None


def _integer(value: Any) -> int | None:
    return int(value) if value is not None else None


def _time(event: Mapping[str, Any], now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(float(event["at"]), timezone.utc)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return now
