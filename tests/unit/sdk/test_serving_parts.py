"""The parts of serving that need no endpoint."""

from __future__ import annotations

import io
import json
from typing import Any
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from pegbox import deserializers, predictor, serializers
from pegbox.model_monitor import DataCaptureConfig


@pytest.mark.parametrize(
    ("serializer", "data", "body"),
    [
        (serializers.CSVSerializer(), [1, 2.5, "a,b"], '1,2.5,"a,b"'),
        (serializers.CSVSerializer(), [[1, 2], [3, 4]], "1,2\n3,4"),
        (serializers.CSVSerializer(), np.array([[1.0, 2.0]]), "1.0,2.0"),
        (serializers.CSVSerializer(), "ready", "ready"),
        (serializers.CSVSerializer(), ["1,2", "3,4"], "1,2\n3,4"),
        (serializers.CSVSerializer(), io.StringIO("1,2"), "1,2"),
        (
            serializers.JSONSerializer(),
            {"a": np.array([1, 2]), "b": np.float64(0.5)},
            '{"a": [1, 2], "b": 0.5}',
        ),
        (serializers.JSONLinesSerializer(), [{"a": 1}, [2]], '{"a": 1}\n[2]\n'),
        (serializers.StringSerializer(), "x", "x"),
        (serializers.LibSVMSerializer(), "1 0:2", "1 0:2"),
        (serializers.LibSVMSerializer(), np.array([[0.5, 0.0, 2.0]]), "0 0:0.5 2:2.0"),
        (serializers.CSVSerializer(), pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), "1,0.5\n2,1.5"),
        (serializers.IdentitySerializer(), b"x", b"x"),
    ],
)
def test_serializers(serializer: serializers.BaseSerializer, data: Any, body: Any) -> None:
    """Values become the bodies that model servers read, by method and by call."""
    assert serializer.serialize(data) == body
    if not hasattr(data, "read"):
        assert serializer(data) == body


@pytest.mark.parametrize(
    ("serializer", "data", "body"),
    [
        (serializers.CSVSerializer(), [np.float64(1.5), np.int64(2), True], "1.5,2,True"),
        (serializers.CSVSerializer(), [np.array([1.5, 2.0]), (3, None)], "1.5,2.0\n3,"),
        (serializers.CSVSerializer(), (iter(row) for row in ([1, 2], [3, 4])), "1,2\n3,4"),
        (serializers.CSVSerializer(), sparse.csr_matrix([[0.0, 1.5]]), "0.0,1.5"),
        (serializers.CSVSerializer(), ["é☃", 1], "é☃,1"),
        (serializers.JSONSerializer(), (n for n in range(2)), "[0, 1]"),
        (serializers.JSONLinesSerializer(), {"a": 1, "b": 2}, '{"a": 1, "b": 2}\n'),
        (
            serializers.JSONLinesSerializer(),
            pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
            '{"a": 1, "b": "x"}\n{"a": 2, "b": "y"}\n',
        ),
        (serializers.LibSVMSerializer(), [np.float64(1.5), 0, True], "0 0:1.5 2:1"),
        (serializers.LibSVMSerializer(), [np.array([0.0, 2.5])], "0 1:2.5"),
        (serializers.LibSVMSerializer(), pd.DataFrame({"a": [1.5, 0.0], "b": [0, 3]}), "0 0:1.5\n0 1:3.0"),
        (serializers.LibSVMSerializer(), sparse.coo_matrix([[0, 0], [2.5, 1]]), "0\n0 0:2.5 1:1.0"),
    ],
)
def test_values_of_unusual_kinds(serializer: serializers.BaseSerializer, data: Any, body: Any) -> None:
    """Array scalars, arrays in lists, iterators, data frames, sparse matrices and dicts are sent as what they hold."""
    assert serializer.serialize(data) == body


@pytest.mark.parametrize(
    ("serializer", "data", "words"),
    [
        (serializers.CSVSerializer(), 5, "Unable to handle input format: int"),
        (serializers.CSVSerializer(), np.float32(1.5), "Unable to handle input format: float32"),
        (serializers.CSVSerializer(), None, "Unable to handle input format: NoneType"),
        (serializers.CSVSerializer(), {"a": 1}, "Unable to handle input format: dict"),
        (serializers.CSVSerializer(), [{"a": 1}], "got a dict in place of a value"),
        (serializers.CSVSerializer(), np.zeros((1, 2, 2)), "got a list in place of a value"),
        (serializers.CSVSerializer(), [[1, 2], 3], "got a single int among rows"),
        (serializers.JSONLinesSerializer(), 5, "sends a list of items, got int"),
        (serializers.LibSVMSerializer(), pd.DataFrame({"a": [1], "b": ["x"]}), "got 'x' in column 1"),
        (
            serializers.NumpySerializer(),
            pd.DataFrame({"a": [1], "b": ["x"]}),
            "this DataFrame is an array of",
        ),
        (serializers.NumpySerializer(), sparse.csr_matrix([[1.0]]), "this csr_matrix is an array of"),
        (serializers.RecordSerializer(), [], "empty"),
    ],
)
def test_values_without_a_form_are_refused(
    serializer: serializers.BaseSerializer, data: Any, words: str
) -> None:
    """What is no table is refused with its kind, not sent as something that the model would misread."""
    with pytest.raises(ValueError, match=words):
        serializer.serialize(data)


