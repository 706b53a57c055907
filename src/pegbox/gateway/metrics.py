"""Counts and latencies of invocations, by endpoint, variant and minute, appended to files that the server reads.

One line of ``<folder>/<endpoint row id>/<YYYYMMDD>.jsonl`` holds what was added to one minute of one variant since the last line
about it; lines of the same minute add up. What was counted since the last flush is lost with the process.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_log = logging.getLogger("pegbox.gateway.metrics")


@dataclass(slots=True)
class Spread:
    """Sum, least, greatest and count of some latencies in microseconds."""

    sum: float = 0.0
    min: float = 0.0
    max: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        """Add one latency."""
        self.min = value if not self.count or value < self.min else self.min
        self.max = value if value > self.max else self.max
        self.sum += value
        self.count += 1

    def to_json(self) -> dict[str, Any]:
        """Return plain data, rounded to whole microseconds."""
        return {
            "sum": round(self.sum),
            "min": round(self.min),
            "max": round(self.max),
            "count": self.count,
        }


@dataclass(slots=True)
class Counts:
    """What happened in one minute of one variant."""

    invocations: int = 0
    errors_4xx: int = 0
    errors_5xx: int = 0
    model_errors: int = 0
    model_latency: Spread = field(default_factory=Spread)
    overhead_latency: Spread = field(default_factory=Spread)


class Metrics:
    """Counts invocations.

    Args:
        folder: Where the files go.
        now: The current time in seconds since the epoch.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._counts: dict[tuple[int, str, int], Counts] = {}
        self._failing = False

    def count(
        self, endpoint: int, variant: str, status: int | None, model_us: float | None, overhead_us: float
    ) -> None:
        """Count one invocation that was sent to a variant.

        Args:
            endpoint: Row id.
            variant: Its name.
            status: HTTP status of the model server, or None where it gave no answer.
            model_us: Microseconds until the model server's answer was complete, or None without one.
            overhead_us: Microseconds besides.
        """
        minute = int(self._now()) // 60 * 60
        key = (endpoint, variant, minute)
        counts = self._counts.get(key)
        if counts is None:
            counts = self._counts[key] = Counts()
        counts.invocations += 1
        if status is None or not 200 <= status < 300:
            counts.model_errors += 1
            counts.errors_4xx += status is not None and 400 <= status < 500
            counts.errors_5xx += status is None or status >= 500
        if model_us is not None:
            counts.model_latency.add(model_us)
            counts.overhead_latency.add(max(0.0, overhead_us))

    def take(self) -> list[tuple[int, dict[str, Any]]]:
        """Return what was counted since the last call, as (endpoint row id, line); it counts as written."""
        counted, self._counts = self._counts, {}
        return [
            (
                endpoint,
                {
                    "minute": minute,
                    "variant": variant,
                    "Invocations": counts.invocations,
                    "Invocation4XXErrors": counts.errors_4xx,
                    "Invocation5XXErrors": counts.errors_5xx,
                    "InvocationModelErrors": counts.model_errors,
                    "ModelLatency": counts.model_latency.to_json(),
                    "OverheadLatency": counts.overhead_latency.to_json(),
                },
            )
            for (endpoint, variant, minute), counts in counted.items()
        ]

    def write(self, lines: list[tuple[int, dict[str, Any]]]) -> None:
        """Append lines to their files; may be called from another thread. What cannot be written is told in the log, once."""
        texts: dict[Path, list[str]] = {}
        for endpoint, line in lines:
            day = time.strftime("%Y%m%d", time.gmtime(line["minute"]))
            path = self._folder / str(endpoint) / f"{day}.jsonl"
            texts.setdefault(path, []).append(json.dumps(line, separators=(",", ":")) + "\n")
        for path, text in texts.items():
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
                try:
                    os.write(descriptor, "".join(text).encode())
                finally:
                    os.close(descriptor)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    _log.error("metrics cannot be written: %s", error)
                self._failing = True
