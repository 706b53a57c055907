"""Requests to endpoints: Python values to bytes. Nothing here pickles."""

from __future__ import annotations

import csv
import io
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

__all__ = [
    "BaseSerializer",
    "CSVSerializer",
    "IdentitySerializer",
    "JSONLinesSerializer",
    "JSONSerializer",
    "LibSVMSerializer",
    "NumpySerializer",
    "ParquetSerializer",
    "RecordSerializer",
    "SimpleBaseSerializer",
    "SparseMatrixSerializer",
    "StringSerializer",
]


class BaseSerializer(ABC):
    """Turns a value into a request body.

    Attributes:
        CONTENT_TYPE: MIME type of the body.
    """

    CONTENT_TYPE = "application/octet-stream"

    def __init__(self, content_type: str | None = None) -> None:
        if content_type is not None and not isinstance(content_type, str):
            raise ValueError(f"content_type={content_type!r} must be a MIME type such as 'text/csv'")
        self.content_type = content_type or self.CONTENT_TYPE
        self.CONTENT_TYPE = self.content_type

    @abstractmethod
    def serialize(self, data: Any) -> Any:
        """Return the body for a value: text, bytes or a binary file."""

    def __call__(self, data: Any) -> Any:
        """Return the body for a value; the form of version 1 of the AWS SDK."""
        return self.serialize(data)


class SimpleBaseSerializer(BaseSerializer):
    """A base class for serializers of one's own; its MIME type is JSON unless another is given."""

    CONTENT_TYPE = "application/json"


class CSVSerializer(BaseSerializer):
    """Rows of values as CSV: a list, a list of lists, an array, a data frame (without header and index), or anything that
    can be read; text is sent as it is, and a list of texts as a row each.
    """

    CONTENT_TYPE = "text/csv"

    def serialize(self, data: Any) -> str | bytes:
        """Return the CSV text.

        Raises:
            ValueError: There is nothing to send, or these are no rows.
        """
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, (str, bytes)):
            return data
        if hasattr(data, "to_csv"):
            text: str = data.to_csv(header=False, index=False)
            return text.rstrip("\n")
        rows = _rows(data, type(self).__name__)
        if not rows or not all(rows):
            raise ValueError("Cannot serialize empty array")
        return "\n".join(row if isinstance(row, str) else _csv_row(row) for row in rows)


class JSONSerializer(BaseSerializer):
    """Anything JSON has a form for, arrays and iterators as lists; an object with ``read`` is sent as it is."""

    CONTENT_TYPE = "application/json"

    def serialize(self, data: Any) -> str | bytes:
        """Return the JSON text."""
        if hasattr(data, "read"):
            body: str | bytes = data.read()
            return body
        return json.dumps(data, default=_jsonable)


class JSONLinesSerializer(BaseSerializer):
    """One JSON text per line for each item, or each row of a data frame; a dict is one item, text is sent as it is."""

    CONTENT_TYPE = "application/jsonlines"

    def serialize(self, data: Any) -> str | bytes:
        """Return the lines.

        Raises:
            ValueError: There are no items.
        """
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, (str, bytes)):
            return data
        if _is_frame(data):
            data = data.to_dict(orient="records")
        if isinstance(data, Mapping):
            data = [data]
        if not isinstance(data, Iterable) or getattr(data, "ndim", 1) == 0:
            raise ValueError(f"{type(self).__name__} sends a list of items, got {type(data).__name__}")
        return "".join(json.dumps(item, default=_jsonable) + "\n" for item in data)


