"""A server reduced to its executor, as a process that tests kill: ``python -m pegbox.testing.standin_engine HOME``.

``HOME/orders.jsonl`` has the committed orders. Committed events go to ``HOME/events.jsonl`` before they are acknowledged. At
start every order without a committed ``finished`` event is resumed; the process ends when all have one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from pegbox.domain.orders import AttemptOrder
from pegbox.executors.local import LocalExecutor
from pegbox.ports.executor import Report


class Journal:
    """Events committed to a file, each once."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self.events: dict[str, list[dict[str, Any]]] = {}
        data = path.read_bytes() if path.exists() else b""
        whole = data[: data.rfind(b"\n") + 1]
        for line in whole.splitlines():
            record = json.loads(line)
            self.events.setdefault(record["attempt"], []).append(record["event"])
        # A line cut by a kill was never acknowledged.
        with path.open("wb") as stream:
            stream.write(whole)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def commit(self, report: Report) -> int:
        """Keep what is new in a report; return up to which event all are committed."""
        with self._lock:
            known = self.events.setdefault(report.attempt_id, [])
            if report.first_seq <= len(known) + 1:
                new = list(report.events)[len(known) + 1 - report.first_seq :]
                lines = [json.dumps({"attempt": report.attempt_id, "event": event}) + "\n" for event in new]
                os.write(self._descriptor, "".join(lines).encode())
                known += [dict(event) for event in new]
            return len(known)

    def ended(self, attempt_id: str) -> bool:
        """Whether the attempt's end is committed."""
        events = self.events.get(attempt_id)
        return events is not None and bool(events) and events[-1]["kind"] == "finished"


def main(home: Path) -> None:
    """Resume what is not finished and serve until everything is."""
    journal = Journal(home / "events.jsonl")
    orders = [
        AttemptOrder.from_json(json.loads(line)) for line in (home / "orders.jsonl").read_text().splitlines()
    ]
    executor = LocalExecutor(
        run_dir=home / "run",
        logs_dir=home / "logs",
        socket_path=home / "run" / "agents.sock",
        home=home,
        idle_seconds=5.0,
    )
    all_ended = threading.Event()

    def look() -> None:
        if all(journal.ended(order.attempt_id) for order in orders):
            all_ended.set()

    def sink(report: Report) -> None:
        report.acknowledge(journal.commit(report))
        if journal.ended(report.attempt_id):
            executor.discard(report.attempt_id)
            look()

    executor.open(sink)
    for order in orders:
        if not journal.ended(order.attempt_id):
            executor.resume(order)
    look()
    all_ended.wait()
    executor.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
