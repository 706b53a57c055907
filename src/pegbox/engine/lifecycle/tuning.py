"""The machine of a tuning job.

::

    InProgress ──(closing: a reason is recorded, trials drain)──> Completed | Failed
        └─────── request_stop ──> Stopping ──(no trial left)────> Stopped
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pegbox.domain.records import TuningJob, evolve
from pegbox.domain.statuses import TuningStatus
from pegbox.engine.lifecycle.moves import check_tuning_move

#: FailureReason holds so many characters.
REASON_LENGTH = 1024
#: More notices than this are not kept.
MAX_NOTICES = 20


def closing(job: TuningJob) -> bool:
    """Return whether the search is over and only running trials are waited for."""
    return job.status is TuningStatus.STOPPING or bool(job.completion_reason or job.failure_reason)


def close(
    job: TuningJob, now: datetime, *, completed: str | None = None, failed: str | None = None
) -> TuningJob:
    """Record why no trial will be launched any more; the status moves when the last running one has ended.

    Raises:
        InvalidTransition: The job is not in progress.
    """
    check_tuning_move(job, TuningStatus.FAILED if failed else TuningStatus.COMPLETED)
    if closing(job):
        return job
    return evolve(
        job,
        completion_reason=completed,
        failure_reason=failed[:REASON_LENGTH] if failed else None,
        modified_at=now,
    )


def request_stop(job: TuningJob, now: datetime) -> TuningJob:
    """Stop a job at its owner's wish; again is no error.

    Raises:
        InvalidTransition: The job is terminal.
    """
    if job.status is TuningStatus.STOPPING:
        return job
    check_tuning_move(job, TuningStatus.STOPPING)
    return evolve(job, status=TuningStatus.STOPPING, modified_at=now)


def finish(job: TuningJob, now: datetime) -> TuningJob:
    """Move a closing job, whose trials have all ended, to its terminal status.

    Raises:
        InvalidTransition: The job is terminal already, or nothing says how it ends.
    """
    to = _ending(job)
    check_tuning_move(job, to)
    return _TRANSITIONS[job.status, to](job, now)


def with_notice(job: TuningJob, text: str) -> TuningJob:
    """Return the job with one more notice for its owner, each text once and at most ``MAX_NOTICES``."""
    text = text[:REASON_LENGTH]
    if not text or text in job.notices or len(job.notices) >= MAX_NOTICES:
        return job
    return evolve(job, notices=(*job.notices, text))


def _ending(job: TuningJob) -> TuningStatus:
    if job.status is TuningStatus.STOPPING:
        return TuningStatus.STOPPED
    if job.failure_reason:
        return TuningStatus.FAILED
    return TuningStatus.COMPLETED if job.completion_reason else TuningStatus.IN_PROGRESS


def _transition_in_progress_completed(job: TuningJob, now: datetime) -> TuningJob:
    return evolve(job, status=TuningStatus.COMPLETED, ended_at=now, modified_at=now)


def _transition_in_progress_failed(job: TuningJob, now: datetime) -> TuningJob:
    return evolve(job, status=TuningStatus.FAILED, ended_at=now, modified_at=now, completion_reason=None)


def _transition_stopping_stopped(job: TuningJob, now: datetime) -> TuningJob:
    return evolve(
        job,
        status=TuningStatus.STOPPED,
        ended_at=now,
        modified_at=now,
        failure_reason=None,
        completion_reason="stopped by its owner",
    )


_TRANSITIONS: dict[tuple[TuningStatus, TuningStatus], Callable[[TuningJob, datetime], TuningJob]] = {
    (TuningStatus.IN_PROGRESS, TuningStatus.COMPLETED): _transition_in_progress_completed,
    (TuningStatus.IN_PROGRESS, TuningStatus.FAILED): _transition_in_progress_failed,
    (TuningStatus.STOPPING, TuningStatus.STOPPED): _transition_stopping_stopped,
}
