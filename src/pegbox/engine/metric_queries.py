"""The ``monitoring`` service over emitted metrics, as AWS publishes them: those of training jobs in one namespace with one
dimension, those of endpoints in another with two."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any, Protocol

from pegbox.domain.records import TrainingJob
from pegbox.engine.hosting import metrics as endpoint_metrics
from pegbox.engine.parts import Parts
from pegbox.errors import ApiError
from pegbox.ports.serving_metrics import ServingMetrics
from pegbox.ports.store import Page

Params = Mapping[str, Any]
Result = dict[str, Any]
Paged = tuple[Result, Any]

NAMESPACE = "/aws/sagemaker/TrainingJobs"
DIMENSION = "TrainingJobName"
#: Most datapoints of one answer of GetMetricStatistics, and metrics in a page of ListMetrics.
MAX_DATAPOINTS = 1440
_MAX_METRICS = 500
_STATISTICS = ("SampleCount", "Sum", "Average", "Minimum", "Maximum")


class _Values(Protocol):
    """The values of a period."""

    def statistic(self, name: str) -> float:
        """Return a statistic of them."""
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class _Single:
    """Values that are all known."""

    values: Sequence[float]

    def statistic(self, name: str) -> float:
        return _statistic(name, self.values)


class MetricQueries:
    """Operations of the ``monitoring`` service."""

    _parts: Parts
    #: What the gateway counted, or None where there are no endpoints.
    _serving_metrics: ServingMetrics | None

    def prune_metrics(self) -> int:
        """Forget figures of endpoints whose time is over; return how many days' files that were."""
        if self._serving_metrics is None:
            return 0
        now = self._parts.clock.now().timestamp()
        return self._serving_metrics.prune(
            {endpoint.id for endpoint in self._parts.store.reader.endpoints()},
            before=now - endpoint_metrics.KEPT_DAYS * 86_400,
            gone_before=now - endpoint_metrics.KEPT_DAYS_GONE * 86_400,
        )

    def get_metric_statistics(self, params: Params) -> Result:
        """Aggregate one metric by periods: ``Label``, ``Datapoints``.

        Raises:
            ApiError: Periods and times that do not go together.
        """
        period = params["Period"]
        start, end = _utc(params["StartTime"]), _utc(params["EndTime"])
        if start >= end:
            raise _invalid("The parameter StartTime must be less than the parameter EndTime.")
        if (end - start).total_seconds() / period > MAX_DATAPOINTS:
            raise ApiError(
                f"You have requested more than {MAX_DATAPOINTS} datapoints, which exceeds the limit. You may reduce the "
                "datapoints requested by increasing Period, or decreasing the time range.",
                code="InvalidParameterCombination",
            )
        simple = [*(params.get("Statistics") or ())]
        extended = [*(params.get("ExtendedStatistics") or ())]
        if not simple and not extended:
            raise ApiError(
                "At least one of Statistics and ExtendedStatistics is needed.", code="MissingParameter"
            )
        datapoints = []
        for at, values in self._periods(params, period, start, end):
            point: dict[str, Any] = {"Timestamp": at, "Unit": endpoint_metrics.unit_of(params["MetricName"])}
            point |= {name: values.statistic(name) for name in simple}
            if extended:
                point["ExtendedStatistics"] = {name: values.statistic(name) for name in extended}
            datapoints.append(point)
        return {"Label": params["MetricName"], "Datapoints": datapoints}

    def get_metric_data(self, params: Params, after: Any = None) -> Paged:
        """Aggregate several metrics: ``MetricDataResults``, ``Messages``.

        Raises:
            ApiError: A query that is no plain metric.
        """
        start, end = _utc(params["StartTime"]), _utc(params["EndTime"])
        newest_first = (params.get("ScanBy") or "TimestampDescending") == "TimestampDescending"
        results = []
        for query in params["MetricDataQueries"]:
            stat = query.get("MetricStat")
            if stat is None:
                raise ApiError(
                    f"The query {query['Id']!r} has an Expression; metric math is not offered, give a MetricStat.",
                    code="ValidationError",
                )
            for name in ("Namespace", "MetricName"):
                if not stat["Metric"].get(name):
                    raise ApiError(
                        f"The query {query['Id']!r} has no MetricStat.Metric.{name}; name the metric to read.",
                        code="ValidationError",
                    )
            if query.get("ReturnData") is False:
                continue
            points = self._periods(stat["Metric"], stat["Period"], start, end)
            if newest_first:
                points = points[::-1]
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query.get("Label") or stat["Metric"]["MetricName"],
                    "Timestamps": [at for at, _ in points],
                    "Values": [values.statistic(stat["Stat"]) for _, values in points],
                    "StatusCode": "Complete",
                }
            )
        return {"MetricDataResults": results, "Messages": []}, None

    def list_metrics(self, params: Params, after: Any = None) -> Paged:
        """List metrics that training jobs have emitted and endpoints have: ``Metrics``."""
        dimensions = {item["Name"]: item.get("Value") for item in params.get("Dimensions") or ()}
        namespace = params.get("Namespace")
        if namespace in (None, NAMESPACE) and not (isinstance(after, int)):
            answer, following = self._job_metrics(params, dimensions, after)
            if following is not None or namespace is not None or answer["Metrics"]:
                rest = 0 if namespace is None and self._serving_metrics is not None else None
                return answer, following if following is not None else rest
        if namespace not in (None, endpoint_metrics.NAMESPACE) or self._serving_metrics is None:
            return {"Metrics": []}, None
        start = after if isinstance(after, int) else 0
        found = endpoint_metrics.listed(self._parts.store.reader, params.get("MetricName"), dimensions)
        items = list(itertools.islice(found, start, start + _MAX_METRICS + 1))
        more = start + _MAX_METRICS if len(items) > _MAX_METRICS else None
        return {"Metrics": items[:_MAX_METRICS]}, more

    def _job_metrics(self, params: Params, dimensions: Mapping[str, Any], after: Any) -> Paged:
        if set(dimensions) - {DIMENSION}:
            return {"Metrics": []}, None
        reader = self._parts.store.reader
        wanted, name = dimensions.get(DIMENSION), params.get("MetricName")
        if wanted is not None:
            job = reader.training_job(wanted)
            return {"Metrics": _metrics_of([job] if job is not None else [], name)}, None
        page = Page(limit=100, after=tuple(after) if after is not None else None)
        while True:
            rows = reader.list_training_jobs(page)
            metrics = _metrics_of(rows.items, name)
            if len(metrics) <= _MAX_METRICS or page.limit == 1:
                return {"Metrics": metrics[:_MAX_METRICS]}, rows.next_after
            page = dataclasses.replace(page, limit=page.limit // 2)

    def _periods(
        self, metric: Params, period: int, start: datetime, end: datetime
    ) -> Sequence[tuple[datetime, _Values]]:
        """Return the values of a metric by period, oldest first; nothing where there is no such metric.

        Of those that training jobs emit the finite ones count.
        """
        if metric.get("Namespace") == endpoint_metrics.NAMESPACE and self._serving_metrics is not None:
            reader = self._parts.store.reader
            return endpoint_metrics.summaries(reader, self._serving_metrics, metric, period, start, end)
        dimensions = {item["Name"]: item["Value"] for item in metric.get("Dimensions") or ()}
        if metric.get("Namespace") != NAMESPACE or set(dimensions) != {DIMENSION}:
            return []
        reader = self._parts.store.reader
        job = reader.training_job(dimensions[DIMENSION])
        if job is None:
            return []
        periods: dict[int, list[float]] = {}
        for point in reader.metric_points(job.id, metric["MetricName"]):
            if start <= point.at < end and math.isfinite(point.value):
                periods.setdefault(int(point.at.timestamp() // period) * period, []).append(point.value)
        return [(datetime.fromtimestamp(at, timezone.utc), _Single(periods[at])) for at in sorted(periods)]


def _metrics_of(jobs: Sequence[TrainingJob], name: str | None) -> list[dict[str, Any]]:
    return [
        {
            "Namespace": NAMESPACE,
            "MetricName": metric,
            "Dimensions": [{"Name": DIMENSION, "Value": job.name}],
        }
        for job in jobs
        for metric in job.final_metrics
        if name is None or metric == name
    ]


def _statistic(name: str, values: Sequence[float]) -> float:
    if name == "SampleCount":
        return float(len(values))
    if name == "Sum":
        return math.fsum(values)
    if name == "Average":
        return math.fsum(values) / len(values)
    if name == "Minimum":
        return min(values)
    if name == "Maximum":
        return max(values)
    if name.startswith("p") and _percent(name[1:]) is not None:
        ordered = sorted(values)
        place = (_percent(name[1:]) or 0.0) / 100 * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
    raise _invalid(f"The statistic {name!r} is not offered; use {', '.join(_STATISTICS)} or p0 to p100.")


def _percent(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 100 else None


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo is not None else at.replace(tzinfo=timezone.utc)


def _invalid(message: str) -> ApiError:
    return ApiError(message, code="InvalidParameterValue")
