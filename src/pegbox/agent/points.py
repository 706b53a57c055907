"""Labelled points between two steps of an attempt, where tests have an agent die.

Nothing happens at a point unless ``PEGBOX_AGENT_DIE_AT`` is ``<label>:<file>``: then the first agent that gets there makes the
file and kills itself as the system would. Programs never see this variable.
"""

from __future__ import annotations

import os

#: Every point, in the order of an attempt's life.
LABELS = (
    "ordered",
    "prepared",
    "starting",
    "spawned",
    "noted",
    "exited",
    "exit-noted",
    "packed",
    "result",
    "spooled",
    "sent",
)

_label, _, _file = os.environ.get("PEGBOX_AGENT_DIE_AT", "").partition(":")


def reach(label: str) -> None:
    """The attempt got to a point."""
    if label == _label:
        try:
            os.close(os.open(_file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return
        os.kill(os.getpid(), 9)
