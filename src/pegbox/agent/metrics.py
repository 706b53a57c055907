"""Metric values from the program's output, one regular expression per metric, and from its reports.

Patterns run in RE2, whose time is linear in the text: no pattern can hang the agent. What RE2 cannot express (look-around,
back-references) runs in ``re`` on short lines under an interval timer, which interrupts it: ``re`` looks at signals while it
backtracks.
"""

from __future__ import annotations

import time

from pegbox.agent.codec import load
from pegbox.agent.nearest import Candidates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    #: (metric name, value, step or None, epoch seconds)
    Value = tuple[str, float, int | None, float]

#: Lines longer than this are cut for patterns that RE2 cannot express.
SLOW_LINE = 4096
#: Seconds that one such search may take, and how often it may take too long before the pattern is given up.
SLOW_SECONDS = 0.1
SLOW_STRIKES = 3
#: Most values of one metric that are reported.
MAX_VALUES = 1_000_000


class _TooSlow(Exception):
    """A search was interrupted."""


class _FastPattern:
    """A pattern in RE2; searches whole blocks first, so that lines without a match cost little."""

    def __init__(self, name: str, regex: str, options: Any, re2: Any) -> None:
        self.name = name
        self._line = re2.compile(regex, options)
        #: The same for a block of lines, where ``^`` and ``$`` mean a line's edges; None where edges of the text are named.
        self._block = None
        if not any(edge in regex for edge in (r"\A", r"\z", r"\Z")):
            self._block = re2.compile("(?m)" + regex, options)
        self._group = 1 if self._line.groups else 0

    def may_match(self, block: bytes) -> bool:
        return self._block is None or self._block.search(block) is not None

    def value(self, line: bytes) -> bytes | None:
        match = self._line.search(line)
        found = match.group(self._group) if match else None
        return found.encode() if isinstance(found, str) else found


class _SlowPattern:
    """A pattern in ``re``, interrupted when it takes too long."""

    def __init__(self, name: str, regex: str) -> None:
        import re

        self.name = name
        self._line = re.compile(regex)
        self._group = 1 if self._line.groups else 0
        self.strikes = 0

    def may_match(self, block: bytes) -> bool:
        return self.strikes < SLOW_STRIKES

    def value(self, line: bytes) -> bytes | None:
        if self.strikes >= SLOW_STRIKES:
            return None
        try:
            found = _interruptible(lambda: self._line.search(line[:SLOW_LINE].decode(errors="replace")))
        except _TooSlow:
            self.strikes += 1
            return None
        group = found.group(self._group) if found else None
        return group.encode() if group is not None else None


def _interruptible(search: Callable[[], Any]) -> Any:
    import signal

    def interrupt(number: int, frame: object) -> None:
        raise _TooSlow

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, SLOW_SECONDS)
        try:
            return search()
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, previous)


class Extractor:
    """Finds metric values.

    Attributes:
        notices: What the user should know (patterns that do not work); emptied by whoever tells.
    """

    def __init__(self, definitions: list[dict[str, str]], reported: set[str] | None = None) -> None:
        self._definitions = definitions
        self._patterns: list[_FastPattern | _SlowPattern] | None = None
        self._reported = set(reported or ())
        self._matched: set[str] = set(self._reported)
        self._candidates = Candidates()
        self._told: set[str] = set()
        self.notices: list[str] = []

    @property
    def reported(self) -> set[str]:
        """Names of metrics that the program reported itself; matches of their patterns do not count."""
        return self._reported

    def has_matched(self, names: Iterable[str]) -> None:
        """These metrics have values from before."""
        self._matched.update(names)

    def _compiled(self) -> list[_FastPattern | _SlowPattern]:
        if self._patterns is None:
            self._patterns = []
            for item in self._definitions:
                pattern = self._compile(item["Name"], item["Regex"])
                if pattern is not None:
                    self._patterns.append(pattern)
        return self._patterns

    def _compile(self, name: str, regex: str) -> _FastPattern | _SlowPattern | None:
        try:
            import re2

            options = re2.Options()
            options.log_errors = False
            return _FastPattern(name, regex, options, re2)
        except ImportError:
            pass
        except re2.error:
            pass
        try:
            return _SlowPattern(name, regex)
        except (ValueError, RecursionError, OverflowError) as error:
            self.notices.append(f"the pattern of metric '{name}' does not compile: {error}")
        except Exception as error:
            # ``re.error`` derives from Exception alone before Python 3.13.
            self.notices.append(f"the pattern of metric '{name}' does not compile: {error}")
        return None

    def from_log(self, block: bytes) -> list[Value]:
        """Return the values in a block of complete lines."""
        if not block or not self._definitions:
            return []
        now = time.time()
        self._candidates.see(block)
        patterns = [
            pattern
            for pattern in self._compiled()
            if pattern.name not in self._reported and pattern.may_match(block)
        ]
        if not patterns:
            return []
        values: list[Value] = []
        for line in block.split(b"\n"):
            for pattern in patterns:
                text = pattern.value(line) if line else None
                value = parse(text) if text is not None else None
                if value is not None:
                    self._matched.add(pattern.name)
                    values.append((pattern.name, value, None, now))
        self._tell_slow()
        return values

    def _tell_slow(self) -> None:
        for pattern in self._compiled():
            given_up = isinstance(pattern, _SlowPattern) and pattern.strikes >= SLOW_STRIKES
            if given_up and pattern.name not in self._told:
                self._told.add(pattern.name)
                self.notices.append(
                    f"the pattern of metric '{pattern.name}' took too long {SLOW_STRIKES} times and is no longer used; "
                    "write it without look-around and back-references"
                )

    def from_reports(self, lines: list[bytes]) -> list[Value]:
        """Return the values in lines of the report file; a line that is no report is skipped."""
        values: list[Value] = []
        for line in lines:
            try:
                report = load(line.decode())
                step = report.get("step")
                at = float(report.get("time") or time.time())
                items = [(str(name), _number(value)) for name, value in report["metrics"].items()]
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):
                continue
            for name, value in items:
                self._reported.add(name)
                self._matched.add(name)
                values.append((name, value, int(step) if isinstance(step, (int, float)) else None, at))
        return values

    def unmatched(self) -> dict[str, list[str]] | None:
        """Return, per metric without a value, the log lines nearest to what its pattern looks for; None when all have one."""
        missing = [item for item in self._definitions if item["Name"] not in self._matched]
        return {
            item["Name"]: self._candidates.nearest(item["Name"], item["Regex"]) for item in missing
        } or None


def _number(value: object) -> float:
    if isinstance(value, str):
        return float(value)
    if isinstance(value, (int, float)):
        return float(value)
    raise TypeError("not a number")


def parse(text: bytes) -> float | None:
    """Return the number a pattern found, or None when it is none (an underscore is no part of a number here)."""
    if b"_" in text:
        return None
    try:
        return float(text)
    except ValueError:
        return None


def as_json(value: float) -> float | str:
    """Return a value as it stands in an event: a number, or ``nan``, ``inf`` or ``-inf`` as text."""
    return value if value - value == 0.0 else str(value)
