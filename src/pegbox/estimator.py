"""Estimators: how a training job is run."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from pegbox import image_uris
from pegbox._sdk.deploying import serving_code
from pegbox._sdk.endpoint_requests import VPC_CONFIG_DEFAULT
from pegbox._sdk.estimator_base import DEFAULT_MAX_RUN, EstimatorBase
from pegbox._sdk.jobs import is_local_session
from pegbox._sdk.naming import base_name
from pegbox._sdk.old_names import ESTIMATOR_NAMES, OldName, accepts_old_names
from pegbox._sdk.script_code import (
    CLOUDWATCH_METRICS,
    INFO,
    LOG_LEVEL,
    PROGRAM,
    SUBMIT_DIRECTORY,
    ScriptCode,
    UploadedCode,
    json_decoded,
    json_encoded,
    json_text,
    log_level_of,
    script_hyperparameters,
)
from pegbox._sdk.training_job import _TrainingJob
from pegbox.deserializers import JSONDeserializer
from pegbox.serializers import JSONSerializer

__all__ = ["Estimator", "EstimatorBase", "Framework", "UploadedCode", "_TrainingJob"]

_IMAGE_NAME = {"image_name": "image_uri"}


class Estimator(EstimatorBase):
    """A training job from an image, or from a Python script.

    With ``entry_point`` the script is run by the training toolkit's rules (``SM_*`` variables, hyperparameters as
    ``--name value``); no image is needed on the local server, which runs it with this Python.

    Args:
        image_uri: The image; in version 1 of the AWS SDK ``image_name``. Optional with ``entry_point``.
        role: See :class:`EstimatorBase`, like all arguments that are not named below.
        hyperparameters: Hyperparameters of every job.
        entry_point: A script; relative to ``source_dir`` if that is given.
        source_dir: Folder of the script, packed with it; its ``requirements.txt`` is installed.
        dependencies: Further files and folders to pack.
        git_config: ``repo``, ``branch``, ``commit`` of a repository that the paths are relative to.
        code_location: ``s3://bucket/prefix`` for the packed code.
        container_log_level: Log level of the toolkit.

    Raises:
        ValueError: Neither image nor entry point was given.
    """

    image_name = OldName("image_uri")

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        image_uri: str | None = None,
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
        hyperparameters: dict[str, Any] | None = None,
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
        enable_network_isolation: bool = False,
        rules: Any = None,
        debugger_hook_config: Any = None,
        tensorboard_output_config: Any = None,
        enable_sagemaker_metrics: bool | None = None,
        *,
        entry_point: str | None = None,
        source_dir: str | None = None,
        dependencies: Sequence[str] | None = None,
        git_config: dict[str, str] | None = None,
        code_location: str | None = None,
        container_log_level: int = INFO,
        **more: Any,
    ) -> None:
        if image_uri is None and entry_point is None:
            raise ValueError("Estimator needs image_uri (an image) or entry_point (a Python script)")
        super().__init__(
            role, instance_count, instance_type, volume_size, volume_kms_key, max_run, input_mode, output_path,
            output_kms_key, base_job_name, sagemaker_session, tags, subnets, security_group_ids, model_uri,
            model_channel_name, metric_definitions, encrypt_inter_container_traffic, use_spot_instances, max_wait,
            checkpoint_s3_uri, checkpoint_local_path, rules, debugger_hook_config, tensorboard_output_config,
            enable_sagemaker_metrics, enable_network_isolation, **more,
        )  # fmt: skip
        self.image_uri = image_uri
        self.hyperparam_dict: dict[str, Any] = dict(hyperparameters or {})
        self.entry_point = entry_point
        self.source_dir = source_dir
        self.dependencies = list(dependencies or ())
        self.git_config = git_config
        self.code_location = code_location
        self.container_log_level = container_log_level
        self.uploaded_code: UploadedCode | None = None

    def train_image(self) -> str:
        """Return the image; for a bare script the local server's script runtime."""
        return self.image_uri or image_uris.SCRIPT_IMAGE

    def set_hyperparameters(self, **kwargs: Any) -> None:
        """Set hyperparameters by name."""
        self.hyperparam_dict.update(kwargs)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters, with the script's entries once they are known."""
        if self.uploaded_code is None:
            return self.hyperparam_dict
        values = {name: _plain_text(value) for name, value in self.hyperparam_dict.items()}
        own = script_hyperparameters(
            self.uploaded_code,
            self.container_log_level,
            self._current_job_name,
            self.sagemaker_session.boto_region_name,
        )
        return {**values, **json_encoded(own)}

    def _default_job_base(self) -> str:
        if self.image_uri is None and self.entry_point is not None:
            return base_name(self.entry_point.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py"))
        return super()._default_job_base()

    def _code(self) -> ScriptCode | None:
        if self.entry_point is None:
            return None
        return ScriptCode(
            self.entry_point, self.source_dir, self.dependencies, self.git_config, self.code_location
        )

    def _check_before_start(self) -> None:
        code = self._code()
        if code is not None:
            code.check()

    def _prepare_for_training(self, job_name: str | None = None) -> None:
        self._check_before_start()
        super()._prepare_for_training(job_name)
        code = self._code()
        if code is not None:
            self.uploaded_code = code.upload(self.sagemaker_session)

    @accepts_old_names({"image": "image_uri", "image_name": "image_uri"})
    def create_model(
        self,
        role: str | None = None,
        image_uri: str | None = None,
        predictor_cls: Any = None,
        serializer: Any = None,
        deserializer: Any = None,
        content_type: str | None = None,
        accept: str | None = None,
        vpc_config_override: Any = VPC_CONFIG_DEFAULT,
        *,
        entry_point: str | None = None,
        source_dir: str | None = None,
        dependencies: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return a model of the last training job; nothing is made in the service yet.

        Args:
            role: Role of the model; the estimator's by default.
            image_uri: Image that serves it; the one that trained it by default.
            predictor_cls: Called with endpoint name and session to make a predictor; by default one that sends and answers
                bytes, and for a bare script one that speaks JSON.
            serializer: Serializer of that predictor.
            deserializer: Deserializer of that predictor.
            content_type: MIME type of its requests.
            accept: MIME types that it asks for.
            vpc_config_override: ``VpcConfig`` instead of the job's; None for none.
            entry_point: Another script that serves than the one that trained.
            source_dir: Folder of that script.
            dependencies: Further files for it.
            **kwargs: Further arguments of :class:`pegbox.model.Model`.

        Raises:
            ValueError: There is no training job with a model.
        """
        from pegbox.model import Model
        from pegbox.predictor import Predictor

        if self.entry_point is not None:
            kwargs.update(serving_code(self, entry_point, source_dir, dependencies))
            kwargs.setdefault("container_log_level", self.container_log_level)
        elif entry_point is not None:
            kwargs.update(entry_point=entry_point, source_dir=source_dir, dependencies=dependencies)
        if self.image_uri is None:
            serializer, deserializer = serializer or JSONSerializer(), deserializer or JSONDeserializer()

        def predictor(endpoint_name: str, session: Any) -> Predictor:
            return Predictor(endpoint_name, session, serializer, deserializer, content_type, accept)

        kwargs.setdefault("enable_network_isolation", self.enable_network_isolation())
        kwargs["env"] = self._serving_environment(kwargs.get("env"))
        return Model(
            self.model_data,
            image_uri or self.train_image(),
            role or self.role,
            vpc_config=self.get_vpc_config(vpc_config_override),
            sagemaker_session=self.sagemaker_session,
            predictor_cls=predictor_cls or predictor,
            **kwargs,
        )

    @classmethod
    def attach(
        cls, training_job_name: str, sagemaker_session: Any = None, model_channel_name: str = "model"
    ) -> EstimatorBase:
        """Return an estimator for a training job that exists; see :meth:`EstimatorBase.attach`."""
        estimator = super().attach(training_job_name, sagemaker_session, model_channel_name)
        if isinstance(estimator, Estimator) and estimator.entry_point is not None:
            estimator.uploaded_code = UploadedCode(estimator.source_dir or "", estimator.entry_point)
        return estimator

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: dict[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        if found.get("image_uri") == image_uris.SCRIPT_IMAGE:
            values = dict(found["hyperparameters"])
            own = json_decoded(
                {name: values.pop(name) for name in list(values) if name.startswith("sagemaker_")}
            )
            found["hyperparameters"] = values
            found["entry_point"] = own[PROGRAM]
            found["source_dir"] = own[SUBMIT_DIRECTORY]
            del found["image_uri"]
        return found


class Framework(EstimatorBase):
    """Base class of estimators that run a user's script in a framework's image.

    Hyperparameters, and the values of categorical ranges, go to the service as JSON texts.

    Args:
        entry_point: A script; relative to ``source_dir`` if that is given.
        source_dir: Folder of the script, packed with it, or ``s3://...`` of an archive that is stored already.
        hyperparameters: Hyperparameters of every job.
        enable_cloudwatch_metrics: Accepted, without effect, as in the AWS SDK.
        container_log_level: Log level of the toolkit.
        code_location: ``s3://bucket/prefix`` for the packed code.
        image_uri: An image instead of the framework's own; in version 1 of the AWS SDK ``image_name``.
        dependencies: Further files and folders to pack.
        enable_network_isolation: Run without network.
        git_config: ``repo``, ``branch``, ``commit`` of a repository that the paths are relative to.
        checkpoint_s3_uri: Where checkpoints are kept.
        checkpoint_local_path: Where the program writes them.
        enable_sagemaker_metrics: Record metric series; they always are.
        **kwargs: Arguments of :class:`EstimatorBase`.

    Raises:
        ValueError: ``entry_point`` is an ``s3://`` address.
    """

    __framework_name__: str | None = None
    #: Archive that holds the code where the program has no network.
    CONTAINER_CODE_CHANNEL_SOURCEDIR_PATH = "/opt/ml/input/data/code/sourcedir.tar.gz"

    image_name = OldName("image_uri")

    framework_version: str | None = None
    py_version: str | None = None

    @accepts_old_names(_IMAGE_NAME)
    def __init__(
        self,
        entry_point: str,
        source_dir: str | None = None,
        hyperparameters: dict[str, Any] | None = None,
        enable_cloudwatch_metrics: bool = False,
        container_log_level: int = INFO,
        code_location: str | None = None,
        image_uri: str | None = None,
        dependencies: Sequence[str] | None = None,
        enable_network_isolation: bool = False,
        git_config: dict[str, str] | None = None,
        checkpoint_s3_uri: str | None = None,
        checkpoint_local_path: str | None = None,
        enable_sagemaker_metrics: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            enable_network_isolation=enable_network_isolation,
            checkpoint_s3_uri=checkpoint_s3_uri,
            checkpoint_local_path=checkpoint_local_path,
            enable_sagemaker_metrics=enable_sagemaker_metrics,
            **kwargs,
        )
        if entry_point.startswith("s3://"):
            raise ValueError(f"Invalid entry point script: {entry_point}. Must be a path to a local file")
        self.entry_point = entry_point
        self.source_dir = source_dir
        self.git_config = git_config
        self.dependencies = list(dependencies or ())
        self.enable_cloudwatch_metrics = enable_cloudwatch_metrics
        self.container_log_level = container_log_level
        self.code_location = code_location
        self.image_uri = image_uri
        self.uploaded_code: UploadedCode | None = None
        self._hyperparameters: dict[str, Any] = dict(hyperparameters or {})

    def train_image(self) -> str:
        """Return the image: the one given, or the framework's for this version and machine."""
        if self.image_uri:
            return self.image_uri
        return image_uris.retrieve(
            self.__framework_name__ or "",
            self.sagemaker_session.boto_region_name,
            version=self.framework_version,
            py_version=self.py_version,
            instance_type=self.instance_type,
        )

    def set_hyperparameters(self, **kwargs: Any) -> None:
        """Set hyperparameters by name."""
        self._hyperparameters.update(kwargs)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters as JSON texts, with the script's entries once they are known."""
        return json_encoded(self._hyperparameters)

    def _code(self) -> ScriptCode:
        return ScriptCode(
            self.entry_point, self.source_dir, self.dependencies, self.git_config, self.code_location
        )

    def _check_before_start(self) -> None:
        self._code().check()

    def _prepare_for_training(self, job_name: str | None = None) -> None:
        self._check_before_start()
        super()._prepare_for_training(job_name)
        code = self._code().upload(self.sagemaker_session)
        self.uploaded_code = code
        if self.enable_network_isolation():
            # Without network the program cannot fetch its code; a channel brings it.
            self.code_uri = code.s3_prefix
            code = UploadedCode(self.CONTAINER_CODE_CHANNEL_SOURCEDIR_PATH, code.script_name)
        self._hyperparameters.update(
            script_hyperparameters(
                code,
                self.container_log_level,
                self._current_job_name,
                self.sagemaker_session.boto_region_name,
            )
        )
        self._hyperparameters[CLOUDWATCH_METRICS] = self.enable_cloudwatch_metrics

    @accepts_old_names({"image": "image_uri", "image_name": "image_uri"})
    def create_model(
        self,
        model_server_workers: int | None = None,
        role: str | None = None,
        vpc_config_override: Any = VPC_CONFIG_DEFAULT,
        entry_point: str | None = None,
        source_dir: str | None = None,
        dependencies: Sequence[str] | None = None,
        *,
        image_uri: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Return a model of the last training job; nothing is made in the service yet.

        Args:
            model_server_workers: Processes of each model server.
            role: Role of the model; the estimator's by default.
            vpc_config_override: ``VpcConfig`` instead of the job's; None for none.
            entry_point: Another script that serves than the one that trained.
            source_dir: Folder of that script.
            dependencies: Further files for it.
            image_uri: Image that serves it; the framework's by default.
            **kwargs: Further arguments of the framework's model.

        Raises:
            ValueError: There is no training job with a model.
        """
        model_data = self.model_data
        kwargs.setdefault("enable_network_isolation", self.enable_network_isolation())
        chosen = kwargs.get("name") is not None
        kwargs.setdefault("name", self._current_job_name)
        kwargs.setdefault("container_log_level", self.container_log_level)
        kwargs["env"] = self._serving_environment(kwargs.get("env"))
        model = self._model_class()(
            model_data,
            role=role or self.role,
            image_uri=image_uri or self._serving_image(),
            framework_version=self.framework_version,
            py_version=self.py_version,
            model_server_workers=model_server_workers,
            code_location=self.code_location,
            sagemaker_session=self.sagemaker_session,
            vpc_config=self.get_vpc_config(vpc_config_override),
            **self._serving_code(entry_point, source_dir, dependencies),
            **kwargs,
        )
        model._name_is_made_up = not chosen
        return model

    def _serving_code(
        self, entry_point: str | None, source_dir: str | None, dependencies: Any
    ) -> dict[str, Any]:
        return serving_code(self, entry_point, source_dir, dependencies)

    def _model_class(self) -> Any:
        from pegbox.model import FrameworkModel
        from pegbox.predictor import Predictor

        return functools.partial(FrameworkModel, predictor_cls=Predictor)

    def _serving_image(self) -> str | None:
        """The image that serves: the one that trained if it is the user's own, or on the local server; None to look it up."""
        own = self.image_uri is not None and image_uris.parse(self.image_uri).framework is None
        return self.train_image() if own or is_local_session(self.sagemaker_session) else None

    @classmethod
    def attach(
        cls, training_job_name: str, sagemaker_session: Any = None, model_channel_name: str = "model"
    ) -> EstimatorBase:
        """Return an estimator for a training job that exists; see :meth:`EstimatorBase.attach`."""
        estimator = super().attach(training_job_name, sagemaker_session, model_channel_name)
        if isinstance(estimator, Framework):
            estimator.uploaded_code = UploadedCode(estimator.source_dir or "", estimator.entry_point)
        return estimator

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: dict[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        values = json_decoded(found["hyperparameters"])
        missing = [name for name in (PROGRAM, SUBMIT_DIRECTORY) if not values.get(name)]
        if missing:
            raise ValueError(f"the job has no {' and no '.join(missing)}; it was not made by {cls.__name__}")
        found["hyperparameters"] = values
        found["entry_point"] = values[PROGRAM]
        found["source_dir"] = values[SUBMIT_DIRECTORY]
        found["enable_cloudwatch_metrics"] = bool(values.get(CLOUDWATCH_METRICS, False))
        found["container_log_level"] = log_level_of(values.get(LOG_LEVEL))
        if cls.__framework_name__ is not None and "image_uri" in found:
            parsed = image_uris.parse(found["image_uri"])
            if parsed.framework is not None and parsed.framework != cls.__framework_name__:
                raise ValueError(
                    f"Training job: {job_details['TrainingJobName']} didn't use image for {cls.__name__}"
                )
            found["framework_version"] = parsed.version
            found["py_version"] = parsed.py_version
        return {name: value for name, value in found.items() if value is not None}

    @staticmethod
    def _json_encode_hyperparameters(hyperparameters: dict[str, Any]) -> dict[str, str]:
        return json_encoded(hyperparameters)


def _plain_text(value: Any) -> str:
    """Text as it is, everything else as JSON, which is how the training toolkit reads it back."""
    return value if isinstance(value, str) else json_text(value)
