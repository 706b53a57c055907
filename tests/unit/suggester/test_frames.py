"""Messages over pipes."""

from __future__ import annotations

import os
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.suggester import frames

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read(message: object) -> None:
    """A message comes out of the pipe as it went in."""
    reading, writing = os.pipe()
    try:
        frames.write(writing, frames.encode(message))
        assert frames.read(reading, time.monotonic() + 5) == message
    finally:
        os.close(reading)
        os.close(writing)


def test_a_silent_pipe_times_out() -> None:
    """Half a message is not waited for longer than the deadline."""
    reading, writing = os.pipe()
    try:
        os.write(writing, b"\0\0\0\5ab")
        with pytest.raises(TimeoutError):
            frames.read(reading, time.monotonic() + 0.05)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_closed_pipe_is_told() -> None:
    """The end of the other side is an error of its own."""
    reading, writing = os.pipe()
    os.close(writing)
    with pytest.raises(EOFError):
        frames.read(reading)
    os.close(reading)


def test_numbers_that_json_lacks_are_refused() -> None:
    """NaN is never written: the other side could not tell it from a broken message."""
    with pytest.raises(ValueError, match="JSON compliant"):
        frames.encode({"x": float("nan")})


def test_an_endless_message_is_refused() -> None:
    """A length beyond the limit is refused before memory is taken for it."""
    reading, writing = os.pipe()
    os.write(writing, b"\xff\xff\xff\xff")
    with pytest.raises(ValueError, match="longer than"):
        frames.read(reading, time.monotonic() + 1)
    os.close(reading)
    os.close(writing)
