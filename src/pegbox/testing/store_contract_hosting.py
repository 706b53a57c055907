"""The part of the store's contract that is about models, endpoint configurations, endpoints and instances."""

# A transaction that fails is itself what these tests raise from, hence several statements inside.
# ruff: noqa: PT012

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    Model,
    VariantTarget,
)
from pegbox.domain.names import Realm
from pegbox.domain.records import evolve
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.store import JobStore, Page
from pegbox.testing.sample_records import START, moment

LIVING = set(InstanceState) - {InstanceState.ENDED}


def model(name: str = "model", **changes: Any) -> Model:
    """Return a small model that is not yet inserted."""
    return evolve(
        Model(id=0, name=name, request={"PrimaryContainer": {"Image": "i"}}, created_at=START), **changes
    )


def config(name: str = "config", **changes: Any) -> EndpointConfig:
    """Return a small endpoint configuration that is not yet inserted."""
    request = {"ProductionVariants": [{"VariantName": "a", "ModelName": "model"}]}
    return evolve(EndpointConfig(id=0, name=name, request=request, created_at=START), **changes)


def generation(number: int = 1, count: int = 1) -> Generation:
    """Return a generation of one variant."""
    return Generation(
        number=number,
        config_name="config",
        config={"ProductionVariants": [{"VariantName": "a", "ModelName": "model"}]},
        models={"model": {"PrimaryContainer": {"Image": "i", "Environment": {"ü": "\u2603"}}}},
        variants=(VariantTarget(name="a", weight=0.1 + 0.2, count=count, desired=count),),
        capture={"EnableCapture": True},
    )


def endpoint(name: str = "endpoint", **changes: Any) -> Endpoint:
    """Return a small endpoint that is not yet inserted."""
    record = Endpoint(
        id=0,
        name=name,
        status=EndpointStatus.CREATING,
        created_at=START,
        modified_at=START,
        next=generation(),
        generations=1,
    )
    return evolve(record, **changes)


def instance(endpoint_id: int, **changes: Any) -> EndpointInstance:
    """Return a starting instance that is not yet inserted."""
    record = EndpointInstance(
        id=0,
        endpoint_id=endpoint_id,
        endpoint_name="endpoint",
        generation=1,
        variant="a",
        model_name="model",
        state=InstanceState.STARTING,
        created_at=START,
    )
    return evolve(record, **changes)


