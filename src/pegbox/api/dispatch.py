"""The dispatch table: which function answers which operation."""

from __future__ import annotations

from collections.abc import Mapping

from pegbox.api import extension, logs, monitoring, tags, training_jobs, tuning_jobs
from pegbox.api.extension import ServerControl
from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine
from pegbox.wire import PageTokens

Table = Mapping[tuple[str, str], Handler]


def dispatch_table(engine: Engine, tokens: PageTokens, server: ServerControl) -> Table:
    """Return the handler of each (service, operation), services named as botocore does."""
    pages = Pages(tokens)
    by_service = {
        "sagemaker": {
            **tuning_jobs.handlers(engine, pages),
            **training_jobs.handlers(engine, pages),
            **tags.handlers(engine, pages),
        },
        "logs": logs.handlers(engine, pages),
        "cloudwatch": monitoring.handlers(engine, pages),
        extension.SERVICE: extension.handlers(engine, server),
    }
    return {
        (service, operation): handler
        for service, table in by_service.items()
        for operation, handler in table.items()
    }
