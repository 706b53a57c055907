"""Which log lines come nearest to a metric pattern that matched nothing."""

from __future__ import annotations

#: Lines kept from the log's start and from its end.
_FIRST, _LAST = 100, 300
_SHOWN = 3
_LINE = 200


class Candidates:
    """A sample of the log: its first and its last lines."""

    def __init__(self) -> None:
        self._first: list[bytes] = []
        self._last: list[bytes] = []

    def see(self, block: bytes) -> None:
        """Take a block of complete lines."""
        lines = [line[:_LINE] for line in block[-65536:].split(b"\n") if line.strip()]
        room = _FIRST - len(self._first)
        if room > 0:
            self._first += lines[:room]
            lines = lines[room:]
        self._last = (self._last + lines)[-_LAST:]

    def nearest(self, name: str, regex: str) -> list[str]:
        """Return at most three lines that share most words with a metric's name and pattern, in log order.

        Lines that share nothing are shown only when no line shares anything: then the last ones.
        """
        wanted = _words(name) | _words(_without_escapes(regex))
        lines = [line.decode(errors="replace") for line in self._first + self._last]
        scored = [(len(wanted & _words(line)), _has_number(line), index) for index, line in enumerate(lines)]
        best = sorted((item for item in scored if item[0]), reverse=True)[:_SHOWN]
        chosen = sorted(index for _, _, index in best) or range(max(0, len(lines) - _SHOWN), len(lines))
        return [lines[index] for index in chosen]


def _words(text: str) -> set[str]:
    """Return the words of a text, lower case; letters only, at least two."""
    spaced = "".join(char.lower() if char.isalpha() else " " for char in text)
    return {word for word in spaced.split() if len(word) > 1}


def _without_escapes(regex: str) -> str:
    text, escaped = [], False
    for char in regex:
        text.append(" " if escaped or char == "\\" else char)
        escaped = char == "\\" and not escaped
    return "".join(text)


def _has_number(line: str) -> bool:
    return any(char.isdigit() for char in line)
