"""Promise P1 against ``kill -9``: what was acknowledged is there, and nothing is there in part."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from pegbox.store import check_store, open_store

_WRITER = Path(__file__).with_name("endless_writer.py")
_KILLS = 5
_SEED = 7


def test_acknowledged_transactions_survive_kills(tmp_path: Path) -> None:
    """A writer is killed again and again in the middle of its transactions, once while it starts; none is lost."""
    path, evidence = tmp_path / "pegbox.db", tmp_path / "evidence"
    chance = random.Random(_SEED)
    for kill in range(_KILLS):
        before = _acknowledged(evidence)
        writer = subprocess.Popen([sys.executable, str(_WRITER), str(path), str(evidence)])
        if kill:
            while _acknowledged(evidence) < before + 6:
                assert writer.poll() is None, "the writer could not go on"
                time.sleep(0.001)
        time.sleep(chance.uniform(0.0, 0.3))
        writer.kill()
        writer.wait()
        if not evidence.exists():
            continue
        acknowledged = _acknowledged(evidence)
        store = open_store(path)
        search = store.reader.tuning_job("search")
        assert search is not None, f"seed {_SEED}, kill {kill}"
        trials = store.reader.trials(search.id)
        assert search.launched >= acknowledged, f"seed {_SEED}, kill {kill}"
        assert [trial.number for trial in trials] == list(range(1, search.launched + 1))
        assert all(len(store.reader.attempts(trial.id)) == 1 for trial in trials[-5:])
        store.close()
    check_store(path)
    assert _acknowledged(evidence) > 20


def _acknowledged(evidence: Path) -> int:
    """Return the number of the last transaction that the writer noted; the kill may have come while it did."""
    return int((evidence.read_text().split() or ["0"])[-1]) if evidence.exists() else 0
