"""Program output of training jobs, as the engine sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a program's output."""

    #: Epoch milliseconds when the line was first seen.
    at_ms: int
    text: str
    #: Byte offsets of the line in the log: it is ``[start, end)``, line end included.
    start: int
    end: int


class LogReader(Protocol):
    """Reads logs by byte offset, so that tokens stay valid while the log grows."""

    def size(self, training_job_id: int, attempt: int) -> int:
        """Return the log's size in bytes; 0 when there is none (yet)."""
        ...

    def forward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return at most ``limit`` complete lines that start at or after ``offset``."""
        ...

    def backward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return at most ``limit`` complete lines that end at or before ``offset``, oldest first."""
        ...

    def delete(self, training_job_id: int, attempt: int | None = None) -> None:
        """Remove all that is kept of a training job's attempts, or of one of them."""
        ...
