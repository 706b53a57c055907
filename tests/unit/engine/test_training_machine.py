"""The machine of a training job: events in, new records out."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob, evolve
from pegbox.domain.statuses import (
    TRAINING_MOVES,
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
)
from pegbox.engine.lifecycle.moves import check_training_move
from pegbox.engine.lifecycle.training import (
    Step,
    TrialRules,
    apply,
    newborn,
    request_stop,
    runtime_used,
    with_notice,
)
from pegbox.errors import InvalidTransition

T0 = datetime(2026, 1, 1, tzinfo=timezone.utc)
RULES = TrialRules(objective="m", max_attempts=1, max_runtime=100.0)


def _trial() -> TrainingJob:
    return evolve(newborn(name="t", request={}, now=T0, tuning_job_id=1, number=1), id=1)


def _event(kind: str, seconds: float, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "at": (T0 + timedelta(seconds=seconds)).timestamp(), **more}


def _metric(seconds: float, value: Any, count: int = 1) -> dict[str, Any]:
    return _event("metric", seconds, name="m", value=value, step=None, count=count)


def _run(job: TrainingJob, *events: dict[str, Any], rules: TrialRules = RULES) -> Step:
    step = Step(job=job)
    for event in events:
        step = apply(step.job, event, rules, T0)
    return step


def _finished(job: TrainingJob, seconds: float, outcome: str = "completed", **more: Any) -> TrainingJob:
    return _run(job, _event("finished", seconds, outcome=outcome, **more)).job


def test_a_normal_life_goes_through_all_stages_with_their_times() -> None:
    """Downloading, Training, Uploading, Completed, each with start and end."""
    step = _run(
        _trial(),
        _event("downloading", 1),
        _event("training", 2),
        _metric(3, 0.5),
        _event("uploading", 4),
        _event("finished", 5, outcome="completed", exit_code=0),
    )
    job = step.job
    assert [(t.status.value, (t.started_at - T0).total_seconds()) for t in job.transitions] == [
        ("Starting", 0),
        ("Downloading", 1),
        ("Training", 2),
        ("Uploading", 4),
        ("Completed", 5),
    ]
    assert all(t.ended_at is not None for t in job.transitions)
    assert step.ended
    assert not step.retry
    assert (job.status, job.secondary) == (TrainingStatus.COMPLETED, SecondaryStatus.COMPLETED)
    assert (job.objective, job.objective_status) == (0.5, ObjectiveStatus.SUCCEEDED)
    assert job.started_at == T0 + timedelta(seconds=1)
    assert job.ended_at == T0 + timedelta(seconds=5)


def test_the_final_objective_is_the_last_value_not_the_best() -> None:
    """AWS's rule: the last emitted value counts."""
    job = _run(_trial(), _metric(1, 0.9), _metric(2, 0.1, 2), _event("finished", 3, outcome="completed")).job
    assert job.objective == 0.1


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", math.nan])
def test_a_value_that_is_not_finite_never_counts(value: Any) -> None:
    """NaN or infinite: the trial is Completed, its objective Failed, and a notice says why (promise P7)."""
    job = _run(
        _trial(), _metric(1, 0.9), _metric(2, value, 2), _event("finished", 3, outcome="completed")
    ).job
    assert job.status is TrainingStatus.COMPLETED
    assert (job.objective, job.objective_status) == (None, ObjectiveStatus.FAILED)
    assert any("cannot be compared" in text for text in job.notices)


def test_a_trial_that_emits_nothing_keeps_the_nearest_lines() -> None:
    """Completed without the objective: ObjectiveStatus Failed, the nearest log lines in a notice."""
    end = _event("finished", 3, outcome="completed", unmatched={"m": ["epoch 1 m: 0.5"]})
    job = _run(_trial(), end).job
    assert job.objective_status is ObjectiveStatus.FAILED
    assert any("epoch 1 m: 0.5" in text for text in job.notices)


def test_a_failed_trial_has_no_objective_and_a_reason_with_its_class() -> None:
    """FailureReason is prefixed by the error class; emitted values do not count."""
    failure = {"class": "AlgorithmError", "message": "exit code: 1"}
    job = _run(
        _trial(), _metric(1, 0.5), _event("finished", 2, outcome="failed", exit_code=1, failure=failure)
    ).job
    assert (job.status, job.failure_kind) == (TrainingStatus.FAILED, FailureKind.ALGORITHM)
    assert job.failure_reason == "AlgorithmError: exit code: 1"
    assert (job.objective, job.objective_status) == (None, ObjectiveStatus.FAILED)


def test_failure_reasons_are_cut_at_1024_characters() -> None:
    """The wire allows no more."""
    job = _finished(_trial(), 1, "failed", failure={"class": "ClientError", "message": "x" * 5000})
    assert len(job.failure_reason or "") == 1024


def test_a_stop_goes_through_stopping_and_keeps_its_last_value() -> None:
    """InProgress, Stopping, Stopped; the last metric is the final objective."""
    job = request_stop(_run(_trial(), _event("training", 1), _metric(2, 0.4)).job, StopReason.STOPPED, T0)
    assert (job.status, job.secondary) == (TrainingStatus.STOPPING, SecondaryStatus.STOPPING)
    job = _finished(job, 9, "stopped", stop_reason="stopped", signal=15)
    assert (job.status, job.secondary) == (TrainingStatus.STOPPED, SecondaryStatus.STOPPED)
    assert (job.objective, job.objective_status) == (0.4, ObjectiveStatus.SUCCEEDED)


