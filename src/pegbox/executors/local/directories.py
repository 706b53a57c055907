"""Attempt directories, as the executor sees them: the order, who drives it, what is left of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegbox.agent import durable, memory
from pegbox.domain.orders import Order
from pegbox.executors.local.process import ProcessIdentity

#: What goes when the attempt's end is committed; ``log``, ``log.times`` and ``result.json`` stay.
_SCRATCH = ("opt", "staging", "spool.jsonl", "reported.jsonl", "state.json", "order.json")
_TRACES = ("order.json", "spool.jsonl", "state.json", "result.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Which agent has an attempt."""

    agent_id: str
    identity: ProcessIdentity


def write_order(order: Order, assignment: Assignment) -> None:
    """Write ``order.json``: the order and who drives it; makes the directory.

    Raises:
        OSError: The disk refuses.
    """
    directory = Path(order.directory)
    make_private(directory)
    record = {"order": order.to_disk(), "agent": assignment.agent_id, **assignment.identity.to_json()}
    durable.write_whole(str(directory / "order.json"), json.dumps(record).encode())


def make_private(directory: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only."""
    missing = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(mode=0o700, exist_ok=True)


def read_assignment(directory: Path) -> Assignment | None:
    """Return who was given the attempt, or None when nobody was or it cannot be read."""
    record = durable.read_object(str(directory / "order.json"))
    if record is None:
        return None
    identity = ProcessIdentity.from_json(record)
    agent_id = record.get("agent")
    if identity is None or not isinstance(agent_id, str):
        return None
    return Assignment(agent_id=agent_id, identity=identity)


def has_traces(directory: Path) -> bool:
    """Whether anything was ever done for the attempt."""
    return any((directory / name).exists() for name in _TRACES)


def spooled_events(directory: Path) -> list[dict[str, Any]]:
    """Return the events in the spool, event number i + 1 at index i; empty when there are none."""
    try:
        data = durable.read_bytes(str(directory / "spool.jsonl")) or b""
    except OSError:
        return []
    events: list[dict[str, Any]] = []
    for line in data.splitlines():
        try:
            record: Any = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and record.pop("seq", None) == len(events) + 1:
            events.append(record)
    return events


def remove_scratch(directory: Path) -> None:
    """Remove what nobody needs after the end; what is gone already is fine.

    Raises:
        OSError: The disk refuses.
    """
    memory.forget(str(directory))
    for name in _SCRATCH:
        durable.remove_tree(str(directory / name))
