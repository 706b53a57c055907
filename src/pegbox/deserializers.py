"""Answers of endpoints: bytes to Python values. Nothing here unpickles."""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from typing import Any

from pegbox._sdk.extras import need

__all__ = [
    "BaseDeserializer",
    "BytesDeserializer",
    "CSVDeserializer",
    "JSONDeserializer",
    "JSONLinesDeserializer",
    "NumpyDeserializer",
    "PandasDeserializer",
    "RecordDeserializer",
    "SimpleBaseDeserializer",
    "StreamDeserializer",
    "StringDeserializer",
]


class BaseDeserializer(ABC):
    """Turns an answer's stream into a value; the stream is closed.

    Attributes:
        ACCEPT: MIME types asked for.
    """

    ACCEPT: tuple[str, ...] = ("*/*",)

    def __init__(self, accept: str | tuple[str, ...] | None = None) -> None:
        self.accept = (accept,) if isinstance(accept, str) else tuple(accept or self.ACCEPT)
        self.ACCEPT = self.accept

    @property
    def accept_header(self) -> str:
        """The types asked for, as a request has them."""
        return ", ".join(self.accept)

    @abstractmethod
    def deserialize(self, stream: Any, content_type: str) -> Any:
        """Return the value.

        Args:
            stream: The answer's body, with ``read`` and ``close``.
            content_type: The answer's MIME type.
        """

    def __call__(self, stream: Any, content_type: str) -> Any:
        """Return the value; the form of version 1 of the AWS SDK."""
        return self.deserialize(stream, content_type)


class SimpleBaseDeserializer(BaseDeserializer):
    """A base class for deserializers of one's own."""


class BytesDeserializer(BaseDeserializer):
    """The bytes as they are."""

    def deserialize(self, stream: Any, content_type: str) -> bytes:
        """Return the bytes."""
        return _read(stream)


class StringDeserializer(BaseDeserializer):
    """Text.

    Args:
        encoding: Encoding of the answer.
        accept: MIME types to ask for.
    """

    ACCEPT = ("application/json",)

    def __init__(self, encoding: str = "UTF-8", accept: str | tuple[str, ...] | None = None) -> None:
        super().__init__(accept)
        self.encoding = encoding

    def deserialize(self, stream: Any, content_type: str) -> str:
        """Return the text."""
        return _read(stream).decode(self.encoding)


class StreamDeserializer(BaseDeserializer):
    """The stream itself and its MIME type; closing it is left to the caller."""

    def deserialize(self, stream: Any, content_type: str) -> tuple[Any, str]:
        """Return stream and MIME type."""
        return stream, content_type


class CSVDeserializer(BaseDeserializer):
    """Rows of texts.

    Args:
        encoding: Encoding of the answer.
        accept: MIME types to ask for.
    """

    ACCEPT = ("text/csv",)

    def __init__(self, encoding: str = "utf-8", accept: str | tuple[str, ...] | None = None) -> None:
        super().__init__(accept)
        self.encoding = encoding

    def deserialize(self, stream: Any, content_type: str) -> list[list[str]]:
        """Return the rows."""
        return list(csv.reader(io.StringIO(_read(stream).decode(self.encoding))))


class JSONDeserializer(BaseDeserializer):
    """A JSON value."""

    ACCEPT = ("application/json",)

    def deserialize(self, stream: Any, content_type: str) -> Any:
        """Return the value."""
        return json.loads(_read(stream).decode("utf-8"))


class JSONLinesDeserializer(BaseDeserializer):
    """A list of JSON values, one per line."""

    ACCEPT = ("application/jsonlines",)

    def deserialize(self, stream: Any, content_type: str) -> list[Any]:
        """Return the values."""
        # Only a line feed ends a line: JSON texts may hold the other characters at which Python splits lines.
        return [json.loads(line) for line in _read(stream).decode("utf-8").split("\n") if line.strip()]


class NumpyDeserializer(BaseDeserializer):
    """An array; the answer's own MIME type (CSV, JSON, NPY, or NPZ for several arrays) decides how it is read.

    Args:
        dtype: Type of the array for CSV and JSON; by default that of the values: whole numbers, numbers or texts.
        accept: MIME types to ask for.
        allow_pickle: Refused: unpickling runs whatever the answer says.
    """

    ACCEPT = ("application/x-npy",)

    def __init__(
        self, dtype: Any = None, accept: str | tuple[str, ...] | None = None, allow_pickle: bool = False
    ) -> None:
        if allow_pickle:
            raise ValueError(
                "allow_pickle=True is refused: unpickling an answer would run code that it brings"
            )
        super().__init__(accept)
        self.dtype = dtype

    def __call__(self, stream: Any, content_type: str = "application/x-npy") -> Any:
        """Return the array; the form of version 1 of the AWS SDK."""
        return self.deserialize(stream, content_type)

    def deserialize(self, stream: Any, content_type: str) -> Any:
        """Return the array.

        Raises:
            ValueError: The answer has another type, or holds Python objects.
        """
        import numpy as np

        body = _read(stream)
        kind = content_type.split(";")[0].strip()
        if kind == "text/csv":
            return _array_of_csv(body.decode("utf-8"), self.dtype)
        if kind == "application/json":
            return np.array(json.loads(body.decode("utf-8")), dtype=self.dtype)
        if kind in ("application/x-npy", "application/x-npz"):
            return np.load(io.BytesIO(body), allow_pickle=False)
        raise ValueError(
            f"{type(self).__name__} cannot read content type {content_type}; it reads CSV, JSON, NPY and NPZ"
        )


def _array_of_csv(text: str, dtype: Any) -> Any:
    import numpy as np

    array = np.genfromtxt(io.StringIO(text), delimiter=",", dtype=dtype, encoding="utf-8")
    names = array.dtype.names or ()
    if dtype is None and names and all(array.dtype[name].kind in "biuf" for name in names):
        # Columns of whole numbers beside others: one array of numbers, not one of records.
        return np.genfromtxt(io.StringIO(text), delimiter=",", encoding="utf-8")
    return array


class PandasDeserializer(BaseDeserializer):
    """A data frame from CSV, JSON or Parquet."""

    ACCEPT = ("text/csv", "application/json")

    def deserialize(self, stream: Any, content_type: str) -> Any:
        """Return the data frame.

        Raises:
            ValueError: The answer has another type.
        """
        pd = need("pandas", "data frames")
        body = _read(stream)
        kind = content_type.split(";")[0].strip()
        if kind == "text/csv":
            return pd.read_csv(io.BytesIO(body))
        if kind == "application/json":
            return pd.read_json(io.BytesIO(body))
        if kind in ("application/x-parquet", "application/vnd.apache.parquet"):
            return pd.read_parquet(io.BytesIO(body))
        raise ValueError(
            f"{type(self).__name__} cannot read content type {content_type}; it reads CSV, JSON and Parquet"
        )


class RecordDeserializer(BaseDeserializer):
    """A list of records from recordIO-protobuf, which Amazon's built-in algorithms answer with.

    Each record has ``features`` and ``label``, dicts of values by name, as
    ``record.label["score"].float32_tensor.values[0]``.
    """

    ACCEPT = ("application/x-recordio-protobuf",)

    def deserialize(self, stream: Any, content_type: str) -> Any:
        """Return the records.

        Raises:
            ValueError: The answer holds something else.
        """
        from pegbox._sdk.records import read_records

        return read_records(io.BytesIO(_read(stream)))


def _read(stream: Any) -> bytes:
    try:
        body: bytes = stream.read()
        return body
    finally:
        stream.close()
