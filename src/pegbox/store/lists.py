"""Lists in pages that stay stable while rows are added: the next page starts after the last row's (sort value, row id)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, bindparam, select, tuple_

from pegbox.ports.store import Page, Rows
from pegbox.store.rules import name_key, to_micros

_COLUMNS = {
    "Name": "name_key",
    "Status": "status",
    "CreationTime": "created_at",
    "FinalObjectiveMetricValue": "objective",
}
#: Filters of a page that compare a column with a time.
_TIMES: dict[str, Callable[[Table], ColumnElement[bool]]] = {
    "created_after": lambda table: table.c.created_at > bindparam("created_after"),
    "created_before": lambda table: table.c.created_at < bindparam("created_before"),
    "modified_after": lambda table: table.c.modified_at > bindparam("modified_after"),
    "modified_before": lambda table: table.c.modified_at < bindparam("modified_before"),
}
_ESCAPE = "/"
_statements: dict[tuple[Any, ...], Select[Any]] = {}


def fetch_page(
    table: Table,
    page: Page,
    fetch: Callable[[Select[Any], dict[str, Any]], Sequence[Any]],
    record: Callable[[Any], Any],
) -> Rows:
    """Return a page of a table of jobs.

    One row more than asked for is read, to know whether there is a next page.
    """
    times = {name: getattr(page, name) for name in _TIMES}
    values: dict[str, Any] = {name: to_micros(value) for name, value in times.items() if value is not None}
    if page.status is not None:
        values["status_is"] = page.status
    if page.name_contains is not None:
        values["part"] = _containing(name_key(page.name_contains))
    if page.tuning_job_id is not None:
        values["tuning_job"] = page.tuning_job_id
    if page.after is not None:
        values["after_value"], values["after_id"] = page.after
    statement = _statement(table, page, frozenset(values))
    rows = fetch(statement, {**values, "row_limit": page.limit + 1})
    kept = rows[: page.limit]
    last = tuple(kept[-1][-2:]) if len(rows) > page.limit else None
    return Rows(items=[record(row[:-2]) for row in kept], next_after=last)


def _statement(table: Table, page: Page, given: frozenset[str]) -> Select[Any]:
    key = (table.name, page.sort_by, page.descending, given)
    if key not in _statements:
        _statements[key] = _build(table, page, given)
    return _statements[key]


def _build(table: Table, page: Page, given: frozenset[str]) -> Select[Any]:
    value, row_id = table.c[_COLUMNS[page.sort_by]], table.c.id
    statement = select(table, value.label("sort_value"), row_id.label("sort_id"))
    statement = statement.where(*(condition(table) for name, condition in _TIMES.items() if name in given))
    if value.nullable:
        statement = statement.where(value.is_not(None))
    if "status_is" in given:
        statement = statement.where(table.c.status == bindparam("status_is"))
    if "part" in given:
        statement = statement.where(table.c.name_key.like(bindparam("part"), escape=_ESCAPE))
    if "tuning_job" in given:
        statement = statement.where(table.c.tuning_job_id == bindparam("tuning_job"))
    if "after_value" in given:
        # Typed like the columns, since a row of bare parameters has no type.
        place = tuple_(bindparam("after_value", type_=value.type), bindparam("after_id", type_=row_id.type))
        row = tuple_(value, row_id)
        statement = statement.where(row < place if page.descending else row > place)
    if page.descending:
        statement = statement.order_by(value.desc(), row_id.desc())
    else:
        statement = statement.order_by(value, row_id)
    return statement.limit(bindparam("row_limit"))


def _containing(part: str) -> str:
    """Return the LIKE pattern of texts that contain ``part``, whose own wildcards mean themselves."""
    for special in (_ESCAPE, "%", "_"):
        part = part.replace(special, _ESCAPE + special)
    return f"%{part}%"
