"""The scripts of ``docs/from-sagemaker.md``: they differ by one word, and run both ways."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "from-sagemaker.md"


def scripts() -> tuple[str, list[tuple[str, str]]]:
    """Return the training script, and the pairs of the AWS SDK's and Pegbox's scripts."""
    training, *rest = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    return training, list(zip(rest[::2], rest[1::2], strict=True))


def test_one_word_changes() -> None:
    """Each script for Pegbox is the AWS SDK's with ``sagemaker`` replaced as a word, and nothing else."""
    _, pairs = scripts()
    assert len(pairs) == 3
    for theirs, ours in pairs:
        assert re.search(r"\bsagemaker\b", theirs)
        assert re.sub(r"\bsagemaker\b", "pegbox", theirs) == ours


@pytest.mark.parametrize("side", [0, 1])
def test_both_run(server: Any, tmp_path: Path, side: int) -> None:
    """The AWS SDK's by ``pegbox run``, untouched; Pegbox's by Python; one after the other as the page has them."""
    training, pairs = scripts()
    (tmp_path / "train.py").write_text(training)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "offset.txt").write_text("0.5")
    (tmp_path / "tour.py").write_text("\n".join(pair[side] for pair in pairs))
    words = ["-m", "pegbox.cli", "run", "tour.py"] if side == 0 else ["tour.py"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env={**server.environment, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "s3://pegbox-local/" in done.stdout
    assert "FinalObjectiveValue" in done.stdout
