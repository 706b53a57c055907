"""Kinds of columns that many tables have."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Column, Integer, Text

#: SQLite gives ids to its own integer type only, and PostgreSQL needs the wide one.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")


def row_id() -> Column[Any]:
    """Return the column of ids that are never used again."""
    return Column("id", ROW_ID, primary_key=True, autoincrement=True)


def required(name: str, kind: Any = Text) -> Column[Any]:
    """Return a column that is never empty."""
    return Column(name, kind, nullable=False)


def words(column: str, values: type[Enum] | Iterable[str]) -> CheckConstraint:
    """Return the constraint that a column holds one of some words."""
    given = [item.value if isinstance(item, Enum) else item for item in values]
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in given)})", name=column)
