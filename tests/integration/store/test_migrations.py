"""Migrations make the schema that the tables describe, and never half."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from pegbox.errors import StoreTooNew
from pegbox.store import open_store
from pegbox.store.migrate import scripts, upgrade
from pegbox.store.versions import CURRENT, KNOWN
from pegbox.testing.sample_records import training, tuning

_OWN = Path(scripts().dir) / "versions"
_NEXT = '''
"""The next schema.

Revision 9999.
"""
import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "{current}"


def upgrade() -> None:
    op.add_column("tuning_jobs", sa.Column("colour", sa.Text(), nullable=False, server_default="red"))
    with op.batch_alter_table("training_jobs") as table:
        table.alter_column("definition", new_column_name="part")
    {more}
'''


def _schema(path: Path) -> dict[str, list[str]]:
    """Return the parts of each table and index: columns in their order, then constraints, whose order means nothing."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    schema = {}
    for name, sql in rows:
        parts = [line.strip(" ,\t") for line in sql.splitlines()]
        schema[name] = sorted(parts, key=lambda part: part if part.startswith("CONSTRAINT") else "")
    return schema


def _with_next(folder: Path, more: str = "pass") -> Path:
    versions = folder / "versions"
    versions.mkdir()
    for script in _OWN.glob("v*.py"):
        (versions / script.name).write_text(script.read_text())
    (versions / "v9999_next.py").write_text(_NEXT.replace("{more}", more).replace("{current}", CURRENT))
    return versions


def test_migrations_make_what_the_tables_describe(tmp_path: Path) -> None:
    """A new store and an empty database brought up by migrations have the same tables, indexes and constraints."""
    open_store(tmp_path / "new.db").close()
    engine = create_engine(f"sqlite:///{tmp_path / 'migrated.db'}")
    with engine.begin() as connection:
        upgrade(connection)
    engine.dispose()
    assert _schema(tmp_path / "new.db") == _schema(tmp_path / "migrated.db")


def test_the_list_of_versions_is_complete() -> None:
    """What opening takes for known and current is what the migrations are."""
    assert tuple(script.revision for script in reversed(list(scripts().walk_revisions()))) == KNOWN
    assert scripts().get_current_head() == CURRENT


def test_an_older_store_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    """Data survives a migration, references included; the copy is private and is the store as it was."""
    path = tmp_path / "100% home" / "pegbox.db"
    path.parent.mkdir()
    store = open_store(path)
    with store.transaction() as work:
        search = work.insert_tuning_job(tuning())
        work.insert_training_job(training(definition="first", tuning_job_id=search.id, number=1))
    store.close()
    before = _schema(path)

    open_store(path, versions=_with_next(tmp_path)).close()

    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name, colour FROM tuning_jobs").fetchall() == [("search", "red")]
        assert connection.execute("SELECT part, number FROM training_jobs").fetchall() == [("first", 1)]
        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    copy = path.with_name("pegbox.db.before-9999")
    assert _schema(copy) == before
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == ["pegbox.db", "pegbox.db.before-9999"]
    with pytest.raises(StoreTooNew, match="9999"):
        open_store(path)
    os.replace(copy, path)
    old = open_store(path)
    assert old.reader.tuning_job("search") == search
    old.close()


def test_a_failing_migration_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    """An error in the middle undoes the whole migration; the older version can still use the store."""
    path = tmp_path / "pegbox.db"
    store = open_store(path)
    with store.transaction() as work:
        search = work.insert_tuning_job(tuning())
    store.close()
    before = _schema(path)
    versions = _with_next(tmp_path, more="raise ZeroDivisionError")
    with pytest.raises(ZeroDivisionError):
        open_store(path, versions=versions)
    assert _schema(path) == before
    store = open_store(path)
    assert store.reader.tuning_job("search") == search
    store.close()
