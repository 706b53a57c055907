"""Whatever is done with models, endpoints and instances, the store in SQLite and the one in memory give the same answers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.domain.hosting import EndpointStatus, InstanceState
from pegbox.domain.names import Realm
from pegbox.errors import PegboxError
from pegbox.ports.store import JobStore, Page
from pegbox.store import open_store
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.sample_records import moment
from pegbox.testing.store_contract_hosting import config, endpoint, generation, instance, model

_MEMORY = Path("/dev/shm")
_NAMES = st.sampled_from(["a", "A", "b-2", "B-2", "c_%"])
_IDS = st.integers(1, 5)
_TIMES = st.integers(0, 3).map(moment)
_ENDPOINT = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from(EndpointStatus),
        "current": st.none() | st.builds(generation, st.integers(1, 3), st.integers(0, 2)),
        "next": st.none() | st.builds(generation, st.integers(1, 3)),
        "failure_reason": st.none() | st.text(max_size=5),
        "modified_at": _TIMES,
        "deployment": st.none() | st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=2),
    },
)
_INSTANCE = st.fixed_dictionaries(
    {},
    optional={
        "state": st.sampled_from(InstanceState),
        "attempt_id": st.none() | st.sampled_from(["a" * 32, "b" * 32]),
        "address": st.none() | st.just("unix:/x"),
        "reported": st.integers(0, 9),
        "ready_at": st.none() | _TIMES,
        "ended_at": st.none() | _TIMES,
        "drain_version": st.none() | st.integers(0, 9),
        "failure_reason": st.none() | st.text(max_size=5),
        "exit_code": st.none() | st.integers(-9, 9),
        "notices": st.lists(st.text(max_size=3), max_size=2).map(tuple),
    },
)
_STATUSES = st.sets(st.sampled_from(EndpointStatus))
_STATES = st.sets(st.sampled_from(InstanceState))
Deed = Callable[[Any], Any]
_DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.builds(lambda n, t: lambda w: w.insert_model(model(n, created_at=t)), _NAMES, _TIMES),
    st.builds(lambda n, t: lambda w: w.insert_endpoint_config(config(n, created_at=t)), _NAMES, _TIMES),
    st.builds(lambda n, c: lambda w: w.insert_endpoint(endpoint(n, **c)), _NAMES, _ENDPOINT),
    st.builds(
        lambda e, n, c: lambda w: w.insert_instance(instance(e, endpoint_name=n, **c)),
        _IDS,
        _NAMES,
        _INSTANCE,
    ),
    st.builds(lambda i, s, c: lambda w: w.update_endpoint(i, s, c), _IDS, _STATUSES, _ENDPOINT),
    st.builds(lambda i, s, c: lambda w: w.update_instance(i, s, c), _IDS, _STATES, _INSTANCE),
    st.builds(lambda i: lambda w: w.delete_model(i), _IDS),
    st.builds(lambda i: lambda w: w.delete_endpoint_config(i), _IDS),
    st.builds(lambda i: lambda w: w.delete_endpoint(i), _IDS),
    st.builds(lambda i: lambda w: w.delete_instance(i), _IDS),
    st.builds(lambda n: lambda w: w.count_up(n), _NAMES),
    st.builds(lambda n: lambda w: w.set_tags(Realm().endpoint_arn(n), {"k": n}), _NAMES),
)
_PAGES = st.builds(
    Page,
    sort_by=st.sampled_from(["Name", "CreationTime"]),
    descending=st.booleans(),
    limit=st.integers(1, 3),
    name_contains=st.none() | st.sampled_from(["A", "-", "%", "_"]),
    created_after=st.none() | _TIMES,
)


def _same(stores: list[JobStore], works: list[Any], deed: Deed) -> None:
    answers = []
    for work in works:
        try:
            with work.savepoint():
                answers.append(repr(deed(work)))
        except (PegboxError, ValueError) as error:
            answers.append(type(error).__name__)
    assert answers[0] == answers[1]


def _everything(reader: Any, page: Page) -> list[Any]:
    names = ("a", "A", "b-2", "B-2", "c_%")
    return [
        reader.endpoints(),
        [(reader.model(n), reader.endpoint_config(n), reader.endpoint(n)) for n in names],
        [reader.instances(i) for i in range(1, 6)],
        [reader.instances_named(n) for n in names],
        [reader.instance_of(letter * 32) for letter in "ab"],
        reader.served_names(),
        [reader.counter(n) for n in names],
        [reader.tags(Realm().endpoint_arn(n)) for n in names],
        [read(page) for read in (reader.list_models, reader.list_endpoint_configs, reader.list_endpoints)],
        reader.list_endpoints(Page(sort_by="Status", limit=9)),
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(_DEEDS, st.booleans()), max_size=25), _PAGES)
def test_both_backends_give_the_same_answers(deeds: list[tuple[Deed, bool]], page: Page) -> None:
    """Inserts, guarded changes, deletions, counters and lists agree, errors included, in transactions and after them."""
    with tempfile.TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
        stores: list[JobStore] = [open_store(Path(folder) / "pegbox.db"), MemoryStore()]
        try:
            pending = list(deeds)
            while pending:
                with stores[0].transaction() as first, stores[1].transaction() as second:
                    while pending:
                        deed, ends = pending.pop(0)
                        _same(stores, [first, second], deed)
                        if ends:
                            break
                    assert repr(_everything(first, page)) == repr(_everything(second, page))
            assert repr(_everything(stores[0].reader, page)) == repr(_everything(stores[1].reader, page))
        finally:
            for store in stores:
                store.close()
