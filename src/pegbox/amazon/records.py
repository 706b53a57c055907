"""Records of built-in algorithms; in the AWS SDK this module is ``sagemaker.amazon.common``."""

from __future__ import annotations

from pegbox._sdk.recordio import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from pegbox._sdk.records import read_recordio, read_records
from pegbox.deserializers import RecordDeserializer
from pegbox.serializers import RecordSerializer

__all__ = [
    "RecordDeserializer",
    "RecordSerializer",
    "numpy_to_record_serializer",
    "read_recordio",
    "read_records",
    "record_deserializer",
    "write_numpy_to_dense_tensor",
    "write_spmatrix_to_sparse_tensor",
]

#: Names of version 1 of the AWS SDK.
numpy_to_record_serializer = RecordSerializer
record_deserializer = RecordDeserializer
