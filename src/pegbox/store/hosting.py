"""Statements on models, endpoint configurations, endpoints and instances."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable, Table, bindparam, delete, insert, select, update

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    InstanceState,
    Model,
)
from pegbox.domain.names import CONFIG_KIND, ENDPOINT_KIND, MODEL_KIND
from pegbox.domain.records import evolve
from pegbox.errors import ResourceInUse
from pegbox.ports.store import Page, Rows
from pegbox.store.database import Database, Work
from pegbox.store.guarded import guarded_update
from pegbox.store.hosting_rows import (
    config_record,
    endpoint_changes,
    endpoint_record,
    endpoint_row,
    instance_changes,
    instance_record,
    instance_row,
    model_record,
    named_row,
)
from pegbox.store.lists import fetch_page
from pegbox.store.rules import (
    NAMED_SORTS,
    TUNING_SORTS,
    check_changes,
    check_page,
    check_row_id,
    name_key,
    resource_of,
)
from pegbox.store.tables import counters, endpoint_configs, endpoint_instances, endpoints, models, tags

_KEYED = {
    table.name: select(table).where(table.c.name_key == bindparam("key"))
    for table in (models, endpoint_configs, endpoints)
}
_INSERTS = {table.name: insert(table) for table in (models, endpoint_configs, endpoints, endpoint_instances)}
_NAMES = {
    table.name: select(table.c.name).where(table.c.id == bindparam("row_id"))
    for table in (models, endpoint_configs, endpoints)
}
_DELETES = {
    table.name: delete(table).where(table.c.id == bindparam("row_id"))
    for table in (models, endpoint_configs, endpoints, endpoint_instances)
}
_DELETE_TAGS = delete(tags).where(tags.c.resource == bindparam("gone"))
_ENDPOINTS = select(endpoints).order_by(endpoints.c.id)
_INSTANCES = select(endpoint_instances).order_by(endpoint_instances.c.id)
_OF_ENDPOINT = _INSTANCES.where(endpoint_instances.c.endpoint_id == bindparam("endpoint"))
_OF_NAME = _INSTANCES.where(endpoint_instances.c.endpoint_name == bindparam("the_name"))
_OF_ATTEMPT = select(endpoint_instances).where(endpoint_instances.c.attempt_id == bindparam("attempt"))
_SERVED = select(endpoint_instances.c.endpoint_name).distinct().order_by(endpoint_instances.c.endpoint_name)
_COUNTER = select(counters.c.value).where(counters.c.name == bindparam("the_name"))
_COUNT_UP = (
    update(counters).where(counters.c.name == bindparam("the_name")).values(value=counters.c.value + 1)
)
_FIRST_COUNT = insert(counters)
_KINDS = {models.name: MODEL_KIND, endpoint_configs.name: CONFIG_KIND, endpoints.name: ENDPOINT_KIND}
_WORDS = {models.name: "model", endpoint_configs.name: "endpoint configuration", endpoints.name: "endpoint"}


class HostingReads:
    """What can be asked about models, endpoint configurations, endpoints and instances."""

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def model(self, name: str) -> Model | None:
        """Return the model of exactly this name."""
        found = self._named(models, name)
        return model_record(found) if found is not None else None

    def endpoint_config(self, name: str) -> EndpointConfig | None:
        """Return the endpoint configuration of exactly this name."""
        found = self._named(endpoint_configs, name)
        return config_record(found) if found is not None else None

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of exactly this name."""
        found = self._named(endpoints, name)
        return endpoint_record(found) if found is not None else None

    def endpoints(self) -> Sequence[Endpoint]:
        """Return all endpoints by row id."""
        return [endpoint_record(row) for row in self._fetch(_ENDPOINTS, {})]

    def list_models(self, page: Page) -> Rows:
        """Return a page of models."""
        return self._page(models, page, NAMED_SORTS, model_record)

    def list_endpoint_configs(self, page: Page) -> Rows:
        """Return a page of endpoint configurations."""
        return self._page(endpoint_configs, page, NAMED_SORTS, config_record)

    def list_endpoints(self, page: Page) -> Rows:
        """Return a page of endpoints."""
        return self._page(endpoints, page, TUNING_SORTS, endpoint_record)

    def instances(self, endpoint_id: int) -> Sequence[EndpointInstance]:
        """Return all instances of an endpoint by row id."""
        return [instance_record(row) for row in self._fetch(_OF_ENDPOINT, {"endpoint": endpoint_id})]

    def instances_named(self, endpoint_name: str) -> Sequence[EndpointInstance]:
        """Return all instances of endpoints of exactly this name by row id."""
        return [instance_record(row) for row in self._fetch(_OF_NAME, {"the_name": endpoint_name})]

    def instance_of(self, attempt_id: str) -> EndpointInstance | None:
        """Return the instance of an attempt id."""
        rows = self._fetch(_OF_ATTEMPT, {"attempt": attempt_id})
        return instance_record(rows[0]) if rows else None

    def served_names(self) -> Sequence[str]:
        """Return the names of endpoints that instances are kept of, sorted."""
        return [row[0] for row in self._fetch(_SERVED, {})]

    def counter(self, name: str) -> int:
        """Return the value of a counter."""
        rows = self._fetch(_COUNTER, {"the_name": name})
        return int(rows[0][0]) if rows else 0

    def _named(self, table: Table, name: str) -> Any | None:
        rows = self._fetch(_KEYED[table.name], {"key": name_key(name)})
        return rows[0] if rows and rows[0].name == name else None

    def _page(self, table: Table, page: Page, sorts: tuple[str, ...], record: Callable[[Any], Any]) -> Rows:
        check_page(page, sorts, of_trials=False)
        fetch: Callable[..., Sequence[Any]] = self._fetch
        return fetch_page(table, page, fetch, record)


