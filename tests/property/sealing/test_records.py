"""Sealed files that grow: what was written comes back up to any cut, and no change of what is there passes."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.sealing import (
    DataKey,
    Opened,
    RecordSealer,
    SealError,
    WrongKey,
    holds_records,
    is_sealed,
    length_of_whole_chunks,
    new_data_key,
    open_records,
    open_whole,
    read_header,
    read_records_header,
    seal_records,
)

MASTER = bytes(range(32))
KEY = new_data_key(MASTER, "some-id")
RECORDS = st.lists(st.binary(max_size=60), min_size=1, max_size=8)


def _pieces(records: list[bytes], *, ended: bool = True, key: DataKey = KEY) -> list[bytes]:
    """Return head and chunks of a sealed file, one chunk a record, and the end mark if it has one."""
    sealer = RecordSealer(key)
    pieces = [sealer.head, *map(sealer.chunk, records)]
    return [*pieces, sealer.chunk(b"", last=True)] if ended else pieces


def _opened(sealed: bytes, key: bytes = KEY.plain) -> tuple[bytes, Opened]:
    target = io.BytesIO()
    opened = open_records(io.BytesIO(sealed), target, key)
    return target.getvalue(), opened


@given(RECORDS, st.booleans())
def test_what_was_sealed_comes_back(records: list[bytes], ended: bool) -> None:
    """Opening is the inverse of sealing; whether the end is there is told; no record of some length shows in the file."""
    sealed = b"".join(_pieces(records, ended=ended))
    plain, opened = _opened(sealed)
    assert plain == b"".join(records)
    assert opened == Opened(len(records) + ended, ended)
    assert not any(len(record) > 8 and record in sealed for record in records)
    assert KEY.plain not in sealed


@given(RECORDS, st.data())
@settings(deadline=None)
def test_a_cut_file_opens_up_to_its_last_complete_record(records: list[bytes], data: st.DataObject) -> None:
    """Wherever a crash cuts a file, the records before come back, the cut is told, and can be found without the key."""
    pieces = _pieces(records)
    sealed = b"".join(pieces)
    cut = data.draw(st.integers(len(pieces[0]), len(sealed) - 1))
    complete, place = 0, len(pieces[0])
    while complete < len(records) and place + len(pieces[complete + 1]) <= cut:
        place += len(pieces[complete + 1])
        complete += 1
    plain, opened = _opened(sealed[:cut])
    assert plain == b"".join(records[:complete])
    assert opened == Opened(complete, False)
    assert length_of_whole_chunks(io.BytesIO(sealed[:cut])) == (place if complete else 0)


@given(RECORDS, st.data())
@settings(deadline=None)
def test_no_changed_bit_passes(records: list[bytes], data: st.DataObject) -> None:
    """A turned bit is an error, or, in a chunk's length, a cut that is told: never other plaintext, never a whole file."""
    sealed = bytearray(b"".join(_pieces(records)))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        plain, opened = _opened(bytes(sealed))
    except (SealError, WrongKey):
        return
    assert not opened.whole
    assert b"".join(records).startswith(plain)


@given(st.lists(st.binary(min_size=1, max_size=40), min_size=2, max_size=6), st.data())
@settings(deadline=None)
def test_chunks_in_another_order_are_refused(records: list[bytes], data: st.DataObject) -> None:
    """Swapped, doubled and left-out chunks are refused, whatever the records are."""
    head, *chunks = _pieces(records)
    first = data.draw(st.integers(0, len(chunks) - 2))
    second = data.draw(st.integers(first + 1, len(chunks) - 1))
    swapped = list(chunks)
    swapped[first], swapped[second] = swapped[second], swapped[first]
    doubled = [*chunks[: first + 1], chunks[first], *chunks[first + 1 :]]
    left_out = [*chunks[:first], *chunks[first + 1 :]]
    for changed in (swapped, doubled, left_out):
        with pytest.raises((SealError, WrongKey)):
            _opened(head + b"".join(changed))


def test_chunks_of_another_file_are_refused() -> None:
    """A chunk of the same number from another file of the same data key does not open, nor does one after the end."""
    one, other = _pieces([b"a", b"b"]), _pieces([b"c", b"d"])
    with pytest.raises(SealError, match="chunk 2"):
        _opened(b"".join([one[0], one[1], other[2], one[3]]))
    with pytest.raises(SealError, match="goes on after"):
        _opened(b"".join([*one, one[3]]))


def test_other_keys_open_nothing() -> None:
    """Another data key is told from a damaged file, and another master key's id in the head does not pass."""
    sealed = b"".join(_pieces([b"record"]))
    with pytest.raises(WrongKey):
        _opened(sealed, os.urandom(32))
    with pytest.raises(WrongKey):
        _opened(sealed.replace(b"some-id", b"same-id"))


def test_files_share_no_key() -> None:
    """The same records under the same data key make files that have nothing in common behind their heads."""
    one, other = _pieces([b"record"]), _pieces([b"record"])
    assert one[0] != other[0]
    assert one[1:] != other[1:]


def test_data_known_as_a_whole_is_opened_whole_only() -> None:
    """What is sealed at once comes back at once; without its last byte, or its last chunk, it is refused."""
    sealed = seal_records(b"answer", KEY)
    assert open_whole(sealed, KEY.plain) == b"answer"
    for cut in (sealed[:-1], b"".join(_pieces([b"answer"], ended=False))):
        with pytest.raises(SealError, match="cut off"):
            open_whole(cut, KEY.plain)


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"PEGBOX SEALED 2\n",
        b"PEGBOX SEALED 2\n" + struct.pack(">I", 2**32 - 1) + b"{}",
        b"PEGBOX SEALED 2\n" + struct.pack(">I", 2) + b"[]",
        b"PEGBOX SEALED 2\n" + struct.pack(">I", 2) + b"{}",
        b"PEGBOX SEALED 2\n" + struct.pack(">I", 40) + b'{"key":"k","wrapped":"00","salt":"0000"}',
    ],
)
def test_damaged_heads_are_told(damaged: bytes) -> None:
    """A head that is cut, no JSON object, incomplete or absurdly long is a damaged file, not a fault."""
    with pytest.raises(SealError):
        _opened(damaged)
    assert length_of_whole_chunks(io.BytesIO(damaged)) == 0


def test_both_formats_are_told_apart(tmp_path: Path) -> None:
    """A file of this format is not taken for one of the other, nor the other way round; its head names its key."""
    sealed = b"".join(_pieces([b"record"]))
    assert holds_records(sealed)
    assert not holds_records(b'{"captureData": {}}\n')
    with pytest.raises(SealError, match="no sealed file"):
        read_header(io.BytesIO(sealed))
    header = read_records_header(io.BytesIO(sealed))
    assert (header.key_id, header.wrapped) == ("some-id", KEY.wrapped)
    (tmp_path / "file").write_bytes(sealed)
    assert not is_sealed(tmp_path / "file")


def test_zeros_after_a_power_cut_are_no_chunk() -> None:
    """Zeros that a file system left behind the last record are cut off by whoever has no key, and refused by whoever has."""
    sealed = b"".join(_pieces([b"record"], ended=False))
    assert length_of_whole_chunks(io.BytesIO(sealed + bytes(64))) == len(sealed)
    with pytest.raises(SealError):
        _opened(sealed + bytes(64))
