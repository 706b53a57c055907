"""The spool: every event of an attempt, on disk before it is sent, and the facts from which another agent goes on.

``spool.jsonl`` has two kinds of lines: events (``{"seq": n, "kind": ...}``) and facts (``{"fact": name, ...}``). Facts are
never sent: ``starting`` (the program may exist from here on), ``exit`` (how it ended), ``cursor`` (how far the program's output
was read when the events before it were made, and up to where the server has acknowledged).
The open spool holds a lock for as long as its agent lives, so that two agents never drive one attempt.
"""

from __future__ import annotations

import fcntl
import os

from pegbox.agent.codec import dump, load
from pegbox.agent.durable import read_bytes, write_all

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Unacknowledged events kept in memory; beyond, they are read back from disk when a server is there.
MEMORY_LIMIT = 20_000
#: Events in one report frame.
FRAME_EVENTS = 2_000


class SpoolBusy(Exception):
    """Another agent holds this attempt."""


class Spool:
    """Events and facts of one attempt.

    Attributes:
        seq: Number of the last event.
        acked: Up to which event the server has committed them.
        facts: Last fact of each name.
        counts: How many values each metric has.
        kinds: Kinds of the events so far.
        finished: The ``finished`` event, once there is one.
        torn: Whether the file ended in a torn line (a power cut), which was cut off.
    """

    def __init__(self, directory: str) -> None:
        self.path = os.path.join(directory, "spool.jsonl")
        self.seq = 0
        self.acked = 0
        self.facts: dict[str, dict[str, Any]] = {}
        self.counts: dict[str, int] = {}
        self.kinds: set[str] = set()
        self.finished: dict[str, Any] | None = None
        self.torn = False
        self._memory: list[dict[str, Any]] = []
        #: Number of the first event in memory; the ones before are acknowledged or only on disk.
        self._memory_first = 1
        self._unwritten: list[str] = []
        self._sent = 0
        #: Number of the next event to read back, and where it lies in the file.
        self._disk_place = (1, 0)
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise SpoolBusy(self.path) from None
        self._read()

    def _read(self) -> None:
        data = read_bytes(self.path) or b""
        if not data:
            return
        whole = data.rfind(b"\n") + 1
        for line in data[:whole].splitlines():
            try:
                record = load(line.decode())
            except ValueError:
                self.torn = True
                continue
            self._take(record)
        if whole < len(data):
            self.torn = True
            os.ftruncate(self._descriptor, whole)
        self._sent = self.acked
        self._forget_acked()

    def _take(self, record: dict[str, Any]) -> None:
        if "fact" in record:
            self.facts[record["fact"]] = record
            self.acked = max(self.acked, int(record.get("acked", 0)))
            return
        self.seq = int(record["seq"])
        self._remember(record)
        self.kinds.add(record["kind"])
        if record["kind"] == "metric":
            self.counts[record["name"]] = int(record["count"])
        elif record["kind"] == "finished":
            self.finished = record

    def _remember(self, event: dict[str, Any]) -> None:
        if not self._memory:
            self._memory_first = int(event["seq"])
        self._memory.append(event)
        if len(self._memory) > MEMORY_LIMIT:
            del self._memory[: MEMORY_LIMIT // 2]
            self._memory_first = int(self._memory[0]["seq"])

    def _forget_acked(self) -> None:
        gone = self.acked - self._memory_first + 1
        if gone > 0:
            del self._memory[:gone]
            self._memory_first += gone

    def add(self, event: dict[str, Any]) -> None:
        """Number an event and keep it for :meth:`write`."""
        self.seq += 1
        event["seq"] = self.seq
        self._unwritten.append(dump(event))
        self._remember(event)
        self.kinds.add(event["kind"])
        if event["kind"] == "metric":
            self.counts[event["name"]] = event["count"]
        elif event["kind"] == "finished":
            self.finished = event

    def fact(self, name: str, **values: Any) -> None:
        """Keep a fact for :meth:`write`."""
        record = {"fact": name, "acked": self.acked, **values}
        self.facts[name] = record
        self._unwritten.append(dump(record))

    def write(self) -> None:
        """Append what is new, in one write.

        Raises:
            OSError: The disk refuses; what is new is kept for another try.
        """
        if self._unwritten:
            data = ("\n".join(self._unwritten) + "\n").encode()
            start = os.fstat(self._descriptor).st_size
            try:
                write_all(self._descriptor, data)
            except OSError:
                os.ftruncate(self._descriptor, start)
                raise
            self._unwritten.clear()

    @property
    def unwritten(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._unwritten)

    @property
    def unsent(self) -> bool:
        """Whether events wait to be sent; never before they are on disk."""
        return self._sent < self.seq and not self._unwritten

    @property
    def unacked(self) -> bool:
        """Whether events wait for an acknowledgement."""
        return self.acked < self.seq

    def rewind(self) -> None:
        """Send everything that is not acknowledged again (the connection is new)."""
        self._sent = self.acked

    def next_batch(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the number of the first unsent event and at most one frame of events; they count as sent."""
        first = self._sent + 1
        if first < self._memory_first:
            events = self._from_disk(first)
        else:
            start = first - self._memory_first
            events = self._memory[start : start + FRAME_EVENTS]
        self._sent = first + len(events) - 1
        plain = [{name: value for name, value in event.items() if name != "seq"} for event in events]
        return first, plain

    def _from_disk(self, first: int) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        known_first, offset = self._disk_place
        with open(self.path, "rb") as stream:
            stream.seek(offset if known_first == first else 0)
            while len(events) < FRAME_EVENTS and (line := stream.readline()):
                if b'"seq":' in line:
                    record = load(line.decode())
                    if record.get("seq", 0) >= first:
                        events.append(record)
            self._disk_place = (first + len(events), stream.tell())
        return events

    def acknowledge(self, up_to: int) -> None:
        """Note that the server has committed the events up to a number."""
        self.acked = max(self.acked, min(up_to, self.seq))
        self._sent = max(self._sent, self.acked)
        self._forget_acked()

    def close(self) -> None:
        """Let go of the attempt."""
        os.close(self._descriptor)
