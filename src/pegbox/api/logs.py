"""Program output, as the ``logs`` service shows it."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of log operations by operation name.

    The tokens of GetLogEvents are the engine's own: they are byte offsets, and repeat where there is nothing new.
    """
    queries = engine.queries
    return {
        "DescribeLogGroups": pages.handler("DescribeLogGroups", queries.describe_log_groups, "nextToken"),
        "DescribeLogStreams": pages.handler("DescribeLogStreams", queries.describe_log_streams, "nextToken"),
        "FilterLogEvents": pages.handler("FilterLogEvents", queries.filter_log_events, "nextToken"),
        "GetLogEvents": queries.get_log_events,
    }