class NumpySerializer(BaseSerializer):
    """An array in NumPy's own format.

    Args:
        dtype: Type that lists are turned into; NumPy chooses by default.
        content_type: MIME type to send.
    """

    CONTENT_TYPE = "application/x-npy"

    def __init__(self, dtype: Any = None, content_type: str | None = None) -> None:
        super().__init__(content_type)
        self.dtype = dtype

    def __call__(self, data: Any, dtype: Any = None) -> bytes:
        """Return the file's bytes; the form of version 1 of the AWS SDK.

        Args:
            data: What :meth:`serialize` takes.
            dtype: Type of the array instead.
        """
        return self.serialize(data) if dtype is None else type(self)(dtype, self.content_type).serialize(data)

    def serialize(self, data: Any) -> bytes:
        """Return the file's bytes; an object with ``read`` is sent as it is.

        Raises:
            ValueError: There is nothing to send, or the array holds Python objects.
        """
        import numpy as np

        if hasattr(data, "read"):
            body = data.read()
            return body if isinstance(body, bytes) else bytes(body, "utf-8")
        array = (
            data
            if isinstance(data, np.ndarray) and self.dtype is None
            else np.asarray(list(data) if hasattr(data, "__next__") else data, dtype=self.dtype)
        )
        if array.size == 0:
            raise ValueError("Cannot serialize empty array")
        if array.dtype.hasobject:
            raise ValueError(
                f"{type(self).__name__} sends arrays of numbers or text, and this {type(data).__name__} is an array of Python "
                "objects; nothing is pickled: use the serializer for CSV, Parquet or sparse matrices, or give dtype"
            )
        out = io.BytesIO()
        np.save(out, array, allow_pickle=False)
        return out.getvalue()


class SparseMatrixSerializer(BaseSerializer):
    """A SciPy sparse matrix in NumPy's archive format."""

    CONTENT_TYPE = "application/x-npz"

    def serialize(self, data: Any) -> bytes:
        """Return the file's bytes.

        Raises:
            ValueError: It is no sparse matrix.
        """
        from scipy import sparse

        if not sparse.issparse(data):
            raise ValueError(f"SparseMatrixSerializer sends SciPy sparse matrices, got {type(data).__name__}")
        out = io.BytesIO()
        sparse.save_npz(out, data)
        return out.getvalue()


class LibSVMSerializer(BaseSerializer):
    """Rows in libsvm format: ready text, anything that can be read, or an array or sparse matrix of features.

    Rows made from arrays begin with the label 0, which no model looks at; columns count from 0, and zeros are left out.
    """

    CONTENT_TYPE = "text/libsvm"

    def serialize(self, data: Any) -> str | bytes:
        """Return the text.

        Raises:
            ValueError: There is no way to write it so.
        """
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, (str, bytes)):
            return data
        if hasattr(data, "tocsr"):
            lines = [_libsvm_row(row) for row in _sparse_rows(data.tocsr())]
        else:
            rows = data.values.tolist() if _is_frame(data) else _rows(data, type(self).__name__)
            lines = [row if isinstance(row, str) else _libsvm_row(enumerate(row)) for row in rows]
        if not lines:
            raise ValueError("Cannot serialize empty array")
        return "\n".join(lines)


class ParquetSerializer(BaseSerializer):
    """A pandas data frame as a Parquet file; bytes and anything that can be read are sent as they are."""

    CONTENT_TYPE = "application/x-parquet"

    def serialize(self, data: Any) -> bytes:
        """Return the file's bytes.

        Raises:
            ValueError: It is no data frame.
        """
        body = data.read() if hasattr(data, "read") else data
        if isinstance(body, bytes):
            return body
        if not hasattr(data, "to_parquet"):
            raise ValueError(f"ParquetSerializer sends data frames, got {type(data).__name__}")
        out = io.BytesIO()
        data.to_parquet(out, index=False)
        return out.getvalue()


