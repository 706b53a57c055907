"""Java patterns of the model under RE2."""

from __future__ import annotations

import pytest

from pegbox.wire import patterns
from pegbox.wire.patterns import matches


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a", "a\n", False),
        ("a|b", "ab", False),
        (r"[\p{L}\p{Z}\p{N}_.:/=+\-@]*", "Größe 1", True),
        (r"[\p{L}]+", "a1", False),
        (r"arn:[\p{Alnum}\-]+:x", "arn:aws-cn:x", True),
        (r"\p{Alnum}+", "a-", False),
        (r"(?:a-)*[a-z]+(?<!-)", "a-b", True),
        (r"[a-z-]+(?<!-)", "ab-", False),
        (r"^\d{12}$", "123456789012", True),
        (r"\d+", "١", False),
        (r"[\S\s]*", "a\nb", True),
        (r"\\\p{Alnum}\[\p{Digit}", r"\a[1", True),
    ],
)
def test_patterns_match_whole_texts_as_java_does(pattern: str, text: str, expected: bool) -> None:
    """Anchoring, POSIX classes, Unicode classes and look-behind."""
    assert matches(pattern, text) is expected


def test_backtracking_is_bounded() -> None:
    """What RE2 cannot express is not tried on long texts."""
    assert matches(r"a+(?<!b)", "a" * patterns.BACKTRACKING_BOUND)
    assert not matches(r"a+(?<!b)", "a" * (patterns.BACKTRACKING_BOUND + 1))
