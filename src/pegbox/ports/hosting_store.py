"""Durable state of models, endpoint configurations, endpoints and instances, as the engine sees it; a part of the store."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    InstanceState,
    Model,
)

if TYPE_CHECKING:
    from pegbox.ports.store import Page, Rows


class HostingReader(Protocol):
    """Committed state. Methods may be called from any thread.

    Names are unique without regard to case and found as written.
    """

    def model(self, name: str) -> Model | None:
        """Return the model of this name."""
        ...

    def endpoint_config(self, name: str) -> EndpointConfig | None:
        """Return the endpoint configuration of this name."""
        ...

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of this name."""
        ...

    def endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints by row id."""
        ...

    def list_models(self, page: Page) -> Rows:
        """Return a page of models. ``sort_by``: Name, CreationTime."""
        ...

    def list_endpoint_configs(self, page: Page) -> Rows:
        """Return a page of endpoint configurations. ``sort_by``: Name, CreationTime."""
        ...

    def list_endpoints(self, page: Page) -> Rows:
        """Return a page of endpoints. ``sort_by``: Name, Status, CreationTime."""
        ...

    def instances(self, endpoint_id: int) -> Sequence[EndpointInstance]:
        """Return all instances of an endpoint, ended ones too, by row id."""
        ...

    def instances_named(self, endpoint_name: str) -> Sequence[EndpointInstance]:
        """Return all instances of endpoints of this name, deleted endpoints included, by row id."""
        ...

    def instance_of(self, attempt_id: str) -> EndpointInstance | None:
        """Return the instance of an attempt id."""
        ...

    def served_names(self) -> Sequence[str]:
        """Return the names of all endpoints that ever had an instance that is still kept, sorted."""
        ...

    def counter(self, name: str) -> int:
        """Return the value of a counter; 0 before it was first counted up."""
        ...


class HostingWriter(Protocol):
    """Changes of a transaction."""

    def insert_model(self, model: Model) -> Model:
        """Insert and return the model with its row id.

        Raises:
            ResourceInUse: The name is taken, regardless of case.
        """
        ...

    def delete_model(self, row_id: int) -> None:
        """Remove a model and its tags."""
        ...

    def insert_endpoint_config(self, config: EndpointConfig) -> EndpointConfig:
        """Insert and return the configuration with its row id.

        Raises:
            ResourceInUse: The name is taken, regardless of case.
        """
        ...

    def delete_endpoint_config(self, row_id: int) -> None:
        """Remove a configuration and its tags."""
        ...

    def insert_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Insert and return the endpoint with its row id.

        Raises:
            ResourceInUse: The name is taken, regardless of case.
        """
        ...

    def update_endpoint(
        self, row_id: int, allowed: Collection[EndpointStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields (named as in the record) if the status is one of ``allowed``; return whether it was."""
        ...

    def delete_endpoint(self, row_id: int) -> None:
        """Remove an endpoint and its tags; its instances stay, they tell where the logs are."""
        ...

    def insert_instance(self, instance: EndpointInstance) -> EndpointInstance:
        """Insert and return the instance with its row id."""
        ...

    def update_instance(
        self, row_id: int, allowed: Collection[InstanceState], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields (named as in the record) if the state is one of ``allowed``; return whether it was."""
        ...

    def delete_instance(self, row_id: int) -> None:
        """Remove an instance's row."""
        ...

    def count_up(self, name: str) -> int:
        """Add one to a counter and return its new value."""
        ...
