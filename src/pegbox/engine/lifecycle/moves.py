"""Checked moves along the graphs of :mod:`pegbox.domain.statuses`, and the graph of secondary statuses."""

from __future__ import annotations

from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.domain.statuses import TRAINING_MOVES, TUNING_MOVES, SecondaryStatus, TrainingStatus, TuningStatus
from pegbox.errors import InvalidTransition

_S = SecondaryStatus

#: Stages of an attempt that its reports may move a job to. A report of an earlier stage is late and brings no news.
STAGE_MOVES: dict[SecondaryStatus, frozenset[SecondaryStatus]] = {
    _S.STARTING: frozenset({_S.DOWNLOADING, _S.TRAINING, _S.UPLOADING}),
    _S.DOWNLOADING: frozenset({_S.TRAINING, _S.UPLOADING}),
    _S.TRAINING: frozenset({_S.UPLOADING}),
    _S.UPLOADING: frozenset(),
    _S.STOPPING: frozenset(),
}


def check_tuning_move(job: TuningJob, to: TuningStatus) -> None:
    """Raise unless a tuning job may move from its status to another.

    Raises:
        InvalidTransition: The pair is not in the graph.
    """
    if to not in TUNING_MOVES[job.status]:
        raise InvalidTransition(
            f"tuning job {job.name!r} cannot move from {job.status.value} to {to.value}; "
            f"created {job.created_at.isoformat()}, last modified {job.modified_at.isoformat()}, "
            f"{job.launched} launched, {job.observed} finished"
        )


def check_training_move(job: TrainingJob, to: TrainingStatus) -> None:
    """Raise unless a training job may move from its status to another.

    Raises:
        InvalidTransition: The pair is not in the graph.
    """
    if to not in TRAINING_MOVES[job.status]:
        history = " -> ".join(f"{t.status.value} {t.started_at.isoformat()}" for t in job.transitions)
        raise InvalidTransition(
            f"training job {job.name!r} cannot move from {job.status.value} to {to.value}; "
            f"attempt {job.attempt}, history: {history}"
        )
