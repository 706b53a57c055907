"""Object keys and file names."""

from __future__ import annotations

import os

from hypothesis import assume, given
from hypothesis import strategies as st

from pegbox.domain.object_keys import decode_key, encode_key

KEYS = st.text(
    st.one_of(st.sampled_from("./%pb-\0\x01a"), st.characters(exclude_categories=["Cs"])), max_size=60
)


@given(KEYS)
def test_round_trip_inside(key: str) -> None:
    """A key comes back from its path, and the path never climbs, is absolute or has a NUL."""
    path = encode_key(key)
    assert decode_key(path) == key
    assert "\0" not in path
    assert not path.startswith("/")
    assert ".." not in path.split("/")
    assert os.path.normpath("/root/" + path).startswith("/root/")


@given(KEYS, KEYS)
def test_no_two_keys_share_a_path(one: str, other: str) -> None:
    """Different keys are different files."""
    assume(one != other)
    assert encode_key(one) != encode_key(other)
