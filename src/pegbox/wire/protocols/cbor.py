"""CBOR (RFC 8949), as far as the protocol smithy-rpc-v2-cbor uses it.

Read: all definite and indefinite forms of integers, strings, arrays and maps with text keys; false, true, null,
undefined (as null); floats of 16, 32 and 64 bits; tag 1 (epoch time). Written: definite forms, the shortest
lengths, floats of 64 bits except :class:`Single`, epoch times as tag 1. Lengths are checked against what is left
of the input, and nesting is bounded, so that a small hostile body cannot claim much memory.
"""

from __future__ import annotations

import struct
from typing import Any

_MAX_DEPTH = 64
_BREAK = object()


class Epoch(float):
    """Seconds since 1970 that stand under tag 1."""


class Single(float):
    """A float to be written with 32 bits."""


def loads(data: bytes) -> Any:
    """Read one item.

    Args:
        data: The whole input.

    Returns:
        int, float, bytes, str, list, dict, bool, None or :class:`Epoch`.

    Raises:
        ValueError: It is not CBOR, uses what the protocol does not, is nested too deeply, or has trailing bytes.
    """
    reader = _Reader(data)
    value = reader.item(0)
    if value is _BREAK:
        raise ValueError("a break outside an item of indefinite length")
    if reader.position != len(data):
        raise ValueError("bytes after the end of the item")
    return value


def dumps(value: Any) -> bytes:
    """Write one item.

    Args:
        value: int within 64 bits, float, bytes, str, list, dict with text keys, bool, None, :class:`Epoch` or
            :class:`Single`.

    Raises:
        ValueError: A value of another type or an integer beyond 64 bits.
    """
    out = bytearray()
    _write(out, value)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def item(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise ValueError(f"nested more than {_MAX_DEPTH} levels deep")
        initial = self.take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == 0:
            return self.length(info)
        if major == 1:
            return -1 - self.length(info)
        if major in (2, 3):
            data = self.string(major, info)
            return data if major == 2 else data.decode("utf-8")
        if major == 4:
            return self.array(info, depth)
        if major == 5:
            return self.map(info, depth)
        if major == 6:
            return self.tag(info, depth)
        return self.simple(info)

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise ValueError("the input ends inside an item")
        taken = self.data[self.position : end]
        self.position = end
        return taken

    def length(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise ValueError("a reserved length")
        return int.from_bytes(self.take(1 << (info - 24)), "big")

    def string(self, major: int, info: int) -> bytes:
        if info != 31:
            return self.take(self.length(info))
        chunks: list[bytes] = []
        while True:
            initial = self.take(1)[0]
            if initial == 0xFF:
                return b"".join(chunks)
            if initial >> 5 != major or initial & 31 == 31:
                raise ValueError("a string of indefinite length with a chunk of another kind")
            chunks.append(self.take(self.length(initial & 31)))

    def array(self, info: int, depth: int) -> list[Any]:
        if info != 31:
            count = self._fitting(self.length(info))
            return [self._inner(depth) for _ in range(count)]
        items: list[Any] = []
        while (item := self.item(depth + 1)) is not _BREAK:
            items.append(item)
        return items

    def map(self, info: int, depth: int) -> dict[str, Any]:
        count = None if info == 31 else self._fitting(self.length(info))
        items: dict[str, Any] = {}
        while count is None or count > 0:
            key = self.item(depth + 1)
            if key is _BREAK and count is None:
                break
            if not isinstance(key, str):
                raise ValueError("a map with a key that is not text")
            if key in items:
                raise ValueError("a map with the same key twice")
            items[key] = self._inner(depth)
            count = None if count is None else count - 1
        return items

    def tag(self, info: int, depth: int) -> Epoch:
        tag = self.length(info)
        value = self._inner(depth)
        if tag != 1 or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError("a tag other than that of an epoch time")
        return Epoch(value)

    def simple(self, info: int) -> Any:
        if info in (20, 21, 22, 23):
            return {20: False, 21: True, 22: None, 23: None}[info]
        if info in (25, 26, 27):
            form, size = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}[info]
            return struct.unpack(form, self.take(size))[0]
        if info == 31:
            return _BREAK
        raise ValueError("a simple value that the protocol does not use")

    def _inner(self, depth: int) -> Any:
        value = self.item(depth + 1)
        if value is _BREAK:
            raise ValueError("a break inside an item of definite length")
        return value

    def _fitting(self, count: int) -> int:
        # Every item takes at least one byte.
        if count > len(self.data) - self.position:
            raise ValueError("the input ends inside an item")
        return count


def _write(out: bytearray, value: Any) -> None:
    if value is None or isinstance(value, bool):
        out.append(0xF6 if value is None else 0xF5 if value else 0xF4)
    elif isinstance(value, Epoch):
        out.append(0xC1)
        _write(out, int(value) if value.is_integer() else float(value))
    elif isinstance(value, Single):
        out += b"\xfa" + struct.pack(">f", value)
    elif isinstance(value, float):
        out += b"\xfb" + struct.pack(">d", value)
    elif isinstance(value, int):
        _head(out, 0 if value >= 0 else 1, value if value >= 0 else -1 - value)
    elif isinstance(value, (bytes, bytearray)):
        _head(out, 2, len(value))
        out += value
    elif isinstance(value, str):
        encoded = value.encode("utf-8")
        _head(out, 3, len(encoded))
        out += encoded
    elif isinstance(value, list):
        _head(out, 4, len(value))
        for item in value:
            _write(out, item)
    elif isinstance(value, dict):
        _head(out, 5, len(value))
        for key, item in value.items():
            _write(out, str(key))
            _write(out, item)
    else:
        raise ValueError(f"no CBOR form for {type(value).__name__}")


def _head(out: bytearray, major: int, number: int) -> None:
    if number < 24:
        out.append(major << 5 | number)
        return
    for info, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            out.append(major << 5 | info)
            out += number.to_bytes(size, "big")
            return
    raise ValueError("an integer beyond 64 bits")