def test_a_timeout_is_stopped_not_failed() -> None:
    """MaxRuntimeInSeconds ends in Stopped / MaxRuntimeExceeded, by way of Stopping."""
    job = _run(_trial(), _event("training", 1), _event("stopping", 2, reason="max_runtime")).job
    job = _finished(job, 3, "stopped", stop_reason="max_runtime")
    assert (job.status, job.secondary) == (TrainingStatus.STOPPED, SecondaryStatus.MAX_RUNTIME_EXCEEDED)
    statuses = [t.status for t in job.transitions]
    assert statuses[-2:] == [SecondaryStatus.STOPPING, SecondaryStatus.MAX_RUNTIME_EXCEEDED]


def test_a_stopped_report_without_a_stopping_one_still_passes_through_stopping() -> None:
    """A short trial tells everything at once; its history is whole all the same."""
    job = _finished(_run(_trial(), _event("training", 1)).job, 2, "stopped", stop_reason="early_stop")
    assert SecondaryStatus.STOPPING in [t.status for t in job.transitions]
    assert job.stop_reason is StopReason.EARLY_STOP


@pytest.mark.parametrize("outcome", ["lost", "failed"])
def test_internal_errors_are_retried_while_attempts_are_left(outcome: str) -> None:
    """Back to Starting with the next attempt number; afterwards it fails with InternalServerError."""
    rules = TrialRules(objective="m", max_attempts=2, max_runtime=100.0)
    end = _event("finished", 2, outcome=outcome, failure={"class": "InternalServerError", "message": "x"})
    first = _run(_trial(), _event("training", 1), end, rules=rules)
    assert first.ended
    assert first.retry
    assert (first.job.status, first.job.secondary) == (TrainingStatus.IN_PROGRESS, SecondaryStatus.STARTING)
    assert first.job.attempt == 2
    second = _run(first.job, _event("training", 3), end, rules=rules)
    assert not second.retry
    assert second.job.failure_kind is FailureKind.INTERNAL


def test_errors_of_the_program_are_never_retried() -> None:
    """RetryStrategy is for internal errors only."""
    rules = TrialRules(objective="m", max_attempts=30)
    end = _event("finished", 2, outcome="failed", failure={"class": "AlgorithmError", "message": "x"})
    assert not _run(_trial(), end, rules=rules).retry


def test_no_attempt_is_started_when_the_time_of_all_together_is_used_up() -> None:
    """The attempts of a job share MaxRuntimeInSeconds."""
    rules = TrialRules(objective="m", max_attempts=5, max_runtime=10.0)
    step = _run(_trial(), _event("training", 1), _event("finished", 12, outcome="lost"), rules=rules)
    assert not step.retry
    assert runtime_used(step.job, T0) == pytest.approx(11.0)


def test_a_lost_attempt_of_a_stopping_job_is_stopped() -> None:
    """The owner wanted it to end, and it has."""
    job = request_stop(_trial(), StopReason.STOPPED, T0)
    assert _finished(job, 2, "lost").status is TrainingStatus.STOPPED


def test_late_stages_bring_no_news() -> None:
    """A stage reported after a later one does not turn the clock back."""
    job = _run(_trial(), _event("uploading", 3), _event("downloading", 4), _event("training", 5)).job
    assert job.secondary is SecondaryStatus.UPLOADING


def test_a_clock_set_back_never_ends_a_stage_before_it_began() -> None:
    """Times within a history never decrease."""
    job = _run(
        _trial(),
        _event("downloading", 50),
        _event("training", 10),
        _event("finished", 5, outcome="completed"),
    ).job
    times = [t.started_at for t in job.transitions]
    assert times == sorted(times)
    assert all(t.ended_at is not None and t.ended_at >= t.started_at for t in job.transitions)


def test_terminal_jobs_accept_nothing() -> None:
    """A terminal state never changes (promise P4)."""
    job = _finished(_trial(), 1)
    for event in (_event("training", 2), _metric(2, 1.0), _event("finished", 2, outcome="failed")):
        with pytest.raises(InvalidTransition):
            apply(job, event, RULES, T0)
    with pytest.raises(InvalidTransition):
        request_stop(job, StopReason.STOPPED, T0)


def test_every_pair_that_is_not_in_the_graph_raises_with_the_history() -> None:
    """All 36 pairs of statuses: the graph's pass, the others raise."""
    for start in TrainingStatus:
        for end in TrainingStatus:
            job = evolve(_trial(), status=start)
            if end in TRAINING_MOVES[start]:
                check_training_move(job, end)
            else:
                with pytest.raises(InvalidTransition, match="Starting 2026-01-01"):
                    check_training_move(job, end)


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "dancing", "at": 0},
        {"kind": "finished", "at": 0, "outcome": "superb"},
        {"kind": "metric", "at": 0, "name": "m", "value": "many", "count": 1},
    ],
)
def test_malformed_events_are_told_apart(event: dict[str, Any]) -> None:
    """A malformed event is a ValueError, never a wrong record."""
    with pytest.raises(ValueError):
        apply(_trial(), event, RULES, T0)


def test_notices_are_few_and_each_is_told_once() -> None:
    """At most 20 different texts are kept."""
    job = _trial()
    for index in range(50):
        job = with_notice(with_notice(job, f"n{index}"), f"n{index}")
    assert len(job.notices) == 20
    assert len(set(job.notices)) == 20
