"""What all estimators have in common; public as ``pegbox.estimator.EstimatorBase``."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any

from pegbox._sdk.deploying import Deployable
from pegbox._sdk.jobs import PYTHON_VARIABLE, _Job, announce_target
from pegbox._sdk.naming import base_name_from_image, name_from_base
from pegbox._sdk.old_names import ESTIMATOR_NAMES, OldName, accepts_old_names
from pegbox._sdk.request_tags import request_tags
from pegbox._sdk.training_job import _TrainingJob
from pegbox.errors import NotHere
from pegbox.session import Session

#: Seconds a training job may run unless ``max_run`` says otherwise: one day.
DEFAULT_MAX_RUN = 24 * 60 * 60


class EstimatorBase(Deployable, ABC):
    """How a training job is run: program or image, machine, limits, places. Base class of all estimators.

    A subclass gives :meth:`hyperparameters` and either :meth:`train_image` or :meth:`training_image_uri`.
    The names of version 1 of the AWS SDK (``train_instance_count``, ``train_instance_type``, ``train_volume_size``,
    ``train_max_run``, ``train_use_spot_instances``, ...) are accepted too, as arguments and as attributes.

    Args:
        role: Role that the job runs under; optional on the local server.
        instance_count: Number of machines.
        instance_type: Kind of machine: ``local``, ``local_gpu`` or an ``ml.*`` name.
        volume_size: Disk in GB.
        volume_kms_key: KMS key that encrypts the disk.
        max_run: Seconds that a training job may run.
        input_mode: ``File``, ``Pipe`` or ``FastFile``.
        output_path: Where models go: ``s3://...``, and for the local server also ``file://...`` or a path.
        output_kms_key: KMS key that encrypts them.
        base_job_name: First part of job names.
        sagemaker_session: The session; a new one by default.
        tags: Tags of the jobs.
        subnets: Subnets of the job's VPC.
        security_group_ids: Security groups of the job's VPC.
        model_uri: Address of a model to go on from.
        model_channel_name: Channel that brings it.
        metric_definitions: Metrics to read from the log: ``Name`` and ``Regex`` each.
        encrypt_inter_container_traffic: Encrypt the traffic between machines.
        use_spot_instances: Use spot machines.
        max_wait: Seconds to wait for a spot machine and the job together.
        checkpoint_s3_uri: Where checkpoints are kept.
        checkpoint_local_path: Where the program writes them.
        rules: Debugger rules; refused, there is no debugger.
        debugger_hook_config: Debugger hook; False or None, others are refused.
        tensorboard_output_config: TensorBoard output of the debugger; refused.
        enable_sagemaker_metrics: Record metric series; they always are.
        enable_network_isolation: Run without network.
        environment: Environment variables of the program.
        max_retry_attempts: Attempts after an internal error of the service, 1 to 30.
        disable_profiler: Accepted; there is no profiler.

    Raises:
        ValueError: An argument was given under its old and its new name.
        NotHere: A debugger argument was given.
    """

    train_instance_count = OldName("instance_count")
    train_instance_type = OldName("instance_type")
    train_volume_size = OldName("volume_size")
    train_volume_kms_key = OldName("volume_kms_key")
    train_max_run = OldName("max_run")
    train_max_wait = OldName("max_wait")
    train_use_spot_instances = OldName("use_spot_instances")

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = 1,
        instance_type: str | None = "local",
        volume_size: int = 30,
        volume_kms_key: str | None = None,
        max_run: int = DEFAULT_MAX_RUN,
        input_mode: str = "File",
        output_path: str | None = None,
        output_kms_key: str | None = None,
        base_job_name: str | None = None,
        sagemaker_session: Any = None,
        tags: list[dict[str, str]] | dict[str, str] | None = None,
        subnets: list[str] | None = None,
        security_group_ids: list[str] | None = None,
        model_uri: str | None = None,
        model_channel_name: str = "model",
        metric_definitions: list[dict[str, str]] | None = None,
        encrypt_inter_container_traffic: bool = False,
        use_spot_instances: bool = False,
        max_wait: int | None = None,
        checkpoint_s3_uri: str | None = None,
        checkpoint_local_path: str | None = None,
        rules: Any = None,
        debugger_hook_config: Any = None,
        tensorboard_output_config: Any = None,
        enable_sagemaker_metrics: bool | None = None,
        enable_network_isolation: bool = False,
        *,
        environment: dict[str, str] | None = None,
        max_retry_attempts: int | None = None,
        disable_profiler: bool = True,
    ) -> None:
        _refuse_debugger(rules, debugger_hook_config, tensorboard_output_config)
        self.role = role
        self.instance_count = 1 if instance_count is None else instance_count
        self.instance_type = "local" if instance_type is None else instance_type
        self.volume_size = volume_size
        self.volume_kms_key = volume_kms_key
        self.max_run = max_run
        self.input_mode = input_mode
        self.output_path: Any = (
            os.fspath(output_path) if isinstance(output_path, os.PathLike) else output_path
        )
        self.output_kms_key = output_kms_key
        self.base_job_name = base_job_name
        self.sagemaker_session = sagemaker_session or Session()
        self.tags = request_tags(tags)
        self.subnets = subnets
        self.security_group_ids = security_group_ids
        self.model_uri = model_uri
        self.model_channel_name = model_channel_name
        self.code_uri: str | None = None
        self.code_channel_name = "code"
        self.metric_definitions = metric_definitions
        self.encrypt_inter_container_traffic = encrypt_inter_container_traffic
        self.use_spot_instances = use_spot_instances
        self.max_wait = max_wait
        self.checkpoint_s3_uri = checkpoint_s3_uri
        self.checkpoint_local_path = checkpoint_local_path
        self.enable_sagemaker_metrics = enable_sagemaker_metrics
        self._enable_network_isolation = enable_network_isolation
        self.environment = dict(environment) if environment else None
        self.max_retry_attempts = max_retry_attempts
        self._current_job_name: str | None = None
        self.latest_training_job: Any = None
        #: Interpreter that ran the training job, where one was attached to.
        self._interpreter: str | None = None
        self.jobs: list[Any] = []

    # -- what subclasses say

    @abstractmethod
    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters of the job."""

    def train_image(self) -> str:
        """Return the image (the name of version 1 of the AWS SDK)."""
        if type(self).training_image_uri is EstimatorBase.training_image_uri:
            raise NotImplementedError(f"{type(self).__name__} must define train_image or training_image_uri")
        return self.training_image_uri()

    def training_image_uri(self) -> str:
        """Return the image (the name of version 2 of the AWS SDK)."""
        return self.train_image()

    def enable_network_isolation(self) -> bool:
        """Tell whether the job runs without network."""
        return self._enable_network_isolation

    # -- training

    def fit(
        self,
        inputs: Any = None,
        wait: bool = True,
        logs: bool | str | list[str] | None = "All",
        job_name: str | None = None,
        experiment_config: dict[str, str] | None = None,
    ) -> None:
        """Run one training job.

        Args:
            inputs: Training data: an address, an input object, a dict of channels, or None.
            wait: Wait until the job ends.
            logs: Which log lines to print while waiting: ``All`` (True), ``Training``, ``None`` (False), or a list.
            job_name: Name of the job; made from ``base_job_name`` or the image by default.
            experiment_config: The request's ``ExperimentConfig``.

        Raises:
            ValueError: Code, an input or another argument is not accepted; nothing was started.
            UnexpectedStatusException: The job failed, and was waited for.
        """
        self._check_before_start()
        announce_target(self.sagemaker_session)
        self._prepare_for_training(job_name=job_name)
        self.latest_training_job = _TrainingJob.start_new(self, inputs, experiment_config)
        self.jobs.append(self.latest_training_job)
        if wait:
            self.latest_training_job.wait(logs=logs)

    def logs(self) -> None:
        """Print the log of the last training job, following it until the job ends."""
        self._ensure_latest_training_job()
        self.sagemaker_session.logs_for_job(self.latest_training_job.name, wait=True)

    def _check_before_start(self) -> None:
        """Check what can be checked before a server is looked for."""
        return

    def _prepare_for_training(self, job_name: str | None = None) -> None:
        self._current_job_name = job_name or name_from_base(self.base_job_name or self._default_job_base())
        if self.output_path is None:
            self.output_path = f"s3://{self.sagemaker_session.default_bucket()}/"

    def _default_job_base(self) -> str:
        return base_name_from_image(self.train_image())

    @property
    def model_data(self) -> str:
        """Address of the model that the last training job made.

        Raises:
            ValueError: There is no training job, or it has not made one.
        """
        self._ensure_latest_training_job()
        name = self.latest_training_job.name
        details = self.sagemaker_session.sagemaker_client.describe_training_job(TrainingJobName=name)
        status = details.get("TrainingJobStatus")
        if status == "Failed":
            raise ValueError(f"{name} has no model: it Failed. {details.get('FailureReason', '')}".strip())
        if status in ("InProgress", "Stopping") or "ModelArtifacts" not in details:
            raise ValueError(
                f"{name} has no model yet{f' ({status})' if status else ''}; wait until it is Completed"
            )
        return str(details["ModelArtifacts"]["S3ModelArtifacts"])

    @property
    def training_job_analytics(self) -> Any:
        """Metrics of the last training job as :class:`pegbox.analytics.TrainingJobAnalytics`."""
        from pegbox.analytics import TrainingJobAnalytics

        if self._current_job_name is None:
            raise ValueError("Estimator is not associated with a TrainingJob; call fit first")
        return TrainingJobAnalytics(self._current_job_name, sagemaker_session=self.sagemaker_session)

    # -- attaching

    @classmethod
    def attach(
        cls, training_job_name: str, sagemaker_session: Any = None, model_channel_name: str = "model"
    ) -> EstimatorBase:
        """Return an estimator for a training job that exists, waiting until that job has ended.

        Args:
            training_job_name: Name of the job.
            sagemaker_session: The session; a new one by default.
            model_channel_name: Channel that brought a model to go on from.

        Raises:
            UnexpectedStatusException: The job failed.
        """
        session = sagemaker_session or Session()
        details = session.sagemaker_client.describe_training_job(TrainingJobName=training_job_name)
        arguments = cls._prepare_init_params_from_job_description(details, model_channel_name)
        tags = session.sagemaker_client.list_tags(ResourceArn=details["TrainingJobArn"])["Tags"]
        if tags:
            arguments["tags"] = tags
        estimator = cls(sagemaker_session=session, **arguments)
        estimator._interpreter = (details.get("Environment") or {}).get(PYTHON_VARIABLE)
        estimator.latest_training_job = _TrainingJob(session, details["TrainingJobName"])
        estimator._current_job_name = details["TrainingJobName"]
        estimator.jobs.append(estimator.latest_training_job)
        estimator.latest_training_job.wait(logs="None")
        return estimator

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: dict[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        """Return constructor arguments from a training job's description."""
        algorithm = job_details["AlgorithmSpecification"]
        resources = job_details["ResourceConfig"]
        limits = job_details["StoppingCondition"]
        checkpoints = job_details.get("CheckpointConfig") or {}
        vpc = job_details.get("VpcConfig") or {}
        environment = dict(job_details.get("Environment") or {})
        environment.pop(PYTHON_VARIABLE, None)
        found = {
            "role": job_details["RoleArn"],
            "instance_count": resources["InstanceCount"],
            "instance_type": resources["InstanceType"],
            "volume_size": resources["VolumeSizeInGB"],
            "volume_kms_key": resources.get("VolumeKmsKeyId"),
            "max_run": limits["MaxRuntimeInSeconds"],
            "max_wait": limits.get("MaxWaitTimeInSeconds"),
            "input_mode": algorithm["TrainingInputMode"],
            "base_job_name": job_details["TrainingJobName"],
            "output_path": job_details["OutputDataConfig"]["S3OutputPath"],
            "output_kms_key": job_details["OutputDataConfig"].get("KmsKeyId", ""),
            "hyperparameters": job_details.get("HyperParameters") or {},
            "metric_definitions": algorithm.get("MetricDefinitions") or None,
            "encrypt_inter_container_traffic": job_details.get("EnableInterContainerTrafficEncryption"),
            "enable_network_isolation": job_details.get("EnableNetworkIsolation"),
            "use_spot_instances": job_details.get("EnableManagedSpotTraining"),
            "subnets": vpc.get("Subnets"),
            "security_group_ids": vpc.get("SecurityGroupIds"),
            "checkpoint_s3_uri": checkpoints.get("S3Uri"),
            "checkpoint_local_path": checkpoints.get("LocalPath"),
            "environment": environment or None,
            "max_retry_attempts": (job_details.get("RetryStrategy") or {}).get("MaximumRetryAttempts"),
        }
        # Only what is set, so that subclasses with fewer arguments can be attached.
        kept = ("role", "hyperparameters", "output_kms_key")
        found = {name: value for name, value in found.items() if value or name in kept}
        found.update(_image_or_arn(algorithm))
        found.update(_model_channel(job_details, model_channel_name))
        return found

    def _ensure_latest_training_job(self) -> None:
        if self.latest_training_job is None:
            raise ValueError("Estimator is not associated with a training job; call fit or attach first")


EstimatorBase.__module__ = "pegbox.estimator"


def _image_or_arn(algorithm: dict[str, Any]) -> dict[str, str]:
    if "AlgorithmName" in algorithm:
        return {"algorithm_arn": algorithm["AlgorithmName"]}
    if "TrainingImage" in algorithm:
        return {"image_uri": algorithm["TrainingImage"]}
    raise ValueError("the job's AlgorithmSpecification has neither TrainingImage nor AlgorithmName")


def _model_channel(details: dict[str, Any], name: str | None) -> dict[str, str]:
    for item in details.get("InputDataConfig") or ():
        if name and item["ChannelName"] == name:
            return {"model_channel_name": name, "model_uri": item["DataSource"]["S3DataSource"]["S3Uri"]}
    return {}


def _refuse_debugger(rules: Any, hook: Any, tensorboard: Any) -> None:
    given = {"rules": rules, "debugger_hook_config": hook, "tensorboard_output_config": tensorboard}
    for name, value in given.items():
        if value:
            raise NotHere(f"{name}={value!r} is not offered: Pegbox has no debugger; leave it out")


__all__ = ["EstimatorBase", "_Job"]
