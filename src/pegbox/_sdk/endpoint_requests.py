"""Requests that make models, endpoint configurations and endpoints."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pegbox._sdk.jobs import PYTHON_VARIABLE
from pegbox.errors import NotHere
from pegbox.exceptions import UnexpectedStatusException

#: Stands for "the VPC of the training job" where None means "no VPC".
VPC_CONFIG_DEFAULT = "VPC_CONFIG_DEFAULT"
#: Name of a variant that gets all requests.
ALL_TRAFFIC = "AllTraffic"
#: Operations of a deployment up to the one that begins it.
_BEGINNING = ("DescribeEndpointConfig", "CreateEndpointConfig", "CreateEndpoint", "UpdateEndpoint")


def container_def(
    image_uri: str,
    model_data_url: str | None = None,
    env: Mapping[str, str] | None = None,
    container_mode: str | None = None,
    image_config: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a model's container.

    Args:
        image_uri: The image.
        model_data_url: Address of ``model.tar.gz``, or None.
        env: Environment variables of the container.
        container_mode: ``SingleModel`` or ``MultiModel``.
        image_config: The request's ``ImageConfig``.
    """
    container: dict[str, Any] = {"Image": image_uri, "Environment": dict(env or {})}
    if model_data_url:
        container["ModelDataUrl"] = model_data_url
    if container_mode:
        container["Mode"] = container_mode
    if image_config:
        container["ImageConfig"] = dict(image_config)
    return container


def production_variant(
    model_name: str | None = None,
    instance_type: str | None = None,
    initial_instance_count: int | None = 1,
    variant_name: str = ALL_TRAFFIC,
    initial_weight: float = 1,
    accelerator_type: str | None = None,
    serverless_inference_config: Mapping[str, Any] | None = None,
    volume_size: int | None = None,
    model_data_download_timeout: int | None = None,
    container_startup_health_check_timeout: int | None = None,
    managed_instance_scaling: Mapping[str, Any] | None = None,
    routing_config: Mapping[str, Any] | None = None,
    inference_ami_version: str | None = None,
) -> dict[str, Any]:
    """Return a variant of an endpoint configuration; what is None is left out.

    Args:
        model_name: Model that it serves.
        instance_type: Kind of machine.
        initial_instance_count: Number of machines.
        variant_name: Its name.
        initial_weight: Its share of the requests, relative to the other variants' weights.
        accelerator_type: Accelerator.
        serverless_inference_config: The request's ``ServerlessConfig``.
        volume_size: Disk in GB.
        model_data_download_timeout: Seconds for the model to be fetched.
        container_startup_health_check_timeout: Seconds until the model server must answer.
        managed_instance_scaling: The request's ``ManagedInstanceScaling``.
        routing_config: The request's ``RoutingConfig``.
        inference_ami_version: The request's ``InferenceAmiVersion``.
    """
    variant: dict[str, Any] = {"VariantName": variant_name, "InitialVariantWeight": initial_weight}
    known = {
        "ModelName": model_name,
        "InstanceType": instance_type,
        "InitialInstanceCount": None if serverless_inference_config else initial_instance_count,
        "AcceleratorType": accelerator_type,
        "ServerlessConfig": serverless_inference_config,
        "VolumeSizeInGB": volume_size,
        "ModelDataDownloadTimeoutInSeconds": model_data_download_timeout,
        "ContainerStartupHealthCheckTimeoutInSeconds": container_startup_health_check_timeout,
        "ManagedInstanceScaling": managed_instance_scaling,
        "RoutingConfig": routing_config,
        "InferenceAmiVersion": inference_ami_version,
    }
    variant.update({name: value for name, value in known.items() if value is not None})
    return variant


def model_request(
    name: str,
    role: str,
    containers: Any,
    vpc_config: Mapping[str, Any] | None,
    enable_network_isolation: bool,
    tags: list[dict[str, str]] | None,
) -> dict[str, Any]:
    """Return the request that makes a model.

    Args:
        name: Its name.
        role: ARN of its role.
        containers: A container, the image of one, or a list of containers.
        vpc_config: The request's ``VpcConfig``.
        enable_network_isolation: Run without network.
        tags: The request's ``Tags``.
    """
    request: dict[str, Any] = {"ModelName": name, "ExecutionRoleArn": role}
    if isinstance(containers, list):
        request["Containers"] = containers
    else:
        request["PrimaryContainer"] = container_def(containers) if isinstance(containers, str) else containers
    if vpc_config:
        request["VpcConfig"] = vpc_config
    if enable_network_isolation:
        request["EnableNetworkIsolation"] = True
    if tags:
        request["Tags"] = tags
    return request


