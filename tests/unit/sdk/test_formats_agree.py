"""What the SDK's serializers write is what model servers read, and what these write the SDK's deserializers read."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pegbox import deserializers, serializers
from pegbox.serving import formats

ROWS = [[1.0, 0.0, 2.5], [0.0, 3.0, -4.0]]


@pytest.mark.parametrize(
    ("serializer", "data"),
    [
        (serializers.CSVSerializer(), ROWS),
        (serializers.JSONSerializer(), ROWS),
        (serializers.JSONSerializer(), {"instances": ROWS}),
        (serializers.JSONLinesSerializer(), ROWS),
        (serializers.NumpySerializer(), ROWS),
        (serializers.SparseMatrixSerializer(), sparse.csr_matrix(ROWS)),
        (serializers.LibSVMSerializer(), np.array(ROWS)),
        (serializers.ParquetSerializer(), pd.DataFrame(ROWS, columns=["a", "b", "c"])),
    ],
    ids=lambda item: type(item).__name__,
)
def test_requests(serializer: Any, data: Any) -> None:
    """A table arrives as it was, in whatever format it travels."""
    body = serializer.serialize(data)
    found = formats.decode(body, serializer.content_type)
    found = found.toarray() if hasattr(found, "toarray") else np.asarray(found)
    assert found.tolist() == ROWS


@pytest.mark.parametrize(
    ("deserializer", "read"),
    [
        (deserializers.CSVDeserializer(), lambda rows: [[float(cell) for cell in row] for row in rows]),
        (deserializers.JSONDeserializer(), list),
        (deserializers.JSONLinesDeserializer(), list),
        (deserializers.NumpyDeserializer(), lambda array: array.tolist()),
        (deserializers.NumpyDeserializer(accept="application/json"), lambda array: array.tolist()),
    ],
    ids=lambda item: getattr(item, "accept_header", ""),
)
def test_answers(deserializer: Any, read: Any) -> None:
    """A prediction comes back as it was, in the format that the deserializer asks for."""
    body, content_type = formats.encode(np.array(ROWS), deserializer.accept_header)
    assert read(deserializer.deserialize(io.BytesIO(body), content_type)) == ROWS
