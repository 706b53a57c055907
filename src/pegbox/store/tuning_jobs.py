"""Statements on tuning jobs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, bindparam, delete, insert, select

from pegbox.domain.names import TUNING_KIND
from pegbox.domain.records import TuningJob, evolve
from pegbox.domain.statuses import TuningStatus
from pegbox.errors import ResourceInUse
from pegbox.ports.store import Page, Rows
from pegbox.store.database import Work
from pegbox.store.guarded import guarded_update
from pegbox.store.lists import fetch_page
from pegbox.store.rows import changed_columns, tuning_record, tuning_row
from pegbox.store.rules import TUNING_SORTS, check_changes, check_new, check_page, name_key, resource_of
from pegbox.store.tables import tags, tuning_jobs

_UNFINISHED = tuple(status.value for status in TuningStatus if not status.terminal)

_BY_NAME = select(tuning_jobs).where(tuning_jobs.c.name_key == bindparam("key"))
_BY_ID = select(tuning_jobs).where(tuning_jobs.c.id == bindparam("row_id"))
_TAKEN = select(tuning_jobs.c.name).where(tuning_jobs.c.name_key == bindparam("key"))
_LIVE = select(tuning_jobs).where(tuning_jobs.c.status.in_(_UNFINISHED)).order_by(tuning_jobs.c.id)
_INSERT = insert(tuning_jobs)
_NAME = select(tuning_jobs.c.name).where(tuning_jobs.c.id == bindparam("row_id"))
_DELETE = delete(tuning_jobs).where(tuning_jobs.c.id == bindparam("row_id"))
_DELETE_TAGS = delete(tags).where(tags.c.resource == bindparam("gone"))


class TuningJobReads:
    """What can be asked about tuning jobs."""

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def tuning_job(self, name: str) -> TuningJob | None:
        """Return the tuning job of exactly this name."""
        rows = self._fetch(_BY_NAME, {"key": name_key(name)})
        return tuning_record(rows[0]) if rows and rows[0].name == name else None

    def tuning_job_by_id(self, row_id: int) -> TuningJob | None:
        """Return a tuning job by row id."""
        rows = self._fetch(_BY_ID, {"row_id": row_id})
        return tuning_record(rows[0]) if rows else None

    def list_tuning_jobs(self, page: Page) -> Rows:
        """Return a page of tuning jobs."""
        check_page(page, TUNING_SORTS, of_trials=False)
        fetch: Callable[..., Sequence[Any]] = self._fetch
        return fetch_page(tuning_jobs, page, fetch, tuning_record)

    def unfinished_tuning_jobs(self) -> Sequence[TuningJob]:
        """Return tuning jobs that are not terminal, by row id."""
        return [tuning_record(row) for row in self._fetch(_LIVE, {})]


class TuningJobWrites:
    """What can be changed about tuning jobs."""

    _work: Work

    def insert_tuning_job(self, job: TuningJob) -> TuningJob:
        """Insert a job and return it with its row id."""
        check_new(job)
        row = tuning_row(job)
        if self._work.fetch(_TAKEN, {"key": row["name_key"]}):
            raise ResourceInUse(
                f"A tuning job with the name {job.name!r} exists already; choose another name"
            )
        kept = {name: row[name] for name in ("failure_reason", "completion_reason")}
        return evolve(job, id=self._work.insert(_INSERT, row), **kept)

    def update_tuning_job(
        self, row_id: int, allowed: Collection[TuningStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields if the status is one of ``allowed``; return whether it was."""
        check_changes(TuningJob, changes)
        words = {status.value for status in allowed}
        return guarded_update(self._work, tuning_jobs, row_id, "status", words, changed_columns(changes))

    def delete_tuning_job(self, row_id: int) -> None:
        """Remove the record and its tags; its training jobs stay."""
        rows = self._work.fetch(_NAME, {"row_id": row_id})
        if rows:
            self._work.change(_DELETE, {"row_id": row_id})
            self._work.change(_DELETE_TAGS, {"gone": resource_of(TUNING_KIND, rows[0].name)})
