"""Logs that nobody needs any more."""

from __future__ import annotations

from pathlib import Path

from pegbox.executors.local import LocalLogs


def test_one_attempt_or_all_are_removed(tmp_path: Path) -> None:
    """One attempt's folder goes alone, the last one takes the owner's with it; what is not there is no fault."""
    for owner, part in ((1, 1), (1, 2), (2, 1)):
        folder = tmp_path / str(owner) / str(part)
        folder.mkdir(parents=True)
        (folder / "log").write_text("x\n")
    logs = LocalLogs(tmp_path)
    logs.delete(1, 1)
    assert [item.name for item in (tmp_path / "1").iterdir()] == ["2"]
    logs.delete(1, 2)
    logs.delete(1, 3)
    assert not (tmp_path / "1").exists()
    logs.delete(2)
    assert list(tmp_path.iterdir()) == []
