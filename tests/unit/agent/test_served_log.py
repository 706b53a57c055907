"""The log of a model server: cut at its beginning without moving anything, and readable all the while."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pegbox.agent import served_log
from pegbox.agent.served_log import ServedLog, start_of
from pegbox.executors.local.logs import LocalLogs


@pytest.fixture(autouse=True)
def _note_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look is noted."""
    monkeypatch.setattr(served_log, "_NOTE_SECONDS", 0.0)


def _write(folder: Path, first: int, last: int) -> None:
    with (folder / "log").open("a") as stream:
        stream.writelines(f"line {number:06d}\n" for number in range(first, last))


def test_a_long_log_is_cut(tmp_path: Path) -> None:
    """The blocks before the last ones are given back; offsets stay, and the reader serves what is left, whole lines only."""
    folder = tmp_path / "7" / "8"
    folder.mkdir(parents=True)
    notices: list[str] = []
    log = ServedLog(str(folder), notices.append, keep=100_000, slack=50_000)
    for round_ in range(20):
        _write(folder, round_ * 5000, (round_ + 1) * 5000)
        assert log.read()
    assert not notices
    size = (folder / "log").stat().st_size
    assert size == 20 * 5000 * 12
    start = start_of(str(folder))
    assert size - 160_000 < start
    assert start % 12 == 0
    assert (folder / "log").stat().st_blocks * 512 < 300_000
    again = ServedLog(str(folder), notices.append, keep=100_000, slack=50_000)
    assert not again.read()
    _write(folder, 100_000, 100_001)
    assert again.read()
    reader = LocalLogs(tmp_path)
    first = reader.forward(7, 8, 0, 3)
    assert [line.start for line in first] == [start, start + 12, start + 24]
    assert first[0].text == f"line {start // 12:06d}"
    assert reader.backward(7, 8, reader.size(7, 8), 1)[0].text == "line 100000"
    everything = reader.backward(7, 8, reader.size(7, 8), 1_000_000)
    assert everything[0].start == start


def test_times_are_thinned_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that grows a little at a time does not pile up times, and its last one is always kept."""
    monkeypatch.setattr(served_log, "MOST_TIMES", 100)
    log = ServedLog(str(tmp_path), lambda text: None)
    for number in range(1000):
        _write(tmp_path, number, number + 1)
        log.read()
    lines = (tmp_path / "log.times").read_text().splitlines()
    assert len(lines) <= 101
    offsets = [int(line.split()[0]) for line in lines]
    assert offsets == sorted(offsets)
    assert offsets[-1] == 12_000


def test_a_file_system_that_cannot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no hole can be punched the user is told once, and the log stays whole."""
    monkeypatch.setattr(served_log, "_punch", lambda descriptor, end: False)
    notices: list[str] = []
    log = ServedLog(str(tmp_path), notices.append, keep=1000, slack=0)
    for round_ in range(3):
        _write(tmp_path, round_ * 500, (round_ + 1) * 500)
        log.read()
    assert len(notices) == 1
    assert os.stat(tmp_path / "log").st_size == 18_000
    assert start_of(str(tmp_path)) == 0
