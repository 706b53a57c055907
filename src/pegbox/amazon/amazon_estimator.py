"""Base class and inputs of Amazon's built-in algorithms."""

from __future__ import annotations

from typing import Any, NoReturn

from pegbox import image_uris
from pegbox._sdk.estimator_base import EstimatorBase
from pegbox._sdk.record_sets import FileSystemRecordSet, RecordSet
from pegbox.amazon.hyperparameter import Hyperparameter
from pegbox.errors import NotHere

__all__ = ["AmazonAlgorithmEstimatorBase", "FileSystemRecordSet", "RecordSet", "get_image_uri"]


class AmazonAlgorithmEstimatorBase(EstimatorBase):
    """Base class of estimators of built-in algorithms: hyperparameters are checked attributes of the class.

    Args:
        role: Role that the job runs under.
        instance_count: Number of machines.
        instance_type: Kind of machine.
        data_location: Where records made from arrays are stored.
        enable_network_isolation: Run without network.
        **kwargs: Arguments of :class:`pegbox.estimator.EstimatorBase`.
    """

    repo_name: str | None = None
    repo_version: str | None = None

    feature_dim: Any = Hyperparameter("feature_dim", lambda x: x > 0, "An integer greater than zero", int)
    mini_batch_size: Any = Hyperparameter(
        "mini_batch_size", lambda x: x > 0, "An integer greater than zero", int
    )

    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        data_location: str | None = None,
        enable_network_isolation: bool = False,
        **kwargs: Any,
    ) -> None:
        for name, value in (("instance_count", instance_count), ("instance_type", instance_type)):
            if value is not None:
                kwargs[name] = value
        super().__init__(role, enable_network_isolation=enable_network_isolation, **kwargs)
        self.data_location = data_location

    def train_image(self) -> str:
        """Return the algorithm's image."""
        return image_uris.retrieve(
            self.repo_name or "", self.sagemaker_session.boto_region_name, version=self.repo_version
        )

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters that are set, as text."""
        return Hyperparameter.serialize_all(self)

    def record_set(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: records of built-in algorithms come with the algorithms."""
        raise algorithms_come_later("record_set")

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        super()._prepare_for_training(job_name=job_name)
        train = _train_records(records)
        if train is not None:
            self.feature_dim = train.feature_dim
        if mini_batch_size is not None:
            self.mini_batch_size = mini_batch_size


def get_image_uri(region_name: str, repo_name: str, repo_version: str | int = 1) -> str:
    """Return the image of a built-in algorithm.

    Args:
        region_name: Region whose registry is named.
        repo_name: Algorithm, for example ``kmeans`` or ``xgboost``.
        repo_version: Version; for ``xgboost`` ``1`` or a framework version such as ``1.7-1``.
    """
    return image_uris.retrieve(repo_name, region_name, version=str(repo_version))


def algorithms_come_later(what: str) -> NotHere:
    """Return the error for what needs a built-in algorithm.

    Args:
        what: What was asked for.
    """
    return NotHere(
        f"{what} is not in this version of Pegbox: Amazon's built-in algorithms come with a later one. Use a script, for "
        "example Estimator(entry_point=...) or SKLearn"
    )


def _train_records(records: Any) -> Any:
    """The record set of channel ``train``."""
    if not isinstance(records, list):
        return records
    for record in records:
        if record.channel == "train":
            return record
    raise ValueError("Must provide train channel: no record set has channel='train'")
