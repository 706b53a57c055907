"""A home with a local executor for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.testing.local_rig import LocalRig


@pytest.fixture
def rig() -> Iterator[LocalRig]:
    """A home of its own; nothing of it is left afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    rig = LocalRig(folder / "home")
    yield rig
    rig.close()
    shutil.rmtree(folder, ignore_errors=True)
    assert not rig.committed.gaps
