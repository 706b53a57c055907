"""The documentation says what the code says: limits and states."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

import pytest

from pegbox.domain.hosting import EndpointStatus, InstanceState
from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
    TuningStatus,
)
from pegbox.wire.limits import as_rows

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_every_changed_limit_is_documented() -> None:
    """docs/limits.md has exactly one row for each difference between the modes, with both values and the reason."""
    wanted = [
        f"| `{row.subject}` | {_plain(row.used_as)} | {_plain(row.strict)} | {_plain(row.extended)} | {row.reason} |"
        for row in as_rows()
    ]
    rows = [line for line in (DOCS / "limits.md").read_text().splitlines() if line.startswith("| `")]
    assert rows == wanted


@pytest.mark.parametrize(
    "states",
    [
        TuningStatus,
        TrainingStatus,
        SecondaryStatus,
        ObjectiveStatus,
        FailureKind,
        StopReason,
        EndpointStatus,
        InstanceState,
    ],
)
def test_every_state_is_documented(states: type[Enum]) -> None:
    """docs/states.md has a row for each state that a job, a stage, an objective, a failure or a stop can have."""
    section = (DOCS / "states.md").read_text().split(f"## {states.__name__}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| `")]
    assert rows == [f"`{state.value}`" for state in states]


def _plain(text: str) -> str:
    return text.replace("|", "\\|")
