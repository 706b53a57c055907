"""CBOR: the forms of RFC 8949 that clients may send, and hostile ones."""

from __future__ import annotations

import math

import pytest

from pegbox.wire.protocols.cbor import Epoch, Single, dumps, loads


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("00", 0),
        ("1818", 24),
        ("1b ffffffffffffffff", 2**64 - 1),
        ("20", -1),
        ("3b ffffffffffffffff", -(2**64)),
        ("f9 3c00", 1.0),
        ("fa 47c35000", 100000.0),
        ("fb 3ff199999999999a", 1.1),
        ("f4", False),
        ("f5", True),
        ("f6", None),
        ("f7", None),
        ("c1 1a 514b67b0", 1363896240.0),
        ("40", b""),
        ("62 c3bc", "ü"),
        ("5f 42 0102 43 030405 ff", b"\x01\x02\x03\x04\x05"),
        ("7f 65 7374726561 64 6d696e67 ff", "streaming"),
        ("9f 01 82 02 03 9f 04 05 ff ff", [1, [2, 3], [4, 5]]),
        ("bf 61 61 01 61 62 9f 02 03 ff ff", {"a": 1, "b": [2, 3]}),
    ],
)
def test_the_examples_of_the_standard_are_read(data: str, value: object) -> None:
    """Examples of RFC 8949, appendix A."""
    assert loads(bytes.fromhex(data)) == value


@pytest.mark.parametrize(
    "data",
    [
        "",
        "18",
        "ff",
        "81ff",
        "a1ff",
        "a1 61 61 ff",
        "bf 61 61 ff",
        "0000",
        "1c",
        "f8 18",
        "a1 01 01",
        "a2 61 61 01 61 61 02",
        "c0 61 61",
        "c1 61 61",
        "c1 f5",
        "62 ff fe",
        "7f 41 61 ff",
        "5f 5f ff ff",
        "9b ffffffffffffffff",
        "5b ffffffffffffffff",
        "bb ffffffffffffffff",
    ],
)
def test_what_is_not_well_formed_is_refused(data: str) -> None:
    """Cut, reserved, repeated and oversized items are a ValueError, nothing else."""
    with pytest.raises(ValueError, match=r".+"):
        loads(bytes.fromhex(data))


def test_nesting_is_bounded() -> None:
    """A body of opening brackets ends in an error, not in a deep stack."""
    for opening in (b"\x81", b"\x9f", b"\xa1\x61a", b"\xc1"):
        with pytest.raises(ValueError, match="deep"):
            loads(opening * 10_000)


def test_special_numbers_and_forms_are_written() -> None:
    """Singles take 32 bits, times stand under tag 1, NaN stays NaN."""
    assert dumps(Single(1.5)).hex() == "fa3fc00000"
    assert dumps(Epoch(1.5)).hex() == "c1fb3ff8000000000000"
    assert dumps(Epoch(1)).hex() == "c101"
    assert math.isnan(loads(dumps(float("nan"))))
    with pytest.raises(ValueError, match="64 bits"):
        dumps(2**64)
    with pytest.raises(ValueError, match="object"):
        dumps(object())
