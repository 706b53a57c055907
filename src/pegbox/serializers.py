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
    "NumpySerializer",
    "StringSerializer",
]


class BaseSerializer(ABC):
    """Turns a value into a request body.

    Attributes:
        CONTENT_TYPE: MIME type of the body.
    """

    CONTENT_TYPE = "application/octet-stream"

    def __init__(self, content_type: str | None = None) -> None:
        self.content_type = content_type or self.CONTENT_TYPE

    @abstractmethod
    def serialize(self, data: Any) -> str | bytes:
        """Return the body for a value."""

    def __call__(self, data: Any) -> str | bytes:
        """Return the body for a value; the form of version 1 of the AWS SDK."""
        return self.serialize(data)


class CSVSerializer(BaseSerializer):
    """Rows of values as CSV: a list, a list of lists, an array, or anything that can be read; text is sent as it is."""

    CONTENT_TYPE = "text/csv"

    def serialize(self, data: Any) -> str | bytes:
        """Return the CSV text.

        Raises:
            ValueError: There is nothing to send.
        """
        if hasattr(data, "read"):
            data = data.read()
        if isinstance(data, (str, bytes)):
            return data
        rows = data.tolist() if hasattr(data, "tolist") else list(data)
        if not rows:
            raise ValueError("Cannot serialize empty array")
        if not _is_row(rows[0]):
            rows = [rows]
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(list(row) for row in rows)
        return out.getvalue().rstrip("\n")


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

    def serialize(self, data: Any) -> str | bytes:
        """Return the body unchanged."""
        body: str | bytes = data
        return body


def _is_row(item: Any) -> bool:
    return isinstance(item, Iterable) and not isinstance(item, (str, bytes, Mapping))


def _plain(value: Any) -> Any:
    """Arrays and array scalars as plain values, for :mod:`json`."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no JSON form")
