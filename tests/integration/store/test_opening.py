"""Opening a store: made whole and private, or refused and left as it is."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from pegbox.errors import StoreCorrupt, StoreError, StoreFull, StoreTooNew
from pegbox.store import check_store, open_store
from pegbox.testing.sample_records import training, tuning


def _filled(path: Path, jobs: int = 40) -> None:
    store = open_store(path)
    with store.transaction() as work:
        work.insert_tuning_job(tuning())
        for number in range(jobs):
            work.insert_training_job(training(f"t{number}", request={"x": "y" * 2000}))
    store.close()


def _snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store lies, in a folder whose name needs quoting."""
    folder = tmp_path / "a home ?#%41 ü"
    folder.mkdir()
    return folder / "pegbox.db"


def test_a_store_is_private_and_keeps_its_data(path: Path) -> None:
    """All files are for their owner only whatever the umask; nothing else is left; data is there at the next opening."""
    before = os.umask(0o000)
    try:
        store = open_store(path)
        with store.transaction() as work:
            job = work.insert_tuning_job(tuning())
        assert store.reader.tuning_job("search") == job
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes == {"pegbox.db": 0o600, "pegbox.db-wal": 0o600, "pegbox.db-shm": 0o600}
        store.close()
    finally:
        os.umask(before)
    assert [file.name for file in path.parent.iterdir()] == ["pegbox.db"]
    again = open_store(path)
    assert again.reader.tuning_job("search") == job
    again.close()


def test_every_connection_is_durable(path: Path) -> None:
    """Writing and reading connections use the log with full synchronisation, foreign keys and a wait for the lock."""
    from pegbox.store import sqlite

    open_store(path).close()
    database = sqlite.open_database(path, busy_timeout=3.0)
    for engine, only_reads in ((database.reading, 1), (database.writing, 0)):
        with engine.connect() as connection:
            settings = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
            }
        assert settings == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 3000,
            "query_only": only_reads,
        }


def test_a_half_made_store_is_made_anew(path: Path) -> None:
    """What a server left that was killed while it made the store does not disturb the next one."""
    for name in (".new", ".new-wal", ".new-shm", ".new-journal"):
        path.with_name(path.name + name).write_bytes(b"half" * 3000)
    store = open_store(path)
    with store.transaction() as work:
        work.insert_tuning_job(tuning())
    store.close()
    check_store(path)
    assert [file.name for file in path.parent.iterdir()] == ["pegbox.db"]


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (b"", "empty"),
        (b"hello, I am no database" * 100, "no SQLite database"),
        (b"SQLite", "no SQLite database"),
    ],
)
def test_what_is_no_database_is_left_alone(path: Path, content: bytes, word: str) -> None:
    """An empty file and a foreign one are refused with the remedy, not replaced."""
    path.write_bytes(content)
    with pytest.raises(StoreCorrupt, match=f"{word}.*Move it away"):
        open_store(path)
    assert _snapshot(path.parent) == {"pegbox.db": content}


