"""Changes that happen only if the row is in an allowed status, told by the number of rows changed (promise P4)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Executable, Table, bindparam, select, update

from pegbox.store.database import Work

_statements: dict[tuple[Any, ...], Executable] = {}


def guarded_update(
    work: Work,
    table: Table,
    row_id: int | str,
    guard: str,
    allowed: Collection[str],
    values: Mapping[str, Any],
) -> bool:
    """Change columns of a row if its ``guard`` column holds one of ``allowed``; return whether it did.

    Without ``values`` nothing changes and only the guard is asked.
    """
    if not allowed:
        work.check()
        return False
    words = sorted(allowed)
    statement = _statement(table, guard, len(words), tuple(values))
    parameters = {"the_row": row_id, **{f"allowed_{index}": word for index, word in enumerate(words)}}
    if not values:
        return bool(work.fetch(statement, parameters))
    return (
        work.change(statement, {**parameters, **{f"new_{name}": value for name, value in values.items()}})
        == 1
    )


def _statement(table: Table, guard: str, count: int, names: tuple[str, ...]) -> Executable:
    key = (table.name, guard, count, names)
    if key not in _statements:
        words: list[Any] = [bindparam(f"allowed_{index}") for index in range(count)]
        condition = (table.c.id == bindparam("the_row")) & table.c[guard].in_(words)
        if names:
            columns = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
            _statements[key] = update(table).where(condition).values(columns)
        else:
            _statements[key] = select(table.c.id).where(condition)
    return _statements[key]
