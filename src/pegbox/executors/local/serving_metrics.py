"""Figures of invocations, read from the files that the gateway on this machine writes.

``<folder>/<endpoint row id>/<YYYYMMDD>.jsonl`` has a line for what was added to one minute of one variant.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from pegbox.ports.serving_metrics import Figures

_log = logging.getLogger("pegbox.server")

_COUNTERS = ("Invocations", "Invocation4XXErrors", "Invocation5XXErrors", "InvocationModelErrors")
_LATENCIES = ("ModelLatency", "OverheadLatency")
#: Days that one answer looks at, at most.
_MAX_DAYS = 460


class LocalServingMetrics:
    """Reads and prunes the gateway's metric files; see :class:`pegbox.ports.serving_metrics.ServingMetrics`.

    Args:
        folder: Folder that holds ``<endpoint row id>/<YYYYMMDD>.jsonl``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, endpoint_id: int, start: float, end: float) -> Sequence[Figures]:
        """Return the figures of all minutes that begin in ``[start, end)``, in order of time."""
        folder = self._folder / str(int(endpoint_id))
        found: list[Figures] = []
        for day in _days(start, end):
            path = folder / f"{day:%Y%m%d}.jsonl"
            try:
                data = path.read_bytes()
            except OSError:
                continue
            for line in data[: data.rfind(b"\n") + 1].splitlines():
                found += _figures(line, start, end)
        return sorted(found, key=lambda item: item.minute)

    def prune(self, living: Collection[int], *, before: float, gone_before: float) -> int:
        """Forget old figures and return how many days' files that were; what cannot be removed is tried again the next time."""
        removed = 0
        for folder in self._folder.glob("[0-9]*/"):
            if not folder.name.isdigit():
                continue
            days = {file: end for file in folder.glob("*.jsonl") if (end := _day_end(file.stem)) is not None}
            gone = int(folder.name) not in living and max(days.values(), default=0.0) < gone_before
            try:
                for file in [file for file, end in days.items() if gone or end < before]:
                    file.unlink(missing_ok=True)
                    removed += 1
                if gone:
                    folder.rmdir()
            except OSError as error:
                _log.warning("metrics in %s cannot be removed: %s", folder, error)
        return removed


def _day_end(name: str) -> float | None:
    """Return when the day ends that a file is named by, or None where it is named otherwise."""
    try:
        day = datetime.strptime(name, "%Y%m%d").replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return (day + timedelta(days=1)).timestamp()


def _days(start: float, end: float) -> Iterator[datetime]:
    last = datetime.fromtimestamp(end, timezone.utc)
    day = max(datetime.fromtimestamp(start, timezone.utc), last - timedelta(days=_MAX_DAYS))
    day = day.replace(hour=0, minute=0, second=0, microsecond=0)
    while day <= last:
        yield day
        day += timedelta(days=1)


def _figures(line: bytes, start: float, end: float) -> Iterator[Figures]:
    """Read a line; one that the gateway could not write whole is passed over."""
    try:
        data: Mapping[str, Any] = json.loads(line)
        minute, variant = int(data["minute"]), str(data["variant"])
        if start <= minute < end:
            yield from [*_counters(data, minute, variant), *_latencies(data, minute, variant)]
    except (ValueError, KeyError, TypeError):
        return


def _counters(data: Mapping[str, Any], minute: int, variant: str) -> Iterator[Figures]:
    """Each invocation counts 1 for itself, and 1 or 0 for each kind of error."""
    invocations = int(data["Invocations"])
    for name in _COUNTERS:
        number = int(data.get(name, 0))
        if invocations:
            yield Figures(
                minute=minute,
                variant=variant,
                metric=name,
                sum=float(number),
                minimum=float(number == invocations),
                maximum=float(number > 0),
                count=invocations,
            )


def _latencies(data: Mapping[str, Any], minute: int, variant: str) -> Iterator[Figures]:
    for name in _LATENCIES:
        spread = data.get(name) or {}
        if spread.get("count"):
            yield Figures(
                minute=minute,
                variant=variant,
                metric=name,
                sum=float(spread["sum"]),
                minimum=float(spread["min"]),
                maximum=float(spread["max"]),
                count=int(spread["count"]),
            )
