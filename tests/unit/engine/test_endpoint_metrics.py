"""Metrics of endpoints from what the gateway counted."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import datetime, timezone

import pytest

from pegbox.domain.hosting import InstanceState
from pegbox.engine.hosting.metrics import METRICS, listed, summaries
from pegbox.errors import ApiError
from pegbox.ports.serving_metrics import Figures
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.store_contract_hosting import endpoint, instance

MINUTE = 1_600_000_020


class _Counted:
    """Six invocations in the first minute and two in the next, of the endpoint with row id 1."""

    def read(self, endpoint_id: int, start: float, end: float) -> Sequence[Figures]:
        found = [
            Figures(
                minute=MINUTE + 60 * later,
                variant="a",
                metric="Invocations",
                sum=float(count),
                minimum=1.0,
                maximum=1.0,
                count=count,
            )
            for later, count in ((0, 6), (1, 2))
        ]
        return [item for item in found if endpoint_id == 1 and start <= item.minute < end]


@pytest.fixture
def store() -> MemoryStore:
    """An endpoint with two instances, of which one ended before the second minute."""
    store = MemoryStore()

    def at(second: int) -> datetime:
        return datetime.fromtimestamp(MINUTE + second, timezone.utc)

    with store.transaction() as work:
        kept = work.insert_endpoint(endpoint())
        work.insert_instance(instance(kept.id, state=InstanceState.READY, ready_at=at(-5)))
        ended = {"state": InstanceState.ENDED, "ready_at": at(-5), "ended_at": at(30)}
        work.insert_instance(instance(kept.id, **ended))
        work.insert_instance(instance(kept.id, variant="b"))
    return store


def _ask(store: MemoryStore, metric: str, period: int = 60) -> list[tuple[float, float]]:
    dimensions = [{"Name": "EndpointName", "Value": "endpoint"}, {"Name": "VariantName", "Value": "a"}]
    asked = {"MetricName": metric, "Dimensions": dimensions}
    start, end = (datetime.fromtimestamp(MINUTE + s, timezone.utc) for s in (-60, 120))
    found = summaries(store.reader, _Counted(), asked, period, start, end)
    return [(item.statistic("Sum"), item.statistic("Average")) for _, item in found]


def test_invocations_are_shared_by_the_instances_in_service(store: MemoryStore) -> None:
    """Each invocation counts one through the number of instances that served in its minute, on average over the minute."""
    assert _ask(store, "Invocations") == [(6, 1), (2, 1)]
    assert _ask(store, "InvocationsPerInstance") == [(4, pytest.approx(2 / 3)), (2, 1)]
    assert _ask(store, "Invocations", period=600) == [(8, 1)]
    assert _ask(store, "ModelLatency") == []


def test_instances_that_follow_each_other_count_as_one() -> None:
    """A minute of updates, each of which replaced the only instance, has one instance in service."""
    store = MemoryStore()
    marks = [datetime.fromtimestamp(MINUTE + second, timezone.utc) for second in (-5, 20, 40, 50)]
    with store.transaction() as work:
        kept = work.insert_endpoint(endpoint())
        for ready, drained in itertools.pairwise(marks):
            facts = {"state": InstanceState.ENDED, "ready_at": ready, "drained_at": drained}
            work.insert_instance(instance(kept.id, **facts))
    assert _ask(store, "InvocationsPerInstance")[0] == (6, 1)


def test_percentiles_are_refused(store: MemoryStore) -> None:
    """Single values are not kept; the error names what there is."""
    asked = {
        "MetricName": "Invocations",
        "Dimensions": [{"Name": "EndpointName", "Value": "endpoint"}, {"Name": "VariantName", "Value": "a"}],
    }
    start, end = (datetime.fromtimestamp(MINUTE + s, timezone.utc) for s in (-60, 120))
    ((_, first), _) = summaries(store.reader, _Counted(), asked, 60, start, end)
    with pytest.raises(ApiError, match="'p99' is not offered for metrics of endpoints"):
        first.statistic("p99")


def test_metrics_are_listed_by_variant(store: MemoryStore) -> None:
    """Every metric of every variant is listed; dimensions and names narrow it down."""
    assert len(list(listed(store.reader, None, {}))) == 2 * len(METRICS)
    assert len(list(listed(store.reader, "ModelLatency", {"VariantName": "b"}))) == 1
    assert list(listed(store.reader, None, {"EndpointName": "other"})) == []
    assert list(listed(store.reader, None, {"TrainingJobName": None})) == []
