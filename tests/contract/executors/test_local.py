"""The local executor keeps the contract, with real agents and real programs."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.testing.executor_contract import ExecutorContract
from pegbox.testing.local_rig import LocalRig


@pytest.fixture
def rig() -> Iterator[LocalRig]:
    """A home of its own."""
    folder = Path(tempfile.mkdtemp(prefix="pbx", dir="/tmp"))
    rig = LocalRig(folder / "home")
    yield rig
    rig.close()
    shutil.rmtree(folder, ignore_errors=True)
    assert not rig.committed.gaps


class TestLocalExecutor(ExecutorContract):
    """The contract suite over :class:`pegbox.executors.local.LocalExecutor`."""
