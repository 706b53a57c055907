"""Metric values from logs and reports."""

from __future__ import annotations

import pytest

from pegbox.agent.metrics import Extractor, as_json, parse


def values(regex: str, text: str, name: str = "m") -> list[float]:
    """The values one pattern finds in a text."""
    return [value[1] for value in Extractor([{"Name": name, "Regex": regex}]).from_log(text.encode())]


@pytest.mark.parametrize(
    ("regex", "text", "found"),
    [
        (r"loss=(\S+)", "loss=0.5\nnone\nloss=1e-3\n", [0.5, 0.001]),
        (r"^loss: (.*)$", "x loss: 1\nloss: 2\n", [2.0]),
        (r"\Aacc=(\d+)\z", "acc=1\n acc=2\nacc=3\n", [1.0, 3.0]),
        (r"[0-9.]+", "just 7 here\n", [7.0]),
        (r"a=(\S+) b=(\S+)", "a=1 b=2\n", [1.0]),
        (r"loss=(\S+)", "loss=nothing\nloss=1_000\nloss=0x10\n", []),
        (r"x(?=y)y=(\d)", "xy=4\n", [4.0]),
        (r"(?P<q>['\"])v\1=(\d)", "'v'=4\n", []),
        (r"loss=(\S+)", "loss=1e400\nloss=-inf\n", [float("inf"), float("-inf")]),
        (r"é=(\d)", "é=3\n", [3.0]),
    ],
)
def test_patterns(regex: str, text: str, found: list[float]) -> None:
    """The first group (the whole match without one) of each line that matches is a value if it is a number."""
    assert values(regex, text) == found


def test_invalid_utf8_does_not_hide_a_value() -> None:
    """Bytes that are no text neither crash the search nor hide what stands beside them."""
    assert [v[1] for v in Extractor([{"Name": "m", "Regex": r"m=(\d+)"}]).from_log(b"\xff\xfe m=3\n")] == [
        3.0
    ]


@pytest.mark.parametrize("regex", ["(a+)+$", "(.|[abc])+z", "(x+x+)+y", r"(a+)+\1z", r"(?=(a+)+b)(a+)+c"])
def test_hostile_patterns_end(regex: str) -> None:
    """A pattern with catastrophic backtracking is interrupted or linear, in whichever engine it runs: this test ends."""
    extractor = Extractor([{"Name": "m", "Regex": regex}])
    for _ in range(5):
        extractor.from_log(b"a" * 3000 + b"x" * 3000 + b"!\n")
    if "\\1" in regex or "?=" in regex:
        assert all("m" in text for text in extractor.notices)


def test_a_pattern_that_does_not_compile_is_told() -> None:
    """A broken pattern becomes a notice, and the others go on."""
    extractor = Extractor([{"Name": "bad", "Regex": "("}, {"Name": "good", "Regex": "g=(.)"}])
    assert [(v[0], v[1]) for v in extractor.from_log(b"g=1\n")] == [("good", 1.0)]
    assert "bad" in extractor.notices[0]


def test_reports() -> None:
    """Reports count by name; lines that are no reports are stepped over."""
    extractor = Extractor([])
    lines = [
        b'{"metrics": {"a": 1, "b": "nan"}, "step": 3, "time": 5.0}',
        b"garbage",
        b'{"metrics": 4}',
        b'{"metrics": {"a": [1]}, "step": null, "time": 6.0}',
        b'{"metrics": {"a": 2}, "step": null, "time": 7.0}',
    ]
    found = extractor.from_reports(lines)
    assert [(name, as_json(value), step, at) for name, value, step, at in found] == [
        ("a", 1.0, 3, 5.0),
        ("b", "nan", 3, 5.0),
        ("a", 2.0, None, 7.0),
    ]
    assert extractor.reported == {"a", "b"}


def test_nearest_lines_of_what_matched_nothing() -> None:
    """For a metric without a value the lines that share its words are shown, and only for such a metric."""
    extractor = Extractor(
        [
            {"Name": "validation:accuracy", "Regex": r"accuracy=(\S+)"},
            {"Name": "loss", "Regex": r"loss=(\S+)"},
        ]
    )
    extractor.from_log(b"starting\nepoch 1 accuracy: 0.9\nloss=1\nthe end\n")
    assert extractor.unmatched() == {"validation:accuracy": ["epoch 1 accuracy: 0.9"]}


def test_numbers() -> None:
    """What is a number and what is not."""
    assert parse(b" 1.5 ") == 1.5
    assert parse(b"1_0") is None
    assert parse(b"") is None
    assert as_json(float("-inf")) == "-inf"
    assert as_json(2.5) == 2.5
