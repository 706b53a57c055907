"""The routing snapshot: where the gateway sends requests. Pure but for the addresses, which the artifact store resolves."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pegbox.domain.hosting import Endpoint, EndpointStatus, Generation, InstanceState
from pegbox.domain.names import Realm
from pegbox.engine.hosting.orders import container_of
from pegbox.engine.hosting.picture import ActiveEndpoint, HostingPicture
from pegbox.engine.hosting.reconcile import routed
from pegbox.engine.parts import Parts
from pegbox.errors import PegboxError

_log = logging.getLogger(__name__)
#: Name of the counter of snapshots.
COUNTER = "routes"
#: Log group of an endpoint, before its name.
GROUP = "/aws/sagemaker/Endpoints/"
#: Seconds an invocation may take, and bytes of its body: AWS's figures ...
INVOCATION_SECONDS = 60
STRICT_PAYLOAD = 6_291_456
#: ... and what extended mode allows.
EXTENDED_PAYLOAD = 25 * 2**20
_LEAST = "LEAST_OUTSTANDING_REQUESTS"


def routes_of(parts: Parts, picture: HostingPicture, version: int) -> dict[str, Any]:
    """Return the snapshot of all endpoints."""
    endpoints = (picture.endpoints[row_id] for row_id in sorted(picture.endpoints))
    return {
        "version": version,
        "written_at": parts.clock.now().timestamp(),
        "region": parts.realm.region,
        "account": parts.realm.account,
        "endpoints": {
            active.record.name: _endpoint(parts, active)
            for active in endpoints
            if active.record.status is not EndpointStatus.DELETING
        },
    }


def stream_arn(realm: Realm, endpoint: str, variant: str, instance_id: int) -> str:
    """Return the ARN of an instance's log stream."""
    return (
        f"arn:aws:logs:{realm.region}:{realm.account}:log-group:{GROUP}{endpoint}"
        f":log-stream:{variant}/i-{instance_id}"
    )


def _endpoint(parts: Parts, active: ActiveEndpoint) -> dict[str, Any]:
    endpoint, generation = active.record, active.record.shown
    return {
        "id": endpoint.id,
        "arn": parts.realm.endpoint_arn(endpoint.name),
        "status": endpoint.status.value,
        "variants": [_variant(parts, active, generation, item.name) for item in generation.variants],
        "capture": _if_located(endpoint, lambda: _capture(parts, generation.capture)),
        "async": _if_located(endpoint, lambda: _async(parts, generation)),
    }


def _if_located(endpoint: Endpoint, make: Callable[[], dict[str, Any] | None]) -> dict[str, Any] | None:
    """Return a part with addresses, or None where one that was accepted cannot be used any more: routes matter more."""
    try:
        return make()
    except PegboxError as problem:
        _log.error("endpoint %s: %s", endpoint.name, problem)
        return None


def _variant(parts: Parts, active: ActiveEndpoint, generation: Generation, name: str) -> dict[str, Any]:
    definition = generation.definition(name)
    target = generation.variant(name)
    endpoint = active.record
    return {
        "name": name,
        # A variant that is to have no instances takes no share of the requests from those that have some.
        "weight": target.weight if target is not None and target.desired else 0.0,
        "routing": (definition.get("RoutingConfig") or {}).get("RoutingStrategy") or _LEAST,
        "timeout_seconds": _timeout(parts, generation, definition["ModelName"]),
        "max_payload_bytes": EXTENDED_PAYLOAD if parts.policy.extended else STRICT_PAYLOAD,
        "instances": [
            {
                "id": instance.id,
                "address": instance.address,
                "log_stream_arn": stream_arn(parts.realm, endpoint.name, name, instance.id),
            }
            for instance in (active.live[row_id] for row_id in sorted(active.live))
            if instance.variant == name and routed(endpoint, instance)
        ],
    }


def _timeout(parts: Parts, generation: Generation, model: str) -> float:
    """Return the seconds of an invocation: AWS's, or more where the model asks for it and no AWS limit is kept."""
    environment = container_of(generation.models[model]).get("Environment") or {}
    try:
        asked = float(environment.get("SAGEMAKER_MODEL_SERVER_TIMEOUT", INVOCATION_SECONDS))
    except ValueError:
        asked = INVOCATION_SECONDS
    return max(INVOCATION_SECONDS, min(asked, 86_400.0)) if parts.policy.extended else INVOCATION_SECONDS


def _capture(parts: Parts, capture: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not capture or not capture.get("EnableCapture", True):
        return None
    modes = {item["CaptureMode"] for item in capture["CaptureOptions"]}
    types = capture.get("CaptureContentTypeHeader") or {}
    return {
        "sampling": capture["InitialSamplingPercentage"],
        "input": bool(modes & {"Input", "InputAndOutput"}),
        "output": bool(modes & {"Output", "InputAndOutput"}),
        "destination": capture["DestinationS3Uri"],
        "path": parts.artifacts.locate(capture["DestinationS3Uri"]),
        "csv_types": list(types.get("CsvContentTypes") or ()),
        "json_types": list(types.get("JsonContentTypes") or ()),
        "key": capture.get("KmsKeyId") or None,
    }


def _async(parts: Parts, generation: Generation) -> dict[str, Any] | None:
    config = generation.config.get("AsyncInferenceConfig")
    if not config:
        return None
    output = config["OutputConfig"]
    uri, failure = output.get("S3OutputPath"), output.get("S3FailurePath")
    client = config.get("ClientConfig") or {}
    return {
        "output_uri": uri,
        "output_path": parts.artifacts.locate(uri) if uri else None,
        "failure_uri": failure,
        "failure_path": parts.artifacts.locate(failure) if failure else None,
        "max_concurrent": client.get("MaxConcurrentInvocationsPerInstance") or 1,
        "key": output.get("KmsKeyId") or None,
    }


def ready_of(endpoint: Endpoint, active: ActiveEndpoint, variant: str) -> int:
    """Return how many instances of a variant are ready in the generation that serves."""
    number = endpoint.shown.number
    return sum(
        item.variant == variant and item.generation == number and item.state is InstanceState.READY
        for item in active.live.values()
    )
