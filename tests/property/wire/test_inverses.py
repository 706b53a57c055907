"""Pairs of functions that undo each other."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from pegbox.errors import ValidationException
from pegbox.wire import PageTokens
from pegbox.wire.protocols import cbor, timestamps

_SETTINGS = settings(max_examples=200, deadline=None, derandomize=True, database=None)
_MOMENTS = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=timezone.utc)
)
_TREES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.binary(max_size=300)
    | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(max_size=5), inner, max_size=30),
    max_leaves=40,
)


@settings(_SETTINGS, max_examples=60)
@given(_TREES)
def test_cbor_reads_what_it_writes(tree: Any) -> None:
    """Every tree of the supported types survives."""
    assert cbor.loads(cbor.dumps(tree)) == tree


@_SETTINGS
@given(st.binary(max_size=60))
def test_cbor_reads_or_refuses_any_bytes(data: bytes) -> None:
    """Any bytes give a value or a ValueError."""
    try:
        cbor.loads(data)
    except ValueError:
        return


@_SETTINGS
@given(_MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_times_survive_both_notations(moment: datetime, minutes: int) -> None:
    """Epoch numbers and ISO 8601 keep every millisecond, from any zone."""
    local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    assert timestamps.from_text(timestamps.to_iso(local)) == moment
    assert timestamps.from_text(local.isoformat()) == moment
    if 0 <= moment.year - 1970 < 500:
        assert timestamps.from_epoch(timestamps.to_epoch(local)) == moment


@_SETTINGS
@given(st.text("0123456789-:.TZ+ aé", max_size=30))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Reading a time raises nothing but ValueError, and gives aware moments."""
    try:
        moment = timestamps.from_text(text)
    except ValueError:
        return
    assert moment.tzinfo is not None


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=70)
)


@_SETTINGS
@given(st.lists(_SCALARS, max_size=4), st.integers(0, 200), st.integers(1, 255))
def test_page_tokens_return_their_position_and_refuse_any_change(
    position: list[Any], at: int, change: int
) -> None:
    """A token gives back its position; with any character altered, dropped or doubled it gives nothing."""
    tokens = PageTokens(b"0123456789abcdef")
    token = tokens.encode("List", {"A": 1}, position)
    assert tokens.decode("List", {"A": 1}, token) == position
    at %= len(token)
    altered = token[:at] + chr(ord(token[at]) ^ change) + token[at + 1 :]
    assume(altered != token)
    for bad in (
        altered,
        token[:at] + token[at + 1 :],
        token[: at + 1] + token[at:],
        token + "=",
        token + "A",
    ):
        assume(bad != token)
        with pytest.raises(ValidationException):
            tokens.decode("List", {"A": 1}, bad)
