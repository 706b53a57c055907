"""From an instance's row to the order an executor is given, with every address resolved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pegbox.domain.hosting import Endpoint, EndpointInstance, Generation
from pegbox.domain.orders import RuntimeOrder, ServingOrder
from pegbox.engine.identity import attempt_token
from pegbox.engine.images import resolve_image
from pegbox.engine.parts import Parts
from pegbox.engine.sealing import sealed_instance
from pegbox.engine.specs import INTERPRETER_KEY
from pegbox.errors import PegboxError

#: Where a model's own archive holds the code, as the inference toolkits know it.
INSIDE = "/opt/ml/model/"
#: Entries of a container's environment that name the code.
PROGRAM_KEY, SUBMIT_KEY = "SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY"
#: Until when a model server must answer where the configuration says nothing.
STARTUP_SECONDS = 240.0

_REGISTRY = r"(?:\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws/[\w-]+)/"
_TAG = r"(?:[:@].*)?"
#: Images that AWS uses for serving only, with the framework's name.
_SERVING_ONLY = (
    (rf"{_REGISTRY}(?:pytorch-inference|sagemaker-pytorch-serving){_TAG}", "pytorch"),
    (rf"{_REGISTRY}(?:mxnet-inference|sagemaker-mxnet-serving){_TAG}", "mxnet"),
    (rf"{_REGISTRY}(?:tensorflow-inference|sagemaker-tensorflow-serving){_TAG}", "tensorflow"),
)


def container_of(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the one container of a model's request."""
    found: Mapping[str, Any] = model.get("PrimaryContainer") or (model.get("Containers") or ({},))[0]
    return found


def model_data(container: Mapping[str, Any]) -> str | None:
    """Return the address of a container's model archive, in either of the two ways to state it."""
    if container.get("ModelDataUrl"):
        return str(container["ModelDataUrl"])
    source = (container.get("ModelDataSource") or {}).get("S3DataSource") or {}
    return str(source["S3Uri"]) if source.get("S3Uri") else None


def code_address(container: Mapping[str, Any]) -> str | None:
    """Return the address of the code archive, or None where the code is in the model or there is none.

    Version 1 of the AWS SDK names the model's own archive where it has packed the code into it, below ``code/``.
    """
    address = (container.get("Environment") or {}).get(SUBMIT_KEY)
    inside = not address or f"{address}/".startswith(INSIDE) or address == model_data(container)
    return None if inside else str(address)


def serving_runtime(
    image: str,
    entries: Mapping[str, Mapping[str, Any]],
    interpreter: str,
    environment: Mapping[str, str],
) -> RuntimeOrder | None:
    """Return how a model server of an image runs, or None when the table does not know the image.

    Args:
        image: ``Image`` of the container.
        entries: The user's entries of the image table.
        interpreter: Interpreter of script-mode programs.
        environment: Of the container; images of built-in algorithms run a script where it names one.
    """
    named = {"sagemaker_program": environment[PROGRAM_KEY]} if PROGRAM_KEY in environment else {}
    runtime = resolve_image(image, entries, interpreter, named)
    if runtime is not None:
        return runtime
    for pattern, framework in _SERVING_ONLY:
        if re.fullmatch(pattern, image):
            return RuntimeOrder(kind="script", python=interpreter, framework=framework)
    return None


def build_serving_order(
    parts: Parts,
    images: Mapping[str, Mapping[str, Any]],
    endpoint: Endpoint,
    generation: Generation | None,
    instance: EndpointInstance,
) -> ServingOrder:
    """Return the order of an instance; built anew from the records whenever it is needed.

    Without its generation, which the endpoint forgets when another one serves, an instance can only be ended.
    """
    definition = generation.definition(instance.variant) if generation is not None else {}
    container = container_of(generation.models[instance.model_name]) if generation is not None else {}
    accelerator = parts.policy.accelerators.get(definition.get("AcceleratorType") or "", {})
    environment = {**accelerator, **(container.get("Environment") or {})}
    interpreter = environment.pop(INTERPRETER_KEY, None) or parts.policy.python
    data, code = model_data(container), code_address(container)
    # An image that was removed since runs as it would have been run without the table.
    runtime = serving_runtime(container.get("Image", ""), images, interpreter, environment)
    attempt = instance.attempt_id or ""
    order = ServingOrder(
        attempt_id=attempt,
        token=attempt_token(parts.secret, attempt),
        instance_id=instance.id,
        endpoint_name=endpoint.name,
        endpoint_arn=parts.realm.endpoint_arn(endpoint.name),
        variant=instance.variant,
        model_name=instance.model_name,
        directory=f"{parts.policy.endpoints_path}/{endpoint.id}/{instance.id}",
        runtime=runtime or RuntimeOrder(kind="script", python=interpreter),
        model_archive=_located(parts, data),
        code_archive=_located(parts, code),
        environment=environment,
        startup_seconds=float(
            definition.get("ContainerStartupHealthCheckTimeoutInSeconds") or STARTUP_SECONDS
        ),
        grace_seconds=parts.policy.serving_grace_seconds,
        instance_type=definition.get("InstanceType") or "local",
        accelerator=dict(accelerator),
        region=parts.realm.region,
        cache_path=parts.policy.cache_path,
    )
    return sealed_instance(
        parts, order, generation.config.get("KmsKeyId") if generation is not None else None
    )


def _located(parts: Parts, address: str | None) -> str | None:
    """Return the local path of an address that was accepted; one that cannot be used any more is left for the agent to tell."""
    if not address:
        return None
    try:
        return parts.artifacts.locate(address)
    except PegboxError:
        return address
