"""What is particular to SQLite: connections and their settings, statements only it has, its errors, copies and checks.

Settings: write-ahead log with full synchronisation, so that a commit has reached the disk when it returns
(sqlite.org/pragma.html, ``synchronous``); foreign keys on; write transactions take the lock when they begin, so that none fails
half-way for another's sake; readers never wait and are never waited for.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.pool import NullPool

from pegbox.errors import StoreCorrupt, StoreError, StoreFull
from pegbox.store.database import Database

#: First bytes of every SQLite file (sqlite.org/fileformat.html).
MAGIC = b"SQLite format 3\x00"
#: Row values, upserts and write-ahead logs as used here.
_OLDEST = (3, 24, 0)
_SETTINGS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)
#: Codes of sqlite.org/rescode.html, low byte, and what they mean here.
_FULL = {8: "read-only", 13: "full"}
_CORRUPT = {11, 26}
_IOERR_WRITE = 778
#: The same, by message, for interpreters that do not tell the code.
_MESSAGES = {"is full": 13, "readonly database": 8, "malformed": 11, "not a database": 26, "is locked": 5}


def open_database(path: Path, *, busy_timeout: float, journal: str = "WAL") -> Database:
    """Return a database over an existing file; nothing is read yet.

    Args:
        path: The file.
        busy_timeout: Seconds to wait for a foreign process that holds the write lock.
        journal: ``WAL``, or ``MEMORY`` while a file is made that nobody needs in part: then a commit that returns has reached the
            file itself. A log that could not be merged at the end would be left behind without a word.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        needed = ".".join(map(str, _OLDEST))
        raise StoreError(
            f"SQLite {sqlite3.sqlite_version} is too old; use a Python with SQLite {needed} or newer"
        )

    def explained(error: BaseException) -> StoreError:
        return explain(error, path)

    return Database(
        reading=_engine(path, busy_timeout, journal, read_only=True),
        writing=_engine(path, busy_timeout, journal, read_only=False),
        explain=explained,
        harmless=lambda error: isinstance(error, IntegrityError),
        insert=insert,
    )


def _engine(path: Path, busy_timeout: float, journal: str, *, read_only: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        # The driver must not begin transactions of its own accord, hence isolation_level=None.
        connection = sqlite3.connect(
            address(path, "rw"),
            uri=True,
            timeout=busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=256,
        )
        try:
            if first_row(connection, f"PRAGMA journal_mode={journal}")[0] != journal.lower():
                raise sqlite3.OperationalError(f"journal mode {journal} cannot be used here")
            for setting in _SETTINGS:
                connection.execute(setting).close()
            if read_only:
                connection.execute("PRAGMA query_only=ON").close()
        except BaseException:
            connection.close()
            raise
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    if not read_only:
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def address(path: Path, mode: str) -> str:
    """Return the URI of a database file; ``mode`` is ``ro`` or ``rw``, neither of which makes a database.

    Reading a file that has no log beside it makes none: such a file cannot change, and SQLite is told so.
    """
    fixed = "&immutable=1" if mode == "ro" and not journal_of(path).exists() else ""
    return f"file:{quote(os.path.abspath(path))}?mode={mode}{fixed}"


def explain(error: BaseException, path: Path) -> StoreError:
    """Return what an error of SQLite or of its driver means."""
    original = getattr(error, "orig", None) or error
    code = _code(original)
    if code in _FULL or code & 0xFF in _FULL or code == _IOERR_WRITE:
        reason = _FULL.get(code & 0xFF, "full, over quota or failing")
        return StoreFull(
            f"nothing was written to {path}: the disk or file is {reason} ({original}); free some space or check permissions"
        )
    if code & 0xFF in _CORRUPT:
        return StoreCorrupt(
            f"{path} is damaged ({original}); it was left as it is. Move it away to start anew, or restore a copy"
        )
    if isinstance(original, sqlite3.IntegrityError):
        return StoreError(f"the schema refuses the change: {original}")
    if code & 0xFF in (5, 6):
        return StoreError(f"another program holds {path} ({original}); close it and try again")
    return StoreError(f"{path} cannot be used: {original}")


def _code(error: BaseException) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return int(code)
    return next((code for words, code in _MESSAGES.items() if words in str(error)), 0)


@contextmanager
def plain_connection(path: Path, mode: str) -> Iterator[sqlite3.Connection]:
    """Open a file without the settings of the store, for looking at it or copying it.

    Raises:
        StoreError: It cannot be read.
    """
    try:
        with closing(
            sqlite3.connect(address(path, mode), uri=True, timeout=10, isolation_level=None)
        ) as connection:
            yield connection
    except sqlite3.Error as error:
        raise explain(error, path) from error


def quick_check(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file and check its structure.

    Raises:
        StoreCorrupt: Something is wrong.
    """
    problems = [row[0] for row in connection.execute("PRAGMA quick_check(5)")]
    if problems != ["ok"]:
        raise StoreCorrupt(
            f"{path} is damaged ({'; '.join(problems)}); it was left as it is. Move it away to start anew, or restore a copy"
        )


def copy_database(source: Path, target: Path) -> None:
    """Copy a database, its log included, to a new file that is on the disk when this returns."""
    with plain_connection(source, "ro") as connection:
        make_file(target)
        with closing(sqlite3.connect(address(target, "rw"), uri=True)) as copy:
            connection.backup(copy)
            # A copy is one file that can be moved about.
            if first_row(copy, "PRAGMA journal_mode=DELETE")[0] != "delete":
                raise StoreError(f"the copy {target} could not be completed; nothing was changed")
    sync_file(target)


def make_file(path: Path) -> None:
    """Make an empty file that only its owner can read, in place of whatever is there, logs included."""
    for side in ("", "-journal", "-shm", "-wal"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def sync_file(path: Path) -> None:
    """Bring a file or folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def journal_of(path: Path) -> Path:
    """Return where the write-ahead log of a database lies."""
    return path.with_name(path.name + "-wal")


def first_row(connection: sqlite3.Connection, statement: str) -> Any:
    """Return the first row of a statement or None."""
    return connection.execute(statement).fetchone()
