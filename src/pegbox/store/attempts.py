"""Statements on attempts and on the values that their programs emit."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Select, bindparam, insert, select

from pegbox.domain.records import Attempt, MetricPoint
from pegbox.store.database import Database, Work
from pegbox.store.guarded import guarded_update
from pegbox.store.rows import attempt_record, attempt_row, changed_columns, point_record, point_row
from pegbox.store.rules import check_changes, check_values
from pegbox.store.tables import attempts, metric_points

_BY_ID = select(attempts).where(attempts.c.id == bindparam("the_id"))
_OF_JOB = select(attempts).where(attempts.c.training_job_id == bindparam("job")).order_by(attempts.c.number)
_INSERT = insert(attempts)
_POINTS_ARE = ("training_job_id", "attempt", "name", "count")


def _points(*, by_name: bool, by_attempt: bool) -> Select[Any]:
    columns = metric_points.c
    statement = select(metric_points).where(columns.training_job_id == bindparam("job"))
    if by_name:
        statement = statement.where(columns.name == bindparam("metric"))
    if by_attempt:
        statement = statement.where(columns.attempt == bindparam("the_attempt"))
    return statement.order_by(columns.attempt, columns.id)


_POINTS = {
    (by_name, by_attempt): _points(by_name=by_name, by_attempt=by_attempt)
    for by_name in (False, True)
    for by_attempt in (False, True)
}


class AttemptReads:
    """What can be asked about attempts."""

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def attempt(self, attempt_id: str) -> Attempt | None:
        """Return an attempt."""
        rows = self._fetch(_BY_ID, {"the_id": attempt_id})
        return attempt_record(rows[0]) if rows else None

    def attempts(self, training_job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a training job by number."""
        return [attempt_record(row) for row in self._fetch(_OF_JOB, {"job": training_job_id})]

    def metric_points(
        self, training_job_id: int, name: str | None = None, attempt: int | None = None
    ) -> Sequence[MetricPoint]:
        """Return emitted values by attempt, in order of emission."""
        parameters: dict[str, Any] = {"job": training_job_id}
        if name is not None:
            parameters["metric"] = name
        if attempt is not None:
            parameters["the_attempt"] = attempt
        statement = _POINTS[name is not None, attempt is not None]
        return [point_record(row) for row in self._fetch(statement, parameters)]


class AttemptWrites:
    """What can be changed about attempts."""

    _work: Work
    _database: Database

    def insert_attempt(self, attempt: Attempt) -> None:
        """Insert an attempt; the schema refuses a second live one of the same job."""
        check_values({"state": attempt.state})
        self._work.change(_INSERT, attempt_row(attempt))

    def update_attempt(
        self, attempt_id: str, allowed_states: Collection[str], changes: Mapping[str, Any]
    ) -> bool:
        """Change an attempt if its state is one of ``allowed_states``; return whether it was."""
        check_changes(Attempt, changes)
        return guarded_update(
            self._work, attempts, attempt_id, "state", set(allowed_states), changed_columns(changes)
        )

    def add_metric_points(self, points: Iterable[MetricPoint]) -> None:
        """Append emitted values; one that is there already is left as it is."""
        statement = self._database.insert(metric_points).on_conflict_do_nothing(index_elements=_POINTS_ARE)
        self._work.change_many(statement, [point_row(point) for point in points])
