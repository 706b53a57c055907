"""Training jobs: create, describe, list, stop, delete."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of training-job operations by operation name."""
    commands, queries = engine.commands, engine.queries
    return {
        "CreateTrainingJob": commands.create_training_job,
        "DescribeTrainingJob": queries.describe_training_job,
        "StopTrainingJob": commands.stop_training_job,
        "DeleteTrainingJob": commands.delete_training_job,
        "ListTrainingJobs": pages.handler("ListTrainingJobs", queries.list_training_jobs),
    }
