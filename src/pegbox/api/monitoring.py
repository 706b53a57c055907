"""Metrics, as the ``monitoring`` service shows them; ``wire`` speaks its three protocols."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of metric operations by operation name."""
    queries = engine.queries
    return {
        "GetMetricStatistics": queries.get_metric_statistics,
        "GetMetricData": pages.handler("GetMetricData", queries.get_metric_data),
        "ListMetrics": pages.handler("ListMetrics", queries.list_metrics),
    }
