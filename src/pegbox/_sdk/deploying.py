"""From a training job to an endpoint; part of :class:`pegbox.estimator.EstimatorBase`."""

from __future__ import annotations

import os
import re
from typing import Any, NoReturn

from pegbox._sdk import api_version
from pegbox._sdk.endpoint_requests import VPC_CONFIG_DEFAULT, checked_vpc_config
from pegbox._sdk.jobs import PYTHON_VARIABLE, is_local_session
from pegbox._sdk.naming import base_from_name, base_name_from_image, name_from_base
from pegbox._sdk.script_code import UploadedCode
from pegbox.errors import NotHere

#: What a tuning job's name is followed by in those of its training jobs.
_TRIAL = re.compile(r"-\d{3}-[0-9a-f]{8}$")


class Deployable:
    """What can be done with an estimator that has a training job. Base of :class:`pegbox.estimator.EstimatorBase`."""

    # -- what an estimator has

    base_job_name: str | None
    environment: dict[str, str] | None
    instance_type: str
    latest_training_job: Any
    output_kms_key: str | None
    sagemaker_session: Any
    security_group_ids: list[str] | None
    subnets: list[str] | None
    tags: list[dict[str, str]] | None
    _interpreter: str | None

    def train_image(self) -> str:
        """Return the image."""
        raise NotImplementedError

    def _ensure_latest_training_job(self) -> None:
        raise NotImplementedError

    # -- models and endpoints

    def create_model(self, **kwargs: Any) -> Any:
        """Return a model of the last training job; subclasses say which.

        Args:
            **kwargs: What the subclass takes.
        """
        raise NotImplementedError(f"{type(self).__name__} must define create_model to be deployed")

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        endpoint_name: str | None = None,
        use_compiled_model: bool = False,
        update_endpoint: bool = False,
        wait: bool = True,
        model_name: str | None = None,
        kms_key: str | None = None,
        data_capture_config: Any = None,
        tags: list[dict[str, str]] | None = None,
        *,
        serializer: Any = None,
        deserializer: Any = None,
        async_inference_config: Any = None,
        endpoint_logging: bool | None = None,
        volume_size: int | None = None,
        model_data_download_timeout: int | None = None,
        container_startup_health_check_timeout: int | None = None,
        routing_config: dict[str, Any] | None = None,
        inference_ami_version: str | None = None,
        serverless_inference_config: Any = None,
        explainer_config: Any = None,
        inference_recommendation_id: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Serve the model of the last training job at an endpoint, and return a predictor for it.

        On the local server nothing has to be said: one model server, on the kind of machine that trained.

        Args:
            initial_instance_count: Number of model servers; on the local server 1 by default.
            instance_type: Kind of machine; on the local server that of the training job by default.
            accelerator_type: Accelerator of each.
            endpoint_name: Name of the endpoint; that of the training job by default.
            use_compiled_model: Refused: there is no model compiler.
            update_endpoint: Give the endpoint of that name, which is there, this model.
            wait: Wait until the endpoint serves.
            model_name: Name of the model; that of the training job by default.
            kms_key: KMS key that encrypts the machines' disks.
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
            tags: Tags of model, configuration and endpoint; the estimator's by default.
            serializer: Serializer of the predictor instead of its own.
            deserializer: Deserializer of the predictor instead of its own.
            async_inference_config: A :class:`pegbox.async_inference.AsyncInferenceConfig`.
            endpoint_logging: While waiting, print the endpoint's log.
            volume_size: Disk in GB.
            model_data_download_timeout: Seconds for the model to be fetched.
            container_startup_health_check_timeout: Seconds until the model server must answer.
            routing_config: ``{"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}`` or ``"RANDOM"``.
            inference_ami_version: Machine image.
            serverless_inference_config: Refused: there are no serverless endpoints.
            explainer_config: Refused: there are no explanations.
            inference_recommendation_id: Refused: there are no recommendations of machines.
            **kwargs: Arguments of :meth:`create_model`, for example ``entry_point``, ``env`` or ``role``.

        Raises:
            ValueError: There is no training job with a model, an argument is not acceptable, or the name is in use.
            NotHere: An argument asks for something that Pegbox does not have.
            UnexpectedStatusException: The endpoint failed; the end of its log is printed.
        """
        self._ensure_latest_training_job()
        if use_compiled_model:
            raise NotHere(
                "use_compiled_model=True is not offered: Pegbox has no model compiler; leave it out"
            )
        if is_local_session(self.sagemaker_session):
            initial_instance_count = 1 if initial_instance_count is None else initial_instance_count
            instance_type = instance_type or self.instance_type
        default_name = self._default_deployment_name()
        self.deploy_instance_type = instance_type
        kwargs["model_kms_key"] = self.output_kms_key
        model = self.create_model(**kwargs)
        model.name = model_name or default_name
        model._name_is_made_up = model_name is None
        optional = {
            "serializer": serializer,
            "deserializer": deserializer,
            "async_inference_config": async_inference_config,
            "endpoint_logging": endpoint_logging,
            "volume_size": volume_size,
            "model_data_download_timeout": model_data_download_timeout,
            "container_startup_health_check_timeout": container_startup_health_check_timeout,
            "routing_config": routing_config,
            "inference_ami_version": inference_ami_version,
            "serverless_inference_config": serverless_inference_config,
            "explainer_config": explainer_config,
            "inference_recommendation_id": inference_recommendation_id,
        }
        # Models of the user's own may not know what nobody asked for.
        return model.deploy(
            instance_type=instance_type,
            initial_instance_count=initial_instance_count,
            accelerator_type=accelerator_type,
            endpoint_name=endpoint_name or default_name,
            update_endpoint=update_endpoint,
            tags=tags or self.tags,
            wait=wait,
            kms_key=kms_key,
            data_capture_config=data_capture_config,
            **{name: value for name, value in optional.items() if value is not None},
        )

    def _default_deployment_name(self) -> str:
        """Name of model and endpoint: the training job's, or with version 2 of the AWS SDK its base and the time."""
        if api_version.names_deployments_by_time():
            base = self.base_job_name or base_name_from_image(self.train_image())
            return name_from_base(base_from_name(_TRIAL.sub("", base)))
        return str(self.latest_training_job.name)

    def _serving_environment(self, env: dict[str, str] | None) -> dict[str, str]:
        """A model's environment; on the local server it is served by the interpreter that trained it, if that is still there."""
        trained_by = self._interpreter or (self.environment or {}).get(PYTHON_VARIABLE)
        if trained_by and os.path.exists(trained_by) and is_local_session(self.sagemaker_session):
            return {PYTHON_VARIABLE: trained_by, **(env or {})}
        return dict(env or {})

    def get_vpc_config(self, vpc_config_override: Any = VPC_CONFIG_DEFAULT) -> dict[str, list[str]] | None:
        """Return the request's ``VpcConfig``, or None without subnets and security groups.

        Args:
            vpc_config_override: Another one; None for none.

        Raises:
            ValueError: The other one is not complete.
        """
        if vpc_config_override != VPC_CONFIG_DEFAULT:
            return checked_vpc_config(vpc_config_override)
        if not self.subnets or not self.security_group_ids:
            return None
        return {"Subnets": self.subnets, "SecurityGroupIds": self.security_group_ids}

    def delete_endpoint(self) -> None:
        """Delete the endpoint that has the training job's name; any other: ``predictor.delete_endpoint()``.

        Raises:
            ValueError: There is no training job.
        """
        if self.latest_training_job is None:
            raise ValueError("Endpoint was not created yet")
        self.sagemaker_session.delete_endpoint(self.latest_training_job.name)

    # -- what is not offered

    def register(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no model registry."""
        raise NotHere(
            f"{type(self).__name__}.register is not offered: Pegbox has no model registry; deploy it instead"
        )

    def transformer(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no batch transform."""
        raise NotHere(
            f"{type(self).__name__}.transformer is not offered: Pegbox has no batch transform; deploy an endpoint and "
            "send it the rows"
        )

    def compile_model(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no model compiler."""
        raise NotHere(f"{type(self).__name__}.compile_model is not offered: Pegbox has no model compiler")


def serving_code(
    estimator: Any, entry_point: str | None, source_dir: str | None, dependencies: Any
) -> dict[str, Any]:
    """Return the code arguments of a model: what training ran, unless something else is asked for.

    Args:
        estimator: An estimator whose code is stored.
        entry_point: Another script: one in the training's code, or a file of this machine.
        source_dir: Another folder.
        dependencies: Other files.

    Raises:
        ValueError: ``dependencies`` have nothing to be packed with.
    """
    stored: UploadedCode | None = estimator.uploaded_code
    if source_dir is not None or stored is None:
        return {
            "entry_point": entry_point or estimator.entry_point,
            "source_dir": source_dir or estimator.source_dir,
            "dependencies": dependencies or estimator.dependencies,
        }
    if (
        entry_point is not None
        and os.path.isfile(entry_point)
        and not _is_below(estimator.source_dir, entry_point)
    ):
        return {"entry_point": entry_point, "dependencies": dependencies}
    if dependencies:
        raise ValueError(
            f"dependencies={list(dependencies)!r} cannot be added to code that is stored already; give source_dir, or an "
            "entry_point of this machine, with them"
        )
    return {"entry_point": entry_point or stored.script_name, "source_dir": stored.s3_prefix}


def _is_below(source_dir: str | None, entry_point: str) -> bool:
    if source_dir is None or os.path.isabs(entry_point):
        return False
    return os.path.isfile(os.path.join(source_dir, entry_point))