def test_another_programs_database_is_left_alone(path: Path) -> None:
    """A sound SQLite file that is no store is refused and not changed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (id)")
    before = _snapshot(path.parent)
    with pytest.raises(StoreCorrupt, match="another program"):
        open_store(path)
    assert _snapshot(path.parent) == before


@pytest.mark.parametrize("where", ["page", "header", "cut", "schema"])
def test_damage_is_found_and_left_alone(path: Path, where: str) -> None:
    """A page of rubbish, a damaged header, a file cut short and a damaged schema are refused and not changed."""
    _filled(path)
    content = bytearray(path.read_bytes())
    if where == "page":
        content[5 * 4096 : 6 * 4096] = os.urandom(4096)
    elif where == "header":
        content[16:40] = b"\xff" * 24
    elif where == "cut":
        del content[len(content) // 2 // 4096 * 4096 :]
    else:
        content[100:4096] = bytes(3996)
    path.write_bytes(content)
    for opening in (open_store, check_store):
        with pytest.raises(StoreCorrupt, match="damaged"):
            opening(path)
    assert _snapshot(path.parent) == {"pegbox.db": bytes(content)}


def test_damage_found_later_is_named(path: Path) -> None:
    """A page that goes bad while the store is open ends in StoreCorrupt and not in wrong data."""
    _filled(path)
    store = open_store(path)
    with path.open("r+b") as file:
        size = path.stat().st_size
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StoreCorrupt):
        store.reader.unfinished_training_jobs()
    with pytest.raises(StoreCorrupt), store.transaction() as work:
        work.insert_tuning_job(tuning("new"))
    store.close()


def test_a_log_without_its_store_is_refused(path: Path) -> None:
    """If only the file is gone, acknowledged data may be in its log: nothing new is made over it."""
    journal = path.with_name("pegbox.db-wal")
    journal.write_bytes(b"frames")
    with pytest.raises(StoreCorrupt, match=r"missing.*pegbox\.db-wal"):
        open_store(path)
    assert _snapshot(path.parent) == {"pegbox.db-wal": b"frames"}


@pytest.mark.parametrize("crashed", [False, True])
def test_a_newer_store_is_left_alone(path: Path, crashed: bool) -> None:
    """A store of a newer version is refused, byte for byte as it was, also when that version left a log behind."""
    _filled(path)
    code = (
        "import os, sqlite3, sys\n"
        "c = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "c.execute(\"UPDATE alembic_version SET version_num = '9999'\")\n"
        f"os._exit(0) if {crashed} else c.close()\n"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    path.with_name("pegbox.db-shm").unlink(missing_ok=True)
    before = _snapshot(path.parent)
    assert ("pegbox.db-wal" in before) is crashed
    with pytest.raises(StoreTooNew, match="9999"):
        open_store(path)
    after = _snapshot(path.parent)
    after.pop("pegbox.db-shm", None)
    assert after == before


def test_unusable_places_are_named(path: Path) -> None:
    """A folder in the store's place and a missing home are plain errors."""
    path.mkdir()
    with pytest.raises(StoreError, match=r"pegbox\.db"):
        open_store(path)
    path.rmdir()
    path.parent.rmdir()
    with pytest.raises(StoreError, match="does not exist"):
        open_store(path)


def test_a_read_only_place_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where writing is not allowed the store says so at once, for a new and for an existing store."""
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda place, mode: allowed(place, mode) and mode != os.W_OK)
    with pytest.raises(StoreFull, match="read-only"):
        open_store(path)
    monkeypatch.undo()
    _filled(path)
    before = _snapshot(path.parent)
    monkeypatch.setattr(os, "access", lambda place, mode: allowed(place, mode) and mode != os.W_OK)
    with pytest.raises(StoreFull, match="read-only"):
        open_store(path)
    assert _snapshot(path.parent) == before


def test_a_foreign_lock_is_waited_for_and_named(path: Path) -> None:
    """Another program's write lock is an error that says so; readers go on, and so does the writer afterwards."""
    store = open_store(path, busy_timeout=0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another program"), store.transaction():
            pass
        assert store.reader.tuning_job("search") is None
        foreign.execute("ROLLBACK")
    with store.transaction() as work:
        work.insert_tuning_job(tuning())
    assert store.reader.tuning_job("search") is not None
    store.close()


def test_a_copied_file_is_a_store(path: Path, tmp_path: Path) -> None:
    """After close the one file is everything: a plain copy of it opens elsewhere."""
    _filled(path, jobs=3)
    copy = tmp_path / "copy.db"
    shutil.copy(path, copy)
    store = open_store(copy)
    assert len(store.reader.unfinished_training_jobs()) == 3
    store.close()


def test_checking_does_not_disturb_a_running_store(path: Path) -> None:
    """The check reads what is committed, log included, while the store is open, and leaves it usable."""
    store = open_store(path)
    for name in ("a", "b"):
        with store.transaction() as work:
            work.insert_tuning_job(tuning(name))
        check_store(path)
    assert len(store.reader.unfinished_tuning_jobs()) == 2
    store.close()
    check_store(path)
    assert [file.name for file in path.parent.iterdir()] == ["pegbox.db"]


def test_opening_is_light(path: Path) -> None:
    """Opening a current store loads no Alembic; importing the room loads no SQLAlchemy."""
    open_store(path).close()
    code = (
        "import sys, pathlib, pegbox.store\n"
        "print('sqlalchemy' in sys.modules)\n"
        "pegbox.store.open_store(pathlib.Path(sys.argv[1])).close()\n"
        "print('alembic' in sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "False"]
