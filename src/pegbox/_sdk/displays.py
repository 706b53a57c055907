"""Ways to show a tuning job while it runs: a live panel, one line per trial, or a notebook cell."""

from __future__ import annotations

import html
import sys
from datetime import datetime, timezone
from typing import IO, Any, Protocol

from pegbox._sdk.progress import ENDED, Progress, Trial, duration, short


class Display(Protocol):
    """Something that shows progress."""

    #: Whether the display needs the trials themselves, not only their counts.
    wants_trials: bool

    def show(self, progress: Progress) -> None:
        """Show the present state."""

    def close(self) -> None:
        """Leave the screen in order."""


def choose_display(quiet: bool, stream: IO[str] | None = None) -> Display:
    """Return the display that suits where the output goes.

    Args:
        quiet: Show nothing.
        stream: Where to write; standard output by default.
    """
    if quiet:
        return Quiet()
    if stream is None and _in_notebook():
        return NotebookCell()
    stream = stream or sys.stdout
    return Panel(stream) if stream.isatty() else Lines(stream)


class Quiet:
    """Shows nothing."""

    wants_trials = False

    def show(self, progress: Progress) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Lines:
    """One line per finished trial, for files and pipes.

    Args:
        stream: Where to write.
    """

    wants_trials = True

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._seen: set[str] = set()
        self._told: set[str] = set()
        self._closed = False

    def show(self, progress: Progress) -> None:
        """Write a line for each trial that ended since the last call, and one at the end of the job."""
        for trial in progress.trials:
            if trial.status in ENDED and trial.name not in self._seen:
                self._seen.add(trial.name)
                self._say(self._line(progress, trial))
        for notice in progress.notices:
            if notice not in self._told:
                self._told.add(notice)
                self._say(f"notice: {notice}")
        if progress.is_over and not self._closed:
            self._closed = True
            self._say(_closing_line(progress))

    def close(self) -> None:
        """Nothing to tidy."""

    def _line(self, progress: Progress, trial: Trial) -> str:
        total = "?" if progress.total is None else str(progress.total)
        counter = f"[{len(self._seen):>{len(total)}}/{total}]"
        if trial.status == "Failed":
            return f"{counter} {trial.name} Failed  {_first_line(trial.failure)}"
        value = (
            "no objective"
            if trial.objective is None
            else f"{trial.metric or progress.metric}={short(trial.objective)}"
        )
        best = ""
        if progress.best is not None and progress.best.objective is not None:
            best = f"  best {short(progress.best.objective)}"
        return f"{counter} {trial.name} {trial.status}  {value}{best}  ({trial.values_text()})"

    def _say(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class Panel:
    """A calm panel that is redrawn in place, for terminals.

    Args:
        stream: The terminal.
    """

    wants_trials = False

    def __init__(self, stream: IO[str]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(file=stream), auto_refresh=False, transient=False)
        self._started = False

    def show(self, progress: Progress) -> None:
        """Redraw the panel."""
        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(panel(progress, datetime.now(timezone.utc)), refresh=True)

    def close(self) -> None:
        """Leave the last state on the screen."""
        if self._started:
            self._live.stop()


def panel(progress: Progress, now: datetime) -> Any:
    """Return a rich renderable of a tuning job.

    Args:
        progress: The state to show.
        now: The present moment, with time zone.
    """
    from rich import box
    from rich.console import Group
    from rich.panel import Panel as Frame
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="dim", justify="right", no_wrap=True)
    facts.add_column(overflow="fold")
    for label, text in _facts(progress, now):
        facts.add_row(label, Text(text, style=_STYLES.get(label, "")))
    total = progress.total or max(1, progress.finished + progress.running)
    bar = ProgressBar(total=total, completed=progress.finished, width=None, finished_style="green")
    colour = {"Completed": "green", "Failed": "red", "Stopped": "yellow"}.get(progress.status, "cyan")
    title = Text.assemble(progress.name, "  ", (progress.status, f"bold {colour}"))
    return Frame(Group(bar, Text(""), facts), title=title, box=box.ROUNDED, border_style=colour, width=100)


_STYLES = {"best so far": "bold green", "failed": "red", "notice": "yellow", "reason": "red"}


def _facts(progress: Progress, now: datetime) -> list[tuple[str, str]]:
    of_total = "" if progress.total is None else f" of {progress.total}"
    rows = [
        ("done", f"{progress.finished}{of_total}"),
        ("running", f"{progress.running} (at most {progress.parallel})"),
    ]
    if progress.failed:
        rows.append(("failed", str(progress.failed)))
    best = progress.best
    if best is None or best.objective is None:
        rows.append(("best so far", "none yet" if not progress.is_over else "none"))
    else:
        rows.append(
            ("best so far", f"{best.metric or progress.metric} {short(best.objective)}  ({best.name})")
        )
        rows.append(("with", best.values_text()))
    left = progress.seconds_left(now)
    gone = duration(progress.seconds_gone(now))
    if progress.is_over:
        rows.append(("time", gone))
    else:
        rows.append(
            ("time", f"{gone} gone, about {duration(left)} left" if left is not None else f"{gone} gone")
        )
    rows += [("notice", notice) for notice in progress.notices]
    if progress.failure:
        rows.append(("reason", progress.failure))
    return rows


class NotebookCell:
    """A table in a notebook's output cell, replaced in place."""

    wants_trials = False

    def __init__(self) -> None:
        self._handle: Any = None

    def show(self, progress: Progress) -> None:
        """Replace the table."""
        from IPython.display import HTML, display

        content = HTML(table_html(progress, datetime.now(timezone.utc)))
        if self._handle is None:
            self._handle = display(content, display_id=True)
        else:
            self._handle.update(content)

    def close(self) -> None:
        """Nothing to tidy."""


def table_html(progress: Progress, now: datetime) -> str:
    """Return a small HTML table of a tuning job.

    Args:
        progress: The state to show.
        now: The present moment, with time zone.
    """
    rows = [(progress.name, progress.status), *_facts(progress, now)]
    cells = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in rows
    )
    return f"<table>{cells}</table>"


def _closing_line(progress: Progress) -> str:
    failed = f", {progress.failed} failed" if progress.failed else ""
    text = f"{progress.name} {progress.status}: {progress.finished} training jobs{failed}"
    if progress.best is not None and progress.best.objective is not None:
        metric = progress.best.metric or progress.metric
        text += f"; best {progress.best.name} with {metric}={short(progress.best.objective)}"
    return text + (f"; {progress.failure}" if progress.failure else "")


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0] if lines else ""


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
