"""Labelled points between two instructions, where crash tests end the process.

``PEGBOX_TEST_FAULTPOINT=after-commit:3`` in the server's environment kills it with SIGKILL when that point is passed the
third time. The simulation sets a hook instead. Unarmed, a point costs one comparison.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Final

#: Every point, in the order a step passes them.
POINTS: Final = (
    "before-publish",
    "after-publish",
    "before-commit",
    "after-commit",
    "before-launch",
    "after-launch",
    "before-routes",
    "after-routes",
    "before-acknowledge",
    "after-acknowledge",
    "before-resolve",
    "after-recovery",
)
VARIABLE: Final = "PEGBOX_TEST_FAULTPOINT"

_hook: Callable[[str], None] | None = None


def faultpoint(label: str) -> None:
    """Pass a labelled point."""
    if _hook is not None:
        _hook(label)


def set_hook(hook: Callable[[str], None] | None) -> None:
    """Call ``hook`` with the label of every point that is passed, or (None) nothing."""
    global _hook
    _hook = hook


def arm(text: str) -> None:
    """Kill this process at a point: ``label`` or ``label:n`` for the n-th passing.

    Raises:
        ValueError: There is no such point.
    """
    label, _, count = text.partition(":")
    if label not in POINTS:
        raise ValueError(f"{VARIABLE} = {text!r}: no such point; give one of {', '.join(POINTS)}")
    left = int(count or 1)

    def kill(passed: str) -> None:
        nonlocal left
        if passed == label:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    set_hook(kill)


if os.environ.get(VARIABLE):
    arm(os.environ[VARIABLE])
