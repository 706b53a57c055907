"""Patterns of the service model, matched whole and in bounded time.

The models write Java regular expressions. They are matched by RE2, whose time is linear in the text. The few that
RE2 cannot express (look-behind) go to Python's engine, and only for texts of bounded length.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

#: Longest text, in characters, that Python's backtracking engine is given.
BACKTRACKING_BOUND = 4096

_JAVA_CLASSES = {
    r"\p{Alnum}": "a-zA-Z0-9",
    r"\p{Alpha}": "a-zA-Z",
    r"\p{Digit}": "0-9",
    r"\p{Lower}": "a-z",
    r"\p{Upper}": "A-Z",
    r"\p{Punct}": r"!-/:-@\[-`{-~",
    r"\p{ASCII}": r"\x00-\x7f",
    r"\p{Print}": r"\x20-\x7e",
    r"\p{Graph}": r"\x21-\x7e",
    r"\p{XDigit}": "0-9a-fA-F",
}


def matches(pattern: str, text: str) -> bool:
    """Whether the whole text matches a pattern of the service model."""
    return _matcher(pattern)(text)


@lru_cache(maxsize=512)
def _matcher(pattern: str) -> Callable[[str], bool]:
    translated = _translate(pattern)
    # Its import costs more than most requests; a server that sees no pattern never pays.
    import re2

    options: Any = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(translated, options)
    except re2.error:
        return _bounded(re.compile(translated, re.ASCII))
    return lambda text: compiled.fullmatch(text) is not None


def _bounded(compiled: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: len(text) <= BACKTRACKING_BOUND and compiled.fullmatch(text) is not None


def _translate(pattern: str) -> str:
    """Write Java's POSIX classes out: inside brackets as ranges, outside as a class of their own."""
    out: list[str] = []
    inside = False
    position = 0
    while position < len(pattern):
        name = next((name for name in _JAVA_CLASSES if pattern.startswith(name, position)), None)
        if name is not None:
            out.append(_JAVA_CLASSES[name] if inside else f"[{_JAVA_CLASSES[name]}]")
            position += len(name)
            continue
        width = 2 if pattern[position] == "\\" else 1
        if pattern[position] == "[":
            inside = True
        elif pattern[position] == "]":
            inside = False
        out.append(pattern[position : position + width])
        position += width
    return "".join(out)
