"""Everything that changes models, endpoint configurations and endpoints, named as the AWS operations are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from pegbox.engine.handlers import Command
from pegbox.engine.hosting import handlers
from pegbox.engine.hosting.admission import (
    admit_config,
    admit_deployment,
    admit_model,
    check_capacities,
)
from pegbox.engine.parts import Parts

Params = Mapping[str, Any]
Result = dict[str, Any]


class HostingCommands:
    """The engine's commands on endpoints; every method may be called from any thread and blocks until committed."""

    def __init__(self, parts: Parts, post: Callable[[Command], Future[Any]]) -> None:
        self._parts = parts
        self._post = post

    def create_model(self, params: Params) -> Result:
        """Accept a model: ``{"ModelArn"}``."""
        return self._do(self.admitted_model(params))

    def delete_model(self, params: Params) -> Result:
        """Remove a model; endpoints that run it keep what they need."""
        return self._do(handlers.DeleteModel(name=params["ModelName"]))

    def create_endpoint_config(self, params: Params) -> Result:
        """Accept an endpoint configuration: ``{"EndpointConfigArn"}``."""
        return self._do(self.admitted_config(params))

    def delete_endpoint_config(self, params: Params) -> Result:
        """Remove an endpoint configuration; endpoints that run by it keep what they need."""
        return self._do(handlers.DeleteConfig(name=params["EndpointConfigName"]))

    def create_endpoint(self, params: Params) -> Result:
        """Bring up an endpoint: ``{"EndpointArn"}``; it is ``Creating`` until its instances answer."""
        return self._do(self.admitted_endpoint(params))

    def update_endpoint(self, params: Params) -> Result:
        """Bring an endpoint to another configuration without a request lost: ``{"EndpointArn"}``."""
        admit_deployment(params, "update")
        excluded = params.get("ExcludeRetainedVariantProperties") or ()
        return self._do(
            handlers.UpdateEndpoint(
                name=params["EndpointName"],
                config_name=params["EndpointConfigName"],
                retain=bool(params.get("RetainAllVariantProperties")),
                excluded=frozenset(item["VariantPropertyType"] for item in excluded),
                deployment=params.get("DeploymentConfig"),
            )
        )

    def update_endpoint_weights_and_capacities(self, params: Params) -> Result:
        """Change weights, and numbers of instances: ``{"EndpointArn"}``."""
        admit_deployment(params, "capacities")
        items = params["DesiredWeightsAndCapacities"]
        check_capacities(items)
        return self._do(
            handlers.UpdateVariants(
                name=params["EndpointName"],
                targets={
                    item["VariantName"]: (item.get("DesiredWeight"), item.get("DesiredInstanceCount"))
                    for item in items
                },
            )
        )

    def delete_endpoint(self, params: Params) -> Result:
        """Take an endpoint out of service; it is ``Deleting`` until nothing of it is left."""
        return self._do(handlers.DeleteEndpoint(name=params["EndpointName"]))

    def admitted_model(self, params: Params) -> handlers.CreateModel:
        """Check a model's request and return the action that creates it."""
        admit_model(self._parts, self._parts.store.reader, params)
        request = {k: v for k, v in params.items() if k not in ("ModelName", "Tags")}
        return handlers.CreateModel(name=params["ModelName"], request=request, tags=_tags(params.get("Tags")))

    def admitted_config(self, params: Params) -> handlers.CreateConfig:
        """Check an endpoint configuration's request and return the action that creates it."""
        admit_config(self._parts, params)
        request = {k: v for k, v in params.items() if k not in ("EndpointConfigName", "Tags")}
        return handlers.CreateConfig(
            name=params["EndpointConfigName"], request=request, tags=_tags(params.get("Tags"))
        )

    def admitted_endpoint(self, params: Params) -> handlers.CreateEndpoint:
        """Check an endpoint's request and return the action that creates it."""
        admit_deployment(params, "endpoint")
        return handlers.CreateEndpoint(
            name=params["EndpointName"],
            config_name=params["EndpointConfigName"],
            tags=_tags(params.get("Tags")),
            deployment=params.get("DeploymentConfig"),
        )

    def _do(self, action: handlers.HostingAction) -> Result:
        result: Result = self._post(Command(action)).result()
        return result


def _tags(items: Any) -> dict[str, str]:
    return {item["Key"]: item.get("Value", "") for item in items or ()}
