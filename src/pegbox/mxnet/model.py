"""Apache MXNet models and their predictors."""

from __future__ import annotations

from typing import Any

from pegbox.deserializers import JSONDeserializer
from pegbox.model import FrameworkModel
from pegbox.predictor import Predictor
from pegbox.serializers import JSONSerializer

__all__ = ["MXNetModel", "MXNetPredictor"]


class MXNetPredictor(Predictor):
    """Predictions of a Apache MXNet model at an endpoint; endpoints come with a later version.

    Args:
        endpoint_name: Name of the endpoint.
        sagemaker_session: The session.
    """

    def __init__(self, endpoint_name: str, sagemaker_session: Any = None) -> None:
        super().__init__(endpoint_name, sagemaker_session, JSONSerializer(), JSONDeserializer())


class MXNetModel(FrameworkModel):
    """A Apache MXNet model that can be served; endpoints come with a later version."""

    __framework_name__ = "mxnet"
