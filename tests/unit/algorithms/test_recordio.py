"""recordIO-protobuf against files that the AWS SDK wrote, and files that are broken."""

from __future__ import annotations

import contextlib
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from pegbox._sdk.recordio import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from pegbox.algorithms import recordio
from pegbox.algorithms.data import RECORDIO, Reading, Table, read_channel
from pegbox.algorithms.errors import CustomerError

GOLDEN = Path(__file__).parents[2] / "data" / "recordio"
VALUES: dict[str, Any] = json.loads((GOLDEN / "values.json").read_text())
DENSE, LABELS = np.array(VALUES["dense"]), np.array(VALUES["labels"])
INTEGERS, SPARSE = np.array(VALUES["integers"]), np.array(VALUES["sparse"])
CASES: dict[str, tuple[Any, Any]] = {
    "dense-float32": (DENSE.astype("float32"), LABELS.astype("float32")),
    "dense-float64": (DENSE, LABELS),
    "dense-int32": (INTEGERS, np.array(VALUES["integer_labels"])),
    "dense-nolabel": (DENSE[:, :3].astype("float32"), None),
    "sparse-float64": (csr_array(SPARSE), LABELS),
    "sparse-float32": (csr_array(SPARSE.astype("float32")), LABELS.astype("float32")),
}


def _written(features: Any, labels: Any) -> bytes:
    packed = io.BytesIO()
    write: Callable[..., None] = (
        write_spmatrix_to_sparse_tensor if hasattr(features, "tocsr") else write_numpy_to_dense_tensor
    )
    write(packed, features, labels)
    return packed.getvalue()


def _read(path: Path, width: int | None = None) -> Table:
    return read_channel(
        str(path), "train", "application/x-recordio-protobuf", Reading(forms=(RECORDIO,), width=width)
    )


@pytest.mark.parametrize("name", CASES)
def test_files_of_the_aws_sdk_are_read(name: str) -> None:
    """Every kind of tensor, dense and sparse, with and without labels, gives the numbers that went in."""
    features, labels = CASES[name]
    table = _read(GOLDEN / f"{name}.pbr")
    np.testing.assert_array_equal(
        table.dense(), features.toarray() if hasattr(features, "toarray") else features
    )
    assert hasattr(table.features, "toarray") == name.startswith("sparse")
    if labels is None:
        assert table.labels is None
    else:
        np.testing.assert_array_equal(table.labels, labels)


@pytest.mark.parametrize("name", CASES)
def test_our_files_are_those_of_the_aws_sdk(name: str) -> None:
    """Dense files are equal to the byte; sparse ones too."""
    assert _written(*CASES[name]) == (GOLDEN / f"{name}.pbr").read_bytes()


_ARRAYS = st.integers(1, 5).flatmap(
    lambda width: st.lists(
        st.lists(st.floats(-1e6, 1e6, width=32), min_size=width, max_size=width), min_size=1, max_size=6
    )
)


@given(rows=_ARRAYS, sparse=st.booleans(), labelled=st.booleans())
def test_what_is_written_is_read(rows: list[list[float]], sparse: bool, labelled: bool) -> None:
    """Writer and reader, which share no code, are inverses."""
    array = np.array(rows, dtype="float32")
    labels = np.arange(len(rows), dtype="float64") if labelled else None
    data = _written(csr_array(array) if sparse else array, labels)
    records = [recordio.parse(body, "f", index) for index, body in enumerate(recordio.frames(data, "f"))]
    for row, record in zip(array, records, strict=True):
        tensor = record.features["values"]
        found = np.zeros(len(row)) if tensor.keys is not None else tensor.values
        if tensor.keys is not None:
            assert tensor.width == len(row)
            found[tensor.keys] = tensor.values
        np.testing.assert_array_equal(found, row)
    assert [float(r.label["values"].values[0]) for r in records if r.label] == (
        list(labels) if labelled else []
    )


@given(
    data=st.binary(max_size=60), cut=st.integers(0, 383), place=st.integers(0, 383), byte=st.integers(0, 255)
)
def test_no_bytes_do_more_than_raise_a_customer_error(data: bytes, cut: int, place: int, byte: int) -> None:
    """Random bytes, cut files and changed bytes are read or refused, never anything else."""
    good = (GOLDEN / "dense-float32.pbr").read_bytes()
    changed = good[:place] + bytes([byte]) + good[place + 1 :]
    framed = struct.pack("<II", recordio.MAGIC, len(data)) + data + bytes(-len(data) % 4)
    for attempt in (data, good[:cut], changed, framed):
        with contextlib.suppress(CustomerError):
            for index, body in enumerate(recordio.frames(attempt, "f")):
                recordio.parse(body, "f", index)


def test_broken_files_are_refused_with_their_place(tmp_path: Path) -> None:
    """Truncated, wrong magic, not protobuf, wrong number of features, labels in some records only."""
    good = (GOLDEN / "dense-float32.pbr").read_bytes()
    no_label = (GOLDEN / "dense-nolabel.pbr").read_bytes()
    cases: list[tuple[bytes, int | None, str]] = [
        (good[:-7], None, "ends at byte 377 within record 5"),
        (good[:4], None, "ends at byte 0 within record 0"),
        (b"\0" * 12, None, "begins with 0x00000000 instead of the recordIO mark 0xced7230a"),
        (
            struct.pack("<II", recordio.MAGIC, 4) + b"\xff\xff\xff\xff",
            None,
            "record 0 is no protobuf message",
        ),
        (good, 7, "record 0 has 5 features where 7 are expected"),
        (_written(DENSE[:, :4], LABELS) + good, None, "record 6 has 5 features where 4 are expected"),
        (_written(DENSE[:, :3], LABELS) + no_label, None, "record 6 has no single label"),
    ]
    for data, width, words in cases:
        path = tmp_path / "file.pbr"
        path.write_bytes(data)
        with pytest.raises(CustomerError, match=words):
            _read(path, width)


def test_split_records_are_joined() -> None:
    """A record that recordIO split where it held the magic number comes back whole."""
    magic = struct.pack("<I", recordio.MAGIC)
    parts = [(1, b"abcd"), (2, b"efgh"), (3, b"ij")]
    data = b"".join(
        magic + struct.pack("<I", kind << 29 | len(body)) + body + bytes(-len(body) % 4)
        for kind, body in parts
    )
    assert list(recordio.frames(data, "f")) == [b"abcd" + magic + b"efgh" + magic + b"ij"]
    with pytest.raises(CustomerError, match="split"):
        list(recordio.frames(data[12:], "f"))


def test_what_cannot_be_written_is_refused() -> None:
    """Shapes and kinds of numbers are checked before anything is written."""
    for array, labels, words in (
        (np.zeros(3), None, "must be a Matrix"),
        (np.zeros((2, 2)), np.zeros((2, 1)), "must be a Vector"),
        (np.zeros((2, 2)), np.zeros(3), "not compatible"),
        (np.zeros((2, 2), dtype=complex), None, "Unsupported dtype"),
        (np.full((1, 1), 2**31), None, "beyond 32 bits"),
    ):
        with pytest.raises(ValueError, match=words):
            write_numpy_to_dense_tensor(io.BytesIO(), array, labels)
    with pytest.raises(TypeError, match="sparse"):
        write_spmatrix_to_sparse_tensor(io.BytesIO(), np.zeros((2, 2)))
