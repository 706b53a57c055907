"""Reading logs while they grow."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.agent.tail import MAX_LINE, LogTail, ReportTail


def tail_in_pieces(folder: Path, pieces: list[bytes]) -> bytes:
    """What a tail hands out when the log grows by these pieces."""
    (folder / "log").touch()
    tail = LogTail(str(folder))
    out = b""
    for piece in pieces:
        with (folder / "log").open("ab") as stream:
            stream.write(piece)
        out += tail.read()[0]
    out += tail.rest()
    tail.close()
    return out


def test_every_split_gives_the_same_lines(tmp_path: Path) -> None:
    """However a log is cut into reads, the lines are the same: line ends, carriage returns, a last line without end."""
    data = b"one\ntwo\r\n10%\r20%\r\xff\x00end\n\nlast"
    expected = b"one\ntwo\n10%\n20%\n\xff\x00end\n\nlast\n"
    for cut in range(len(data) + 1):
        folder = tmp_path / str(cut)
        folder.mkdir()
        assert tail_in_pieces(folder, [data[:cut], data[cut:]]) == expected
    folder = tmp_path / "bytes"
    folder.mkdir()
    assert tail_in_pieces(folder, [data[i : i + 1] for i in range(len(data))]) == expected


@pytest.mark.parametrize("step", [1000, 50_000, 10_000_000])
def test_a_line_without_end_is_bounded(step: int, tmp_path: Path) -> None:
    """A line of megabytes is handed out once, cut; what follows it is read as usual."""
    data = b"x" * 3_000_000 + b"\nafter\n"
    out = tail_in_pieces(tmp_path, [data[i : i + step] for i in range(0, len(data), step)])
    assert out == b"x" * MAX_LINE + b"\nafter\n"


def test_going_on_from_an_offset(tmp_path: Path) -> None:
    """A second tail that starts at the first one's offset reads the rest, no line twice, none lost."""
    data = b"".join(b"line %d\n" % i for i in range(50))
    (tmp_path / "log").write_bytes(data[:123])
    first = LogTail(str(tmp_path))
    head = first.read()[0]
    first.close()
    (tmp_path / "log").write_bytes(data)
    second = LogTail(str(tmp_path), first.offset)
    assert head + second.read()[0] == data
    second.close()
    offsets = [int(line.split()[0]) for line in (tmp_path / "log.times").read_text().splitlines()]
    assert offsets == [123, len(data)]


def test_reports_are_read_when_complete(tmp_path: Path) -> None:
    """A report counts when its line end is there."""
    path = tmp_path / "reported"
    tail = ReportTail(str(path))
    assert tail.read() == []
    path.write_bytes(b"one\ntw")
    assert tail.read() == [b"one"]
    path.write_bytes(b"one\ntwo\n")
    assert tail.read() == [b"two"]
    assert tail.read() == []
