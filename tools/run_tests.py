"""Run lint, types and every suite of tests in one pytest run; print how long each suite took.

Suites and their time budgets (minutes, on 2 cores) stand in ``BUDGETS``. A suite over its budget is told, not failed: time is
for people to watch, tests are for right and wrong.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
BUDGETS = {
    ("architecture", "unit", "wire", "property", "contract"): 5,
    ("integration", "crash"): 7,
    ("simulation",): 2,
    ("clients",): 6,
}
CHECKS = (
    (
        "format",
        [str(BIN / "ruff"), "format", "--check", "-q", "src", "tests", "benchmarks", "examples", "tools"],
    ),
    ("lint", [str(BIN / "ruff"), "check", "-q", "src", "tests", "benchmarks", "examples", "tools"]),
    ("types", [str(BIN / "mypy")]),
)


class SuiteClock:
    """Adds up the time of each suite: the first folder under ``tests``."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.counts: dict[str, int] = defaultdict(int)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count one phase of one test."""
        parts = Path(report.nodeid.split("::", 1)[0]).parts
        suite = parts[1] if len(parts) > 2 else "other"
        self.seconds[suite] += report.duration
        self.counts[suite] += report.when == "call"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table before the closing line."""
        terminalreporter.section("time per suite")
        for suite, seconds in sorted(self.seconds.items()):
            terminalreporter.write_line(f"{suite:14s} {self.counts[suite]:5d} tests {seconds:8.1f} s")
        for suites, minutes in BUDGETS.items():
            spent = sum(self.seconds[suite] for suite in suites if suite in self.seconds)
            note = " (over)" if spent > 60 * minutes else ""
            words = ", ".join(suites)
            terminalreporter.write_line(f"{words}: {spent / 60:.1f} of {minutes} min{note}")


def main() -> int:
    """Run the checks, then pytest with the arguments given."""
    failed = []
    for name, command in CHECKS:
        began = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        print(f"{name:8s} {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - began:.1f} s)", flush=True)
        if code:
            failed.append(name)
    code = int(pytest.main([*sys.argv[1:]], plugins=[SuiteClock()]))
    if failed:
        print(f"checks failed: {', '.join(failed)}", file=sys.stderr)
    return code or (1 if failed else 0)


if __name__ == "__main__":
    sys.exit(main())
