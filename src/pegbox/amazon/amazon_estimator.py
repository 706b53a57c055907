"""Base class and inputs of Amazon's built-in algorithms."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

from pegbox import image_uris
from pegbox._sdk.endpoint_requests import VPC_CONFIG_DEFAULT
from pegbox._sdk.estimator_base import EstimatorBase
from pegbox._sdk.jobs import announce_target
from pegbox._sdk.naming import name_from_base
from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox._sdk.record_sets import FileSystemRecordSet, RecordSet
from pegbox._sdk.recordio import write_numpy_to_dense_tensor
from pegbox._sdk.storage import RemoteBuckets, split_s3_uri, storage_of
from pegbox._sdk.training_job import _TrainingJob
from pegbox.amazon.hyperparameter import Hyperparameter
from pegbox.amazon.validation import gt
from pegbox.errors import NotHere

__all__ = ["AmazonAlgorithmEstimatorBase", "FileSystemRecordSet", "RecordSet", "get_image_uri"]


class AmazonAlgorithmEstimatorBase(EstimatorBase):
    """Base class of estimators of built-in algorithms: hyperparameters are checked attributes of the class.

    Args:
        role: Role that the job runs under.
        instance_count: Number of machines; records made from arrays are stored in as many parts.
        instance_type: Kind of machine.
        data_location: ``s3://bucket/prefix/`` below which records made from arrays are stored; by default
            ``sagemaker-record-sets/`` in the session's bucket.
        enable_network_isolation: Run without network.
        **kwargs: Arguments of :class:`pegbox.estimator.EstimatorBase`.
    """

    repo_name: str | None = None
    repo_version: str | int | None = None
    #: Class of the algorithm's models, or None where it is not served.
    model_class: Any = None

    feature_dim: Any = Hyperparameter("feature_dim", gt(0), "An integer greater than zero", int)
    mini_batch_size: Any = Hyperparameter("mini_batch_size", gt(0), "An integer greater than zero", int)

    @accepts_old_names(ESTIMATOR_NAMES)
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
        self._data_location: str | None = None
        if data_location is not None:
            self.data_location = data_location

    @property
    def data_location(self) -> str:
        """Where records made from arrays are stored."""
        if self._data_location is None:
            self._data_location = f"s3://{self.sagemaker_session.default_bucket()}/sagemaker-record-sets/"
        return self._data_location

    @data_location.setter
    def data_location(self, data_location: str) -> None:
        """Store records below another ``s3://`` address."""
        if not data_location.startswith("s3://"):
            raise ValueError(f'Expecting an S3 URL beginning with "s3://". Got "{data_location}"')
        self._data_location = data_location if data_location.endswith("/") else data_location + "/"

    def train_image(self) -> str:
        """Return the algorithm's image."""
        return image_uris.retrieve(
            self.repo_name or "", self.sagemaker_session.boto_region_name, version=str(self.repo_version)
        )

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters that are set, as text."""
        return Hyperparameter.serialize_all(self)

    def create_model(self, vpc_config_override: Any = VPC_CONFIG_DEFAULT, **kwargs: Any) -> Any:
        """Return a model of the last training job; nothing is made in the service yet.

        Args:
            vpc_config_override: ``VpcConfig`` instead of the job's; None for none.
            **kwargs: Arguments of the algorithm's model class, for example ``role`` or ``env``.

        Raises:
            ValueError: There is no training job with a model.
        """
        if self.model_class is None:
            return super().create_model(**kwargs)
        kwargs.setdefault("enable_network_isolation", self.enable_network_isolation())
        return self.model_class(
            self.model_data,
            kwargs.pop("role", None) or self.role,
            self.sagemaker_session,
            vpc_config=self.get_vpc_config(vpc_config_override),
            **kwargs,
        )

    def fit(  # type: ignore[override]
        self,
        records: Any,
        mini_batch_size: int | None = None,
        wait: bool = True,
        logs: bool | str | list[str] | None = True,
        job_name: str | None = None,
        experiment_config: dict[str, str] | None = None,
    ) -> None:
        """Run one training job.

        Args:
            records: A :class:`RecordSet` or :class:`FileSystemRecordSet`, or a list of them, one for each channel.
            mini_batch_size: Rows that are taken at a time.
            wait: Wait until the job ends.
            logs: Which log lines to print while waiting.
            job_name: Name of the job; made from the algorithm by default.
            experiment_config: The request's ``ExperimentConfig``.

        Raises:
            ValueError: An argument or input is not accepted; nothing was started.
            UnexpectedStatusException: The job failed, and was waited for.
        """
        announce_target(self.sagemaker_session)
        self._prepare_for_training(records, job_name=job_name, mini_batch_size=mini_batch_size)
        self.latest_training_job = _TrainingJob.start_new(self, records, experiment_config)
        self.jobs.append(self.latest_training_job)
        if wait:
            self.latest_training_job.wait(logs=logs)

    def record_set(
        self,
        train: Any,
        labels: Any = None,
        channel: str = "train",
        encrypt: bool = False,
        distribution: str = "ShardedByS3Key",
    ) -> RecordSet:
        """Store an array as recordIO-protobuf, one file for each machine, with a manifest.

        Args:
            train: ``(n, d)`` array.
            labels: ``(n,)`` array, or None.
            channel: Channel that the records are for.
            encrypt: Let S3 encrypt the objects (AES-256).
            distribution: How the files go to several machines; see :class:`RecordSet`.

        Raises:
            ValueError: The shapes do not fit, or ``encrypt`` is asked of the local server.
        """
        import numpy as np

        train = np.asarray(train)
        labels = None if labels is None else np.asarray(labels)
        _check_arrays(train, labels)
        storage = storage_of(self.sagemaker_session)
        if encrypt and not isinstance(storage, RemoteBuckets):
            raise ValueError("encrypt=True: the local server keeps objects as plain files; leave encrypt out")
        extra = {"ServerSideEncryption": "AES256"} if encrypt else None
        bucket, prefix = split_s3_uri(self.data_location)
        prefix = f"{prefix.rstrip('/')}/{name_from_base(type(self).__name__)}/".lstrip("/")
        shards = min(max(1, self.instance_count), len(train))
        names = []
        for index, rows in enumerate(np.array_split(np.arange(len(train)), shards)):
            packed = io.BytesIO()
            write_numpy_to_dense_tensor(packed, train[rows], None if labels is None else labels[rows])
            names.append(f"matrix_{str(index).zfill(len(str(shards)))}.pbr")
            storage.put_bytes(bucket, prefix + names[-1], packed.getvalue(), extra)
        manifest = json.dumps([{"prefix": f"s3://{bucket}/{prefix}"}, *names]).encode()
        storage.put_bytes(bucket, f"{prefix}.amazon.manifest", manifest, extra)
        return RecordSet(
            f"s3://{bucket}/{prefix}.amazon.manifest",
            num_records=train.shape[0],
            feature_dim=train.shape[1],
            channel=channel,
            distribution=distribution,
        )

    def prepare_workflow_for_training(
        self, records: Any = None, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        """Set what a training job needs, for tools that make the request themselves."""
        self._prepare_for_training(records, mini_batch_size=mini_batch_size, job_name=job_name)

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        train = _train_records(records, type(self).__name__)
        super()._prepare_for_training(job_name=job_name)
        self.feature_dim = train.feature_dim
        self.mini_batch_size = mini_batch_size

    def _batch_of(self, records: Any, given: int | None, most: int) -> int:
        """The size of mini-batches: what was given, else as many rows as a machine has, up to a limit."""
        train = _train_records(records, type(self).__name__)
        return given or min(most, max(1, int(train.num_records / self.instance_count)))

    def _take(self, given: Mapping[str, Any], *required: str) -> None:
        """Set the hyperparameters among a constructor's arguments.

        Raises:
            ValueError: One that is required was not given, or a value is not acceptable.
        """
        missing = [name for name in required if given.get(name) is None]
        if missing:
            raise ValueError(f"{type(self).__name__} needs {' and '.join(missing)}")
        for name in given:
            if isinstance(getattr(type(self), name, None), Hyperparameter):
                setattr(self, name, given[name])

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: dict[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        values = found.pop("hyperparameters")
        found.pop("image_uri", None)
        for owner in cls.__mro__:
            if owner is AmazonAlgorithmEstimatorBase:
                break
            for attribute, described in vars(owner).items():
                # The size of records comes with the records.
                known = isinstance(described, Hyperparameter) and described.name != "feature_dim"
                if known and described.name in values:
                    found.setdefault(attribute, values[described.name])
        return {name: value for name, value in found.items() if value is not None}


def get_image_uri(region_name: str, repo_name: str, repo_version: str | int = 1) -> str:
    """Return the image of a built-in algorithm.

    Args:
        region_name: Region whose registry is named.
        repo_name: Algorithm, for example ``kmeans`` or ``xgboost``.
        repo_version: Version; for ``xgboost`` ``1`` or a framework version such as ``1.7-1``.
    """
    return image_uris.retrieve(repo_name, region_name, version=str(repo_version))


def algorithm_is_absent(name: str) -> NotHere:
    """Return the error for an algorithm of AWS that does not exist here.

    Args:
        name: Its class.
    """
    return NotHere(
        f"{name} does not exist in Pegbox, which has FactorizationMachines, KMeans, KNN, LDA, LinearLearner, PCA, "
        "RandomCutForest, XGBoost and LightGBM. Use a script of your own, for example Estimator(entry_point=...)"
    )


def _check_arrays(train: Any, labels: Any) -> None:
    if train.ndim != 2 or 0 in train.shape:
        raise ValueError(f"train has shape {train.shape}; give a 2D array with rows and columns")
    if labels is not None and labels.shape != (len(train),):
        raise ValueError(
            f"labels have shape {labels.shape}; give a 1D array with one label for each of the {len(train)} rows"
        )


def _train_records(records: Any, estimator: str) -> Any:
    """The record set of channel ``train``."""
    if isinstance(records, list):
        for record in records:
            if record.channel == "train":
                return record
        raise ValueError("Must provide train channel: no record set has channel='train'")
    if not hasattr(records, "feature_dim"):
        raise ValueError(
            f"{estimator} trains on record sets: give estimator.record_set(array), RecordSet or FileSystemRecordSet, or a list "
            "of them; for CSV and other inputs use Estimator(image_uri=...) with the algorithm's image"
        )
    return records
