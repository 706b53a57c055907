"""The dispatch table: which function answers which operation."""

from __future__ import annotations

from collections.abc import Mapping

from pegbox.api import (
    endpoints,
    extension,
    identity,
    keys,
    logs,
    monitoring,
    tags,
    training_jobs,
    tuning_jobs,
)
from pegbox.api.extension import ServerControl
from pegbox.api.keys import KeyControl
from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine
from pegbox.wire import PageTokens

Table = Mapping[tuple[str, str], Handler]


def dispatch_table(
    engine: Engine, tokens: PageTokens, server: ServerControl, key_control: KeyControl, *, account: str
) -> Table:
    """Return the handler of each (service, operation), services named as botocore does.

    Args:
        engine: Decides what happens.
        tokens: Signs where pages end.
        server: The server as a process.
        key_control: Its master keys.
        account: Account number that ARNs carry.
    """
    pages = Pages(tokens)
    by_service = {
        "sagemaker": {
            **tuning_jobs.handlers(engine, pages),
            **training_jobs.handlers(engine, pages),
            **endpoints.handlers(engine, pages),
            **tags.handlers(engine, pages),
        },
        "logs": logs.handlers(engine, pages),
        "cloudwatch": monitoring.handlers(engine, pages),
        "iam": identity.iam_handlers(account),
        "sts": identity.sts_handlers(account),
        extension.SERVICE: {**extension.handlers(engine, server), **keys.handlers(key_control)},
    }
    return {
        (service, operation): handler
        for service, table in by_service.items()
        for operation, handler in table.items()
    }
