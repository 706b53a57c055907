"""Reading of recordIO-protobuf answers, with the shape that the AWS SDK's records have.

A record's ``features`` and ``label`` are dicts of values by name; a value has ``float32_tensor``, ``float64_tensor`` and
``int32_tensor``, each with ``values``, ``keys`` and ``shape``, and ``bytes``. The format is told in
``pegbox.algorithms.recordio``, which shares no code with this.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from pegbox._sdk.recordio import MAGIC

_TENSORS = {2: ("float32_tensor", "f", 4), 3: ("float64_tensor", "d", 8), 7: ("int32_tensor", "", 0)}
_BYTES = 9


@dataclass
class Tensor:
    """Numbers; ``keys`` are their columns where the tensor is sparse."""

    values: list[Any] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    shape: list[int] = field(default_factory=list)


@dataclass
class Blobs:
    """Byte strings."""

    value: list[bytes] = field(default_factory=list)
    content_type: str = ""


@dataclass
class Value:
    """One feature or label; the parts that it does not have are empty."""

    float32_tensor: Tensor = field(default_factory=Tensor)
    float64_tensor: Tensor = field(default_factory=Tensor)
    int32_tensor: Tensor = field(default_factory=Tensor)
    bytes: Blobs = field(default_factory=Blobs)


@dataclass
class Record:
    """One record."""

    features: dict[str, Value] = field(default_factory=dict)
    label: dict[str, Value] = field(default_factory=dict)
    uid: str = ""
    metadata: str = ""
    configuration: str = ""


def read_recordio(f: Any) -> Iterator[bytes]:
    """Yield the records' bytes.

    Args:
        f: Binary file.

    Raises:
        ValueError: The bytes are no recordIO.
    """
    data = f.read()
    position = 0
    parts: list[bytes] = []
    while position < len(data):
        header = data[position : position + 8]
        if len(header) < 8:
            raise ValueError("the recordIO data ends within a record's header")
        magic, word = struct.unpack("<II", header)
        if magic != MAGIC:
            raise ValueError(f"no recordIO data: {magic:#010x} at byte {position} instead of {MAGIC:#010x}")
        kind, length = word >> 29, word & 0x1FFFFFFF
        body = data[position + 8 : position + 8 + length]
        if len(body) < length:
            raise ValueError("the recordIO data ends within a record")
        position += 8 + (length + 3) // 4 * 4
        # Where its body holds the magic number, a record comes in parts: 1 the first, 2 in between, 3 the last.
        parts.append(body)
        if kind in (0, 3):
            yield struct.pack("<I", MAGIC).join(parts)
            parts = []


def read_records(file: Any) -> list[Record]:
    """Return the records of a recordIO-protobuf stream.

    Args:
        file: Binary file.

    Raises:
        ValueError: The bytes are no such records.
    """
    return [parse(body) for body in read_recordio(file)]


def parse(body: bytes) -> Record:
    """Return the record of a protobuf message ``aialgs.data.Record``.

    Raises:
        ValueError: The bytes are no such message.
    """
    record = Record()
    texts = {3: "uid", 4: "metadata", 5: "configuration"}
    try:
        for number, part in _fields(body):
            if number in (1, 2):
                name, value = _entry(part)
                (record.features if number == 1 else record.label)[name] = value
            elif number in texts:
                setattr(record, texts[number], part.decode("utf-8"))
    except (IndexError, struct.error, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise ValueError(f"no record of recordIO-protobuf: {error}") from None
    return record


def _entry(body: Any) -> tuple[str, Value]:
    name, value = "", Value()
    for number, part in _fields(body):
        if number == 1:
            name = part.decode("utf-8")
        elif number == 2:
            value = _value(part)
    return name, value


def _value(body: Any) -> Value:
    value = Value()
    for number, part in _fields(body):
        if number in _TENSORS:
            attribute, kind, size = _TENSORS[number]
            setattr(value, attribute, _tensor(part, kind, size))
        elif number == _BYTES:
            for inner, data in _fields(part):
                if inner == 1:
                    value.bytes.value.append(data)
                elif inner == 2:
                    value.bytes.content_type = data.decode("utf-8")
    return value


def _tensor(body: Any, kind: str, size: int) -> Tensor:
    tensor = Tensor()
    for number, part in _fields(body):
        if number == 1 and kind:
            # Alone, a number comes as it is; packed, many come as one piece.
            tensor.values += struct.unpack(f"<{len(part) // size}{kind}", part)
        elif number == 1:
            tensor.values += [_signed(item) for item in _varints(part)]
        elif number == 2:
            tensor.keys += _varints(part)
        elif number == 3:
            tensor.shape += _varints(part)
    return tensor


def _fields(body: bytes) -> Iterator[tuple[int, Any]]:
    """Yield number and content of a message's fields; numbers of fixed width and packed lists as bytes."""
    position = 0
    while position < len(body):
        key, position = _varint(body, position)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, position = _varint(body, position)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(body, position)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise ValueError(f"no record of recordIO-protobuf: wire type {wire}")
        if position + length > len(body):
            raise ValueError("the record ends within a field")
        yield number, body[position : position + length]
        position += length


def _varints(part: Any) -> list[int]:
    if isinstance(part, int):
        return [part]
    found, position = [], 0
    while position < len(part):
        value, position = _varint(part, position)
        found.append(value)
    return found


def _varint(body: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = body[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _signed(value: int) -> int:
    """A number of 32 bits; negative ones are written as 64 bits."""
    return value - (1 << 64) if value >= 1 << 63 else value