class HostingContract:
    """Records of hosting go in and come out."""

    @pytest.fixture
    def store(self) -> Iterator[JobStore]:
        """Yield an empty store; the subclass gives it."""
        raise NotImplementedError

    def test_hosting_records_come_back_as_they_were(self, store: JobStore) -> None:
        """Every field of a model, a configuration, an endpoint and an instance survives, through transaction and reader."""
        whole = endpoint(
            "Whole",
            status=EndpointStatus.UPDATING,
            modified_at=moment(2),
            current=generation(1),
            next=generation(2, 3),
            generations=2,
            failure_reason="why",
            deployment={"AutoRollbackConfiguration": {"Alarms": []}},
        )
        with store.transaction() as work:
            kept_model = work.insert_model(model("M"))
            kept_config = work.insert_endpoint_config(config("C"))
            kept = work.insert_endpoint(whole)
            ended = work.insert_instance(
                instance(
                    kept.id,
                    endpoint_name="Whole",
                    state=InstanceState.ENDED,
                    attempt_id="a" * 32,
                    address="unix:/x",
                    reported=4,
                    ready_at=moment(1),
                    drained_at=moment(2),
                    drain_version=7,
                    ended_at=moment(3),
                    outcome="failed",
                    failure_kind="AlgorithmError",
                    failure_reason="line\nline",
                    exit_code=-9,
                    signal=9,
                    notices=("one", "two"),
                )
            )
            assert work.endpoint("Whole") == kept == evolve(whole, id=kept.id)
        reader = store.reader
        assert reader.model("M") == kept_model == model("M", id=kept_model.id)
        assert reader.endpoint_config("C") == kept_config == config("C", id=kept_config.id)
        assert reader.endpoint("Whole") == kept
        assert reader.endpoints() == [kept]
        assert reader.instances(kept.id) == reader.instances_named("Whole") == [ended]
        assert reader.instance_of("a" * 32) == ended
        assert reader.instance_of("b" * 32) is None
        assert reader.served_names() == ["Whole"]

    def test_hosting_names_are_unique_without_case(self, store: JobStore) -> None:
        """A name that differs in case only is refused and not found; deleting frees it, its row id is never used again."""
        with store.transaction() as work:
            first = work.insert_model(model("Name"))
            work.insert_endpoint_config(config("Name"))
            work.insert_endpoint(endpoint("Name"))
        inserts: tuple[Callable[[Any], Any], ...] = (
            lambda work: work.insert_model(model("nAME")),
            lambda work: work.insert_endpoint_config(config("nAME")),
            lambda work: work.insert_endpoint(endpoint("nAME")),
        )
        for insert in inserts:
            with pytest.raises(ResourceInUse), store.transaction() as work:
                insert(work)
        reader = store.reader
        assert (reader.model("name"), reader.endpoint_config("name"), reader.endpoint("name")) == (
            None,
            None,
            None,
        )
        with store.transaction() as work:
            work.delete_model(first.id)
            again = work.insert_model(model("nAME"))
        assert again.id > first.id
        assert reader.model("Name") is None

    def test_hosting_lists_page_and_filter(self, store: JobStore) -> None:
        """Pages of each list are stable and complete, in each order, with each filter."""
        with store.transaction() as work:
            for index, name in enumerate("dbeca"):
                work.insert_model(model(name, created_at=moment(index)))
                work.insert_endpoint_config(config(name, created_at=moment(index)))
                status = EndpointStatus.FAILED if name in "ab" else EndpointStatus.CREATING
                work.insert_endpoint(
                    endpoint(name, created_at=moment(index), modified_at=moment(index), status=status)
                )
        reader = store.reader
        for read in (reader.list_models, reader.list_endpoint_configs, reader.list_endpoints):
            assert _all(read, Page(sort_by="Name", limit=2)) == list("abcde")
            assert _all(read, Page(sort_by="CreationTime", descending=True, limit=2)) == list("acebd")
            assert _all(read, Page(sort_by="CreationTime", created_after=moment(1), limit=2)) == list("eca")
            assert _all(read, Page(sort_by="Name", name_contains="C")) == ["c"]
        assert _all(reader.list_endpoints, Page(sort_by="Status", limit=1)) == list("decba")
        assert _all(reader.list_endpoints, Page(status="Failed")) == ["a", "b"]
        assert _all(reader.list_endpoints, Page(modified_before=moment(1))) == ["d"]

    def test_endpoint_changes_are_guarded(self, store: JobStore) -> None:
        """An endpoint changes only from an allowed status, an instance only from an allowed state."""
        with store.transaction() as work:
            kept = work.insert_endpoint(endpoint())
            server = work.insert_instance(instance(kept.id))
            changes = {"status": EndpointStatus.IN_SERVICE, "current": generation(), "next": None}
            assert not work.update_endpoint(kept.id, {EndpointStatus.FAILED}, changes)
            assert work.update_endpoint(kept.id, {EndpointStatus.CREATING}, changes)
            ready = {"state": InstanceState.READY, "address": "http://127.0.0.1:1", "attempt_id": "c" * 32}
            assert not work.update_instance(server.id, {InstanceState.ENDED}, ready)
            assert work.update_instance(server.id, LIVING, ready)
            assert not work.update_instance(server.id + 9, LIVING, ready)
            with pytest.raises(ValueError, match="name"):
                work.update_endpoint(kept.id, set(EndpointStatus), {"name": "x"})
        found = store.reader.endpoint("endpoint")
        assert found is not None
        assert (found.status, found.current, found.next) == (
            EndpointStatus.IN_SERVICE,
            generation(),
            None,
        )
        assert store.reader.instances(kept.id)[0].address == "http://127.0.0.1:1"

    def test_an_attempt_id_belongs_to_one_instance(self, store: JobStore) -> None:
        """A second instance cannot take it; many may have none yet."""
        with store.transaction() as work:
            work.insert_instance(instance(1, attempt_id="d" * 32))
            work.insert_instance(instance(1))
            other = work.insert_instance(instance(1))
        with pytest.raises(StoreError), store.transaction() as work:
            work.update_instance(other.id, LIVING, {"attempt_id": "d" * 32})

    def test_deleting_an_endpoint_leaves_its_instances(self, store: JobStore) -> None:
        """The record and its tags go; instances stay until they are deleted themselves."""
        realm = Realm()
        with store.transaction() as work:
            kept = work.insert_endpoint(endpoint())
            kept_model, kept_config = work.insert_model(model()), work.insert_endpoint_config(config())
            server = work.insert_instance(instance(kept.id))
            for arn in (realm.endpoint_arn("endpoint"), realm.model_arn("model"), realm.config_arn("config")):
                work.set_tags(arn, {"a": "1"})
        with store.transaction() as work:
            work.delete_endpoint(kept.id)
            work.delete_model(kept_model.id)
            work.delete_endpoint_config(kept_config.id)
            work.delete_model(kept_model.id + 7)
        reader = store.reader
        assert (reader.endpoint("endpoint"), reader.model("model"), reader.endpoint_config("config")) == (
            None,
            None,
            None,
        )
        for arn in (realm.endpoint_arn("endpoint"), realm.model_arn("model"), realm.config_arn("config")):
            assert reader.tags(arn) == {}
        assert reader.instances_named("endpoint") == [server]
        with store.transaction() as work:
            work.delete_instance(server.id)
        assert reader.instances_named("endpoint") == []
        with store.transaction() as work:
            assert work.insert_instance(instance(kept.id)).id > server.id

    def test_counters_count(self, store: JobStore) -> None:
        """A counter starts at nothing and grows by one; what is undone was not counted."""
        assert store.reader.counter("routes") == 0
        with store.transaction() as work:
            assert [work.count_up("routes"), work.count_up("routes"), work.count_up("other")] == [1, 2, 1]
        with pytest.raises(KeyError), store.transaction() as work:
            work.count_up("routes")
            work.insert_model(model())
            raise KeyError
        with store.transaction() as work:
            with pytest.raises(KeyError), work.savepoint():
                work.count_up("routes")
                raise KeyError
            assert work.counter("routes") == 2
        assert (store.reader.counter("routes"), store.reader.model("model")) == (2, None)


def _all(read: Callable[[Page], Any], page: Page) -> list[str]:
    names: list[str] = []
    while True:
        rows = read(page)
        names += [item.name for item in rows.items]
        if rows.next_after is None:
            return names
        page = evolve(page, after=rows.next_after)
