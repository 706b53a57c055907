"""Reading of recordIO-protobuf, the records of AWS's algorithms.

A file is a row of frames: the magic number 0xCED7230A and a length (little-endian, 32 bits each; the length's upper three bits
tell the parts of a record that was split where it held the magic number: 0 whole, 1 first, 2 middle, 3 last), the bytes, and
zero bytes up to a multiple of four. Each record is a protobuf message ``aialgs.data.Record``::

    Record   { map<string, Value> features = 1; map<string, Value> label = 2; string uid = 3, metadata = 4, configuration = 5 }
    Value    { oneof: Float32Tensor = 2, Float64Tensor = 3, Int32Tensor = 7, Bytes = 9 }
    *Tensor  { repeated values = 1 [packed]; repeated uint64 keys = 2 [packed]; repeated uint64 shape = 3 [packed] }

With keys a tensor is sparse: they are the columns of its values, and the shape has the number of columns.
Source: "Training data formats" in the SageMaker developer guide, and the message definition that the AWS SDK publishes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pegbox.algorithms.errors import CustomerError

MAGIC = 0xCED7230A
_MAGIC_BYTES = struct.pack("<I", MAGIC)
_FLOAT32, _FLOAT64, _INT32, _BYTES = 2, 3, 7, 9
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


@dataclass(slots=True)
class Tensor:
    """Values of one feature or label; ``keys`` are their columns where the tensor is sparse."""

    values: np.ndarray
    keys: np.ndarray | None = None
    #: Number of columns of a sparse tensor, or None.
    width: int | None = None


@dataclass(slots=True)
class Record:
    """One record."""

    features: dict[str, Tensor] = field(default_factory=dict)
    label: dict[str, Tensor] = field(default_factory=dict)


def frames(data: bytes, name: str) -> Iterator[bytes]:
    """Return the records' bytes.

    Args:
        data: The file.
        name: Its name, for messages.

    Raises:
        CustomerError: A magic number is wrong, or the file ends within a record.
    """
    position, number = 0, 0
    parts: list[bytes] = []
    while position < len(data):
        if len(data) - position < 8:
            raise CustomerError(_cut(name, number, position, "its header"))
        magic, word = struct.unpack_from("<II", data, position)
        if magic != MAGIC:
            raise CustomerError(
                f"{name}: record {number} at byte {position} begins with {magic:#010x} instead of the recordIO mark "
                f"{MAGIC:#010x}; give a file in recordIO-protobuf format, or name its real format in ContentType"
            )
        kind, length = word >> 29, word & 0x1FFFFFFF
        start = position + 8
        position = start + (length + 3) // 4 * 4
        if start + length > len(data):
            raise CustomerError(_cut(name, number, len(data), f"its {length} bytes"))
        body = data[start : start + length]
        if kind == 0 and not parts:
            yield body
        elif kind == 1 and not parts:
            parts = [body]
            continue
        elif kind in (2, 3) and parts:
            parts.append(body)
            if kind == 2:
                continue
            yield _MAGIC_BYTES.join(parts)
            parts = []
        else:
            raise CustomerError(
                f"{name}: record {number} is split in a way that recordIO does not know; write it anew"
            )
        number += 1
    if parts:
        raise CustomerError(_cut(name, number, len(data), "its last part"))


def _cut(name: str, number: int, position: int, what: str) -> str:
    return (
        f"{name}: the file ends at byte {position} within record {number}, before the end of {what}; "
        "it was truncated, upload it again"
    )


def parse(body: bytes, name: str, number: int) -> Record:
    """Return the record of a message.

    Raises:
        CustomerError: The bytes are no such message.
    """
    record = Record()
    try:
        for key, value in _fields(body):
            if key == 1:
                _entry(value, record.features)
            elif key == 2:
                _entry(value, record.label)
    except (ValueError, IndexError, struct.error, TypeError) as problem:
        raise CustomerError(
            f"{name}: record {number} is no protobuf message aialgs.data.Record ({problem}); write it with record_set() "
            "or write_numpy_to_dense_tensor()"
        ) from None
    return record


def _entry(data: Any, into: dict[str, Tensor]) -> None:
    key, tensor = "", None
    for item, value in _fields(_bytes(data)):
        if item == 1:
            key = _bytes(value).decode()
        elif item == 2:
            tensor = _value(_bytes(value))
    if tensor is not None:
        into[key] = tensor


def _value(data: bytes) -> Tensor | None:
    found = None
    for kind, value in _fields(data):
        if kind in (_FLOAT32, _FLOAT64, _INT32):
            found = _tensor(_bytes(value), kind)
        elif kind == _BYTES:
            raise ValueError("it holds bytes, not numbers")
    return found


def _tensor(data: bytes, kind: int) -> Tensor:
    values: list[np.ndarray] = []
    keys: list[np.ndarray] = []
    shape: list[np.ndarray] = []
    for item, value in _fields(data):
        if item == 1:
            values.append(_values(value, kind))
        elif item == 2:
            keys.append(_unsigned(value))
        elif item == 3:
            shape.append(_unsigned(value))
    dtype = {_FLOAT32: np.float32, _FLOAT64: np.float64, _INT32: np.int32}[kind]
    flat = np.concatenate(values) if values else np.empty(0, dtype)
    sizes = np.concatenate(shape) if shape else None
    width = int(sizes[-1]) if sizes is not None and sizes.size else None
    if not keys and (width is None or width == flat.size):
        return Tensor(flat)
    columns = np.concatenate(keys).astype(np.int64) if keys else np.empty(0, np.int64)
    if columns.size != flat.size:
        raise ValueError(f"a sparse tensor has {flat.size} values but {columns.size} keys")
    return Tensor(flat, columns, width)


def _values(value: Any, kind: int) -> np.ndarray:
    if kind == _INT32:
        raw = _varints(value) if isinstance(value, bytes) else np.array([value], np.uint64)
        # Negative values come as 64-bit two's complement; the lower half is the value.
        return raw.astype(np.uint32).view(np.int32)
    data = _bytes(value)
    dtype = np.dtype("<f4" if kind == _FLOAT32 else "<f8")
    if len(data) % dtype.itemsize:
        raise ValueError(f"{len(data)} bytes hold no whole number of {dtype.name} values")
    return np.frombuffer(data, dtype)


def _unsigned(value: Any) -> np.ndarray:
    return _varints(value) if isinstance(value, bytes) else np.array([value], np.uint64)


def _varints(data: bytes) -> np.ndarray:
    found, value, shift = [], 0, 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
            if shift > 63:
                raise ValueError("a number has more than 64 bits")
            continue
        found.append(value & 0xFFFFFFFFFFFFFFFF)
        value = shift = 0
    if shift:
        raise ValueError("a number is cut off")
    return np.array(found, np.uint64)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """Return (field number, value) of a message: bytes, or an integer for single numbers."""
    position, end = 0, len(data)
    while position < end:
        key, position = _varint(data, position)
        kind = key & 7
        if kind == _LENGTH:
            length, position = _varint(data, position)
            if position + length > end:
                raise ValueError("a field is longer than its message")
            yield key >> 3, data[position : position + length]
            position += length
        elif kind == _VARINT:
            value, position = _varint(data, position)
            yield key >> 3, value
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
            if position + size > end:
                raise ValueError("a field is longer than its message")
            yield key >> 3, data[position : position + size]
            position += size
        else:
            raise ValueError(f"wire type {kind} is not used in it")


def _varint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number has more than 64 bits")


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise TypeError("a number stands where a message was expected")
    return value
