"""Requests to endpoints: Python values to bytes. Nothing here pickles."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
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
        if isinstance(data, Mapping) or not hasattr(data, "__iter__"):
            raise ValueError(f"Unable to handle input format: {type(data).__name__}; give rows of values")
        rows = data.tolist() if hasattr(data, "tolist") else list(data)
        if rows and not isinstance(rows[0], str) and not _is_row(rows[0]):
            rows = [rows]
        if not rows or not all(len(row) for row in rows):
            raise ValueError("Cannot serialize empty array")
        return "\n".join(row if isinstance(row, str) else _csv_row(row) for row in rows)


class JSONSerializer(BaseSerializer):
    """Anything JSON has a form for, arrays as lists; an object with ``read`` is sent as it is."""

    CONTENT_TYPE = "application/json"

    def serialize(self, data: Any) -> str | bytes:
        """Return the JSON text."""
        if hasattr(data, "read"):
            body: str | bytes = data.read()
            return body
        return json.dumps(data, default=_plain)


class JSONLinesSerializer(BaseSerializer):
    """One JSON text per line for each item; text is sent as it is."""

    CONTENT_TYPE = "application/jsonlines"

    def serialize(self, data: Any) -> str | bytes:
        """Return the lines."""
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, (str, bytes)):
            return data
        return "".join(json.dumps(item, default=_plain) + "\n" for item in data)


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
            else np.asarray(data, dtype=self.dtype)
        )
        if array.size == 0:
            raise ValueError("Cannot serialize empty array")
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
        if not hasattr(data, "tocsr") and not hasattr(data, "__len__"):
            raise ValueError(f"Unable to handle input format: {type(data)}")
        rows = data.toarray() if hasattr(data, "tocsr") else data
        rows = rows.tolist() if hasattr(rows, "tolist") else list(rows)
        if not rows:
            raise ValueError("Cannot serialize empty array")
        if not _is_row(rows[0]):
            rows = [rows]
        lines = []
        for row in rows:
            pairs = (f"{column}:{value!r}" for column, value in enumerate(row) if value)
            lines.append(" ".join(("0", *pairs)))
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
            data: ``(n, d)`` array, or ``(d,)`` for one row.

        Raises:
            ValueError: The array has another shape.
        """
        import numpy as np

        from pegbox._sdk.recordio import write_numpy_to_dense_tensor

        array = np.asarray(data)
        if array.ndim == 1:
            array = array.reshape(1, -1)
        if array.ndim != 2:
            raise ValueError(f"Expected a 1D or 2D array, but got a {array.ndim}D array instead.")
        out = io.BytesIO()
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


def _is_row(item: Any) -> bool:
    return isinstance(item, Iterable) and not isinstance(item, (str, bytes, Mapping))


def _plain(value: Any) -> Any:
    """Arrays and array scalars as plain values, for :mod:`json`."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
