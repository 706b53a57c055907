"""Sealed files open with their key only, whole only, unchanged only."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.sealing import (
    DataKey,
    SealError,
    Unsealer,
    WrongKey,
    is_sealed,
    new_data_key,
    read_header,
    seal,
    seal_file,
    unseal,
    unwrap_data_key,
)
from pegbox.sealing.files import CHUNK_BYTES, TAG_BYTES

MASTER = bytes(range(32))
SIZES = [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES + 17]


def _sealed(plain: bytes, key: DataKey) -> bytes:
    target = io.BytesIO()
    seal(io.BytesIO(plain), target, key)
    return target.getvalue()


def _unsealed(sealed: bytes, key: bytes) -> bytes:
    target = io.BytesIO()
    unseal(io.BytesIO(sealed), target, key)
    return target.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_round_trip(size: int) -> None:
    """What was sealed comes back, around every chunk boundary, and does not show in the file."""
    plain = os.urandom(size)
    key = new_data_key(MASTER, "k")
    sealed = _sealed(plain, key)
    assert _unsealed(sealed, key.plain) == plain
    assert size < 16 or plain not in sealed
    assert key.plain not in sealed


@given(st.binary(max_size=300), st.lists(st.integers(1, 80), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_reading_piece_by_piece(plain: bytes, sizes: list[int]) -> None:
    """Reads of any sizes give the plaintext in order, short only at the end."""
    key = new_data_key(MASTER, "k")
    source = io.BytesIO(_sealed(plain, key))
    reader = Unsealer(source, read_header(source), key.plain)
    got = b""
    for size in sizes:
        piece = reader.read(size)
        assert len(piece) == min(size, len(plain) - len(got))
        got += piece
    assert got + reader.read() == plain


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_changed_bit_is_noticed(data: st.DataObject) -> None:
    """No bit of a sealed file can be turned without an error."""
    key = new_data_key(MASTER, "k")
    sealed = bytearray(_sealed(b"secret weights" * 10, key))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises((SealError, WrongKey)):
        _unsealed(bytes(sealed), key.plain)


@pytest.mark.parametrize("cut", ["byte", "chunk", "swap", "twice"])
def test_chunks_cannot_be_cut_off_swapped_or_doubled(cut: str) -> None:
    """An end cut off, even at a chunk's boundary, and chunks in another order are noticed."""
    key = new_data_key(MASTER, "k")
    sealed = _sealed(os.urandom(3 * CHUNK_BYTES), key)
    whole = CHUNK_BYTES + TAG_BYTES
    head, chunks = sealed[: -3 * whole], [sealed[-3 * whole :][i * whole : (i + 1) * whole] for i in range(3)]
    changed = {
        "byte": sealed[:-1],
        "chunk": sealed[:-whole],
        "swap": head + chunks[1] + chunks[0] + chunks[2],
        "twice": head + chunks[0] + chunks[0] + chunks[2],
    }[cut]
    with pytest.raises((SealError, WrongKey)):
        _unsealed(changed, key.plain)


def test_data_keys_unwrap_under_their_master_key_and_id_only() -> None:
    """A wrapped data key opens neither under another master key nor under another id."""
    key = new_data_key(MASTER, "k")
    assert unwrap_data_key(MASTER, "k", key.wrapped) == key
    for master, key_id in ((bytes(32), "k"), (MASTER, "other")):
        with pytest.raises(WrongKey):
            unwrap_data_key(master, key_id, key.wrapped)
    assert DataKey.from_json(key.to_json()) == key
    assert key.plain.hex() not in repr(key)


def test_files_are_recognised(tmp_path: Path) -> None:
    """A sealed file is owner's only, recognised by its first bytes, and names its key; others are told apart."""
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    plain.write_bytes(b"weights")
    key = new_data_key(MASTER, "some-id")
    seal_file(plain, sealed, key)
    assert sealed.stat().st_mode & 0o777 == 0o600
    assert is_sealed(sealed)
    assert not is_sealed(plain)
    assert not is_sealed(tmp_path / "missing")
    with sealed.open("rb") as file:
        header = read_header(file)
    assert (header.key_id, header.wrapped) == ("some-id", key.wrapped)
    with plain.open("rb") as file, pytest.raises(SealError):
        read_header(file)
