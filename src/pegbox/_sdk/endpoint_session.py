"""Models and endpoints of a session; part of :class:`pegbox.session.Session`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from pegbox._sdk.endpoint_requests import (
    VPC_CONFIG_DEFAULT,
    checked_vpc_config,
    container_def,
    differences,
    model_request,
    production_variant,
)
from pegbox._sdk.naming import base_name_from_image, name_from_base
from pegbox._sdk.old_names import accepts_old_names
from pegbox.exceptions import UnexpectedStatusException


class ModelNameTaken(ValueError):
    """Another model has the name."""


class EndpointSession:
    """Models, endpoint configurations and endpoints as plain calls. Base of :class:`pegbox.session.Session`."""

    # -- what a session has

    @property
    def sagemaker_client(self) -> Any:
        """boto3 client of ``sagemaker``."""
        raise NotImplementedError

    @property
    def is_local(self) -> bool:
        """Whether this session speaks to the local server of this user."""
        raise NotImplementedError

    def client(self, service: str) -> Any:
        """Return the boto3 client of a service."""
        raise NotImplementedError

    def expand_role(self, role: str | None) -> str:
        """Return the ARN of a role."""
        raise NotImplementedError

    def list_tags(self, resource_arn: str, max_results: int = 50) -> list[dict[str, str]]:
        """Return all tags of a resource."""
        raise NotImplementedError

    def _revive(self) -> None:
        raise NotImplementedError

    # -- models

    def create_model(
        self,
        name: str,
        role: str | None = None,
        container_defs: Any = None,
        vpc_config: dict[str, Any] | None = None,
        enable_network_isolation: bool = False,
        primary_container: Any = None,
        tags: list[dict[str, str]] | None = None,
    ) -> str:
        """Make a model and return its name; one that is there already and is the same is used.

        Args:
            name: Its name.
            role: Role that it runs under.
            container_defs: Its container, the image of one, or a list of containers.
            vpc_config: The request's ``VpcConfig``.
            enable_network_isolation: Run without network.
            primary_container: Another name of ``container_defs``.
            tags: The request's ``Tags``.

        Raises:
            ValueError: Both names of the container were given, or another model has the name.
        """
        if container_defs and primary_container:
            raise ValueError("Both container_defs and primary_container can not be passed as input")
        containers = container_defs or primary_container
        if not containers:
            raise ValueError(
                "container_defs is missing: give a container, for example container_def(image, model_data)"
            )
        request = model_request(
            name, self.expand_role(role), containers, vpc_config, bool(enable_network_isolation), tags
        )
        from botocore.exceptions import ClientError

        try:
            self.sagemaker_client.create_model(**request)
        except ClientError as error:
            if not _refused(error, "Cannot create already existing model"):
                raise
            wanted = {
                part: value for part, value in request.items() if part not in ("Tags", "ExecutionRoleArn")
            }
            different = differences(wanted, self.describe_model(name))
            if different:
                raise ModelNameTaken(
                    f"model_name={name!r}: another model has this name (it differs in {', '.join(different)}); give another "
                    "model_name, or delete that one first"
                ) from error
            print(f"pegbox: the model {name} exists already and is used", file=sys.stderr)
        return name

    def create_model_from_job(
        self,
        training_job_name: str,
        name: str | None = None,
        role: str | None = None,
        primary_container_image: str | None = None,
        model_data_url: str | None = None,
        env: dict[str, str] | None = None,
        vpc_config_override: Any = VPC_CONFIG_DEFAULT,
        tags: list[dict[str, str]] | None = None,
        *,
        image_uri: str | None = None,
    ) -> str:
        """Make a model from what a training job made, and return its name.

        Args:
            training_job_name: The training job.
            name: Name of the model; that of the job by default.
            role: Role of the model; that of the job by default.
            primary_container_image: Image; that of the job by default.
            model_data_url: Address of the model; what the job made by default.
            env: Environment variables of the container.
            vpc_config_override: ``VpcConfig`` instead of the job's; None for none.
            tags: The request's ``Tags``.
            image_uri: Another name of ``primary_container_image``.
        """
        job = self.sagemaker_client.describe_training_job(TrainingJobName=training_job_name)
        image = image_uri or primary_container_image or job["AlgorithmSpecification"]["TrainingImage"]
        container = container_def(image, model_data_url or _artifacts(job), env)
        return self.create_model(
            name or training_job_name,
            role or job["RoleArn"],
            container,
            vpc_config=_vpc_config(job, vpc_config_override),
            tags=tags,
        )

    def describe_model(self, name: str) -> dict[str, Any]:
        """Return the description of a model."""
        answer: dict[str, Any] = self.sagemaker_client.describe_model(ModelName=name)
        return answer

    def delete_model(self, model_name: str) -> None:
        """Delete a model; what it was made of stays."""
        self.sagemaker_client.delete_model(ModelName=model_name)

    # -- endpoint configurations

    def create_endpoint_config(
        self,
        name: str,
        model_name: str | None = None,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        tags: list[dict[str, str]] | None = None,
        kms_key: str | None = None,
        data_capture_config_dict: dict[str, Any] | None = None,
        *,
        async_inference_config_dict: dict[str, Any] | None = None,
        production_variants: list[dict[str, Any]] | None = None,
        **variant: Any,
    ) -> str:
        """Make an endpoint configuration with one variant and return its name.

        Args:
            name: Its name.
            model_name: Model that the variant serves.
            initial_instance_count: Number of machines.
            instance_type: Kind of machine.
            accelerator_type: Accelerator.
            tags: The request's ``Tags``.
            kms_key: KMS key that encrypts the machines' disks.
            data_capture_config_dict: The request's ``DataCaptureConfig``.
            async_inference_config_dict: The request's ``AsyncInferenceConfig``.
            production_variants: Variants instead of the one.
            **variant: Further arguments of :func:`production_variant`.
        """
        variants = production_variants or [
            production_variant(
                model_name,
                instance_type,
                initial_instance_count,
                accelerator_type=accelerator_type,
                **variant,
            )
        ]
        request = _config_request(
            name, variants, tags or [], kms_key, data_capture_config_dict, async_inference_config_dict
        )
        self.sagemaker_client.create_endpoint_config(**request)
        return name

    def create_endpoint_config_from_existing(
        self,
        existing_config_name: str,
        new_config_name: str,
        new_tags: list[dict[str, str]] | None = None,
        new_kms_key: str | None = None,
        new_data_capture_config_dict: dict[str, Any] | None = None,
        new_production_variants: list[dict[str, Any]] | None = None,
    ) -> None:
        """Make an endpoint configuration that differs from another in what is given.

        Args:
            existing_config_name: The other's name.
            new_config_name: Its name.
            new_tags: The request's ``Tags``.
            new_kms_key: KMS key that encrypts the machines' disks.
            new_data_capture_config_dict: The request's ``DataCaptureConfig``.
            new_production_variants: The request's ``ProductionVariants``.
        """
        existing = self.sagemaker_client.describe_endpoint_config(EndpointConfigName=existing_config_name)
        request = _config_request(
            new_config_name,
            new_production_variants or existing["ProductionVariants"],
            new_tags or self.list_tags(existing["EndpointConfigArn"]) or None,
            new_kms_key or existing.get("KmsKeyId"),
            new_data_capture_config_dict or existing.get("DataCaptureConfig"),
            existing.get("AsyncInferenceConfig"),
        )
        self.sagemaker_client.create_endpoint_config(**request)

    def delete_endpoint_config(self, endpoint_config_name: str) -> None:
        """Delete an endpoint configuration."""
        self.sagemaker_client.delete_endpoint_config(EndpointConfigName=endpoint_config_name)

    # -- endpoints

    def create_endpoint(
        self,
        endpoint_name: str,
        config_name: str,
        tags: list[dict[str, str]] | None = None,
        wait: bool = True,
        live_logging: bool = False,
    ) -> str:
        """Make an endpoint and return its name.

        Args:
            endpoint_name: Its name.
            config_name: Its configuration.
            tags: The request's ``Tags``.
            wait: Wait until it serves.
            live_logging: While waiting, print its log.

        Raises:
            UnexpectedStatusException: It failed, and was waited for.
        """
        self.sagemaker_client.create_endpoint(
            EndpointName=endpoint_name, EndpointConfigName=config_name, Tags=tags or []
        )
        if wait:
            self.wait_for_endpoint(endpoint_name, live_logging=live_logging)
        return endpoint_name

    def update_endpoint(self, endpoint_name: str, endpoint_config_name: str, wait: bool = True) -> str:
        """Give an endpoint another configuration without an interruption, and return its name.

        Args:
            endpoint_name: The endpoint.
            endpoint_config_name: The new configuration.
            wait: Wait until it serves by it.

        Raises:
            ValueError: There is no such endpoint.
            UnexpectedStatusException: It was waited for, and goes on with its old configuration or does not serve.
        """
        if not _exists(lambda: self.sagemaker_client.describe_endpoint(EndpointName=endpoint_name)):
            raise ValueError(
                f"Endpoint with name '{endpoint_name}' does not exist; please use an existing endpoint name"
            )
        self.sagemaker_client.update_endpoint(
            EndpointName=endpoint_name, EndpointConfigName=endpoint_config_name
        )
        if wait:
            described: Any = self.wait_for_endpoint(endpoint_name)
            # Stand-ins of other people's tests describe nothing.
            if isinstance(described, dict):
                _check_updated(described, endpoint_config_name)
        return endpoint_name

    @accepts_old_names({"deployment_image": "image_uri"})
    def endpoint_from_model_data(
        self,
        model_s3_location: str,
        image_uri: str,
        initial_instance_count: int,
        instance_type: str,
        name: str | None = None,
        role: str | None = None,
        wait: bool = True,
        model_environment_vars: dict[str, str] | None = None,
        model_vpc_config: dict[str, Any] | None = None,
        accelerator_type: str | None = None,
        data_capture_config: Any = None,
        tags: list[dict[str, str]] | None = None,
    ) -> str:
        """Make model, configuration and endpoint from a model's address, and return the name of all three.

        Args:
            model_s3_location: Address of ``model.tar.gz``.
            image_uri: Image that serves it; in version 1 of the AWS SDK ``deployment_image``.
            initial_instance_count: Number of machines.
            instance_type: Kind of machine.
            name: The name; made from the image by default.
            role: Role of the model.
            wait: Wait until the endpoint serves.
            model_environment_vars: Environment variables of the container.
            model_vpc_config: The model's ``VpcConfig``.
            accelerator_type: Accelerator.
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
            tags: Tags of configuration and endpoint.

        Raises:
            ValueError: An endpoint has the name.
        """
        name = name or name_from_base(base_name_from_image(image_uri))
        vpc_config = checked_vpc_config(model_vpc_config)
        if _exists(lambda: self.sagemaker_client.describe_endpoint(EndpointName=name)):
            raise ValueError(_endpoint_taken(name))
        self.create_model(
            name,
            role,
            container_def(image_uri, model_s3_location, model_environment_vars),
            vpc_config=vpc_config,
        )
        variant = production_variant(
            name, instance_type, initial_instance_count, accelerator_type=accelerator_type
        )
        capture = None if data_capture_config is None else data_capture_config._to_request_dict()
        return self.endpoint_from_production_variants(
            name, [variant], tags, wait=wait, data_capture_config_dict=capture
        )

    def endpoint_from_job(
        self,
        job_name: str,
        initial_instance_count: int,
        instance_type: str,
        image_uri: str | None = None,
        name: str | None = None,
        role: str | None = None,
        wait: bool = True,
        model_environment_vars: dict[str, str] | None = None,
        vpc_config_override: Any = VPC_CONFIG_DEFAULT,
        accelerator_type: str | None = None,
        data_capture_config: Any = None,
        tags: list[dict[str, str]] | None = None,
        *,
        deployment_image: str | None = None,
    ) -> str:
        """Make model, configuration and endpoint from what a training job made; see :meth:`endpoint_from_model_data`.

        Args:
            job_name: The training job.
            initial_instance_count: Number of machines.
            instance_type: Kind of machine.
            image_uri: Image that serves it; the job's by default.
            name: The name of all three; the job's by default.
            role: Role of the model; the job's by default.
            wait: Wait until the endpoint serves.
            model_environment_vars: Environment variables of the container.
            vpc_config_override: ``VpcConfig`` instead of the job's; None for none.
            accelerator_type: Accelerator.
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
            tags: Tags of configuration and endpoint.
            deployment_image: Name of ``image_uri`` in version 1 of the AWS SDK.
        """
        job = self.sagemaker_client.describe_training_job(TrainingJobName=job_name)
        image = image_uri or deployment_image or job["AlgorithmSpecification"]["TrainingImage"]
        return self.endpoint_from_model_data(
            _artifacts(job),
            image,
            initial_instance_count,
            instance_type,
            name=name or job_name,
            role=role or job["RoleArn"],
            wait=wait,
            model_environment_vars=model_environment_vars,
            model_vpc_config=_vpc_config(job, vpc_config_override),
            accelerator_type=accelerator_type,
            data_capture_config=data_capture_config,
            tags=tags,
        )

    def endpoint_from_production_variants(
        self,
        name: str,
        production_variants: list[dict[str, Any]],
        tags: list[dict[str, str]] | None = None,
        kms_key: str | None = None,
        wait: bool = True,
        data_capture_config_dict: dict[str, Any] | None = None,
        async_inference_config_dict: dict[str, Any] | None = None,
        live_logging: bool = False,
    ) -> str:
        """Make a configuration and an endpoint of the same name, and return it.

        A configuration of that name that says the same is used. One that says something else is left alone; the new one
        gets a name with the time.

        Args:
            name: The name.
            production_variants: The request's ``ProductionVariants``.
            tags: Tags of both.
            kms_key: KMS key that encrypts the machines' disks.
            wait: Wait until the endpoint serves.
            data_capture_config_dict: The request's ``DataCaptureConfig``.
            async_inference_config_dict: The request's ``AsyncInferenceConfig``.
            live_logging: While waiting, print the endpoint's log.

        Raises:
            ValueError: An endpoint has the name.
            UnexpectedStatusException: It failed, and was waited for.
        """
        request = _config_request(
            name, production_variants, tags, kms_key, data_capture_config_dict, async_inference_config_dict
        )
        made = self._ensure_endpoint_config(request)
        from botocore.exceptions import ClientError

        try:
            self.create_endpoint(name, request["EndpointConfigName"], tags=tags, wait=False)
        except ClientError as error:
            taken = _refused(error, "Cannot create already existing endpoint")
            if not (taken and self._made_by_retry(name, request["EndpointConfigName"], error)):
                if made:
                    self.delete_endpoint_config(request["EndpointConfigName"])
                if taken:
                    raise ValueError(_endpoint_taken(name)) from error
                raise
        if wait:
            self.wait_for_endpoint(name, live_logging=live_logging)
        return name

    def wait_for_endpoint(
        self, endpoint: str, poll: float | None = None, live_logging: bool = False
    ) -> dict[str, Any]:
        """Wait until an endpoint is no longer being made or changed, showing how it goes, and return its description.

        Args:
            endpoint: The endpoint.
            poll: Seconds between looks; by default 30, and less for the local server.
            live_logging: Print its log.

        Raises:
            UnexpectedStatusException: It does not serve; the message has the reason, and the end of its log is printed.
        """
        from pegbox._sdk import endpoint_waiting

        return endpoint_waiting.wait_for_endpoint(
            self.sagemaker_client,
            lambda: self.client("logs"),
            endpoint,
            endpoint_waiting.pauses(poll, self.is_local),
            live_logging=live_logging,
            revive=self._revive,
        )

    def endpoint_in_service_or_not(self, endpoint_name: str) -> bool:
        """Tell whether an endpoint is there and serves."""
        from botocore.exceptions import ClientError

        try:
            described = self.sagemaker_client.describe_endpoint(EndpointName=endpoint_name)
        except ClientError as error:
            if _refused(error, "Could not find"):
                return False
            raise
        return bool(described["EndpointStatus"] == "InService")

    def delete_endpoint(self, endpoint_name: str) -> None:
        """Delete an endpoint; its configuration and its models stay."""
        self.sagemaker_client.delete_endpoint(EndpointName=endpoint_name)

    def _ensure_endpoint_config(self, request: dict[str, Any]) -> bool:
        """Make a configuration unless it is there, and tell whether it was made; its name in the request may change."""
        name = request["EndpointConfigName"]
        found: list[dict[str, Any]] = []
        if _exists(
            lambda: found.append(self.sagemaker_client.describe_endpoint_config(EndpointConfigName=name))
        ):
            wanted = {
                part: value for part, value in request.items() if part not in ("Tags", "EndpointConfigName")
            }
            optional = ("DataCaptureConfig", "AsyncInferenceConfig", "KmsKeyId")
            if not differences(wanted, found[0]) and not any(
                found[0].get(part) for part in optional if part not in wanted
            ):
                return False
            request["EndpointConfigName"] = name_from_base(name)
        self.sagemaker_client.create_endpoint_config(**request)
        return True

    def _made_by_retry(self, name: str, config_name: str, error: Any) -> bool:
        """Tell whether the endpoint that has the name was made by a first attempt whose answer got lost."""
        if not error.response.get("ResponseMetadata", {}).get("RetryAttempts"):
            return False
        described = self.sagemaker_client.describe_endpoint(EndpointName=name)
        return bool(described["EndpointConfigName"] == config_name)


def _config_request(
    name: str,
    variants: list[dict[str, Any]],
    tags: list[dict[str, str]] | None,
    kms_key: str | None,
    capture: dict[str, Any] | None,
    async_inference: dict[str, Any] | None,
) -> dict[str, Any]:
    request: dict[str, Any] = {"EndpointConfigName": name, "ProductionVariants": variants}
    if tags is not None:
        request["Tags"] = tags
    if kms_key:
        request["KmsKeyId"] = kms_key
    if capture is not None:
        request["DataCaptureConfig"] = capture
    if async_inference is not None:
        request["AsyncInferenceConfig"] = async_inference
    return request


def _exists(describe: Callable[[], Any]) -> bool:
    """Tell whether a description is there; the service says otherwise with a validation error."""
    from botocore.exceptions import ClientError

    try:
        describe()
    except ClientError as error:
        if _refused(error, "Could not find"):
            return False
        raise
    return True


def _refused(error: Any, words: str) -> bool:
    told = error.response["Error"]
    return told["Code"] == "ValidationException" and words in told["Message"]


def _check_updated(described: dict[str, Any], config_name: str) -> None:
    """Raise if an endpoint serves, but by another configuration than it was given: it was rolled back."""
    now = described.get("EndpointConfigName", config_name)
    if now != config_name:
        name = described["EndpointName"]
        raise UnexpectedStatusException(
            f"Endpoint {name} was not updated to {config_name}; it goes on with {now}. "
            f"Reason: {described.get('FailureReason')}. Its log: pegbox logs {name} --endpoint",
            ["InService"],
            "RollingBack",
        )


def _endpoint_taken(name: str) -> str:
    return (
        f'Endpoint with name "{name}" already exists; please pick a different name. To use it, '
        f"Predictor({name!r}); to replace its model, Predictor({name!r}).update_endpoint(...); "
        f"to be rid of it, Predictor({name!r}).delete_endpoint()"
    )


def _artifacts(job: dict[str, Any]) -> str:
    """Address of the model that a training job made."""
    try:
        return str(job["ModelArtifacts"]["S3ModelArtifacts"])
    except KeyError:
        raise ValueError(
            f"{job.get('TrainingJobName')} has no model; it is {job.get('TrainingJobStatus')}"
        ) from None


def _vpc_config(job: dict[str, Any], override: Any) -> dict[str, list[str]] | None:
    return checked_vpc_config(job.get("VpcConfig") if override == VPC_CONFIG_DEFAULT else override)
