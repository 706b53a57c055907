"""How a tuning job is shown."""

from __future__ import annotations

import io
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from pegbox._sdk.displays import Panel, panel, table_html
from pegbox._sdk.progress import duration, progress_of, short

from .descriptions import NAME, summary, tuning_job

START = datetime(2026, 11, 23, 18, 22, tzinfo=timezone.utc)


def described(status: str = "InProgress", **changes: Any) -> dict[str, Any]:
    """A describe answer as boto3 returns it."""
    return tuning_job(status, **{"CreationTime": START, **changes})


def shown(answer: dict[str, Any], seconds: float) -> str:
    """The panel's text."""
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=120).print(panel(progress_of(answer), START + timedelta(seconds=seconds)))
    return out.getvalue()


def test_panel_of_a_running_job() -> None:
    """Done, running, failed, best with its values and the time left are there."""
    counts = {"Completed": 1, "InProgress": 1, "RetryableError": 0, "NonRetryableError": 1, "Stopped": 0}
    text = shown(described(TrainingJobStatusCounters=counts, BestTrainingJob=summary(1, value=0.123456)), 50)
    for part in (
        NAME,
        "InProgress",
        "2 of 4",
        "1 (at most 2)",
        "failed  1",
        "loss 0.1235",
        "lr=0.01235, n=1, kind=a",
    ):
        assert part in text
    assert "50 s gone, about 30 s left" in text


def test_panel_of_a_job_that_ended() -> None:
    """The reason of a failure is there, and no time left."""
    text = shown(described("Failed", FailureReason="no luck", HyperParameterTuningEndTime=START), 50)
    assert "no luck" in text
    assert "left" not in text
    assert "best so far  none" in text


def test_no_estimate_before_the_first_trial_ended() -> None:
    """Without a finished trial there is no pace."""
    fresh = progress_of(described(TrainingJobStatusCounters={"InProgress": 2}))
    assert fresh.seconds_left(START + timedelta(seconds=9)) is None
    done = progress_of(described("Completed"))
    assert done.seconds_left(START) is None


def test_html_is_escaped() -> None:
    """Nothing a job says becomes markup."""
    html = table_html(progress_of(described("Failed", FailureReason="<script>")), START)
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_live_panel_draws_in_place() -> None:
    """The live display writes to its terminal and leaves the last state."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    display = Panel(out)
    display.show(progress_of(described()))
    display.show(progress_of(described("Completed")))
    display.close()
    assert "Completed" in out.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.000123456", "0.0001235"),
        ("3", "3"),
        ('"x"', "x"),
        ("abc", "abc"),
        ("nan", "nan"),
        ("2.0", "2.0"),
        (1e-9, "1e-09"),
    ],
)
def test_short_values(value: object, text: str) -> None:
    """Real numbers have four digits, whole ones and texts stay."""
    assert short(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0 s"), (61, "1 min 1 s"), (7260, "2 h 1 min")])
def test_durations(seconds: float, text: str) -> None:
    """Durations are for people."""
    assert duration(seconds) == text
