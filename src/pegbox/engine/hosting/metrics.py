"""Metrics of endpoints for the ``monitoring`` service: namespace ``AWS/SageMaker``, one minute fine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from pegbox.domain.hosting import EndpointInstance
from pegbox.errors import ApiError
from pegbox.ports.serving_metrics import Figures, ServingMetrics
from pegbox.ports.store import Reader

NAMESPACE = "AWS/SageMaker"
#: Days for which figures are kept: AWS's 15 months, and after the last one of a deleted endpoint what AWS keeps minutes for.
KEPT_DAYS = 455
KEPT_DAYS_GONE = 15
PER_INSTANCE = "InvocationsPerInstance"
#: Both dimensions of each metric.
DIMENSIONS = ("EndpointName", "VariantName")
METRICS = (
    "Invocations",
    "InvocationsPerInstance",
    "Invocation4XXErrors",
    "Invocation5XXErrors",
    "InvocationModelErrors",
    "ModelLatency",
    "OverheadLatency",
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a metric over a period."""

    sum: float
    minimum: float
    maximum: float
    count: int

    def statistic(self, name: str) -> float:
        """Return a statistic.

        Raises:
            ApiError: It needs single values, which are not kept.
        """
        values = {
            "Sum": self.sum,
            "Minimum": self.minimum,
            "Maximum": self.maximum,
            "SampleCount": float(self.count),
            "Average": self.sum / self.count,
        }
        if name not in values:
            raise ApiError(
                f"The statistic {name!r} is not offered for metrics of endpoints, of which sums are kept; "
                f"use {', '.join(values)}.",
                code="InvalidParameterValue",
            )
        return values[name]


def unit_of(metric: str) -> str:
    """Return the unit of a metric."""
    return "Microseconds" if metric.endswith("Latency") else "None"


def summaries(
    reader: Reader,
    metrics: ServingMetrics,
    metric: Mapping[str, Any],
    period: int,
    start: datetime,
    end: datetime,
) -> list[tuple[datetime, Summary]]:
    """Return a metric by period, oldest first; nothing where there is no such metric."""
    dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or ()}
    if set(dimensions) != set(DIMENSIONS):
        return []
    name, variant = (dimensions[key] for key in DIMENSIONS)
    instances = [item for item in reader.instances_named(name) if item.variant == variant]
    shared = metric["MetricName"] == PER_INSTANCE
    wanted = "Invocations" if shared else metric["MetricName"]
    periods: dict[int, list[Figures]] = {}
    for endpoint_id in _endpoint_ids(reader, name):
        for item in metrics.read(endpoint_id, start.timestamp(), end.timestamp()):
            if item.variant == variant and item.metric == wanted:
                part = _share(item, instances) if shared else item
                periods.setdefault(item.minute // period * period, []).append(part)
    return [(datetime.fromtimestamp(at, timezone.utc), _together(periods[at])) for at in sorted(periods)]


def listed(
    reader: Reader, name: str | None, dimensions: Mapping[str, str | None]
) -> Iterator[dict[str, Any]]:
    """Yield the metrics of endpoints as ``ListMetrics`` shows them.

    Args:
        reader: The store.
        name: Only metrics of this name.
        dimensions: Only metrics with these dimensions; a value of None stands for any.
    """
    wanted = dimensions.get("EndpointName")
    if set(dimensions) - set(DIMENSIONS):
        return
    for endpoint in reader.served_names() if wanted is None else [wanted]:
        variants = {item.variant for item in reader.instances_named(endpoint)}
        for variant in sorted(variants):
            if dimensions.get("VariantName") not in (None, variant):
                continue
            for metric in METRICS:
                if name is None or metric == name:
                    values = zip(DIMENSIONS, (endpoint, variant), strict=True)
                    yield {
                        "Namespace": NAMESPACE,
                        "MetricName": metric,
                        "Dimensions": [{"Name": key, "Value": value} for key, value in values],
                    }


def _share(item: Figures, instances: Sequence[EndpointInstance]) -> Figures:
    """Return invocations as each instance's part: every one counts 1 / the number of instances in service."""
    first = datetime.fromtimestamp(item.minute, timezone.utc)
    part = 1 / max(1.0, _in_service(instances, first, first + timedelta(seconds=60)))
    return replace(item, sum=item.sum * part, minimum=part, maximum=part)


def _in_service(instances: Sequence[EndpointInstance], first: datetime, last: datetime) -> float:
    """Return how many instances were in service at a time, on average over when any was; those of an update follow others."""
    spans = sorted(
        (max(item.ready_at, first), min(item.drained_at or item.ended_at or last, last))
        for item in instances
        if item.ready_at is not None
    )
    total = covered = timedelta()
    until = first
    for start, end in spans:
        if end > start:
            total += end - start
            covered += max(end - max(start, until), timedelta())
            until = max(until, end)
    return total / covered if covered else 0.0


def _endpoint_ids(reader: Reader, name: str) -> list[int]:
    ids = {item.endpoint_id for item in reader.instances_named(name)}
    endpoint = reader.endpoint(name)
    return sorted(ids | ({endpoint.id} if endpoint is not None else set()))


def _together(items: Sequence[Figures]) -> Summary:
    return Summary(
        sum=sum(item.sum for item in items),
        minimum=min(item.minimum for item in items),
        maximum=max(item.maximum for item in items),
        count=sum(item.count for item in items),
    )
