"""What a program tells: its log's lines and its reports, turned into metric events in the order they are read."""

from __future__ import annotations

import time

from pegbox.agent.metrics import MAX_VALUES, Extractor, as_json
from pegbox.agent.plan import REPORT_FILE
from pegbox.agent.tail import LogTail, ReportTail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pegbox.agent.metrics import Value
    from pegbox.agent.spool import Spool


class Output:
    """Reads the log and the report file from where the spool says they were read to.

    Attributes:
        oldest_value: Monotonic time of the oldest value that is not an event yet; 0 when there is none.
    """

    def __init__(
        self, directory: str, order: dict[str, Any], spool: Spool, emit: Callable[..., None]
    ) -> None:
        cursor = spool.facts.get("cursor", {})
        self._spool = spool
        self._emit = emit
        self._log = LogTail(directory, int(cursor.get("log", 0)))
        self._reports = ReportTail(f"{directory}/{REPORT_FILE}", int(cursor.get("reports", 0)))
        reported = set(cursor.get("reported", ()))
        self._only_objective = bool(order["runtime"].get("algorithm"))
        self._objective = order["objective_metric"]
        self._extractor = Extractor(list(order["metric_definitions"]), reported)
        self._extractor.has_matched(spool.counts)
        #: Found by patterns and reported by the program; separate, because a report silences its pattern.
        self._found: list[Value] = []
        self._reported: list[Value] = []
        self.oldest_value = 0.0

    def read(self) -> bool:
        """Read what is new; return whether there was something."""
        before = self._log.offset, self._reports.offset
        block, more = self._log.read()
        self._found += self._extractor.from_log(block)
        self._reported += self._extractor.from_reports(self._reports.read())
        if (self._found or self._reported) and not self.oldest_value:
            self.oldest_value = time.monotonic()
        return more or (self._log.offset, self._reports.offset) != before

    def emit_values(self) -> None:
        """Make events of the values read so far; reports are read first, because they win over patterns."""
        self._reported += self._extractor.from_reports(self._reports.read())
        silenced = self._extractor.reported
        values = [value for value in self._found if value[0] not in silenced] + self._reported
        emitted = [self._emit_value(*value) for value in values]
        self._found, self._reported = [], []
        self.oldest_value = 0.0
        for text in self._extractor.notices:
            self._emit("notice", text=text)
        if any(emitted) or self._extractor.notices:
            self.note_cursor()
        self._extractor.notices.clear()

    def _emit_value(self, name: str, value: float, step: int | None, at: float) -> bool:
        count = self._spool.counts.get(name, 0) + 1
        if count > MAX_VALUES:
            if count == MAX_VALUES + 1:
                self._spool.counts[name] = count
                self._emit(
                    "notice", text=f"metric '{name}': values after the first {MAX_VALUES} are left out"
                )
            return False
        self._emit("metric", name=name, value=as_json(value), step=step, count=count, at=at)
        return True

    def note_cursor(self) -> None:
        """Write down how far the output is read, together with the events made of it."""
        self._spool.fact(
            "cursor",
            log=self._log.offset,
            reports=self._reports.offset,
            reported=sorted(self._extractor.reported),
        )

    def finish(self) -> None:
        """Take the last line, which may lack its end, and make events of everything."""
        self._found += self._extractor.from_log(self._log.rest())
        self.emit_values()

    def unmatched(self) -> dict[str, list[str]] | None:
        """See :meth:`Extractor.unmatched`; a built-in algorithm logs only some of its metrics, so there the objective counts."""
        missing = self._extractor.unmatched()
        if missing is None or not self._only_objective:
            return missing
        return {name: lines for name, lines in missing.items() if name == self._objective} or None

    def close(self) -> None:
        """Close the files."""
        self._log.close()
