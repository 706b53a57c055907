"""Statuses of tuning jobs, training jobs and attempts, with the graphs they may move along.

The values are AWS's words (``contract``: statuses of the tuning and training APIs), so that a status goes to the wire as it is.
"""

from __future__ import annotations

from enum import Enum


class TuningStatus(str, Enum):
    """Status of a tuning job."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"

    @property
    def terminal(self) -> bool:
        """Whether the job can make no further trial."""
        return self in (TuningStatus.COMPLETED, TuningStatus.FAILED, TuningStatus.STOPPED)


class TrainingStatus(str, Enum):
    """Status of a training job."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    DELETING = "Deleting"

    @property
    def terminal(self) -> bool:
        """Whether the job has ended."""
        return self in (TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.STOPPED)


class SecondaryStatus(str, Enum):
    """What a training job is doing, or how it ended."""

    STARTING = "Starting"
    PENDING = "Pending"
    DOWNLOADING = "Downloading"
    TRAINING = "Training"
    UPLOADING = "Uploading"
    INTERRUPTED = "Interrupted"
    RESTARTING = "Restarting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    MAX_RUNTIME_EXCEEDED = "MaxRuntimeExceeded"
    COMPLETED = "Completed"
    FAILED = "Failed"


class ObjectiveStatus(str, Enum):
    """Whether a trial's objective counts."""

    SUCCEEDED = "Succeeded"
    PENDING = "Pending"
    FAILED = "Failed"


class FailureKind(str, Enum):
    """Whose fault a failure is: it decides the counter and whether RetryStrategy applies."""

    ALGORITHM = "AlgorithmError"
    CLIENT = "ClientError"
    INTERNAL = "InternalServerError"


class StopReason(str, Enum):
    """Why a training job was told to stop."""

    STOPPED = "stopped"
    MAX_RUNTIME = "max_runtime"
    EARLY_STOP = "early_stop"


#: Where a tuning job may go from each status. A missing pair is an error.
TUNING_MOVES: dict[TuningStatus, frozenset[TuningStatus]] = {
    TuningStatus.IN_PROGRESS: frozenset(
        {TuningStatus.COMPLETED, TuningStatus.FAILED, TuningStatus.STOPPING},
    ),
    TuningStatus.STOPPING: frozenset({TuningStatus.STOPPED}),
    TuningStatus.COMPLETED: frozenset({TuningStatus.DELETING}),
    TuningStatus.FAILED: frozenset({TuningStatus.DELETING}),
    TuningStatus.STOPPED: frozenset({TuningStatus.DELETING}),
    TuningStatus.DELETING: frozenset(),
}

#: Where a training job may go from each status.
TRAINING_MOVES: dict[TrainingStatus, frozenset[TrainingStatus]] = {
    TrainingStatus.IN_PROGRESS: frozenset(
        {TrainingStatus.COMPLETED, TrainingStatus.FAILED, TrainingStatus.STOPPING},
    ),
    TrainingStatus.STOPPING: frozenset(
        {TrainingStatus.STOPPED, TrainingStatus.COMPLETED, TrainingStatus.FAILED}
    ),
    TrainingStatus.COMPLETED: frozenset({TrainingStatus.DELETING}),
    TrainingStatus.FAILED: frozenset({TrainingStatus.DELETING}),
    TrainingStatus.STOPPED: frozenset({TrainingStatus.DELETING}),
    TrainingStatus.DELETING: frozenset(),
}
