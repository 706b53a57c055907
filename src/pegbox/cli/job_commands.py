"""``pegbox jobs`` and ``pegbox stop``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.cli.client import Client
from pegbox.cli.context import connect
from pegbox.cli.output import clock_time, number, print_json, print_table
from pegbox.errors import ApiError


def print_jobs(training: bool, status: str | None, limit: int, as_json: bool) -> None:
    """Print the newest jobs."""
    client = connect()
    operation = "ListTrainingJobs" if training else "ListHyperParameterTuningJobs"
    member = "TrainingJobSummaries" if training else "HyperParameterTuningJobSummaries"
    found: list[dict[str, Any]] = []
    for page in client.pages(
        "sagemaker",
        operation,
        SortBy="CreationTime",
        SortOrder="Descending",
        MaxResults=min(limit, 100),
        StatusEquals=status,
    ):
        found += page[member]
        if len(found) >= limit:
            break
    found = found[:limit]
    if as_json:
        print_json(found)
    elif not found:
        print("There are no jobs.")
    elif training:
        print_table(("TRAINING JOB", "STATUS", "CREATED"), [_training_row(item) for item in found])
    else:
        headings = ("TUNING JOB", "STATUS", "CREATED", "DONE", "RUNNING", "FAILED", "STOPPED", "BEST")
        print_table(headings, [_tuning_row(client, item) for item in found])


def stop_job(name: str) -> None:
    """Stop a tuning job or a training job."""
    client = connect()
    try:
        client.call("sagemaker", "StopHyperParameterTuningJob", HyperParameterTuningJobName=name)
    except ApiError as error:
        if error.code != "ResourceNotFound":
            raise
        try:
            client.call("sagemaker", "StopTrainingJob", TrainingJobName=name)
        except ApiError as second:
            if second.code != "ResourceNotFound":
                raise
            raise ApiError(
                f"there is no tuning job or training job {name!r}; 'pegbox jobs' lists them", code=second.code
            ) from error
    print(f"{name} is stopping.")


def no_such_job(name: str) -> ApiError:
    """Return the error for a name that nothing has."""
    return ApiError(
        f"there is no tuning job, training job or endpoint {name!r}; 'pegbox jobs' and 'pegbox endpoints' list them",
        code="ResourceNotFound",
    )


def _tuning_row(client: Client, item: Mapping[str, Any]) -> tuple[str, ...]:
    counters = item["TrainingJobStatusCounters"]
    name = item["HyperParameterTuningJobName"]
    best = client.call("sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name).get(
        "BestTrainingJob", {}
    )
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    return (
        name,
        item["HyperParameterTuningJobStatus"],
        clock_time(item["CreationTime"]),
        str(counters.get("Completed", 0)),
        str(counters.get("InProgress", 0)),
        str(counters.get("NonRetryableError", 0) + counters.get("RetryableError", 0)),
        str(counters.get("Stopped", 0)),
        f"{metric['MetricName']}={number(metric['Value'])}" if metric else "-",
    )


def _training_row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return item["TrainingJobName"], item["TrainingJobStatus"], clock_time(item["CreationTime"])