def test_lines_end_at_line_feeds_only() -> None:
    """Other characters at which Python splits lines may stand in a JSON text."""
    body = json.dumps({"text": "a\u2028b\x85c"}, ensure_ascii=False).encode() + b"\n2\n"
    assert deserializers.JSONLinesDeserializer().deserialize(io.BytesIO(body), "") == [
        {"text": "a\u2028b\x85c"},
        2,
    ]


def test_content_types() -> None:
    """Each serializer names its type, each deserializer what it accepts."""
    assert predictor.csv_serializer.content_type == "text/csv"
    assert predictor.npy_serializer.content_type == "application/x-npy"
    assert predictor.json_deserializer.accept == ("application/json",)
    assert deserializers.PandasDeserializer().accept_header == "text/csv, application/json"
    assert deserializers.BytesDeserializer("text/plain").accept == ("text/plain",)


def test_arrays_travel_without_pickles() -> None:
    """NPY there and back; Python objects are refused both ways."""
    array = np.array([[1.5, 2.0]])
    body = serializers.NumpySerializer().serialize(array)
    back = deserializers.NumpyDeserializer().deserialize(io.BytesIO(body), "application/x-npy")
    assert (back == array).all()
    assert serializers.NumpySerializer(dtype="int8").serialize([1, 2])[:6] == b"\x93NUMPY"
    with pytest.raises(ValueError, match="nothing is pickled"):
        serializers.NumpySerializer().serialize(np.array([object()]))
    out = io.BytesIO()
    np.save(out, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        deserializers.NumpyDeserializer().deserialize(io.BytesIO(out.getvalue()), "application/x-npy")
    with pytest.raises(ValueError, match="allow_pickle=True is refused"):
        deserializers.NumpyDeserializer(allow_pickle=True)
    with pytest.raises(ValueError, match="empty"):
        serializers.NumpySerializer().serialize([])
    for empty in ([], [[]], np.array([[], []])):
        with pytest.raises(ValueError, match="empty"):
            serializers.CSVSerializer().serialize(empty)
    assert np.load(io.BytesIO(predictor.npy_serializer([1, 2], "float16"))).dtype == "float16"
    assert predictor.numpy_deserializer(io.BytesIO(body)).tolist() == array.tolist()


@pytest.mark.parametrize(
    ("deserializer", "body", "kind", "value"),
    [
        (deserializers.JSONDeserializer(), b'{"a": [1]}', "application/json", {"a": [1]}),
        (deserializers.JSONLinesDeserializer(), b"1\n\n[2]\n", "application/jsonlines", [1, [2]]),
        (deserializers.CSVDeserializer(), b'1,"a,b"\n2,c\n', "text/csv", [["1", "a,b"], ["2", "c"]]),
        (deserializers.StringDeserializer(), "\u00e4".encode(), "text/plain", "\u00e4"),
        (deserializers.BytesDeserializer(), b"\x00", "x/y", b"\x00"),
    ],
)
def test_deserializers(
    deserializer: deserializers.BaseDeserializer, body: bytes, kind: str, value: Any
) -> None:
    """Answers become values, and the stream is closed."""
    stream = io.BytesIO(body)
    assert deserializer(stream, kind) == value
    assert stream.closed


@pytest.mark.parametrize(
    ("body", "dtype", "values", "kind"),
    [
        (b"1,2\n3,4\n", None, [[1, 2], [3, 4]], "i"),
        (b"1,2.5\n3,4\n", None, [[1.0, 2.5], [3.0, 4.0]], "f"),
        (b"a\nb\n", None, ["a", "b"], "U"),
        (b"1,2\n", float, [1.0, 2.0], "f"),
        (b"0.5\n", None, 0.5, "f"),
    ],
)
def test_arrays_of_csv_have_the_type_of_their_values(body: bytes, dtype: Any, values: Any, kind: str) -> None:
    """Classes come as whole numbers or texts, and numbers of both kinds as one array of numbers."""
    array = deserializers.NumpyDeserializer(dtype).deserialize(io.BytesIO(body), "text/csv")
    assert (array.tolist(), array.dtype.kind) == (values, kind)


@pytest.mark.parametrize("data", [{"a": [1]}, 5, None])
def test_what_has_no_rows_is_no_csv(data: Any) -> None:
    """The keys of a dict are no row of values."""
    with pytest.raises(ValueError, match="Unable to handle input format"):
        serializers.CSVSerializer().serialize(data)


def test_answers_type_decides() -> None:
    """The array and frame deserializers go by the answer's type and refuse others."""
    read = deserializers.NumpyDeserializer().deserialize
    assert read(io.BytesIO(b"1,2\n3,4"), "text/csv; charset=utf-8").tolist() == [[1, 2], [3, 4]]
    assert read(io.BytesIO(b"[1, 2]"), "application/json").tolist() == [1, 2]
    frame = deserializers.PandasDeserializer().deserialize(io.BytesIO(b"a,b\n1,2\n"), "text/csv")
    assert frame.to_dict("list") == {"a": [1], "b": [2]}
    for deserializer in (deserializers.NumpyDeserializer(), deserializers.PandasDeserializer()):
        with pytest.raises(ValueError, match="cannot read content type image/png"):
            deserializer.deserialize(io.BytesIO(b""), "image/png")
    stream = io.BytesIO(b"x")
    assert deserializers.StreamDeserializer().deserialize(stream, "a/b") == (stream, "a/b")
    assert not stream.closed


def test_data_capture_config() -> None:
    """Settings become the request; the default place is in the default bucket; mistakes are told."""
    session = Mock()
    session.default_bucket.return_value = "b"
    assert DataCaptureConfig(True, sagemaker_session=session, kms_key_id="k")._to_request_dict() == {
        "EnableCapture": True,
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://b/model-monitor/data-capture",
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {
            "CsvContentTypes": ["text/csv"],
            "JsonContentTypes": ["application/json"],
        },
        "KmsKeyId": "k",
    }
    with pytest.raises(ValueError, match="sampling_percentage=101"):
        DataCaptureConfig(True, 101, "s3://x/y")
    with pytest.raises(ValueError, match=r"capture_options=.*'BOTH'"):
        DataCaptureConfig(True, 5, "s3://x/y", capture_options=["BOTH"])


def test_sparse_and_columnar_bodies() -> None:
    """NPZ and Parquet files are what NumPy, SciPy and pandas read back; other values are refused."""
    matrix = sparse.csr_matrix(np.array([[0.0, 3.0]]))
    body = serializers.SparseMatrixSerializer().serialize(matrix)
    assert (sparse.load_npz(io.BytesIO(body)) != matrix).nnz == 0
    with pytest.raises(ValueError, match="sparse matrices, got list"):
        serializers.SparseMatrixSerializer().serialize([1])
    frame = pd.DataFrame({"a": [1, 2]})
    body = serializers.ParquetSerializer().serialize(frame)
    back = deserializers.PandasDeserializer().deserialize(io.BytesIO(body), "application/x-parquet")
    assert back.equals(frame)
    with pytest.raises(ValueError, match="data frames, got list"):
        serializers.ParquetSerializer().serialize([1])
    archive = io.BytesIO()
    np.savez(archive, one=np.array([1.0]))
    arrays = deserializers.NumpyDeserializer().deserialize(
        io.BytesIO(archive.getvalue()), "application/x-npz"
    )
    assert arrays["one"].tolist() == [1.0]


def test_records_travel_both_ways() -> None:
    """Rows become recordIO-protobuf, and such answers become records as the AWS SDK's are."""
    for array in (np.array([[1.5, -2.0], [3.0, 4.0]]), np.array([[1, -2]]), np.array([0.5], dtype="float32")):
        stream = serializers.RecordSerializer().serialize(array)
        records = deserializers.RecordDeserializer().deserialize(stream, "application/x-recordio-protobuf")
        value = records[0].features["values"]
        tensors = (value.float32_tensor, value.float64_tensor, value.int32_tensor)
        assert [tensor.values for tensor in tensors if tensor.values] == [np.atleast_2d(array)[0].tolist()]
        assert len(records) == len(np.atleast_2d(array))
    with pytest.raises(ValueError, match="3D array"):
        serializers.RecordSerializer().serialize(np.zeros((1, 1, 1)))


@pytest.mark.parametrize(
    "body",
    [b"\x00" * 8, b"\n#\xd7\xce\x08\x00\x00\x00abc", b"\n#\xd7\xce\x02\x00\x00\x00\x0a\x09\x00\x00", b"abc"],
)
def test_bad_records_are_refused(body: bytes) -> None:
    """Bytes that are no records are told as such, not misread."""
    with pytest.raises(ValueError, match=r"record"):
        deserializers.RecordDeserializer().deserialize(io.BytesIO(body), "application/x-recordio-protobuf")


def test_ones_own_serializers() -> None:
    """Classes of the user's own have the attributes that predictors ask for, however they are made."""

    class Own(serializers.SimpleBaseSerializer):
        def serialize(self, data: Any) -> str:
            return str(data)

    assert (Own().CONTENT_TYPE, Own(content_type="a/b").CONTENT_TYPE) == ("application/json", "a/b")
    assert deserializers.CSVDeserializer(accept="a/b").ACCEPT == ("a/b",)
    with pytest.raises(ValueError, match="content_type=5"):
        Own(5)  # type: ignore[arg-type]