class RecordSerializer(BaseSerializer):
    """Rows of an array as recordIO-protobuf, which Amazon's built-in algorithms take."""

    CONTENT_TYPE = "application/x-recordio-protobuf"

    def serialize(self, data: Any) -> io.BytesIO:
        """Return the records as a file to read.

        Args:
            data: ``(n, d)`` array or sparse matrix, or ``(d,)`` for one row.

        Raises:
            ValueError: The array has another shape or nothing in it.
        """
        import numpy as np

        from pegbox._sdk.recordio import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor

        out = io.BytesIO()
        if hasattr(data, "tocsr"):
            write_spmatrix_to_sparse_tensor(out, data)
        else:
            array = np.asarray(list(data) if hasattr(data, "__next__") else data)
            if array.ndim == 1:
                array = array.reshape(1, -1)
            if array.ndim != 2:
                raise ValueError(f"Expected a 1D or 2D array, but got a {array.ndim}D array instead.")
            if array.size == 0:
                raise ValueError("Cannot serialize empty array")
            write_numpy_to_dense_tensor(out, array)
        out.seek(0)
        return out


class StringSerializer(BaseSerializer):
    """Text or bytes as they are."""

    CONTENT_TYPE = "text/plain"

    def serialize(self, data: Any) -> str | bytes:
        """Return the text."""
        if isinstance(data, (str, bytes)):
            return data
        raise ValueError(f"StringSerializer sends text, got {type(data).__name__}")


class IdentitySerializer(BaseSerializer):
    """Bodies that are ready to be sent."""

    def serialize(self, data: Any) -> Any:
        """Return the body unchanged."""
        return data


def _csv_row(row: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(row)
    return out.getvalue()


def _sparse_rows(matrix: Any) -> Iterator[list[tuple[int, Any]]]:
    """Yield the columns and values of each row of a sparse matrix."""
    for start, end in itertools.pairwise(matrix.indptr.tolist()):
        yield sorted(zip(matrix.indices[start:end].tolist(), matrix.data[start:end].tolist(), strict=True))


def _libsvm_row(row: Iterable[tuple[int, Any]]) -> str:
    pairs = []
    for column, value in row:
        if not isinstance(value, (int, float)):
            raise ValueError(f"LibSVMSerializer sends numbers, got {value!r} in column {column}")
        if value:
            pairs.append(f"{column}:{int(value) if isinstance(value, bool) else value!r}")
    return " ".join(("0", *pairs))


def _rows(data: Any, sender: str) -> list[Any]:
    """Return the rows of a table: lists of plain values, or texts that are rows already; one row alone counts as a table.

    Raises:
        ValueError: It is no table.
    """
    if hasattr(data, "toarray"):
        plain = data.toarray().tolist()
    else:
        plain = data.tolist() if hasattr(data, "tolist") else data
    if isinstance(plain, Mapping) or not isinstance(plain, Iterable):
        raise ValueError(
            f"Unable to handle input format: {type(data).__name__}; {sender} sends rows of values"
        )
    rows = [list(item) if _is_row(item) else item for item in plain]
    if all(isinstance(row, str) for row in rows):
        return rows
    if not any(isinstance(row, list) for row in rows):
        rows = [rows]
    for row in rows:
        if not isinstance(row, (list, str)):
            raise ValueError(f"{sender} sends rows of values, got a single {type(row).__name__} among rows")
    return [row if isinstance(row, str) else [_cell(value, sender) for value in row] for row in rows]


def _cell(value: Any, sender: str) -> Any:
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, (list, tuple, Mapping)):
        raise ValueError(f"{sender} sends rows of values, got a {type(value).__name__} in place of a value")
    return plain


def _is_row(item: Any) -> bool:
    scalar = isinstance(item, (str, bytes, Mapping)) or getattr(item, "ndim", 1) == 0
    return isinstance(item, Iterable) and not scalar


def _is_frame(data: Any) -> bool:
    """Tell whether something is a data frame, without importing pandas."""
    return hasattr(data, "columns") and hasattr(data, "to_dict")


def _jsonable(value: Any) -> Any:
    """Arrays, array scalars, ranges and iterators as plain values, for :mod:`json`."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, range) or hasattr(value, "__next__"):
        return list(value)
    remedy = "; send it as CSV or Parquet, or give its to_dict('records')" if _is_frame(value) else ""
    raise TypeError(f"{type(value).__name__} has no JSON form{remedy}")