class HostingWrites:
    """What can be changed about models, endpoint configurations, endpoints and instances."""

    _work: Work
    _database: Database

    def insert_model(self, model: Model) -> Model:
        """Insert a model and return it with its row id."""
        return evolve(model, id=self._insert_named(models, model, named_row(model)))

    def delete_model(self, row_id: int) -> None:
        """Remove a model and its tags."""
        self._delete_named(models, row_id)

    def insert_endpoint_config(self, config: EndpointConfig) -> EndpointConfig:
        """Insert an endpoint configuration and return it with its row id."""
        return evolve(config, id=self._insert_named(endpoint_configs, config, named_row(config)))

    def delete_endpoint_config(self, row_id: int) -> None:
        """Remove an endpoint configuration and its tags."""
        self._delete_named(endpoint_configs, row_id)

    def insert_endpoint(self, endpoint: Endpoint) -> Endpoint:
        """Insert an endpoint and return it with its row id."""
        row = endpoint_row(endpoint)
        kept = {"failure_reason": row["failure_reason"]}
        return evolve(endpoint, id=self._insert_named(endpoints, endpoint, row), **kept)

    def update_endpoint(
        self, row_id: int, allowed: Collection[EndpointStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields if the status is one of ``allowed``; return whether it was."""
        check_changes(Endpoint, changes)
        words = {status.value for status in allowed}
        return guarded_update(self._work, endpoints, row_id, "status", words, endpoint_changes(changes))

    def delete_endpoint(self, row_id: int) -> None:
        """Remove an endpoint and its tags; its instances stay."""
        self._delete_named(endpoints, row_id)

    def insert_instance(self, instance: EndpointInstance) -> EndpointInstance:
        """Insert an instance and return it with its row id."""
        check_row_id(instance.id)
        row = instance_row(instance)
        kept = {"failure_reason": row["failure_reason"]}
        return evolve(instance, id=self._work.insert(_INSERTS["endpoint_instances"], row), **kept)

    def update_instance(
        self, row_id: int, allowed: Collection[InstanceState], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields if the state is one of ``allowed``; return whether it was."""
        check_changes(EndpointInstance, changes)
        words = {state.value for state in allowed}
        return guarded_update(
            self._work, endpoint_instances, row_id, "state", words, instance_changes(changes)
        )

    def delete_instance(self, row_id: int) -> None:
        """Remove an instance's row."""
        self._work.change(_DELETES["endpoint_instances"], {"row_id": row_id})

    def count_up(self, name: str) -> int:
        """Add one to a counter and return its new value."""
        if self._work.change(_COUNT_UP, {"the_name": name}) == 0:
            self._work.change(_FIRST_COUNT, {"name": name, "value": 1})
        return int(self._work.fetch(_COUNTER, {"the_name": name})[0][0])

    def _insert_named(self, table: Table, record: Any, row: Mapping[str, Any]) -> int:
        check_row_id(record.id)
        if self._work.fetch(_KEYED[table.name], {"key": row["name_key"]}):
            raise ResourceInUse(
                f"The {_WORDS[table.name]} name {record.name!r} is taken already; choose another name"
            )
        return self._work.insert(_INSERTS[table.name], row)

    def _delete_named(self, table: Table, row_id: int) -> None:
        rows = self._work.fetch(_NAMES[table.name], {"row_id": row_id})
        if rows:
            self._work.change(_DELETES[table.name], {"row_id": row_id})
            self._work.change(_DELETE_TAGS, {"gone": resource_of(_KINDS[table.name], rows[0].name)})
