"""Models of built-in algorithms and their predictors."""

from __future__ import annotations

from typing import Any, ClassVar

from pegbox import image_uris
from pegbox._sdk.old_names import accepts_old_names
from pegbox.deserializers import RecordDeserializer
from pegbox.model import Model
from pegbox.predictor import Predictor
from pegbox.serializers import RecordSerializer
from pegbox.session import Session

__all__ = ["AmazonAlgorithmModel", "RecordPredictor"]


class RecordPredictor(Predictor):
    """Predictions of a built-in algorithm: rows of an array there, a list of records back.

    What an algorithm says of a row is in the record's ``label``, for example
    ``record.label["closest_cluster"].float32_tensor.values[0]``.

    Args:
        endpoint_name: Name of the endpoint; in version 1 of the AWS SDK ``endpoint``.
        sagemaker_session: The session; a new one by default.
        serializer: Serializer instead of that for records.
        deserializer: Deserializer instead of that for records.
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
            serializer or RecordSerializer(),
            deserializer or RecordDeserializer(),
        )


class AmazonAlgorithmModel(Model):
    """A model of a built-in algorithm; the base of each algorithm's own class.

    Args:
        model_data: Address of ``model.tar.gz``.
        role: Role that it runs under; optional on the local server.
        sagemaker_session: The session; a new one by default.
        **kwargs: Arguments of :class:`pegbox.model.Model`; the image is the algorithm's.
    """

    #: Estimator of the algorithm, which knows its image.
    estimator_class: ClassVar[Any]
    #: Class of predictors.
    default_predictor: ClassVar[Any] = RecordPredictor

    def __init__(
        self,
        model_data: str,
        role: str | None = None,
        sagemaker_session: Any = None,
        *,
        predictor_cls: Any = None,
        **kwargs: Any,
    ) -> None:
        session = sagemaker_session or Session()
        algorithm = self.estimator_class
        image = image_uris.retrieve(
            algorithm.repo_name, session.boto_region_name, version=str(algorithm.repo_version)
        )
        super().__init__(
            model_data,
            image,
            role,
            predictor_cls=predictor_cls or self.default_predictor,
            sagemaker_session=session,
            **kwargs,
        )
