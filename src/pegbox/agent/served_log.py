"""The log of a model server that runs for months: looked at without being read, and kept from growing without bound.

The program owns the descriptor of ``log`` and appends to it; nothing can be rotated under it. Instead the blocks at the log's
beginning are given back to the file system (a hole is punched), so that offsets stay true, nothing is copied and no line is
lost on the way. ``log.start`` says where the log begins now. ``log.times`` is thinned out along with it.
"""

from __future__ import annotations

import os
import time

from pegbox.agent.durable import read_bytes, write_whole

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: The last bytes that are kept, and how many more there may be before the log is cut.
KEEP_BYTES, SLACK_BYTES = 64 << 20, 16 << 20
#: ``log.times`` is thinned out beyond so many lines.
MOST_TIMES = 50_000
#: While the log grows, its time is noted so often.
_NOTE_SECONDS = 0.5
_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_SEARCHED = 64 * 1024


class ServedLog:
    """Notes when the log grew, and cuts it.

    Args:
        directory: The instance's folder.
        notice: Tells the user something.
        keep: Bytes kept.
        slack: Bytes more before the log is cut.
    """

    def __init__(
        self,
        directory: str,
        notice: Callable[[str], object],
        *,
        keep: int = KEEP_BYTES,
        slack: int = SLACK_BYTES,
    ) -> None:
        self._log = os.path.join(directory, "log")
        self._start_path = os.path.join(directory, "log.start")
        self._times_path = os.path.join(directory, "log.times")
        self._notice = notice
        self._keep = keep
        self._slack = slack
        self._start = _number(read_bytes(self._start_path))
        lines = (read_bytes(self._times_path) or b"").splitlines()
        self._count = len(lines)
        self._noted = _number(lines[-1].split()[0]) if lines and lines[-1] else 0
        self._noted_at = 0.0
        self._can_cut = True

    def read(self) -> bool:
        """Look at the log; return whether it grew and that was noted."""
        try:
            size = os.stat(self._log).st_size
        except FileNotFoundError:
            return False
        now = time.monotonic()
        if size <= self._noted or now - self._noted_at < _NOTE_SECONDS:
            return False
        self._note(size)
        self._noted_at = now
        if self._can_cut and size - self._start > self._keep + self._slack:
            self._cut(size)
        if self._count > MOST_TIMES:
            self._thin_out()
        return True

    def finish(self) -> None:
        """Note the end of the log."""
        self._noted_at = 0.0
        self.read()

    def emit_values(self) -> None:
        """There are no metrics in it."""

    #: No metric value waits for its event.
    oldest_value = 0.0

    def close(self) -> None:
        """Nothing is open."""

    def _note(self, size: int) -> None:
        descriptor = os.open(self._times_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, f"{size} {int(time.time() * 1000)}\n".encode())
        finally:
            os.close(descriptor)
        self._noted = size
        self._count += 1

    def _cut(self, size: int) -> None:
        descriptor = os.open(self._log, os.O_RDWR)
        try:
            start = size - self._keep
            line_end = os.pread(descriptor, _SEARCHED, start).find(b"\n")
            start += line_end + 1
            # Where the log begins is known before anything is gone: a reader never takes a hole for text.
            write_whole(self._start_path, str(start).encode())
            if not _punch(descriptor, start):
                write_whole(self._start_path, str(self._start).encode())
                self._can_cut = False
                self._notice(
                    "the file system cannot give back a part of a file: the log of this model server is not cut "
                    f"and has {size} bytes"
                )
                return
            self._start = start
        finally:
            os.close(descriptor)
        self._thin_out()

    def _thin_out(self) -> None:
        """Forget times of what is gone, and every second one of the rest if there are still many."""
        lines = (read_bytes(self._times_path) or b"").splitlines()
        kept = [line for line in lines if _number(line.split()[0]) > self._start]
        if len(kept) > MOST_TIMES // 2:
            # From the end, so that the last one, up to which the log is shown, stays.
            kept = kept[::-2][::-1]
        write_whole(self._times_path, b"".join(line + b"\n" for line in kept))
        self._count = len(kept)


def _number(text: bytes | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0


def _punch(descriptor: int, end: int) -> bool:
    """Give back the blocks before an offset; return whether the file system can."""
    import ctypes

    system = ctypes.CDLL(None, use_errno=True)
    offset = ctypes.c_int64
    result = system.fallocate(descriptor, _PUNCH_HOLE | _KEEP_SIZE, offset(0), offset(end))
    return bool(result == 0)


def start_of(directory: str) -> int:
    """Return where the log in a folder begins: what was before is gone."""
    return _number(read_bytes(os.path.join(directory, "log.start")))
