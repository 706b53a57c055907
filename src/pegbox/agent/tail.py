"""Reading what the program writes: its log, line by line, with the time each part was first seen."""

from __future__ import annotations

import os
import time

from pegbox.agent.durable import read_bytes

#: Longest line that is searched for metrics, in bytes; the rest of a longer line is not searched.
MAX_LINE = 64 * 1024
#: Most bytes read before the server gets a turn again.
PASS_BYTES = 4 << 20
_BLOCK = 256 * 1024


class LogTail:
    """The unread part of ``log``.

    ``log.times`` gets one line ``"<offset> <epoch ms>"`` per pass: all bytes before this offset (and after the previous one)
    were first seen then.

    Attributes:
        offset: Up to here lines were handed out.
    """

    def __init__(self, directory: str, offset: int = 0) -> None:
        self._path = os.path.join(directory, "log")
        self._times_path = os.path.join(directory, "log.times")
        self._descriptor: int | None = None
        self._times: int | None = None
        self.offset = offset
        self._read = offset
        self._partial = b""
        #: Set while the rest of an over-long line is skipped.
        self._skipping = False
        self._timed = self._last_timed()

    def _last_timed(self) -> int:
        data = read_bytes(self._times_path) or b""
        whole = data.rfind(b"\n")
        if whole < 0:
            return 0
        return int(data[data.rfind(b"\n", 0, whole) + 1 : whole].split()[0])

    def read(self) -> tuple[bytes, bool]:
        """Return new complete lines (``\\n`` between and at the end; ``\\r`` counts as a line's end) and whether more is there.

        The text of an over-long line is handed out once, cut at :data:`MAX_LINE`.
        """
        if self._descriptor is None:
            try:
                self._descriptor = os.open(self._path, os.O_RDONLY)
            except FileNotFoundError:
                return b"", False
        parts = []
        left = PASS_BYTES
        while left > 0 and (block := os.pread(self._descriptor, _BLOCK, self._read)):
            self._read += len(block)
            left -= len(block)
            parts.append(self._lines(block))
        self._note_time()
        return b"".join(parts), left <= 0

    def rest(self) -> bytes:
        """Return the last line of a log that ended without a line end."""
        rest = self._partial + b"\n" if self._partial and not self._skipping else b""
        self._partial = b""
        self.offset = self._read
        return rest

    def _lines(self, block: bytes) -> bytes:
        data = self._partial + block
        self._partial = b""
        if self._skipping:
            cut = min((place for place in (data.find(b"\n"), data.find(b"\r")) if place >= 0), default=-1)
            if cut < 0:
                self.offset = self._read
                return b""
            data = data[cut + 1 :]
            self._skipping = False
        end = data.rfind(b"\n") + 1
        # A carriage return at the very end may be half of "\r\n": it waits for the next byte.
        limit = len(data) - data.endswith(b"\r")
        end = max(end, data.rfind(b"\r", end, limit) + 1)
        head = data[:end].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if len(head) > MAX_LINE:
            head = b"\n".join(line[:MAX_LINE] for line in head.split(b"\n"))
        rest = data[end:]
        if len(rest) > MAX_LINE:
            head += rest[:MAX_LINE] + b"\n"
            rest = b""
            self._skipping = True
        self._partial = rest
        self.offset = self._read - len(rest)
        return head

    def _note_time(self) -> None:
        if self._read <= self._timed:
            return
        if self._times is None:
            self._times = os.open(self._times_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(self._times, f"{self._read} {int(time.time() * 1000)}\n".encode())
        self._timed = self._read

    def close(self) -> None:
        """Close the files."""
        for descriptor in (self._descriptor, self._times):
            if descriptor is not None:
                os.close(descriptor)
        self._descriptor = self._times = None


class ReportTail:
    """The unread part of the file that ``pegbox.report`` appends to; lines are complete when their line end is there."""

    def __init__(self, path: str, offset: int = 0) -> None:
        self._path = path
        self.offset = offset

    def read(self) -> list[bytes]:
        """Return new complete lines."""
        try:
            if os.stat(self._path).st_size <= self.offset:
                return []
            descriptor = os.open(self._path, os.O_RDONLY)
        except FileNotFoundError:
            return []
        try:
            data = os.pread(descriptor, PASS_BYTES, self.offset)
        finally:
            os.close(descriptor)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == PASS_BYTES:
            end = len(data)  # One "line" of megabytes is no report; step over it.
        self.offset += end
        return data[:end].splitlines()
