"""Full, read-only and failing disks: nothing is written in part, and the store goes on when the disk does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from pegbox.testing.power_loss import recording

_PROGRAM = Path(__file__).with_name("failing_disk.py")


def test_every_failing_call_leaves_whole_transactions(file_layer: Path, tmp_path: Path) -> None:
    """The n-th write or sync fails, for every n a transaction has: StoreFull, nothing half-written, the next one works.

    So too while a store is made, and when somebody swallows the error inside a transaction.
    """
    home = tmp_path / "home"
    home.mkdir()
    run = subprocess.run(
        [sys.executable, str(_PROGRAM), str(home / "pegbox.db")],
        env=recording(file_layer, home, tmp_path / "log"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result["problems"] == []
    assert min(result["met"].values()) >= 1
    assert max(result["met"].values()) > 10
