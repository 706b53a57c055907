"""The README's first tuning job, word for word, as a new user runs it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

README = Path(__file__).resolve().parents[3] / "README.md"


@pytest.fixture
def newcomer() -> Iterator[dict[str, str]]:
    """The environment of a user without a home of Pegbox, whose shell is set up for AWS; the server is stopped afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pb", dir="/tmp"))
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PEGBOX_", "AWS_"))}
    ambient = {"AWS_PROFILE": "work", "AWS_ACCESS_KEY_ID": "AKIAAMBIENT", "AWS_SECRET_ACCESS_KEY": "x"}
    environment = {**kept, **ambient, "HOME": str(folder)}
    yield environment
    with contextlib.suppress(OSError):
        subprocess.run([sys.executable, "-m", "pegbox.cli", "server", "stop"], env=environment, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def scripts() -> dict[str, str]:
    """Return the README's Python blocks that begin with their file name, by that name."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", README.read_text(), re.DOTALL)
    return dict(blocks)


def test_the_first_script_works_as_printed(newcomer: dict[str, str], tmp_path: Path) -> None:
    """The two files of the README, saved and run: one name of a training job is printed, and its model is where it says."""
    found = scripts()
    assert set(found) == {"train.py", "tune.py"}
    for name, text in found.items():
        (tmp_path / name).write_text(text)
    lines = [line for line in found["tune.py"].splitlines() if line and not line.startswith("#")]
    assert len(lines) <= 10
    done = subprocess.run(
        [sys.executable, "tune.py"],
        cwd=tmp_path,
        env=newcomer,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    best = done.stdout.splitlines()[-1]
    home = Path(newcomer["HOME"], ".pegbox")
    assert (home / "buckets" / "pegbox-local" / best / "output" / "model.tar.gz").is_file()
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.py", "tune.py"]
