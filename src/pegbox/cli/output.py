"""How commands print: JSON for programs, aligned columns in a pipe, a table on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

#: Words of statuses and how a terminal colours them.
_COLOURS = {
    "Completed": "green",
    "InProgress": "cyan",
    "Stopping": "yellow",
    "Stopped": "yellow",
    "Failed": "red",
    "ok": "green",
    "note": "yellow",
    "wrong": "red",
}


def print_json(data: Any) -> None:
    """Print data as JSON."""
    json.dump(data, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows: a coloured table on a terminal, aligned columns elsewhere."""
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for heading in headings:
            table.add_column(heading)
        for row in rows:
            table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
        Console(highlight=False).print(table)
        return
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_facts(facts: Mapping[str, Any]) -> None:
    """Print names with their values, leaving out those that are None or empty."""
    shown = {name: value for name, value in facts.items() if value not in (None, "")}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        print(f"{name.ljust(width)}  {value}")


def clock_time(epoch: float | None) -> str:
    """Return a time of the AWS API in this machine's zone, or a dash."""
    if epoch is None:
        return "-"
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def number(value: float | None) -> str:
    """Return a number for people, or a dash."""
    return "-" if value is None else f"{value:.6g}"