def checked_vpc_config(config: Any) -> dict[str, list[str]] | None:
    """Return a VPC configuration that has what it needs, or None.

    Raises:
        ValueError: It is no dict of ``Subnets`` and ``SecurityGroupIds``, both lists with something in them.
    """
    if config is None:
        return None
    problems = []
    if not isinstance(config, Mapping):
        raise ValueError(f"vpc_config={config!r} must be a dict of Subnets and SecurityGroupIds")
    for name in ("Subnets", "SecurityGroupIds"):
        value = config.get(name)
        if not isinstance(value, (list, tuple)) or not value:
            problems.append(f"vpc_config[{name!r}] must be a list with at least one id, not {value!r}")
    if problems:
        raise ValueError("; ".join(problems))
    return {name: list(config[name]) for name in ("Subnets", "SecurityGroupIds")}


def check_instances(initial_instance_count: Any, instance_type: Any) -> None:
    """Check what ``deploy`` was asked to start.

    Raises:
        ValueError: The count is no number of machines or the type is no name; the message has all problems.
    """
    problems = []
    if initial_instance_count is None or not instance_type:
        problems.append("Must specify instance type and instance count unless using serverless inference")
    if initial_instance_count is not None and (
        isinstance(initial_instance_count, bool)
        or not isinstance(initial_instance_count, int)
        or initial_instance_count < 1
    ):
        problems.append(
            f"initial_instance_count={initial_instance_count!r} must be a whole number of at least 1"
        )
    if instance_type and not isinstance(instance_type, str):
        problems.append(f"instance_type={instance_type!r} must be a name such as 'local' or 'ml.m5.large'")
    if problems:
        raise ValueError("; ".join(problems))


def local_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a container's environment for the local server, which is told the interpreter that serves.

    Args:
        environment: What the user gave.
    """
    return {PYTHON_VARIABLE: sys.executable, **environment}


def differences(request: Any, described: Any, place: str = "") -> list[str]:
    """Return the places where a description says something else than a request did; silence of the request is none.

    Args:
        request: Part of a request.
        described: The same part of the description of what exists.
        place: Where that part is.
    """
    if isinstance(request, Mapping):
        if described is None and not any(request.values()):
            # What is empty may be left out of a description.
            return []
        known = described if isinstance(described, Mapping) else {}
        return [
            found
            for name, value in request.items()
            for found in differences(value, known.get(name), f"{place}.{name}".lstrip("."))
        ]
    if isinstance(request, (list, tuple)):
        items = described if isinstance(described, (list, tuple)) else ()
        if len(request) != len(items):
            return [place]
        pairs = enumerate(zip(request, items, strict=True))
        return [
            found for index, (one, other) in pairs for found in differences(one, other, f"{place}[{index}]")
        ]
    return [] if request == described else [place]


def refuse_all(what: str, given: Mapping[str, Any], known: Mapping[str, str]) -> None:
    """Refuse arguments of the AWS SDK that ask for what Pegbox does not have.

    Args:
        what: The call.
        given: The arguments; None and False ask for nothing.
        known: Argument -> what Pegbox does not have.

    Raises:
        TypeError: An argument is none of the AWS SDK's either.
        NotHere: One asks for something.
    """
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise TypeError(f"{what}() got unexpected arguments: {', '.join(unknown)}")
    asked = [
        f"{name}={value!r} ({known[name]})" for name, value in given.items() if value not in (None, False)
    ]
    if asked:
        raise NotHere(f"{what}: Pegbox does not have {'; '.join(asked)}; leave it out")


@contextlib.contextmanager
def undone_if_refused(undo: Callable[[], Any]) -> Iterator[None]:
    """Take away what was made for an endpoint if it turns out that no endpoint is made or changed.

    Args:
        undo: Takes it away; what it raises counts less than the refusal.
    """
    try:
        yield
    except Exception as error:
        if _refused_before_it_began(error):
            with contextlib.suppress(Exception):
                undo()
        raise


def _refused_before_it_began(error: Exception) -> bool:
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(error, ClientError):
        return error.operation_name in _BEGINNING
    wrong = isinstance(error, (ValueError, ParamValidationError))
    return wrong and not isinstance(error, UnexpectedStatusException)
