"""The spool."""

from __future__ import annotations

from pathlib import Path

import pytest

from pegbox.agent import spool as spool_module
from pegbox.agent.spool import Spool, SpoolBusy


def metric(count: int) -> dict[str, object]:
    """A metric event."""
    return {"kind": "metric", "at": 1.0, "name": "m", "value": float(count), "step": None, "count": count}


def test_a_second_agent_must_wait(tmp_path: Path) -> None:
    """While one agent lives, no other gets its attempt."""
    first = Spool(str(tmp_path))
    with pytest.raises(SpoolBusy):
        Spool(str(tmp_path))
    first.close()
    Spool(str(tmp_path)).close()


def test_the_next_agent_knows_everything(tmp_path: Path) -> None:
    """Events, facts, counts and acknowledgements are read back; sending begins after the acknowledged ones."""
    first = Spool(str(tmp_path))
    for count in range(1, 6):
        first.add(metric(count))
    first.acknowledge(2)
    first.fact("cursor", log=77)
    first.write()
    first.add(metric(6))
    first.close()
    second = Spool(str(tmp_path))
    assert (second.seq, second.acked, second.counts, second.facts["cursor"]["log"]) == (5, 2, {"m": 5}, 77)
    number, events = second.next_batch()
    assert (number, [event["count"] for event in events]) == (3, [3, 4, 5])
    assert all("seq" not in event for event in events)
    assert not second.unsent
    assert second.unacked
    second.close()


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    """What a power cut left of a line does not spoil the lines after it."""
    first = Spool(str(tmp_path))
    first.add(metric(1))
    first.write()
    first.close()
    with (tmp_path / "spool.jsonl").open("ab") as stream:
        stream.write(b'{"kind":"met')
    second = Spool(str(tmp_path))
    assert second.torn
    second.add(metric(2))
    second.write()
    second.close()
    third = Spool(str(tmp_path))
    assert (third.seq, third.counts) == (2, {"m": 2})
    third.close()


def test_memory_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no server for long, events are dropped from memory and read back from disk, each once and in order."""
    monkeypatch.setattr(spool_module, "MEMORY_LIMIT", 100)
    monkeypatch.setattr(spool_module, "FRAME_EVENTS", 30)
    spool = Spool(str(tmp_path))
    for count in range(1, 1001):
        spool.add(metric(count))
        if count % 50 == 0:
            spool.write()
    assert len(spool._memory) <= 100
    spool.rewind()
    seen: list[object] = []
    while spool.unsent:
        first, events = spool.next_batch()
        assert first == len(seen) + 1
        seen += [event["count"] for event in events]
        if len(seen) == 300:
            spool.acknowledge(300)
    assert seen == list(range(1, 1001))
    spool.close()


def test_events_are_not_sent_before_they_are_written(tmp_path: Path) -> None:
    """What is not on disk yet does not count as ready to be sent."""
    spool = Spool(str(tmp_path))
    spool.add(metric(1))
    assert not spool.unsent
    spool.write()
    assert spool.unsent
    spool.close()
