"""Tuning jobs: create, describe, list, stop, delete, and their training jobs."""

from __future__ import annotations

from pegbox.api.paging import Handler, Pages
from pegbox.engine import Engine


def handlers(engine: Engine, pages: Pages) -> dict[str, Handler]:
    """Return the handlers of tuning-job operations by operation name."""
    commands, queries = engine.commands, engine.queries
    return {
        "CreateHyperParameterTuningJob": commands.create_hyper_parameter_tuning_job,
        "DescribeHyperParameterTuningJob": queries.describe_hyper_parameter_tuning_job,
        "StopHyperParameterTuningJob": commands.stop_hyper_parameter_tuning_job,
        "DeleteHyperParameterTuningJob": commands.delete_hyper_parameter_tuning_job,
        "ListHyperParameterTuningJobs": pages.handler(
            "ListHyperParameterTuningJobs", queries.list_hyper_parameter_tuning_jobs
        ),
        "ListTrainingJobsForHyperParameterTuningJob": pages.handler(
            "ListTrainingJobsForHyperParameterTuningJob",
            queries.list_training_jobs_for_hyper_parameter_tuning_job,
        ),
    }
