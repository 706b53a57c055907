"""Program output of training jobs, read from the files that the programs write.

``log`` is what the program wrote. ``log.times`` has a line ``"<offset> <epoch ms>"`` for each time its agent read: all bytes
before the offset, and at or after the one of the line before, were first seen then. Only what an agent has seen is served,
so that a line's time never changes; the rest of a finished attempt's log gets the file's time. ``log.start`` has the offset at
which the log of a model server begins, once its beginning was given back to the file system; offsets stay true.
"""

from __future__ import annotations

import bisect
import contextlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from pegbox.ports.logs import LogLine

#: A longer line is cut where there was no line end for so many bytes, always at the same places.
GRID = 256 * 1024


class _Times:
    """When each part of a log was first seen."""

    def __init__(self, path: Path) -> None:
        self.offsets: list[int] = []
        self._times: list[int] = []
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = b""
        for line in data[: data.rfind(b"\n") + 1].splitlines():
            parts = line.split()
            if len(parts) == 2 and parts[0].isdigit() and parts[1].isdigit():
                self.offsets.append(int(parts[0]))
                self._times.append(int(parts[1]))

    @property
    def seen(self) -> int:
        return self.offsets[-1] if self.offsets else 0

    def at(self, offset: int, otherwise: int) -> int:
        """Return when the byte at an offset was first seen."""
        place = bisect.bisect_right(self.offsets, offset)
        return self._times[place] if place < len(self._times) else otherwise


class LocalLogs:
    """Reads logs of attempts; see :class:`pegbox.ports.logs.LogReader`.

    Args:
        jobs_dir: Folder that holds ``<training job id>/<attempt>/log``.
    """

    def __init__(self, jobs_dir: Path) -> None:
        self._jobs = jobs_dir

    def size(self, training_job_id: int, attempt: int) -> int:
        """Return how many bytes of the log can be read; 0 when there is none (yet)."""
        folder = self._folder(training_job_id, attempt)
        return self._readable(folder, _Times(folder / "log.times"))

    def forward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return at most ``limit`` complete lines that start at or after ``offset``."""
        folder = self._folder(training_job_id, attempt)
        times = _Times(folder / "log.times")
        end = self._readable(folder, times)
        if offset >= end or limit <= 0:
            return []
        lines: list[LogLine] = []
        with (folder / "log").open("rb") as stream:
            log = _Log(stream, _start(folder), end, times, self._finished(folder))
            place = max(log.begin, offset)
            if not log.is_break(place):
                place = log.next_break(place)
            while place < end and len(lines) < limit:
                stop = log.next_break(place)
                if not log.is_break(stop):
                    break  # The last line has no end yet.
                lines.append(log.line(place, stop))
                place = stop
        return lines

    def backward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return at most ``limit`` complete lines that end at or before ``offset``, oldest first."""
        folder = self._folder(training_job_id, attempt)
        times = _Times(folder / "log.times")
        end = self._readable(folder, times)
        if end == 0 or limit <= 0:
            return []
        lines: list[LogLine] = []
        with (folder / "log").open("rb") as stream:
            log = _Log(stream, _start(folder), end, times, self._finished(folder))
            place = min(offset, end)
            if not log.is_break(place):
                place = log.previous_break(place)
            while place > log.begin and len(lines) < limit:
                start = log.previous_break(place)
                lines.append(log.line(start, place))
                place = start
        lines.reverse()
        return lines

    def delete(self, training_job_id: int, attempt: int | None = None) -> None:
        """Remove all that is kept of a training job's attempts, or of one of them."""
        folder = self._jobs / str(int(training_job_id))
        shutil.rmtree(folder if attempt is None else folder / str(int(attempt)), ignore_errors=True)
        if attempt is not None:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _folder(self, training_job_id: int, attempt: int) -> Path:
        return self._jobs / str(int(training_job_id)) / str(int(attempt))

    @staticmethod
    def _finished(folder: Path) -> bool:
        return (folder / "result.json").exists()

    def _readable(self, folder: Path, times: _Times) -> int:
        try:
            size = (folder / "log").stat().st_size
        except FileNotFoundError:
            return 0
        return size if self._finished(folder) else min(size, times.seen)


def _start(folder: Path) -> int:
    """Return where a log begins."""
    try:
        text = (folder / "log.start").read_text().strip()
    except FileNotFoundError:
        return 0
    return int(text) if text.isdigit() else 0


class _Log:
    """The lines of a log: a break is after each line end, and on the grid where a whole cell had none."""

    def __init__(self, stream: BinaryIO, begin: int, end: int, times: _Times, finished: bool) -> None:
        self.begin = begin
        self._stream = stream
        self._end = end
        self._times = times
        self._finished = finished
        self._cell: tuple[int, bytes] = (-1, b"")
        self._modified = int(os.fstat(stream.fileno()).st_mtime * 1000)

    def _read(self, start: int, stop: int) -> bytes:
        self._stream.seek(start)
        data: bytes = self._stream.read(min(stop, self._end) - start)
        return data

    def _cell_at(self, index: int) -> bytes:
        if self._cell[0] != index:
            self._cell = (index, self._read(index * GRID, (index + 1) * GRID))
        return self._cell[1]

    def is_break(self, place: int) -> bool:
        """Whether a line ends at a place."""
        if place <= self.begin or (place >= self._end and self._finished):
            return True
        if self._read(place - 1, place) == b"\n":
            return True
        # The line end before the log's beginning is gone, but it was there.
        began = place - GRID < self.begin <= place
        return place % GRID == 0 and not began and b"\n" not in self._cell_at(place // GRID - 1)

    def next_break(self, place: int) -> int:
        """Return the first break after a place, or the end of what can be read."""
        while place < self._end:
            index = place // GRID
            found = self._cell_at(index).find(b"\n", place - index * GRID)
            if found >= 0:
                return index * GRID + found + 1
            place = (index + 1) * GRID
            if place < self._end and self.is_break(place):
                return place
        return self._end

    def previous_break(self, place: int) -> int:
        """Return the last break before a place, or where the log begins."""
        while place > self.begin:
            index = (place - 1) // GRID
            # The byte before ``place`` may be the line's own end.
            found = self._cell_at(index).rfind(b"\n", 0, place - 1 - index * GRID)
            if found >= 0:
                return max(index * GRID + found + 1, self.begin)
            place = index * GRID
            if place > self.begin and self.is_break(place):
                return place
        return self.begin

    def line(self, start: int, stop: int) -> LogLine:
        """Return the line between two breaks."""
        text = self._read(start, stop).decode(errors="replace")
        return LogLine(
            at_ms=self._times.at(start, self._modified), text=text.rstrip("\r\n"), start=start, end=stop
        )
