"""What the driver's errors mean, on interpreters that tell only their text."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from pegbox.errors import StoreCorrupt, StoreError, StoreFull
from pegbox.store.sqlite import explain


@pytest.mark.parametrize(
    ("error", "meaning", "words"),
    [
        (sqlite3.OperationalError("database or disk is full"), StoreFull, "full.*free some space"),
        (sqlite3.OperationalError("attempt to write a readonly database"), StoreFull, "read-only"),
        (sqlite3.DatabaseError("database disk image is malformed"), StoreCorrupt, "damaged.*left as it is"),
        (sqlite3.DatabaseError("file is not a database"), StoreCorrupt, "damaged"),
        (sqlite3.OperationalError("database is locked"), StoreError, "another program"),
        (sqlite3.IntegrityError("UNIQUE constraint failed"), StoreError, "schema refuses"),
        (sqlite3.OperationalError("disk I/O error"), StoreError, "cannot be used"),
    ],
)
def test_errors_are_told_by_their_text(error: sqlite3.Error, meaning: type[StoreError], words: str) -> None:
    """Each message becomes the right error, which says what to do."""
    found = explain(error, Path("pegbox.db"))
    assert type(found) is meaning
    with pytest.raises(StoreError, match=words):
        raise found
