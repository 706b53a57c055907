"""What a tuning job looks like from outside: counts, trials, best value, time left. Plain data, no I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Statuses in which nothing changes any more.
ENDED = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True)
class Trial:
    """One training job of a tuning job.

    Attributes:
        name: Training-job name.
        status: Training-job status.
        values: Tuned hyperparameters as text.
        objective: Final objective value, or None.
        failure: Reason of the failure, or "".
        metric: Name of the objective metric, or "" without a value.
        definition: Name of its definition, where the job has several.
    """

    name: str
    status: str
    values: Mapping[str, str]
    objective: float | None
    failure: str
    metric: str = ""
    definition: str = ""

    @classmethod
    def from_summary(cls, summary: Mapping[str, Any]) -> Trial:
        """Return a trial from an item of the list call or from ``BestTrainingJob``."""
        metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric") or {}
        return cls(
            name=summary["TrainingJobName"],
            status=summary["TrainingJobStatus"],
            values=summary.get("TunedHyperParameters") or {},
            objective=metric.get("Value"),
            failure=summary.get("FailureReason") or "",
            metric=metric.get("MetricName") or "",
            definition=summary.get("TrainingJobDefinitionName") or "",
        )

    def values_text(self) -> str:
        """Return the values as ``a=1, b=x``, real numbers to four digits, after the name of the definition if it has one."""
        algorithm = f"{self.definition}: " if self.definition else ""
        return algorithm + ", ".join(f"{name}={short(value)}" for name, value in self.values.items())


@dataclass(frozen=True)
class Progress:
    """State of a tuning job at one moment.

    Attributes:
        name: Tuning-job name.
        status: Tuning-job status.
        metric: Name of the objective, with several definitions of the first one's.
        direction: ``Maximize`` or ``Minimize``.
        total: Largest number of training jobs, or None if only other limits apply.
        parallel: Largest number of training jobs at a time.
        counts: Training jobs by kind: Completed, InProgress, Stopped, NonRetryableError, RetryableError.
        best: Best trial so far, or None.
        trials: The trials, if they were asked for.
        created: When the job was made.
        ended: When it ended, or None.
        failure: Reason of the failure, or "".
        notices: What the service wants people to know.
    """

    name: str
    status: str
    metric: str
    direction: str
    total: int | None
    parallel: int
    counts: Mapping[str, int]
    best: Trial | None
    created: datetime
    ended: datetime | None = None
    failure: str = ""
    trials: tuple[Trial, ...] = ()
    notices: tuple[str, ...] = field(default=())

    @property
    def is_over(self) -> bool:
        """Whether the job has ended."""
        return self.status not in ("InProgress", "Stopping")

    @property
    def failed(self) -> int:
        """Number of failed training jobs."""
        return self.counts.get("NonRetryableError", 0) + self.counts.get("RetryableError", 0)

    @property
    def running(self) -> int:
        """Number of training jobs in progress."""
        return self.counts.get("InProgress", 0)

    @property
    def finished(self) -> int:
        """Number of training jobs that ended in any way."""
        return self.counts.get("Completed", 0) + self.counts.get("Stopped", 0) + self.failed

    def seconds_gone(self, now: datetime) -> float:
        """Return the seconds since the job was made, up to its end."""
        return max(0.0, ((self.ended or now) - self.created).total_seconds())

    def seconds_left(self, now: datetime) -> float | None:
        """Return an estimate of the seconds left from the pace so far, or None before the first trial ended.

        Args:
            now: The present moment, with time zone.
        """
        if self.is_over or self.total is None or not self.finished:
            return None
        pace = self.seconds_gone(now) / (self.finished + 0.5 * self.running)
        return pace * max(0.0, self.total - self.finished - 0.5 * self.running)


def progress_of(described: Mapping[str, Any], summaries: Iterable[Mapping[str, Any]] = ()) -> Progress:
    """Return the progress from a describe response and, if wanted, the items of the list call.

    Args:
        described: Response of ``DescribeHyperParameterTuningJob``.
        summaries: Items of ``ListTrainingJobsForHyperParameterTuningJob``, or nothing.
    """
    config = described["HyperParameterTuningJobConfig"]
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        definitions = described.get("TrainingJobDefinitions") or [{}]
        objective = definitions[0].get("TuningObjective") or {}
    best = described.get("BestTrainingJob")
    status = described["HyperParameterTuningJobStatus"]
    trials = tuple(Trial.from_summary(item) for item in summaries)
    return Progress(
        name=described["HyperParameterTuningJobName"],
        status=status,
        metric=objective.get("MetricName", ""),
        direction=objective.get("Type", "Maximize"),
        total=config["ResourceLimits"].get("MaxNumberOfTrainingJobs"),
        parallel=config["ResourceLimits"].get("MaxParallelTrainingJobs", 1),
        counts=described.get("TrainingJobStatusCounters") or {},
        best=Trial.from_summary(best) if best else None,
        created=described["CreationTime"],
        ended=described.get("HyperParameterTuningEndTime"),
        failure=(described.get("FailureReason") or "") if status == "Failed" else "",
        trials=trials,
        notices=_notices(described, trials),
    )


def _notices(described: Mapping[str, Any], trials: tuple[Trial, ...]) -> tuple[str, ...]:
    """What people should look at although nothing failed: a metric that is never found, for example."""
    found = [trial.failure for trial in trials if trial.status == "Completed" and trial.failure]
    reason = described.get("FailureReason") or ""
    if reason and described["HyperParameterTuningJobStatus"] != "Failed":
        found.insert(0, reason.removeprefix("Warning: "))
    return tuple(dict.fromkeys(found))


def short(value: object) -> str:
    """Return a number to four significant digits, other text unchanged (JSON quotes taken off)."""
    text = str(value)
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    try:
        number = float(text)
    except ValueError:
        return text
    if not math.isfinite(number) or number == int(number):
        return text
    return f"{number:.4g}"


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3 min 5 s`` or ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
