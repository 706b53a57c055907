"""Promise P1 against power loss, by a file layer that drops what was not synchronised."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from pegbox.errors import StoreError
from pegbox.store import check_store, open_store
from pegbox.testing.power_loss import Operation, cuts, read_log, rebuild, recording

_WRITER = Path(__file__).with_name("power_loss_writer.py")
_TRANSACTIONS = 240
_CUTS = 50
_SEED = 20260203


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory, file_layer: Path) -> tuple[Path, Sequence[Operation]]:
    """Return the folder of a store and all file operations of a process that wrote to it."""
    folder = tmp_path_factory.mktemp("power")
    home, log = folder / "home", folder / "log"
    home.mkdir()
    subprocess.run(
        [sys.executable, str(_WRITER), str(home / "pegbox.db"), str(_TRANSACTIONS)],
        env=recording(file_layer, home, log),
        check=True,
    )
    return home, read_log(log)


def _lost(path: Path, acknowledged: int) -> str | None:
    """Return what is wrong with a store after a cut."""
    store = open_store(path)
    try:
        search = store.reader.tuning_job("search")
        if search is None:
            return "the first transaction is gone" if acknowledged else None
        if search.launched + 1 < acknowledged:
            return f"{acknowledged} acknowledged, {search.launched + 1} there"
        if [trial.number for trial in store.reader.trials(search.id)] != list(range(1, search.launched + 1)):
            return "a transaction is there in part"
    finally:
        store.close()
    check_store(path)
    with closing(sqlite3.connect(path)) as plain:
        attempts, points = (
            plain.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("attempts", "metric_points")
        )
    if attempts != search.launched or points != sum(number % 5 for number in range(1, search.launched + 1)):
        return f"{attempts} attempts and {points} values of {search.launched} transactions are there"
    return None


def test_acknowledged_transactions_survive_power_loss(
    recorded: tuple[Path, Sequence[Operation]], tmp_path: Path
) -> None:
    """50 random cuts, the making of the store included: all that was acknowledged is there, whole; 0 lost (3/N = 6 %)."""
    home, operations = recorded
    assert sum(operation.kind == 9 for operation in operations) == _TRANSACTIONS
    for index, (place, acknowledged, files) in enumerate(cuts(operations, _CUTS, _SEED)):
        target = tmp_path / str(index)
        target.mkdir()
        rebuild(files, home, target)
        wrong = _lost(target / "pegbox.db", acknowledged)
        assert wrong is None, f"seed {_SEED}, cut at operation {place} of {len(operations)}: {wrong}"


def test_making_a_store_survives_power_loss(
    recorded: tuple[Path, Sequence[Operation]], tmp_path: Path
) -> None:
    """Cuts between the first file operation and the first acknowledgement: the next start always has a sound store."""
    home, operations = recorded
    first = next(index for index, operation in enumerate(operations) if operation.kind == 9)
    for index, (place, _, files) in enumerate(cuts(operations[:first], 30, _SEED)):
        target = tmp_path / str(index)
        target.mkdir()
        rebuild(files, home, target)
        wrong = _lost(target / "pegbox.db", 0)
        assert wrong is None, f"seed {_SEED}, cut at operation {place} of {first}: {wrong}"


def test_the_file_layer_notices_missing_syncs(
    recorded: tuple[Path, Sequence[Operation]], tmp_path: Path
) -> None:
    """The same cuts without the log's syncs lose transactions: the harness can fail."""
    home, operations = recorded
    losses = 0
    ignored = cuts(operations, 12, _SEED, ignore_sync=lambda name: name.endswith("-wal"))
    for index, (_, acknowledged, files) in enumerate(ignored):
        target = tmp_path / str(index)
        target.mkdir()
        rebuild(files, home, target)
        try:
            losses += _lost(target / "pegbox.db", acknowledged) is not None
        except StoreError:
            losses += 1
    assert losses > 3
