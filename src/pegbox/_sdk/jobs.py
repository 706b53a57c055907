"""What training jobs and tuning jobs have in common on the client's side."""

from __future__ import annotations

import sys
from typing import Any

from pegbox._sdk import api_version
from pegbox._sdk.channels import add_channel, channel, channels_of, local_address

#: Environment entry that tells the local server which interpreter runs the program.
PYTHON_VARIABLE = "PEGBOX_PYTHON"
#: Keywords of the session's calls in version 1 of the AWS SDK -> in version 2.
_NEWER_WORDS = {"image": "image_uri", "train_use_spot_instances": "use_spot_instances"}


class _Job:
    """A job by name.

    Args:
        sagemaker_session: The session that made it.
        job_name: Its name.
    """

    def __init__(self, sagemaker_session: Any, job_name: str) -> None:
        self.sagemaker_session = sagemaker_session
        self.job_name = job_name

    @property
    def name(self) -> str:
        """Name of the job."""
        return self.job_name

    @staticmethod
    def _load_config(inputs: Any, estimator: Any, expand_role: bool = True) -> dict[str, Any]:
        return load_config(inputs, estimator, expand_role)


def is_local_session(session: Any) -> bool:
    """Tell whether a session speaks to the local server; stand-ins of a session do not."""
    return getattr(session, "is_local", False) is True


def announce_target(session: Any) -> None:
    """Say once where a session's requests go."""
    from pegbox.session import Session

    if isinstance(session, Session):
        session.announce_target()


def load_config(inputs: Any, estimator: Any, expand_role: bool = True) -> dict[str, Any]:
    """Return the parts of a request that an estimator and its inputs decide.

    Args:
        inputs: Inputs of ``fit``.
        estimator: The estimator.
        expand_role: Turn a role's name into its ARN.

    Raises:
        ValueError: An input or address is not accepted.
    """
    session = estimator.sagemaker_session
    local = is_local_session(session)
    channels = channels_of(inputs, local)
    if estimator.model_uri:
        model = channel(
            _channel_name(estimator.model_channel_name, estimator.model_uri),
            estimator.model_uri,
            local,
            content_type="application/x-sagemaker-model",
            input_mode="File",
        )
        channels = add_channel(channels, model)
    if estimator.enable_network_isolation() and estimator.code_uri:
        name = _channel_name(estimator.code_channel_name, estimator.code_uri)
        channels = add_channel(channels, channel(name, estimator.code_uri, local))
    return {
        "input_config": channels,
        "role": session.expand_role(estimator.role) if expand_role else estimator.role,
        "output_config": _output_config(estimator, local),
        "resource_config": _resource_config(estimator),
        "stop_condition": _stop_condition(estimator),
        "vpc_config": estimator.get_vpc_config(),
    }


def input_mode_of(inputs: Any, estimator: Any) -> str:
    """Return the input mode: that of a single :class:`TrainingInput` if it has one, else the estimator's."""
    from pegbox.inputs import TrainingInput

    if isinstance(inputs, TrainingInput) and "InputMode" in inputs.config:
        return str(inputs.config["InputMode"])
    return str(estimator.input_mode)


def in_words_of_version(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return a call's keyword arguments under the names of the chosen version of the AWS SDK.

    Args:
        arguments: Under the names of version 1.
    """
    if not api_version.speaks_of_version_2():
        return arguments
    return {_NEWER_WORDS.get(name, name): value for name, value in arguments.items()}


def image_arguments(estimator: Any) -> dict[str, Any]:
    """Return the algorithm as keyword arguments of a request: image, or ARN of a marketplace algorithm."""
    arn = getattr(estimator, "algorithm_arn", None)
    return {"algorithm_arn": arn} if arn else {"image": estimator.train_image()}


def optional_arguments(estimator: Any) -> dict[str, Any]:
    """Return what only some requests carry: environment and retries."""
    found: dict[str, Any] = {}
    environment = dict(getattr(estimator, "environment", None) or {})
    if is_local_session(estimator.sagemaker_session):
        environment.setdefault(PYTHON_VARIABLE, sys.executable)
    if environment:
        found["environment"] = environment
    if getattr(estimator, "max_retry_attempts", None):
        found["max_retry_attempts"] = estimator.max_retry_attempts
    return found


def _channel_name(name: str | None, uri: str) -> str:
    if not name:
        raise ValueError(f"Expected a channel name if a channel URI {uri} is specified")
    return name


def _output_config(estimator: Any, local: bool) -> dict[str, Any]:
    path = estimator.output_path
    config = {"S3OutputPath": local_address("output_path", path, local) if local else path}
    if estimator.output_kms_key:
        config["KmsKeyId"] = estimator.output_kms_key
    return config


def _resource_config(estimator: Any) -> dict[str, Any]:
    config = {
        "InstanceCount": estimator.instance_count,
        "InstanceType": estimator.instance_type,
        "VolumeSizeInGB": estimator.volume_size,
    }
    if estimator.volume_kms_key is not None:
        config["VolumeKmsKeyId"] = estimator.volume_kms_key
    return config


def _stop_condition(estimator: Any) -> dict[str, Any]:
    config = {"MaxRuntimeInSeconds": estimator.max_run}
    if estimator.max_wait:
        config["MaxWaitTimeInSeconds"] = estimator.max_wait
    return config
