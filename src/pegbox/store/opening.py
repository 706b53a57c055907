"""Opens the store: makes it, checks it, brings its schema up to date, or refuses it and leaves it as it is."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from pegbox.errors import StoreCorrupt, StoreError, StoreFull, StoreTooNew
from pegbox.ports.store import JobStore
from pegbox.store import sqlite
from pegbox.store.backend import SqlStore
from pegbox.store.tables import alembic_version, metadata
from pegbox.store.versions import CURRENT, KNOWN

#: Files up to this size are checked at every start; larger ones after an unclean end and before a migration.
CHECKED_BYTES = 64 * 2**20
_FULL_OR_FIXED = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)


def open_store(path: Path, *, busy_timeout: float = 10.0, versions: Path | None = None) -> JobStore:
    """Open the store in a file, making it if there is none.

    The file's structure is checked (``PRAGMA quick_check``) if it is at most 64 MiB large, if the last server did not end
    cleanly, and before a migration; ``check_store`` does it at any time. Before a migration the file is copied to
    ``<name>.before-<new schema version>``.

    Args:
        path: The file, in a folder that exists. Only one process at a time may open it.
        busy_timeout: Seconds to wait for a foreign program that holds the database.
        versions: Folder of migrations in place of Pegbox's own, for tests of migrations.

    Raises:
        StoreTooNew: Written by a newer version; not touched.
        StoreCorrupt: Damaged, empty or no database of Pegbox; not touched.
        StoreFull: The disk is full or read-only.
        StoreError: It cannot be opened for another reason.
    """
    known = KNOWN if versions is None else _known_in(versions)
    try:
        if not os.path.lexists(path):
            _create(path, busy_timeout)
        version = _inspect(path, known)
        _refuse_read_only(path)
        if version != known[-1]:
            _migrate(path, known[-1], busy_timeout, versions)
    except OSError as error:
        kind = StoreFull if error.errno in _FULL_OR_FIXED else StoreError
        raise kind(f"{path} cannot be used: {error.strerror or error}; check disk and permissions") from error
    return SqlStore(sqlite.open_database(path, busy_timeout=busy_timeout))


def check_store(path: Path) -> None:
    """Read a whole store and check its structure, without changing it.

    Raises:
        StoreCorrupt: It is damaged.
        StoreError: It cannot be read.
    """
    _check_header(path)
    with sqlite.plain_connection(path, "ro") as connection:
        sqlite.quick_check(connection, path)


def _known_in(versions: Path) -> tuple[str, ...]:
    from pegbox.store.migrate import scripts

    return tuple(script.revision for script in reversed(list(scripts(versions).walk_revisions())))


def _inspect(path: Path, known: tuple[str, ...]) -> str:
    """Return the schema version of a sound store that this version can use."""
    _check_header(path)
    journal = sqlite.journal_of(path)
    unclean = journal.exists() and journal.stat().st_size > 0
    with sqlite.plain_connection(path, "ro") as connection:
        tables = sqlite.first_row(
            connection, "SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'"
        )
        row = sqlite.first_row(connection, "SELECT version_num FROM alembic_version") if tables[0] else None
        if row is None:
            raise StoreCorrupt(f"{path} is a database of another program; it was left as it is. Move it away")
        if row[0] not in known:
            raise StoreTooNew(
                f"{path} was written by a newer version of Pegbox (schema {row[0]}, this version knows {known[-1]}); "
                "it was left as it is. Use that version, or set PEGBOX_HOME to another folder"
            )
        if unclean or row[0] != known[-1] or path.stat().st_size <= CHECKED_BYTES:
            sqlite.quick_check(connection, path)
    return str(row[0])


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(len(sqlite.MAGIC))
    if header != sqlite.MAGIC:
        what = "empty" if not header else "no SQLite database"
        raise StoreCorrupt(
            f"{path} is {what}; it was left as it is. Move it away to start anew, or restore a copy in its place"
        )


def _refuse_read_only(path: Path) -> None:
    for place in (path, path.parent):
        if not os.access(place, os.W_OK):
            raise StoreFull(f"{place} is read-only; make it writable, or set PEGBOX_HOME to another folder")


def _create(path: Path, busy_timeout: float) -> None:
    """Make a store under another name and give it its own when it is whole, so that no half-made store is ever found."""
    journal = sqlite.journal_of(path)
    if journal.exists() and journal.stat().st_size > 0:
        raise StoreCorrupt(
            f"{path} is missing but its log {journal.name} is there; put the file back, or move the log away to start anew"
        )
    if not path.parent.is_dir():
        raise StoreError(f"folder {path.parent} does not exist; make it first")
    if not os.access(path.parent, os.W_OK):
        raise StoreFull(f"{path.parent} is read-only; make it writable, or set PEGBOX_HOME to another folder")
    draft = path.with_name(path.name + ".new")
    sqlite.make_file(draft)
    database = sqlite.open_database(draft, busy_timeout=busy_timeout, journal="MEMORY")
    try:
        with database.writing.begin() as connection:
            metadata.create_all(connection, checkfirst=False)
            connection.execute(alembic_version.insert(), {"version_num": CURRENT})
    except DBAPIError as error:
        with suppress(OSError):
            draft.unlink()
        raise database.explain(error) from error
    sqlite.sync_file(draft)
    os.rename(draft, path)
    sqlite.sync_file(path.parent)


def _migrate(path: Path, target: str, busy_timeout: float, versions: Path | None) -> None:
    from pegbox.store.migrate import upgrade

    _keep_copy(path, path.with_name(f"{path.name}.before-{target}"))
    database = sqlite.open_database(path, busy_timeout=busy_timeout)
    try:
        with database.writing.connect() as connection:
            # It has no effect inside a transaction, and altered tables are rebuilt under their references.
            connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
            connection.commit()
            with connection.begin():
                upgrade(connection, versions)
    except DBAPIError as error:
        raise database.explain(error) from error


def _keep_copy(path: Path, copy: Path) -> None:
    draft = copy.with_name(copy.name + ".new")
    sqlite.copy_database(path, draft)
    os.rename(draft, copy)
    sqlite.sync_file(path.parent)
