"""Predictions of models at endpoints. Endpoints come with a later version; the objects around them are here."""

from __future__ import annotations

from typing import Any, NoReturn

from pegbox.deserializers import (
    BytesDeserializer,
    CSVDeserializer,
    JSONDeserializer,
    NumpyDeserializer,
    StreamDeserializer,
    StringDeserializer,
)
from pegbox.serializers import CSVSerializer, IdentitySerializer, JSONSerializer, NumpySerializer
from pegbox.session import endpoints_come_later

__all__ = [
    "BytesDeserializer",
    "CSVDeserializer",
    "CSVSerializer",
    "JSONDeserializer",
    "JSONSerializer",
    "NumpyDeserializer",
    "NumpySerializer",
    "Predictor",
    "RealTimePredictor",
    "StreamDeserializer",
    "StringDeserializer",
    "csv_deserializer",
    "csv_serializer",
    "json_deserializer",
    "json_serializer",
    "npy_serializer",
    "numpy_deserializer",
]

#: Ready-made objects of version 1 of the AWS SDK.
csv_serializer = CSVSerializer()
json_serializer = JSONSerializer()
npy_serializer = NumpySerializer()
csv_deserializer = CSVDeserializer()
json_deserializer = JSONDeserializer()
numpy_deserializer = NumpyDeserializer()


class Predictor:
    """A client of an endpoint; in version 1 of the AWS SDK its name is ``RealTimePredictor``.

    Args:
        endpoint_name: Name of the endpoint.
        sagemaker_session: The session.
        serializer: Turns values into request bodies.
        deserializer: Turns answers into values.

    Raises:
        NotHere: Always in this version.
    """

    def __init__(
        self,
        endpoint_name: str,
        sagemaker_session: Any = None,
        serializer: Any = None,
        deserializer: Any = None,
    ) -> None:
        self.endpoint_name = endpoint_name
        self.sagemaker_session = sagemaker_session
        self.serializer = serializer or IdentitySerializer()
        self.deserializer = deserializer or BytesDeserializer()
        raise endpoints_come_later(type(self).__name__)

    def predict(self, data: Any, initial_args: dict[str, Any] | None = None) -> NoReturn:
        """Refused: endpoints come with a later version."""
        raise endpoints_come_later(f"{type(self).__name__}.predict")

    def delete_endpoint(self, delete_endpoint_config: bool = True) -> NoReturn:
        """Refused: endpoints come with a later version."""
        raise endpoints_come_later(f"{type(self).__name__}.delete_endpoint")


#: Name of :class:`Predictor` in version 1 of the AWS SDK.
RealTimePredictor = Predictor
