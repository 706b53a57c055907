"""Models that can be served, and their deployment to endpoints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from pegbox import image_uris
from pegbox._sdk.api_version import speaks_of_version_2
from pegbox._sdk.endpoint_requests import (
    check_instances,
    checked_vpc_config,
    container_def,
    local_environment,
    production_variant,
    refuse_all,
    undone_if_refused,
)
from pegbox._sdk.endpoint_session import ModelNameTaken
from pegbox._sdk.jobs import announce_target, is_local_session
from pegbox._sdk.model_code import CLOUDWATCH_METRICS, WORKERS, code_environment, repack, stored_model
from pegbox._sdk.naming import base_name_from_image, name_from_base
from pegbox._sdk.old_names import OldName, accepts_old_names
from pegbox._sdk.request_tags import request_tags
from pegbox._sdk.script_code import INFO, ScriptCode, UploadedCode
from pegbox._sdk.storage import split_s3_uri
from pegbox.errors import NotHere
from pegbox.predictor import Predictor
from pegbox.session import Session

__all__ = ["FrameworkModel", "Model", "ModelPackage"]

_IMAGE_NAMES = {"image": "image_uri", "image_name": "image_uri"}

#: What ``deploy`` of version 2 of the AWS SDK takes and Pegbox does not have.
_REFUSED = {
    "serverless_inference_config": "serverless endpoints",
    "explainer_config": "explanations of predictions",
    "inference_recommendation_id": "recommendations of machines",
    "inference_component_name": "inference components",
    "resources": "inference components",
    "managed_instance_scaling": "scaling by itself",
    "model_reference_arn": "private model hubs",
    "accept_eula": "models of model hubs",
}


class Model:
    """A trained model with the image, and maybe the code, that serves it.

    The first two arguments may come in either order, because the AWS SDK's versions differ in it: the one that is an
    ``s3://`` or ``file://`` address or a path is the model.

    Args:
        model_data: Address of ``model.tar.gz``, or a file of this machine, which is then stored.
        image_uri: Image that serves it; in version 1 of the AWS SDK ``image``.
        role: Role that it runs under; optional on the local server.
        predictor_cls: Called with endpoint name and session to make what :meth:`deploy` returns; None for nothing.
        env: Environment variables of the model server.
        name: Name of the model; made from the image and the time by default.
        vpc_config: ``Subnets`` and ``SecurityGroupIds``.
        sagemaker_session: The session; a new one by default.
        enable_network_isolation: Run without network.
        model_kms_key: KMS key that encrypts the model's archive if code has to be packed into it.
        entry_point: Script with the functions that serve (``model_fn``, ``predict_fn``, ...); relative to ``source_dir``
            if that is given.
        source_dir: Folder of the script, packed with it, or ``s3://...`` of an archive that is stored already.
        dependencies: Further files and folders to pack.
        git_config: ``repo``, ``branch``, ``commit`` of a repository that the paths are relative to.
        code_location: ``s3://bucket/prefix`` for the packed code.
        container_log_level: Log level of the model server.
        image_config: The request's ``ImageConfig``.

    Raises:
        ValueError: There is no image, or an argument is not acceptable.
    """

    image = OldName("image_uri")

    @accepts_old_names(_IMAGE_NAMES)
    def __init__(
        self,
        model_data: str | None = None,
        image_uri: str | None = None,
        role: str | None = None,
        predictor_cls: Callable[..., Any] | None = None,
        env: dict[str, str] | None = None,
        name: str | None = None,
        vpc_config: dict[str, list[str]] | None = None,
        sagemaker_session: Any = None,
        enable_network_isolation: bool = False,
        model_kms_key: str | None = None,
        *,
        entry_point: str | None = None,
        source_dir: str | None = None,
        dependencies: Sequence[str] | None = None,
        git_config: dict[str, str] | None = None,
        code_location: str | None = None,
        container_log_level: int = INFO,
        image_config: dict[str, Any] | None = None,
    ) -> None:
        if _is_address(image_uri) and not _is_address(model_data):
            model_data, image_uri = image_uri, model_data
        self.model_data = model_data
        self.image_uri = image_uri
        self.role = role
        self.predictor_cls = predictor_cls
        self.env = dict(env or {})
        self.name = name
        self.vpc_config = checked_vpc_config(vpc_config)
        self.sagemaker_session = sagemaker_session
        #: Whether another name will do where this one is taken.
        self._name_is_made_up = False
        self.endpoint_name: str | None = None
        self._enable_network_isolation = bool(enable_network_isolation)
        self.model_kms_key = model_kms_key
        self.entry_point = entry_point
        self.source_dir = source_dir
        self.dependencies = list(dependencies or ())
        self.git_config = git_config
        self.code_location = code_location
        self.container_log_level = container_log_level
        self.image_config = image_config
        self.uploaded_code: UploadedCode | None = None
        self.repacked_model_data: str | None = None
        if entry_point is None and (source_dir or dependencies or git_config):
            raise ValueError(
                "source_dir, dependencies and git_config need entry_point, the script that serves"
            )

    # -- what is served

    def enable_network_isolation(self) -> bool:
        """Tell whether the model server runs without network."""
        return self._enable_network_isolation

    def serving_image_uri(
        self, region_name: str, instance_type: str | None = None, accelerator_type: str | None = None
    ) -> str:
        """Return the image that serves the model.

        Args:
            region_name: Region whose registry is named.
            instance_type: Kind of machine.
            accelerator_type: Accelerator.

        Raises:
            ValueError: None was given.
        """
        if not self.image_uri:
            raise ValueError(f"{type(self).__name__} needs image_uri, the image that serves the model")
        return self.image_uri

    def prepare_container_def(
        self, instance_type: str | None = None, accelerator_type: str | None = None
    ) -> dict[str, Any]:
        """Return the container that serves the model, its code stored.

        Args:
            instance_type: Kind of machine.
            accelerator_type: Accelerator.

        Raises:
            ValueError: Something of the code is not there.
        """
        session = self._session()
        image = self.serving_image_uri(session.boto_region_name, instance_type, accelerator_type)
        self.model_data = stored_model(session, self.model_data)
        environment = dict(self.env)
        if self.entry_point is not None:
            self._store_code(image)
            environment.update(self._code_environment(session.boto_region_name))
        if is_local_session(session):
            environment = local_environment(environment)
        return container_def(
            image, self.repacked_model_data or self.model_data, environment, image_config=self.image_config
        )

    def _code_environment(self, region: str) -> dict[str, str]:
        in_model = self.repacked_model_data is not None
        return code_environment(self.uploaded_code, in_model, self.container_log_level, region)

    def _wants_code_in_model(self) -> bool:
        return self.enable_network_isolation()

    def _store_code(self, image: str) -> None:
        session = self._session()
        code = ScriptCode(
            self.entry_point or "", self.source_dir, self.dependencies, self.git_config, self.code_location
        )
        code.check()
        # The local server gives a model server its code itself, wherever that lies.
        if is_local_session(session) or not self._wants_code_in_model() or not self.model_data:
            self.uploaded_code = code.upload(session)
            return
        bucket, prefix = session.default_bucket(), ""
        if self.code_location:
            bucket, prefix = split_s3_uri(self.code_location.rstrip("/") + "/")
        name = self.name or name_from_base(base_name_from_image(image))
        self.repacked_model_data = f"s3://{bucket}/{prefix}{name}/model.tar.gz"
        self.uploaded_code = repack(
            session, self.model_data, code, self.repacked_model_data, self.model_kms_key
        )

    # -- making it

    def create(
        self,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        tags: list[dict[str, str]] | dict[str, str] | None = None,
    ) -> None:
        """Make the model in the service, without an endpoint; its name is then in ``name``.

        Args:
            instance_type: Kind of machine that it is for.
            accelerator_type: Accelerator.
            tags: Tags of the model.
        """
        self._create_sagemaker_model(instance_type, accelerator_type, request_tags(tags))

    def _create_sagemaker_model(
        self,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        tags: list[dict[str, str]] | None = None,
    ) -> None:
        container = self.prepare_container_def(instance_type, accelerator_type=accelerator_type)
        self.name = self.name or name_from_base(base_name_from_image(container["Image"]))
        try:
            self._create_by_name(container, tags)
        except ModelNameTaken:
            if not self._name_is_made_up:
                raise
            self.name = name_from_base(self.name)
            self._create_by_name(container, tags)

    def _create_by_name(self, container: dict[str, Any], tags: list[dict[str, str]] | None) -> None:
        settings = {
            "vpc_config": self.vpc_config,
            "enable_network_isolation": self.enable_network_isolation(),
            "tags": tags,
        }
        # Sessions that stand in for the AWS SDK's are asked in the words of its version.
        if speaks_of_version_2():
            self._session().create_model(name=self.name, role=self.role, container_defs=container, **settings)
        else:
            self._session().create_model(self.name, self.role, container, **settings)

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        endpoint_name: str | None = None,
        update_endpoint: bool = False,
        tags: list[dict[str, str]] | dict[str, str] | None = None,
        kms_key: str | None = None,
        wait: bool = True,
        data_capture_config: Any = None,
        *,
        serializer: Any = None,
        deserializer: Any = None,
        async_inference_config: Any = None,
        endpoint_logging: bool = False,
        volume_size: int | None = None,
        model_data_download_timeout: int | None = None,
        container_startup_health_check_timeout: int | None = None,
        routing_config: dict[str, Any] | None = None,
        inference_ami_version: str | None = None,
        **more: Any,
    ) -> Any:
        """Serve the model at an endpoint.

        Args:
            initial_instance_count: Number of model servers; on the local server 1 by default.
            instance_type: Kind of machine; on the local server ``local`` by default.
            accelerator_type: Accelerator of each.
            endpoint_name: Name of the endpoint; the model's by default.
            update_endpoint: Give the endpoint of that name, which is there, this model.
            tags: Tags of model, configuration and endpoint.
            kms_key: KMS key that encrypts the machines' disks.
            wait: Wait until the endpoint serves.
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
            serializer: Serializer of the predictor instead of its own.
            deserializer: Deserializer of the predictor instead of its own.
            async_inference_config: A :class:`pegbox.async_inference.AsyncInferenceConfig`; requests then wait in a queue.
            endpoint_logging: While waiting, print the endpoint's log.
            volume_size: Disk in GB.
            model_data_download_timeout: Seconds for the model to be fetched.
            container_startup_health_check_timeout: Seconds until the model server must answer.
            routing_config: ``{"RoutingStrategy": "LEAST_OUTSTANDING_REQUESTS"}`` or ``"RANDOM"``.
            inference_ami_version: Machine image.
            **more: Arguments that Pegbox refuses by name.

        Returns:
            What ``predictor_cls`` makes, or None without one; an :class:`pegbox.predictor_async.AsyncPredictor` around
            it for an endpoint with a queue.

        Raises:
            ValueError: An argument is not acceptable, or the name is in use.
            NotHere: An argument asks for something that Pegbox does not have.
            UnexpectedStatusException: The endpoint failed; the end of its log is printed.
        """
        refuse_all(f"{type(self).__name__}.deploy", more, _REFUSED)
        session = self._session()
        if is_local_session(session):
            initial_instance_count = 1 if initial_instance_count is None else initial_instance_count
            instance_type = instance_type or "local"
        check_instances(initial_instance_count, instance_type)
        _check_text("accelerator_type", accelerator_type, "give serializer and deserializer by name")
        tags = request_tags(tags)
        options: dict[str, Any] = {
            "tags": tags,
            "kms_key": kms_key,
            "data_capture_config_dict": _request_of(data_capture_config),
        }
        _check_config("async_inference_config", async_inference_config, "AsyncInferenceConfig")
        announce_target(session)
        name = self.name
        self._create_sagemaker_model(instance_type, accelerator_type, tags)
        variant: dict[str, Any] = {
            "accelerator_type": accelerator_type,
            "volume_size": volume_size,
            "model_data_download_timeout": model_data_download_timeout,
            "container_startup_health_check_timeout": container_startup_health_check_timeout,
            "routing_config": routing_config,
            "inference_ami_version": inference_ami_version,
        }
        self.endpoint_name = endpoint_name or self.name
        if async_inference_config is not None:
            options["async_inference_config_dict"] = async_inference_config._to_request_dict(
                session, self.endpoint_name
            )
        if endpoint_logging and not update_endpoint:
            options["live_logging"] = True
        serve = self._replace if update_endpoint else self._serve
        with undone_if_refused(lambda: self._forget(name)):
            serve(instance_type, initial_instance_count, variant, wait, options)
        return self._predictor(serializer, deserializer, async_inference_config is not None)

    def _serve(
        self,
        instance_type: str | None,
        count: int | None,
        variant: dict[str, Any],
        wait: bool,
        options: dict[str, Any],
    ) -> None:
        self._session().endpoint_from_production_variants(
            name=self.endpoint_name,
            production_variants=[production_variant(self.name, instance_type, count, **variant)],
            wait=wait,
            **options,
        )

    def _replace(
        self,
        instance_type: str | None,
        count: int | None,
        variant: dict[str, Any],
        wait: bool,
        options: dict[str, Any],
    ) -> None:
        """Give the endpoint, which is there, this model by another configuration; one that it refuses is not left behind."""
        session = self._session()
        config = session.create_endpoint_config(
            name=self.name if self.name != self.endpoint_name else name_from_base(self.name or ""),
            model_name=self.name,
            initial_instance_count=count,
            instance_type=instance_type,
            **{name: value for name, value in variant.items() if value is not None},
            **options,
        )
        with undone_if_refused(lambda: session.delete_endpoint_config(config)):
            session.update_endpoint(self.endpoint_name, config, wait=wait)

    def _forget(self, name: str | None) -> None:
        """Delete a model that was just made under a name with the time, which no later deployment would find."""
        if self.name != name:
            made, self.name = self.name, name
            self._session().delete_model(made)

    def _predictor(self, serializer: Any, deserializer: Any, is_async: bool) -> Any:
        if self.predictor_cls is None:
            return None
        predictor = self.predictor_cls(self.endpoint_name, self.sagemaker_session)
        if serializer is not None:
            predictor.serializer = serializer
        if deserializer is not None:
            predictor.deserializer = deserializer
        if is_async:
            from pegbox.predictor_async import AsyncPredictor

            return AsyncPredictor(predictor, self.name)
        return predictor

    def delete_model(self) -> None:
        """Delete the model from the service; its archive stays.

        Raises:
            ValueError: It was not made yet.
        """
        if self.name is None:
            raise ValueError("The SageMaker model must be created first before attempting to delete.")
        self._session().delete_model(self.name)

    def _session(self) -> Any:
        if self.sagemaker_session is None:
            self.sagemaker_session = Session()
        return self.sagemaker_session

    # -- what is not offered

    def register(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no model registry."""
        raise NotHere(
            f"{type(self).__name__}.register is not offered: Pegbox has no model registry; deploy it instead"
        )

    def transformer(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no batch transform."""
        raise NotHere(f"{type(self).__name__}.transformer is not offered: Pegbox has no batch transform")

    def compile(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: there is no model compiler."""
        raise NotHere(f"{type(self).__name__}.compile is not offered: Pegbox has no model compiler")


class FrameworkModel(Model):
    """A model that a script of the user's serves, in a framework's image.

    Args:
        model_data: Address of ``model.tar.gz``.
        image_uri: An image instead of the framework's own; in version 1 of the AWS SDK ``image``.
        role: See :class:`Model`, like all arguments that are not named below.
        entry_point: Script with the functions that serve; without one the framework's default way of serving is used.
        source_dir: Folder of the script, packed with it.
        predictor_cls: Called with endpoint name and session to make what ``deploy`` returns.
        env: Environment variables of the model server.
        name: Name of the model.
        enable_cloudwatch_metrics: Accepted, without effect, as in the AWS SDK.
        framework_version: Version that names the image.
        py_version: Version of Python as in ``py3``; names the image.
        model_server_workers: Processes of each model server; one by default.
        **kwargs: Arguments of :class:`Model`.
    """

    __framework_name__: str | None = None
    #: Whether AWS's images of this framework look for the code in the model's archive.
    code_in_model = False

    @accepts_old_names(_IMAGE_NAMES)
    def __init__(
        self,
        model_data: str | None = None,
        image_uri: str | None = None,
        role: str | None = None,
        entry_point: str | None = None,
        source_dir: str | None = None,
        predictor_cls: Callable[..., Any] | None = None,
        env: dict[str, str] | None = None,
        name: str | None = None,
        enable_cloudwatch_metrics: bool = False,
        *,
        framework_version: str | None = None,
        py_version: str | None = None,
        model_server_workers: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            model_data,
            image_uri,
            role,
            predictor_cls=predictor_cls,
            env=env,
            name=name,
            entry_point=entry_point,
            source_dir=source_dir,
            **kwargs,
        )
        self.enable_cloudwatch_metrics = enable_cloudwatch_metrics
        self.framework_version = framework_version
        self.py_version = py_version
        self.model_server_workers = model_server_workers

    def serving_image_uri(
        self, region_name: str, instance_type: str | None = None, accelerator_type: str | None = None
    ) -> str:
        """Return the image: the one given, or the framework's for this version and machine.

        Args:
            region_name: Region whose registry is named.
            instance_type: Kind of machine.
            accelerator_type: Accelerator; the images of elastic inference are no more, so it does not matter here.
        """
        if self.image_uri or self.__framework_name__ is None:
            return super().serving_image_uri(region_name, instance_type, accelerator_type)
        return image_uris.retrieve(
            self.__framework_name__,
            region_name,
            version=self.framework_version,
            py_version=self.py_version,
            instance_type=instance_type,
            image_scope="inference",
        )

    def _wants_code_in_model(self) -> bool:
        return self.code_in_model or super()._wants_code_in_model()

    def _code_environment(self, region: str) -> dict[str, str]:
        environment = super()._code_environment(region)
        environment[CLOUDWATCH_METRICS] = str(self.enable_cloudwatch_metrics).lower()
        return environment

    def prepare_container_def(
        self, instance_type: str | None = None, accelerator_type: str | None = None
    ) -> dict[str, Any]:
        """Return the container that serves the model, its code stored; see :meth:`Model.prepare_container_def`."""
        container = super().prepare_container_def(instance_type, accelerator_type)
        if self.model_server_workers:
            container["Environment"][WORKERS] = str(self.model_server_workers)
        return container


class ModelPackage(Model):
    """A model of AWS's marketplace or model registry, neither of which Pegbox has.

    Raises:
        NotHere: Always.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotHere(
            "ModelPackage is not offered: Pegbox has no model registry and no marketplace; use Model with the archive's address"
        )


def _is_address(text: Any) -> bool:
    return isinstance(text, str) and text.startswith(("s3://", "file://", "/", "./"))


def _request_of(data_capture_config: Any) -> dict[str, Any] | None:
    """What a request says of data capture."""
    _check_config("data_capture_config", data_capture_config, "DataCaptureConfig")
    if not data_capture_config:
        return None
    request: dict[str, Any] = data_capture_config._to_request_dict()
    return request


def _check_config(name: str, value: Any, kind: str) -> None:
    if value and not hasattr(value, "_to_request_dict"):
        raise ValueError(f"{name}={value!r} must be a {kind} object")


def _check_text(name: str, value: Any, remedy: str) -> None:
    if value is not None and not isinstance(value, str):
        raise ValueError(f"{name}={value!r} must be a text; {remedy}")


def json_predictor(endpoint_name: str, sagemaker_session: Any = None) -> Predictor:
    """Return a predictor that speaks JSON both ways.

    Args:
        endpoint_name: Name of the endpoint.
        sagemaker_session: The session.
    """
    from pegbox.deserializers import JSONDeserializer
    from pegbox.serializers import JSONSerializer

    return Predictor(endpoint_name, sagemaker_session, JSONSerializer(), JSONDeserializer())
