"""Writing of recordIO-protobuf, the records of AWS's algorithms.

The format is told in ``pegbox.algorithms.recordio``, which reads it and shares no code with this: each is checked against
files that the AWS SDK wrote.
"""

from __future__ import annotations

import struct
from typing import IO, Any

MAGIC = 0xCED7230A
_LENGTH = 2
#: Field of ``Value`` that holds the tensor, by the kind of its numbers.
_TENSOR = {"Float32": 2, "Float64": 3, "Int32": 7}


def write_numpy_to_dense_tensor(file: IO[bytes], array: Any, labels: Any = None) -> None:
    """Write the rows of an array as records.

    Args:
        file: Binary file.
        array: ``(n, d)`` array of integers or floats.
        labels: ``(n,)`` array, or None.

    Raises:
        ValueError: The shapes do not fit, or the kind of numbers has no tensor.
    """
    import numpy as np

    if len(array.shape) != 2:
        raise ValueError("Array must be a Matrix")
    kind, rows = _numbers(np.asarray(array), "array")
    endings = _labels(labels, array.shape)
    for index in range(len(rows)):
        values = _packed(1, _values(kind, rows[index]))
        _write(file, _record(kind, values, endings[index] if endings else b""))


def write_spmatrix_to_sparse_tensor(file: IO[bytes], array: Any, labels: Any = None) -> None:
    """Write the rows of a SciPy sparse matrix as sparse records.

    Args:
        file: Binary file.
        array: ``(n, d)`` sparse matrix.
        labels: ``(n,)`` array, or None.

    Raises:
        TypeError: The matrix is not sparse.
        ValueError: The shapes do not fit, or the kind of numbers has no tensor.
    """
    from scipy.sparse import issparse

    if not issparse(array):
        raise TypeError("Array must be sparse")
    if len(array.shape) != 2:
        raise ValueError("Array must be a Matrix")
    matrix = array.tocsr()
    kind, data = _numbers(matrix.data, "array")
    endings = _labels(labels, array.shape)
    shape = _packed(3, _varint(array.shape[1]))
    for index in range(array.shape[0]):
        row = slice(matrix.indptr[index], matrix.indptr[index + 1])
        keys = b"".join(_varint(int(key)) for key in matrix.indices[row])
        tensor = _packed(1, _values(kind, data[row])) + _packed(2, keys) + shape
        _write(file, _record(kind, tensor, endings[index] if endings else b""))


def _labels(labels: Any, shape: tuple[int, ...]) -> list[bytes]:
    """The label part of each record."""
    import numpy as np

    if labels is None:
        return []
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError("Labels must be a Vector")
    if len(labels) != shape[0]:
        raise ValueError(f"Label shape {labels.shape} not compatible with array shape {shape}")
    kind, numbers = _numbers(labels, "labels")
    return [
        _entry(2, kind, _packed(1, _values(kind, numbers[index : index + 1]))) for index in range(len(labels))
    ]


def _numbers(array: Any, name: str) -> tuple[str, Any]:
    """The kind of tensor for an array, and the array as that kind holds it."""
    import numpy as np

    if array.dtype == np.float32:
        return "Float32", array.astype("<f4")
    if array.dtype == np.float64:
        return "Float64", array.astype("<f8")
    if array.dtype.kind in "iub":
        wide = array.astype(np.int64)
        if wide.size and (wide.min() < -(2**31) or wide.max() >= 2**31):
            raise ValueError(f"{name}: integers beyond 32 bits have no tensor; give floats")
        return "Int32", wide
    raise ValueError(f"Unsupported dtype {array.dtype} on {name}; give float32, float64 or integers")


def _values(kind: str, row: Any) -> bytes:
    if kind == "Int32":
        return b"".join(_varint(int(value) & 0xFFFFFFFFFFFFFFFF) for value in row)
    data: bytes = row.tobytes()
    return data


def _record(kind: str, tensor: bytes, label: bytes) -> bytes:
    return _entry(1, kind, tensor) + label


def _entry(field: int, kind: str, tensor: bytes) -> bytes:
    """An item of a map field, of key ``values``."""
    return _message(field, _message(1, b"values") + _message(2, _message(_TENSOR[kind], tensor)))


def _packed(field: int, data: bytes) -> bytes:
    # An empty list is left out, as protobuf does.
    return _message(field, data) if data else b""


def _message(field: int, data: bytes) -> bytes:
    return _varint(field << 3 | _LENGTH) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


def _write(file: IO[bytes], body: bytes) -> None:
    file.write(struct.pack("<II", MAGIC, len(body)) + body + bytes(-len(body) % 4))
