"""Statements on training jobs and on what is computed from a tuning job's trials."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Select, bindparam, delete, func, insert, or_, select

from pegbox.domain.names import TRAINING_KIND
from pegbox.domain.records import TrainingJob, evolve
from pegbox.domain.statuses import FailureKind, ObjectiveStatus, TrainingStatus
from pegbox.errors import ResourceInUse
from pegbox.ports.store import Counters, Page, Rows
from pegbox.store.database import Work
from pegbox.store.guarded import guarded_update
from pegbox.store.lists import fetch_page
from pegbox.store.rows import changed_columns, training_record, training_row
from pegbox.store.rules import TRAINING_SORTS, check_changes, check_new, check_page, name_key, resource_of
from pegbox.store.tables import tags, training_jobs

_UNFINISHED = tuple(status.value for status in TrainingStatus if not status.terminal)
_columns = training_jobs.c

_BY_NAME = select(training_jobs).where(_columns.name_key == bindparam("key"))
_BY_ID = select(training_jobs).where(_columns.id == bindparam("row_id"))
_TAKEN = select(_columns.name).where(_columns.name_key == bindparam("key"))
_LIVE = select(training_jobs).where(_columns.status.in_(_UNFINISHED)).order_by(_columns.id)
_TRIALS = (
    select(training_jobs).where(_columns.tuning_job_id == bindparam("tuning_job")).order_by(_columns.number)
)
_FAMILIES = (_columns.status, _columns.failure_kind, _columns.objective_status)
_COUNTS = (
    select(*_FAMILIES, func.count())
    .where(_columns.tuning_job_id == bindparam("tuning_job"))
    .group_by(*_FAMILIES)
)
_INSERT = insert(training_jobs)
_NAME = select(_columns.name).where(_columns.id == bindparam("row_id"))
_DELETE = delete(training_jobs).where(_columns.id == bindparam("row_id"))
_DELETE_TAGS = delete(tags).where(tags.c.resource == bindparam("gone"))


def _best(maximize: bool) -> Select[Any]:
    """The best trial in one status: an index gives trials by objective, so that the first few rows are all that is read."""
    counts = or_(
        _columns.objective_status.is_(None), _columns.objective_status != ObjectiveStatus.FAILED.value
    )
    return (
        select(training_jobs)
        .where(
            _columns.tuning_job_id == bindparam("tuning_job"),
            _columns.objective.is_not(None),
            _columns.status == bindparam("in_status"),
            counts,
        )
        .order_by(
            _columns.objective.desc() if maximize else _columns.objective.asc(),
            _columns.created_at,
            _columns.name_key,
        )
        .limit(1)
    )


_BEST = {maximize: _best(maximize) for maximize in (False, True)}


class TrainingJobReads:
    """What can be asked about training jobs."""

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def training_job(self, name: str) -> TrainingJob | None:
        """Return the training job of exactly this name."""
        rows = self._fetch(_BY_NAME, {"key": name_key(name)})
        return training_record(rows[0]) if rows and rows[0].name == name else None

    def training_job_by_id(self, row_id: int) -> TrainingJob | None:
        """Return a training job by row id."""
        rows = self._fetch(_BY_ID, {"row_id": row_id})
        return training_record(rows[0]) if rows else None

    def list_training_jobs(self, page: Page) -> Rows:
        """Return a page of training jobs; sorting by the metric leaves out those without an objective."""
        check_page(page, TRAINING_SORTS, of_trials=True)
        fetch: Callable[..., Sequence[Any]] = self._fetch
        return fetch_page(training_jobs, page, fetch, training_record)

    def trials(self, tuning_job_id: int) -> Sequence[TrainingJob]:
        """Return all trials of a tuning job by number."""
        return [training_record(row) for row in self._fetch(_TRIALS, {"tuning_job": tuning_job_id})]

    def counters(self, tuning_job_id: int) -> Counters:
        """Return both counter families of a tuning job, counted by one statement."""
        counts: dict[str, int] = {}
        for status, failure, objective, number in self._fetch(_COUNTS, {"tuning_job": tuning_job_id}):
            for name in counted_in(status, failure, objective):
                counts[name] = counts.get(name, 0) + number
        return Counters(**counts)

    def best_trial(self, tuning_job_id: int, maximize: bool) -> TrainingJob | None:
        """Return the best trial by promise P7."""
        for status in (TrainingStatus.COMPLETED, TrainingStatus.STOPPED):
            rows = self._fetch(
                _BEST[bool(maximize)], {"tuning_job": tuning_job_id, "in_status": status.value}
            )
            if rows:
                return training_record(rows[0])
        return None

    def unfinished_training_jobs(self) -> Sequence[TrainingJob]:
        """Return training jobs that are not terminal, by row id."""
        return [training_record(row) for row in self._fetch(_LIVE, {})]


def counted_in(status: str, failure: str | None, objective: str | None) -> tuple[str, ...]:
    """Return the two counters that a trial is counted in; one that is being deleted is counted nowhere.

    A trial whose objective was not judged yet counts as pending while it runs and as failed afterwards.
    """
    if status == TrainingStatus.DELETING.value:
        return ()
    terminal = TrainingStatus(status).terminal
    if status == TrainingStatus.FAILED.value:
        family = "retryable_error" if failure == FailureKind.INTERNAL.value else "non_retryable_error"
    else:
        family = status.lower() if terminal else "in_progress"
    if objective is None:
        objective = (ObjectiveStatus.FAILED if terminal else ObjectiveStatus.PENDING).value
    return family, f"objective_{objective.lower()}"


class TrainingJobWrites:
    """What can be changed about training jobs."""

    _work: Work

    def insert_training_job(self, job: TrainingJob) -> TrainingJob:
        """Insert a job and return it with its row id."""
        check_new(job)
        row = training_row(job)
        if self._work.fetch(_TAKEN, {"key": row["name_key"]}):
            raise ResourceInUse(
                f"A training job with the name {job.name!r} exists already; choose another name"
            )
        kept = {name: row[name] for name in ("objective", "failure_reason")}
        return evolve(job, id=self._work.insert(_INSERT, row), **kept)

    def update_training_job(
        self, row_id: int, allowed: Collection[TrainingStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields if the status is one of ``allowed``; return whether it was."""
        check_changes(TrainingJob, changes)
        words = {status.value for status in allowed}
        return guarded_update(self._work, training_jobs, row_id, "status", words, changed_columns(changes))

    def delete_training_job(self, row_id: int) -> None:
        """Remove a training job, its attempts, metrics and tags."""
        rows = self._work.fetch(_NAME, {"row_id": row_id})
        if rows:
            self._work.change(_DELETE, {"row_id": row_id})
            self._work.change(_DELETE_TAGS, {"gone": resource_of(TRAINING_KIND, rows[0].name)})
