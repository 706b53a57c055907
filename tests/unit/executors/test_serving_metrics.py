"""Metric files of the gateway, as they are read."""

from __future__ import annotations

import json
from pathlib import Path

from pegbox.executors.local.serving_metrics import LocalServingMetrics

DAY = 86_400
SPREAD = {"sum": 30, "min": 10, "max": 20, "count": 2}


def _line(minute: int, **more: object) -> str:
    return json.dumps({"minute": minute, "variant": "a", "Invocations": 2, **more}) + "\n"


def test_days_are_read_in_order(tmp_path: Path) -> None:
    """Minutes of several days come in order of time; the end of the interval is not in it."""
    folder = tmp_path / "7"
    folder.mkdir()
    (folder / "19700102.jsonl").write_text(_line(DAY + 60) + _line(DAY))
    (folder / "19700101.jsonl").write_text(_line(60, ModelLatency=SPREAD))
    reader = LocalServingMetrics(tmp_path)
    found = [item for item in reader.read(7, 0, DAY + 60) if item.metric == "Invocations"]
    assert [(item.minute, item.sum, item.count) for item in found] == [(60, 2, 2), (DAY, 2, 2)]
    latency = next(item for item in reader.read(7, 0, DAY) if item.metric == "ModelLatency")
    assert (latency.sum, latency.minimum, latency.maximum, latency.count) == (30, 10, 20, 2)
    assert reader.read(8, 0, DAY) == []


def test_errors_count_one_or_nothing(tmp_path: Path) -> None:
    """Each invocation counts 1 or 0 for each kind of error, so that the average is the share."""
    (tmp_path / "1").mkdir()
    lines = _line(0, Invocation4XXErrors=2, Invocation5XXErrors=1)
    (tmp_path / "1" / "19700101.jsonl").write_text(lines)
    found = {item.metric: item for item in LocalServingMetrics(tmp_path).read(1, 0, 60)}
    four, five = found["Invocation4XXErrors"], found["Invocation5XXErrors"]
    assert (four.sum, four.minimum, four.maximum, four.count) == (2, 1, 1, 2)
    assert (five.sum, five.minimum, five.maximum, five.count) == (1, 0, 1, 2)
    assert found["InvocationModelErrors"].maximum == 0


def test_lines_that_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    """A line cut by a crash and lines of another form do not hide the others."""
    (tmp_path / "1").mkdir()
    broken = 'nonsense\n{"minute": "x"}\n[]\n{"minute": 0}\n' + _line(0) + '{"minute": 0, "vari'
    (tmp_path / "1" / "19700101.jsonl").write_text(broken)
    assert {item.sum for item in LocalServingMetrics(tmp_path).read(1, 0, 60)} == {2, 0}


def test_old_figures_are_pruned_and_those_of_deleted_endpoints_sooner(tmp_path: Path) -> None:
    """A living endpoint loses days that ended before its limit; a deleted one goes whole, once its last day is old enough."""
    for endpoint_id, days in {1: "123", 2: "12", 3: "13", 4: ""}.items():
        (tmp_path / str(endpoint_id)).mkdir()
        for day in days:
            (tmp_path / str(endpoint_id) / f"1970010{day}.jsonl").write_text(_line(0))
    (tmp_path / "1" / "notes.jsonl").touch()
    (tmp_path / "other").mkdir()
    reader = LocalServingMetrics(tmp_path)
    # Days end at the first second of the next one; 2 and 4 are deleted, and the last day of 3 is not old enough.
    assert reader.prune({1}, before=DAY + 1, gone_before=2 * DAY + 1) == 4
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*"))
    assert left == [
        "1",
        "1/19700102.jsonl",
        "1/19700103.jsonl",
        "1/notes.jsonl",
        "3",
        "3/19700103.jsonl",
        "other",
    ]
    assert reader.prune({1}, before=DAY + 1, gone_before=2 * DAY + 1) == 0
