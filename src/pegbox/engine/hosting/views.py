"""Records of hosting as AWS shapes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    Model,
)
from pegbox.domain.names import Realm
from pegbox.engine.hosting.orders import container_of

#: What a model or configuration shows where its request named no role; clients index it without a default.
_DEFAULT_ROLE = "arn:aws:iam::{account}:role/pegbox"
#: Members that only a variant of an update under way has; that of an endpoint in being has none of them.
_ONLY_PENDING = ("InstanceType", "AcceleratorType")


def model_description(realm: Realm, model: Model) -> dict[str, Any]:
    """Return the answer of ``DescribeModel``."""
    return {
        "ExecutionRoleArn": _DEFAULT_ROLE.format(account=realm.account),
        "EnableNetworkIsolation": False,
        **model.request,
        "ModelName": model.name,
        "ModelArn": realm.model_arn(model.name),
        "CreationTime": model.created_at,
    }


def model_summary(realm: Realm, model: Model) -> dict[str, Any]:
    """Return one item of ``ListModels``."""
    return {
        "ModelName": model.name,
        "ModelArn": realm.model_arn(model.name),
        "CreationTime": model.created_at,
    }


def config_description(realm: Realm, config: EndpointConfig) -> dict[str, Any]:
    """Return the answer of ``DescribeEndpointConfig``."""
    variants = [{"InitialVariantWeight": 1.0, **item} for item in config.request["ProductionVariants"]]
    return {
        **config.request,
        "ProductionVariants": variants,
        "EndpointConfigName": config.name,
        "EndpointConfigArn": realm.config_arn(config.name),
        "CreationTime": config.created_at,
    }


def config_summary(realm: Realm, config: EndpointConfig) -> dict[str, Any]:
    """Return one item of ``ListEndpointConfigs``."""
    return {
        "EndpointConfigName": config.name,
        "EndpointConfigArn": realm.config_arn(config.name),
        "CreationTime": config.created_at,
    }


def endpoint_summary(realm: Realm, endpoint: Endpoint) -> dict[str, Any]:
    """Return one item of ``ListEndpoints``."""
    return {
        "EndpointName": endpoint.name,
        "EndpointArn": realm.endpoint_arn(endpoint.name),
        "CreationTime": endpoint.created_at,
        "LastModifiedTime": endpoint.modified_at,
        "EndpointStatus": endpoint.status.value,
    }


def endpoint_description(
    realm: Realm,
    endpoint: Endpoint,
    instances: Sequence[EndpointInstance],
    captures: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the answer of ``DescribeEndpoint``.

    Args:
        realm: Region and account.
        endpoint: The record.
        instances: Its instances.
        captures: What the gateway says of data capture, by endpoint.
    """
    shown = endpoint.shown
    answer = {
        **endpoint_summary(realm, endpoint),
        "EndpointConfigName": shown.config_name,
        "ProductionVariants": _variants(shown, instances, endpoint),
    }
    if endpoint.failure_reason:
        answer["FailureReason"] = endpoint.failure_reason
    if shown.capture:
        answer["DataCaptureConfig"] = _capture(shown.capture, captures.get(endpoint.name) or {}, endpoint)
    if endpoint.deployment:
        answer["LastDeploymentConfig"] = dict(endpoint.deployment)
    if shown.config.get("AsyncInferenceConfig"):
        answer["AsyncInferenceConfig"] = shown.config["AsyncInferenceConfig"]
    if endpoint.current is not None and endpoint.next is not None:
        answer["PendingDeploymentSummary"] = {
            "EndpointConfigName": endpoint.next.config_name,
            "ProductionVariants": _variants(endpoint.next, instances, endpoint, _ONLY_PENDING),
            "StartTime": endpoint.modified_at,
        }
    return answer


def _variants(
    generation: Generation,
    instances: Sequence[EndpointInstance],
    endpoint: Endpoint,
    more: Sequence[str] = (),
) -> list[dict[str, Any]]:
    variants = []
    for item in generation.variants:
        ready = [
            i
            for i in instances
            if i.generation == generation.number and i.variant == item.name and i.state is InstanceState.READY
        ]
        definition = generation.definition(item.name)
        image = container_of(generation.models[definition["ModelName"]]).get("Image", "")
        variant: dict[str, Any] = {
            "VariantName": item.name,
            "DeployedImages": [
                {
                    "SpecifiedImage": image,
                    "ResolvedImage": image,
                    "ResolutionTime": endpoint.created_at,
                }
            ],
            "CurrentWeight": item.weight,
            "DesiredWeight": item.weight,
            "CurrentInstanceCount": len(ready),
            "DesiredInstanceCount": item.desired,
        }
        variant |= {name: definition[name] for name in ("RoutingConfig", *more) if definition.get(name)}
        variants.append(variant)
    return variants


def _capture(capture: Mapping[str, Any], said: Mapping[str, Any], endpoint: Endpoint) -> dict[str, Any]:
    """Return the state of data capture: the gateway's word, or what follows from the configuration before it spoke."""
    enabled = bool(capture.get("EnableCapture", True))
    serving = endpoint.status.serving or endpoint.status is EndpointStatus.CREATING
    status = said.get("status") or ("Started" if enabled and serving else "Stopped")
    return {
        "EnableCapture": enabled,
        "CaptureStatus": status if enabled else "Stopped",
        "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
        "DestinationS3Uri": capture["DestinationS3Uri"],
        "KmsKeyId": capture.get("KmsKeyId") or "",
    }
