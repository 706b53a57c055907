"""Every member of the requests about models and endpoints has an outcome."""

from __future__ import annotations

from typing import Any

import botocore.session
import pytest

from pegbox.engine.outcomes import TABLE, refusals

#: Operation, and where the rows of a scope hold in its request.
PLACES = {
    "CreateModel": {"model": "", "container": "PrimaryContainer."},
    "CreateEndpointConfig": {"config": "", "variant": "ProductionVariants[]."},
    "CreateEndpoint": {"endpoint": ""},
    "UpdateEndpoint": {"update": ""},
    "UpdateEndpointWeightsAndCapacities": {"capacities": ""},
}
#: Members that are one matter with what is below them, or the same as another member.
WHOLE = {
    "Tags",
    "Containers",
    "ShadowProductionVariants",
    "ExplainerConfig",
    "DataCaptureConfig.CaptureOptions",
    "DataCaptureConfig.CaptureContentTypeHeader",
    "AsyncInferenceConfig.ClientConfig",
    "ExcludeRetainedVariantProperties",
    "ProductionVariants[].ManagedInstanceScaling.ScaleInPolicy",
}


def _paths(shape: Any, prefix: str = "", depth: int = 0) -> list[str]:
    paths = []
    for name, member in shape.members.items():
        path = f"{prefix}{name}"
        paths.append(path)
        inner, here = (member.member, f"{path}[]") if member.type_name == "list" else (member, path)
        if inner.type_name == "structure" and depth < 5 and path not in WHOLE:
            paths += _paths(inner, f"{here}.", depth + 1)
    return paths


@pytest.mark.parametrize("operation", PLACES)
def test_every_member_has_an_outcome(operation: str) -> None:
    """Promise P9: works, met by nature or refused; no parameter is silently ignored."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    rows = {
        f"{prefix}{row.path}"
        for scope, prefix in PLACES[operation].items()
        for row in TABLE
        if row.scope == scope
    }
    whole = {path for path in rows if not any(other.startswith((f"{path}.", f"{path}[]")) for other in rows)}
    missing = []
    for path in _paths(model.operation_model(operation).input_shape):
        parts = path.split(".")
        above = {".".join(parts[:i]).removesuffix("[]") for i in range(1, len(parts))}
        if path not in rows and not above & whole:
            missing.append(path)
    assert missing == []


def test_refusals_name_the_member_and_the_remedy() -> None:
    """A refused member of a variant is told with its place, its value and what to do."""
    told = refusals({"ServerlessConfig": {"MemorySizeInMB": 1024}}, "variant", "ProductionVariants[0].")
    assert told == [
        "ProductionVariants[0].ServerlessConfig: {'MemorySizeInMB': 1024} is refused: give InitialInstanceCount; model servers "
        "stay up and cost nothing here"
    ]
    assert refusals({"InstanceType": "ml.m5.large", "AcceleratorType": "x"}, "variant") == []
