"""Everything that reads models, endpoint configurations and endpoints, named as the AWS operations are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pegbox.domain.hosting import EndpointStatus
from pegbox.engine.hosting import views
from pegbox.engine.hosting.handlers import not_found
from pegbox.engine.hosting.orders import container_of
from pegbox.engine.hosting.routing import COUNTER
from pegbox.engine.outcomes import notices_of
from pegbox.engine.parts import Parts
from pegbox.ports.store import Page

Params = Mapping[str, Any]
Result = dict[str, Any]
After = Any
Paged = tuple[Result, After]
_DEFAULT_LIMIT = 10
#: Longest wait for the gateway before an endpoint is shown as in service, and how often it is looked at.
GATEWAY_SECONDS = 5.0
_LOOK_SECONDS = 0.005


class HostingQueries:
    """The engine's queries on endpoints; every method may be called from any thread.

    Args:
        parts: Ports and values.
        gateway_status: Returns what the gateway last said of itself.
    """

    def __init__(self, parts: Parts, gateway_status: Callable[[], Mapping[str, Any]]) -> None:
        self._parts = parts
        self._reader = parts.store.reader
        self._gateway_status = gateway_status
        #: Version of the routes that the gateway was waited for in vain.
        self._missed = 0

    def describe_model(self, params: Params) -> Result:
        """Describe a model.

        Raises:
            ValidationException: There is no such model.
        """
        model = self._reader.model(params["ModelName"])
        if model is None:
            raise not_found("model", self._parts.realm.model_arn(params["ModelName"]))
        return views.model_description(self._parts.realm, model)

    def list_models(self, params: Params, after: After = None) -> Paged:
        """List models: ``Models``."""
        rows = self._reader.list_models(_page(params, after))
        return {
            "Models": [views.model_summary(self._parts.realm, item) for item in rows.items]
        }, rows.next_after

    def describe_endpoint_config(self, params: Params) -> Result:
        """Describe an endpoint configuration.

        Raises:
            ValidationException: There is no such configuration.
        """
        config = self._reader.endpoint_config(params["EndpointConfigName"])
        if config is None:
            arn = self._parts.realm.config_arn(params["EndpointConfigName"])
            raise not_found("endpoint configuration", arn)
        return views.config_description(self._parts.realm, config)

    def list_endpoint_configs(self, params: Params, after: After = None) -> Paged:
        """List endpoint configurations: ``EndpointConfigs``."""
        rows = self._reader.list_endpoint_configs(_page(params, after))
        items = [views.config_summary(self._parts.realm, item) for item in rows.items]
        return {"EndpointConfigs": items}, rows.next_after

    def describe_endpoint(self, params: Params) -> Result:
        """Describe an endpoint.

        Raises:
            ValidationException: There is no such endpoint.
        """
        endpoint = self._reader.endpoint(params["EndpointName"])
        if endpoint is None:
            raise not_found("endpoint", self._parts.realm.endpoint_arn(params["EndpointName"]))
        if endpoint.status is EndpointStatus.IN_SERVICE:
            self._wait_for_gateway()
        instances = self._reader.instances(endpoint.id)
        captures = self._gateway_status().get("captures") or {}
        return views.endpoint_description(self._parts.realm, endpoint, instances, captures)

    def _wait_for_gateway(self) -> None:
        """Wait until the gateway routes by what is committed: who reads InService may send requests at once.

        A gateway that does not get there is not waited for again, until there is something newer.
        """
        wanted = self._reader.counter(COUNTER)
        for _ in range(int(GATEWAY_SECONDS / _LOOK_SECONDS)):
            if self._gateway_status().get("version", wanted) >= wanted or self._missed >= wanted:
                return
            time.sleep(_LOOK_SECONDS)
        self._missed = wanted

    def list_endpoints(self, params: Params, after: After = None) -> Paged:
        """List endpoints: ``Endpoints``."""
        rows = self._reader.list_endpoints(_page(params, after))
        items = [views.endpoint_summary(self._parts.realm, item) for item in rows.items]
        return {"Endpoints": items}, rows.next_after

    def explain_endpoint(self, name: str) -> Result:
        """Explain an endpoint beyond AWS's answer: its instances with what they noted, and what is met by nature.

        Raises:
            ValidationException: There is no such endpoint.
        """
        endpoint = self._reader.endpoint(name)
        if endpoint is None:
            raise not_found("endpoint", self._parts.realm.endpoint_arn(name))
        shown = endpoint.shown
        met = notices_of(shown.config, "config")
        for index, item in enumerate(shown.config["ProductionVariants"]):
            met += notices_of(item, "variant", f"ProductionVariants[{index}].")
        for name, request in shown.models.items():
            met += notices_of(request, "model", f"{name}: ")
            met += notices_of(container_of(request), "container", f"{name}: PrimaryContainer.")
        return {
            "name": endpoint.name,
            "status": endpoint.status.value,
            "generation": shown.number,
            "failure": endpoint.failure_reason,
            "met_by_nature": met,
            "instances": [
                {
                    "id": f"i-{item.id}",
                    "variant": item.variant,
                    "generation": item.generation,
                    "state": item.state.value,
                    "outcome": item.outcome,
                    "failure": item.failure_reason,
                    "notices": list(item.notices),
                }
                for item in self._reader.instances(endpoint.id)
            ],
        }


def _page(params: Params, after: After) -> Page:
    return Page(
        sort_by=params.get("SortBy") or "CreationTime",
        descending=(params.get("SortOrder") or "Descending") == "Descending",
        limit=params.get("MaxResults") or _DEFAULT_LIMIT,
        after=tuple(after) if after is not None else None,
        name_contains=params.get("NameContains"),
        status=params.get("StatusEquals"),
        created_after=params.get("CreationTimeAfter"),
        created_before=params.get("CreationTimeBefore"),
        modified_after=params.get("LastModifiedTimeAfter"),
        modified_before=params.get("LastModifiedTimeBefore"),
    )
