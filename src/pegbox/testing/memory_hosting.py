"""The part of the store in memory that keeps models, endpoint configurations, endpoints and instances."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    Model,
)
from pegbox.domain.names import CONFIG_KIND, ENDPOINT_KIND, MODEL_KIND
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.store import Page, Rows
from pegbox.store.rules import (
    NAMED_SORTS,
    TUNING_SORTS,
    check_changes,
    check_page,
    check_row_id,
    name_key,
    resource_of,
    sound_text,
    to_micros,
)
from pegbox.testing.frozen import frozen_json

_Named = TypeVar("_Named", Model, EndpointConfig, Endpoint)


@dataclass(slots=True)
class HostingTables:
    """What the part keeps."""

    models: dict[int, Model] = field(default_factory=dict)
    configs: dict[int, EndpointConfig] = field(default_factory=dict)
    endpoints: dict[int, Endpoint] = field(default_factory=dict)
    instances: dict[int, EndpointInstance] = field(default_factory=dict)
    counters: dict[str, int] = field(default_factory=dict)


def sort_value(record: Any, sort_by: str) -> Any:
    """Return what a record of hosting is sorted by."""
    if sort_by == "Name":
        return name_key(record.name)
    return record.status.value if sort_by == "Status" else to_micros(record.created_at)


def _wanted(record: Any, page: Page) -> bool:
    modified = getattr(record, "modified_at", record.created_at)
    return (
        (page.status is None or record.status.value == page.status)
        and (page.name_contains is None or name_key(page.name_contains) in name_key(record.name))
        and (page.created_after is None or record.created_at > page.created_after)
        and (page.created_before is None or record.created_at < page.created_before)
        and (page.modified_after is None or modified > page.modified_after)
        and (page.modified_before is None or modified < page.modified_before)
    )


def _page(records: Collection[Any], page: Page) -> Rows:
    keyed = [((sort_value(item, page.sort_by), item.id), item) for item in records if _wanted(item, page)]
    if page.after is not None:
        after = tuple(page.after)
        keyed = [item for item in keyed if (item[0] < after if page.descending else item[0] > after)]
    keyed.sort(key=lambda item: item[0], reverse=page.descending)
    items = [record for _, record in keyed[: page.limit]]
    return Rows(items=items, next_after=keyed[page.limit - 1][0] if len(keyed) > page.limit else None)


def _by_name(records: Mapping[int, _Named], name: str) -> _Named | None:
    return next((item for item in records.values() if item.name == name), None)


def _frozen_generation(value: Generation | None) -> Generation | None:
    return None if value is None else Generation.from_json(frozen_json(value.to_json()))


_FREEZERS: dict[str, Callable[[Any], Any]] = {
    "request": frozen_json,
    "deployment": lambda value: None if value is None else frozen_json(value),
    "current": _frozen_generation,
    "next": _frozen_generation,
    "failure_reason": sound_text,
    "notices": tuple,
}


def _frozen(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _FREEZERS[name](value) if name in _FREEZERS else value for name, value in changes.items()}


class HostingMemoryReads:
    """Answers, from whatever tables are current."""

    def _hosting(self) -> HostingTables:
        raise NotImplementedError

    def model(self, name: str) -> Model | None:
        return _by_name(self._hosting().models, name)

    def endpoint_config(self, name: str) -> EndpointConfig | None:
        return _by_name(self._hosting().configs, name)

    def endpoint(self, name: str) -> Endpoint | None:
        return _by_name(self._hosting().endpoints, name)

    def endpoints(self) -> Sequence[Endpoint]:
        return [item for _, item in sorted(self._hosting().endpoints.items())]

    def list_models(self, page: Page) -> Rows:
        check_page(page, NAMED_SORTS, of_trials=False)
        return _page(self._hosting().models.values(), page)

    def list_endpoint_configs(self, page: Page) -> Rows:
        check_page(page, NAMED_SORTS, of_trials=False)
        return _page(self._hosting().configs.values(), page)

    def list_endpoints(self, page: Page) -> Rows:
        check_page(page, TUNING_SORTS, of_trials=False)
        return _page(self._hosting().endpoints.values(), page)

    def instances(self, endpoint_id: int) -> Sequence[EndpointInstance]:
        return [item for item in self._instances() if item.endpoint_id == endpoint_id]

    def instances_named(self, endpoint_name: str) -> Sequence[EndpointInstance]:
        return [item for item in self._instances() if item.endpoint_name == endpoint_name]

    def instance_of(self, attempt_id: str) -> EndpointInstance | None:
        return next((item for item in self._instances() if item.attempt_id == attempt_id), None)

    def served_names(self) -> Sequence[str]:
        return sorted({item.endpoint_name for item in self._instances()})

    def counter(self, name: str) -> int:
        return self._hosting().counters.get(name, 0)

    def _instances(self) -> Sequence[EndpointInstance]:
        return [item for _, item in sorted(self._hosting().instances.items())]


class HostingMemoryWrites(HostingMemoryReads):
    """Changes of a transaction's working tables."""

    def _hosting_copy(self, name: str) -> dict[Any, Any]:
        """Return a table of this transaction's own."""
        raise NotImplementedError

    def _next_id(self, table: str) -> int:
        raise NotImplementedError

    def _drop_tags(self, resource: str) -> None:
        raise NotImplementedError

    def insert_model(self, model: Model) -> Model:
        return self._insert("models", "model", model)

    def delete_model(self, row_id: int) -> None:
        self._delete("models", MODEL_KIND, row_id)

    def insert_endpoint_config(self, config: EndpointConfig) -> EndpointConfig:
        return self._insert("configs", "endpoint configuration", config)

    def delete_endpoint_config(self, row_id: int) -> None:
        self._delete("configs", CONFIG_KIND, row_id)

    def insert_endpoint(self, endpoint: Endpoint) -> Endpoint:
        return self._insert("endpoints", "endpoint", endpoint)

    def update_endpoint(
        self, row_id: int, allowed: Collection[EndpointStatus], changes: Mapping[str, Any]
    ) -> bool:
        check_changes(Endpoint, changes)
        endpoint = self._hosting().endpoints.get(row_id)
        if endpoint is None or endpoint.status not in allowed:
            return False
        self._hosting_copy("endpoints")[row_id] = replace(endpoint, **_frozen(changes))
        return True

    def delete_endpoint(self, row_id: int) -> None:
        self._delete("endpoints", ENDPOINT_KIND, row_id)

    def insert_instance(self, instance: EndpointInstance) -> EndpointInstance:
        check_row_id(instance.id)
        self._refuse_same_attempt(instance)
        kept = replace(
            instance, id=self._next_id("instances"), failure_reason=sound_text(instance.failure_reason)
        )
        self._hosting_copy("instances")[kept.id] = kept
        return kept

    def update_instance(
        self, row_id: int, allowed: Collection[InstanceState], changes: Mapping[str, Any]
    ) -> bool:
        check_changes(EndpointInstance, changes)
        instance = self._hosting().instances.get(row_id)
        if instance is None or instance.state not in allowed:
            return False
        changed = replace(instance, **_frozen(changes))
        self._refuse_same_attempt(changed)
        self._hosting_copy("instances")[row_id] = changed
        return True

    def delete_instance(self, row_id: int) -> None:
        self._hosting_copy("instances").pop(row_id, None)

    def count_up(self, name: str) -> int:
        table = self._hosting_copy("counters")
        table[name] = table.get(name, 0) + 1
        return int(table[name])

    def _insert(self, table: str, words: str, record: _Named) -> _Named:
        check_row_id(record.id)
        to_micros(record.created_at)
        key = name_key(record.name)
        if any(name_key(item.name) == key for item in getattr(self._hosting(), table).values()):
            raise ResourceInUse(f"The {words} name {record.name!r} is taken already; choose another name")
        fields = {name: getattr(record, name) for name in _FREEZERS if hasattr(record, name)}
        kept = replace(record, id=self._next_id(table), **_frozen(fields))
        self._hosting_copy(table)[kept.id] = kept
        return kept

    def _delete(self, table: str, kind: str, row_id: int) -> None:
        record = self._hosting_copy(table).pop(row_id, None)
        if record is not None:
            self._drop_tags(resource_of(kind, record.name))

    def _refuse_same_attempt(self, instance: EndpointInstance) -> None:
        if instance.attempt_id is None:
            return
        other = self.instance_of(instance.attempt_id)
        if other is not None and other.id != instance.id:
            raise StoreError(f"the schema refuses the change: instance {other.id} has this attempt id")
