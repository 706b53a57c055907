"""Small records for tests, with every field that does not matter filled in."""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Any

from pegbox.domain.records import (
    Attempt,
    MetricPoint,
    SuggestionRecord,
    TrainingJob,
    Transition,
    TuningJob,
    evolve,
)
from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
    TuningStatus,
)

START = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=timezone.utc)
RUNNING = {TrainingStatus.IN_PROGRESS, TrainingStatus.STOPPING}


def moment(seconds: float) -> datetime:
    """Return a time some seconds after the start of the test's world."""
    return START + timedelta(seconds=seconds)


def tuning(name: str = "search", **changes: Any) -> TuningJob:
    """Return a small tuning job that is not yet inserted."""
    job = TuningJob(
        id=0,
        name=name,
        request={"Config": {"Strategy": "Random", "Ranges": [1, 2.5, None, True]}},
        status=TuningStatus.IN_PROGRESS,
        created_at=START,
        modified_at=START,
        seed=7,
    )
    return evolve(job, **changes)


def training(name: str = "trial", **changes: Any) -> TrainingJob:
    """Return a small training job that is not yet inserted."""
    job = TrainingJob(
        id=0,
        name=name,
        status=TrainingStatus.IN_PROGRESS,
        secondary=SecondaryStatus.STARTING,
        created_at=START,
        modified_at=START,
        request={"HyperParameters": {"x": "0.5"}},
    )
    return evolve(job, **changes)


def full_training(name: str, tuning_job_id: int) -> TrainingJob:
    """Return a training job with every field set."""
    return TrainingJob(
        id=0,
        name=name,
        status=TrainingStatus.COMPLETED,
        secondary=SecondaryStatus.COMPLETED,
        created_at=START,
        modified_at=moment(9),
        tuning_job_id=tuning_job_id,
        number=4,
        definition="second",
        request={
            "HyperParameters": {"ü": "\u2603 \U0001f40d", "q": '"\\\x00'},
            "deep": [{"a": [[], {}]}],
            "f": 0.1,
        },
        suggestion=SuggestionRecord(
            values={"x": "0.1", "kind": "a b"},
            reason="exploring",
            details={"expected": 1e-300, "log": -math.inf, "mean": math.nan},
            strategy="Bayesian",
            observed=3,
            pending=(2, 3),
            seed=(2**70, 5),
            numerics="1",
            ahead=True,
            index=1,
            count=2,
            warnings=("warm fit failed",),
        ),
        attempt=2,
        started_at=moment(1),
        ended_at=moment(8.000001),
        stop_reason=StopReason.EARLY_STOP,
        failure_kind=FailureKind.CLIENT,
        failure_reason="line\nline",
        exit_code=-9,
        signal=9,
        final_metrics={
            "loss": (0.1 + 0.2, moment(3)),
            "bad": (math.nan, moment(4)),
            "far": (-math.inf, moment(5)),
        },
        objective=0.1 + 0.2,
        objective_status=ObjectiveStatus.SUCCEEDED,
        observed_seq=3,
        artifacts={"model": {"uri": "s3://b/k", "sha256": "0" * 64, "size": 2**40}, "output": None},
        transitions=(
            Transition(status=SecondaryStatus.STARTING, started_at=START, ended_at=moment(1), message="a"),
            Transition(status=SecondaryStatus.COMPLETED, started_at=moment(8)),
        ),
        notices=("one", "two"),
    )


def attempt(training_job_id: int, number: int = 1, **changes: Any) -> Attempt:
    """Return a live attempt."""
    record = Attempt(
        id=f"{training_job_id:016x}{number:016x}",
        training_job_id=training_job_id,
        number=number,
        created_at=START,
    )
    return evolve(record, **changes)


def point(training_job_id: int, count: int, value: float = 0.5, **changes: Any) -> MetricPoint:
    """Return an emitted value."""
    record = MetricPoint(
        training_job_id=training_job_id, attempt=1, name="loss", count=count, value=value, at=moment(count)
    )
    return evolve(record, **changes)
