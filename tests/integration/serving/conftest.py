"""A home with a local executor for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.testing.local_rig import LocalRig


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a path short enough for sockets."""
    place = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def rig(folder: Path) -> Iterator[LocalRig]:
    """A home of its own; nothing of it is left afterwards."""
    rig = LocalRig(folder / "home")
    yield rig
    rig.close()
    assert not rig.committed.gaps
