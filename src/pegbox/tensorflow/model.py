"""TensorFlow models and their predictors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pegbox._sdk.old_names import accepts_old_names
from pegbox.deserializers import JSONDeserializer
from pegbox.model import FrameworkModel
from pegbox.predictor import Predictor
from pegbox.serializers import JSONSerializer

__all__ = ["TensorFlowModel", "TensorFlowPredictor"]


class TensorFlowPredictor(Predictor):
    """Predictions of a TensorFlow model at an endpoint: JSON there, JSON back.

    Args:
        endpoint_name: Name of the endpoint.
        sagemaker_session: The session; a new one by default.
        serializer: Serializer instead.
        deserializer: Deserializer instead.
    """

    @accepts_old_names({"endpoint": "endpoint_name"})
    def __init__(
        self,
        endpoint_name: str,
        sagemaker_session: Any = None,
        serializer: Any = None,
        deserializer: Any = None,
    ) -> None:
        super().__init__(
            endpoint_name,
            sagemaker_session,
            serializer or JSONSerializer(),
            deserializer or JSONDeserializer(),
        )


class TensorFlowModel(FrameworkModel):
    """A TensorFlow model that a script serves.

    Args:
        model_data: Address of ``model.tar.gz``.
        role: Role that it runs under; optional on the local server.
        entry_point: Script with the functions that serve (``model_fn``, ...).
        framework_version: Version that names the image.
        py_version: Version of Python as in ``py3``; names the image.
        image_uri: An image instead of the framework's own; in version 1 of the AWS SDK ``image``.
        predictor_cls: Called with endpoint name and session to make what ``deploy`` returns.
        model_server_workers: Processes of each model server.
        **kwargs: Arguments of :class:`pegbox.model.FrameworkModel`.
    """

    __framework_name__ = "tensorflow"
    code_in_model = True

    @accepts_old_names({"image": "image_uri", "image_name": "image_uri"})
    def __init__(
        self,
        model_data: str | None,
        role: str | None = None,
        entry_point: str | None = None,
        *,
        framework_version: str | None = None,
        py_version: str | None = None,
        image_uri: str | None = None,
        predictor_cls: Callable[..., Any] | None = TensorFlowPredictor,
        model_server_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_data,
            image_uri,
            role,
            entry_point,
            predictor_cls=predictor_cls,
            framework_version=framework_version,
            py_version=py_version,
            model_server_workers=model_server_workers,
            **kwargs,
        )
