"""Paging through logs."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.executors.local import LocalLogs
from pegbox.executors.local import logs as logs_module


def write(folder: Path, data: bytes, seen: int, finished: bool) -> LocalLogs:
    """A log of which an agent has seen so many bytes."""
    place = folder / "1" / "1"
    place.mkdir(parents=True)
    (place / "log").write_bytes(data)
    (place / "log.times").write_text(f"{seen // 2} 1000\n{seen} 2000\n" if seen else "")
    if finished:
        (place / "result.json").write_text("{}")
    return LocalLogs(folder)


@pytest.fixture(autouse=True)
def _small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs_module, "GRID", 16)


LOGS = st.lists(st.sampled_from([b"a", b"\n", b"bc", b"x" * 20, b"\r\n", b"\xff"]), max_size=40).map(b"".join)


@settings(max_examples=150)
@given(LOGS, st.floats(0, 1), st.booleans(), st.integers(1, 5))
def test_pages_forwards_and_backwards_are_the_same_lines(
    data: bytes, share: float, finished: bool, limit: int
) -> None:
    """Lines cover the readable log without gap or overlap, the same whichever way and however large the pages are."""
    with tempfile.TemporaryDirectory() as folder:
        logs = write(Path(folder), data, int(len(data) * share), finished)
        everything = list(logs.forward(1, 1, 0, 1000))
        size = logs.size(1, 1)
        assert [line.start for line in everything] == [0, *(line.end for line in everything)][
            : len(everything)
        ]
        if finished:
            assert size == len(data) == (everything[-1].end if everything else 0)
        paged, offset = [], 0
        while page := logs.forward(1, 1, offset, limit):
            paged += page
            offset = page[-1].end
        assert paged == everything
        backwards, offset = [], size
        while page := logs.backward(1, 1, offset, limit):
            backwards[:0] = page
            offset = page[0].start
        assert backwards == everything
        assert [line.at_ms for line in everything] == sorted(line.at_ms for line in everything)


@settings(max_examples=150)
@given(LOGS, st.integers(0, 200))
def test_any_offset_is_a_valid_token(data: bytes, offset: int) -> None:
    """From an offset in the middle of a line, reading goes on with the next whole line, or the one before."""
    with tempfile.TemporaryDirectory() as folder:
        logs = write(Path(folder), data, len(data), True)
        everything = list(logs.forward(1, 1, 0, 1000))
        assert list(logs.forward(1, 1, offset, 1000)) == [line for line in everything if line.start >= offset]
        assert list(logs.backward(1, 1, offset, 1000)) == [line for line in everything if line.end <= offset]


@settings(max_examples=150)
@given(LOGS, st.integers(0, 40), st.integers(1, 5))
def test_a_log_without_its_beginning_is_read_like_its_rest(data: bytes, skipped: int, limit: int) -> None:
    """Where the first lines were given back to the file system the others are as they were, whichever way they are read."""
    with tempfile.TemporaryDirectory() as folder:
        logs = write(Path(folder), data, len(data), True)
        lines = list(logs.forward(1, 1, 0, 1000))
        kept = lines[min(skipped, len(lines)) :]
        start = kept[0].start if kept else len(data)
        place = Path(folder, "1", "1")
        if start and not data[:start].endswith(b"\n"):
            return
        (place / "log").write_bytes(b"\0" * start + data[start:])
        (place / "log.start").write_text(str(start))
        found, offset = [], 0
        while page := logs.forward(1, 1, offset, limit):
            found += page
            offset = page[-1].end
        assert found == kept
        backwards, offset = [], logs.size(1, 1)
        while page := logs.backward(1, 1, offset, limit):
            backwards[:0] = page
            offset = page[0].start
        assert backwards == kept
