"""The server kills itself between two instructions, at every labelled point of the engine."""

from __future__ import annotations

import random
import signal
import subprocess

import pytest

from pegbox.engine.faultpoints import POINTS, VARIABLE
from pegbox.testing.chaos_work import Work
from pegbox.testing.lab import Lab

_TRIALS = 3
#: Where a point is also tried at its first passing: there a command of a client is under way, or a start.
_CASES = [
    *(f"{label}:1" for label in POINTS if "routes" not in label),
    *(f"{label}:2" for label in ("before-commit", "after-commit", "before-resolve", "after-launch")),
]


def live_until(lab: Lab, work: Work, point: str) -> None:
    """Start a server that kills itself at a point, and give it work until it does."""
    label = point.partition(":")[0]
    try:
        lab.launch(**{VARIABLE: point})
    except RuntimeError as death:
        if f"ended with {-signal.SIGKILL}" in str(death):
            return
        raise
    assert label != "after-recovery", "the point was not passed"
    assert lab.process is not None
    for _ in range(2):
        work.create(_TRIALS)
    try:
        status = lab.process.wait(200)
    except subprocess.TimeoutExpired:
        pytest.fail(f"the point {point} was never passed")
    assert status == -signal.SIGKILL


def test_killed_at_every_point() -> None:
    """Each server goes on with what the last one left and dies at another point; in the end all is there exactly once."""
    with Lab() as lab:
        lab.launch()
        work = Work(lab, random.Random(1))
        work.create(_TRIALS)
        lab.kill_server()
        for point in _CASES:
            live_until(lab, work, point)
        lab.launch()
        work.settle()
        work.drain()
        assert work.faults() == []
        assert len(work.expected) >= 8
