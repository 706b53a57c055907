"""Tags of jobs, models, endpoint configurations and endpoints."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of tag operations by operation name."""
    return {
        "AddTags": engine.commands.add_tags,
        "DeleteTags": engine.commands.delete_tags,
        "ListTags": pages.handler("ListTags", engine.queries.list_tags),
    }
