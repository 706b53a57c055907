"""Snapshots, metrics and the records of captured data as files."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from pegbox.gateway.capture import Capture
from pegbox.gateway.invocation import Invocation, Operation
from pegbox.gateway.metrics import Metrics
from pegbox.gateway.seals import Seals
from pegbox.gateway.snapshot import EndpointRoute, SnapshotError, parse_snapshot
from pegbox.sealing import DataKey, Opened, new_data_key, open_records
from pegbox.testing.gateway_rig import endpoint


@pytest.mark.parametrize(
    "change",
    [
        {"version": None},
        {"endpoints": []},
        {"endpoints": {"e": {}}},
        {"endpoints": {"e": endpoint("ftp://x")}},
        {"endpoints": {"e": endpoint("unix:/a", weight="much")}},
    ],
)
def test_what_is_no_snapshot_is_refused(change: dict[str, Any]) -> None:
    """A snapshot that lacks something or has nonsense in it is refused as a whole."""
    good = {"version": 1, "region": "r", "account": "a", "endpoints": {"e": endpoint("unix:/a")}}
    assert (
        parse_snapshot(json.dumps(good).encode()).endpoints["e"].variants[0].instances[0].address == "unix:/a"
    )
    with pytest.raises(SnapshotError):
        parse_snapshot(json.dumps({**good, **change}).encode())
    with pytest.raises(SnapshotError):
        parse_snapshot(b"\xff")


def test_metrics_of_a_minute_add_up(tmp_path: Path) -> None:
    """Lines hold what was added per minute and variant; errors are counted by who made them, latencies in microseconds."""
    now = 1_800_000_030.0
    metrics = Metrics(tmp_path, lambda: now)
    for status in (200, 415, 500, None):
        metrics.count(7, "v", status, None if status is None else 1000.4, 20.0)
    metrics.write(metrics.take())
    now += 60
    metrics.count(7, "v", 200, 3000.0, 10.0)
    metrics.write(metrics.take())
    assert metrics.take() == []
    (file,) = tmp_path.rglob("*.jsonl")
    assert file.relative_to(tmp_path).as_posix() == "7/20270115.jsonl"
    first, second = (json.loads(line) for line in file.read_text().splitlines())
    assert first == {
        "minute": 1_800_000_000,
        "variant": "v",
        "Invocations": 4,
        "Invocation4XXErrors": 1,
        "Invocation5XXErrors": 2,
        "InvocationModelErrors": 3,
        "ModelLatency": {"sum": 3001, "min": 1000, "max": 1000, "count": 3},
        "OverheadLatency": {"sum": 60, "min": 20, "max": 20, "count": 3},
    }
    assert (second["minute"], second["Invocations"]) == (1_800_000_060, 1)


class Recorder:
    """A capture with a clock of its own."""

    def __init__(self, folder: Path, key: DataKey | None = None) -> None:
        self.now = 1_800_000_000.0
        self.spool = folder / "spool"
        self.out = folder / "out"
        seals = Seals(lambda key_id, wrapped: None)
        seals.take({"keys": {"k": key.to_json()} if key is not None else {}, "problems": {}})
        self.capture = Capture(self.spool, seals, free_share=0.0, now=lambda: self.now)
        target = {
            "sampling": 100, "input": True, "output": True, "destination": "s3://b/c", "path": str(self.out),
            "csv_types": ["text/csv"], "json_types": [], "key": "k" if key is not None else None,
        }  # fmt: skip
        data = {"version": 1, "region": "r", "account": "a", "endpoints": {"e": endpoint(capture=target)}}
        self.routes = parse_snapshot(json.dumps(data).encode()).endpoints

    @property
    def route(self) -> EndpointRoute:
        """The endpoint."""
        return self.routes["e"]

    def record(self, body: bytes = b"1\n") -> None:
        """Capture one invocation."""
        invocation = Invocation(operation=Operation.INVOKE, endpoint="e", body=body, content_type="text/csv")
        self.capture.write(self.route, "v", invocation, ("text/csv", b"2\n"), "id")

    def lines(self) -> dict[str, int]:
        """Return the records of each delivered file."""
        return {
            file.relative_to(self.out).as_posix(): len(file.read_text().splitlines())
            for file in self.out.rglob("*.jsonl")
        }


def test_files_are_delivered_by_age_and_hour(tmp_path: Path) -> None:
    """A file is closed after some seconds or with its hour, and its folder names the hour of the invocations."""
    recorder = Recorder(tmp_path)
    recorder.record()
    recorder.capture.tend(recorder.routes)
    assert recorder.lines() == {}
    recorder.now += 6
    recorder.record()
    recorder.capture.tend(recorder.routes)
    assert list(recorder.lines().values()) == [2]
    recorder.now += 3600 - 7
    recorder.record()
    recorder.now += 2
    recorder.record()
    recorder.capture.tend(recorder.routes, all_files=True)
    recorder.capture.deliver_leftovers()
    folders = sorted({name.rpartition("/")[0] for name in recorder.lines()})
    assert folders == ["e/v/2027/01/15/08", "e/v/2027/01/15/09"]
    assert sorted(recorder.lines().values()) == [1, 1, 2]
    assert list(recorder.spool.iterdir()) == []


def test_a_full_disk_pauses_capture_and_leaves_whole_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a record cannot be written whole it is taken back, capture pauses with the reason, and goes on later."""
    recorder = Recorder(tmp_path)
    recorder.record()
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        if data.startswith(b'{"captureData"'):
            return real(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    recorder.record()
    monkeypatch.undo()
    told = recorder.capture.status(recorder.routes)["e"]
    assert told["status"] == "Stopped"
    assert "No space left on device" in told["reason"]
    assert not recorder.capture.wants(recorder.route.capture)
    recorder.capture.tend(recorder.routes)
    assert recorder.capture.status(recorder.routes)["e"] == {"status": "Started", "reason": ""}
    recorder.record()
    recorder.capture.tend(recorder.routes, all_files=True)
    (file,) = recorder.out.rglob("*.jsonl")
    assert [json.loads(line)["eventVersion"] for line in file.read_text().splitlines()] == ["0", "0"]


def test_a_sealed_file_that_could_not_be_written_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No number of a sealed file's chunks is used twice: after a failed write the file ends, whole so far, and another begins."""
    key = new_data_key(bytes(32), "id")
    recorder = Recorder(tmp_path, key)
    recorder.record(b"first")
    real = os.write
    written: list[bytes] = []

    def full(descriptor: int, data: bytes) -> int:
        if not written:
            written.append(data)
            return real(descriptor, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    recorder.record(b"lost")
    monkeypatch.undo()
    assert "No space left" in recorder.capture.status(recorder.routes)["e"]["reason"]
    recorder.capture.tend(recorder.routes)
    recorder.record(b"second")
    recorder.capture.tend(recorder.routes, all_files=True)
    found = {}
    for file in recorder.out.rglob("*.jsonl"):
        target = io.BytesIO()
        with file.open("rb") as source:
            opened = open_records(source, target, key.plain)
        found[json.loads(target.getvalue())["captureData"]["endpointInput"]["data"]] = opened
    assert found == {"first": Opened(1, False), "second": Opened(2, True)}


def test_records_are_synchronised_each_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a power cut could take is what came since the last look: each look synchronises the files that grew."""
    recorder = Recorder(tmp_path)
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    recorder.record()
    assert not [path for path in synced if path.endswith(".jsonl")]
    recorder.capture.tend(recorder.routes)
    assert len([path for path in synced if path.endswith(".jsonl")]) == 1
    recorder.capture.tend(recorder.routes)
    assert len([path for path in synced if path.endswith(".jsonl")]) == 1
