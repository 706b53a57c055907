"""The machine of a tuning job."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from pegbox.domain.records import TuningJob, evolve
from pegbox.domain.statuses import TUNING_MOVES, TuningStatus
from pegbox.engine.lifecycle.moves import check_tuning_move
from pegbox.engine.lifecycle.tuning import close, closing, finish, request_stop
from pegbox.errors import InvalidTransition

T0 = datetime(2026, 1, 1, tzinfo=timezone.utc)
T1 = T0 + timedelta(minutes=1)


def _job(status: TuningStatus = TuningStatus.IN_PROGRESS) -> TuningJob:
    return TuningJob(id=1, name="t", request={}, status=status, created_at=T0, modified_at=T0)


def test_closing_records_the_reason_and_finishing_moves() -> None:
    """The reason is durable before the status moves: trials drain in between."""
    job = close(_job(), T1, completed="target reached")
    assert closing(job)
    assert job.status is TuningStatus.IN_PROGRESS
    job = finish(job, T1)
    assert (job.status, job.ended_at, job.completion_reason) == (TuningStatus.COMPLETED, T1, "target reached")


def test_a_failure_is_cut_at_1024_characters() -> None:
    """The wire allows no more."""
    job = finish(close(_job(), T1, failed="y" * 3000), T1)
    assert job.status is TuningStatus.FAILED
    assert len(job.failure_reason or "") == 1024


def test_the_first_reason_to_close_stays() -> None:
    """What ended the search does not change while trials drain."""
    job = close(close(_job(), T0, completed="first"), T1, failed="second")
    assert (job.completion_reason, job.failure_reason) == ("first", None)


def test_a_stop_wins_over_a_closing_job() -> None:
    """Stopped by its owner while draining: Stopped."""
    job = finish(request_stop(close(_job(), T0, failed="all failed"), T1), T1)
    assert (job.status, job.failure_reason) == (TuningStatus.STOPPED, None)


def test_stopping_twice_is_no_error_but_stopping_a_terminal_job_is() -> None:
    """A stop may be repeated until the job has ended."""
    job = request_stop(_job(), T1)
    assert request_stop(job, T1) is job
    with pytest.raises(InvalidTransition):
        request_stop(finish(job, T1), T1)


def test_a_job_without_a_reason_to_end_cannot_finish() -> None:
    """Nothing ends by accident."""
    with pytest.raises(InvalidTransition):
        finish(_job(), T1)


def test_every_pair_that_is_not_in_the_graph_raises() -> None:
    """All pairs of statuses: the graph's pass, the others raise with the object's history."""
    for start in TuningStatus:
        for end in TuningStatus:
            job = evolve(_job(start), launched=3)
            if end in TUNING_MOVES[start]:
                check_tuning_move(job, end)
            else:
                with pytest.raises(InvalidTransition, match="3 launched"):
                    check_tuning_move(job, end)
