"""``pegbox show``: all that is known of a job or an endpoint."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.cli.client import Client
from pegbox.cli.context import connect
from pegbox.cli.endpoint_commands import find_endpoint, show_endpoint
from pegbox.cli.output import clock_time, number, print_facts, print_json, print_table
from pegbox.errors import ApiError


def show_job(name: str, endpoint: bool, as_json: bool) -> None:
    """Print a tuning job, a training job or an endpoint."""
    client = connect()
    if endpoint:
        show_endpoint(client, name, as_json)
        return
    try:
        job = client.call("sagemaker", "DescribeHyperParameterTuningJob", HyperParameterTuningJobName=name)
    except ApiError as error:
        if error.code != "ResourceNotFound":
            raise
        _show_training_job(client, name, as_json)
        return
    trials = [
        trial
        for page in client.pages(
            "sagemaker",
            "ListTrainingJobsForHyperParameterTuningJob",
            HyperParameterTuningJobName=name,
            SortBy="CreationTime",
            MaxResults=100,
        )
        for trial in page["TrainingJobSummaries"]
    ]
    explanation = client.call("pegbox", "ExplainJob", Name=name)["Explanation"]
    if as_json:
        print_json({"job": job, "trials": trials, "explanation": explanation})
        return
    _print_tuning_job(job, explanation)
    _print_trials(trials, explanation)


def _print_tuning_job(job: Mapping[str, Any], explanation: Mapping[str, Any]) -> None:
    config = job["HyperParameterTuningJobConfig"]
    counters = job["TrainingJobStatusCounters"]
    limits = config["ResourceLimits"]
    best = job.get("BestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric", {})
    failed = counters.get("NonRetryableError", 0) + counters.get("RetryableError", 0)
    print_facts(
        {
            "tuning job": job["HyperParameterTuningJobName"],
            "status": job["HyperParameterTuningJobStatus"],
            "failure": job.get("FailureReason"),
            "ended because": explanation.get("completion_reason"),
            "strategy": config["Strategy"],
            "objective": _objective(job),
            "algorithms": _algorithms(job, explanation),
            "started from": _parents(explanation),
            "created": clock_time(job["CreationTime"]),
            "ended": clock_time(job.get("HyperParameterTuningEndTime")),
            "training jobs": (
                f"{counters.get('Completed', 0)} completed, {counters.get('InProgress', 0)} running, {failed} failed, "
                f"{counters.get('Stopped', 0)} stopped of {limits.get('MaxNumberOfTrainingJobs', 'any number')}, "
                f"{limits['MaxParallelTrainingJobs']} at a time"
            ),
            "best": f"{best['TrainingJobName']} with {metric['MetricName']}={number(metric['Value'])}"
            if metric
            else None,
            "best of all": _overall(job),
        }
    )
    for name, value in best.get("TunedHyperParameters", {}).items():
        print(f"    {name} = {value}")
    _print_list("Notices", explanation.get("notices", ()))
    _print_list("Met by nature", explanation.get("met_by_nature", ()))


def _objective(job: Mapping[str, Any]) -> str:
    single = job["HyperParameterTuningJobConfig"].get("HyperParameterTuningJobObjective")
    objectives = [single] if single else [item["TuningObjective"] for item in job["TrainingJobDefinitions"]]
    metrics = dict.fromkeys(item["MetricName"] for item in objectives)
    return " ".join((objectives[0]["Type"], ", ".join(metrics)))


def _algorithms(job: Mapping[str, Any], explanation: Mapping[str, Any]) -> str | None:
    """Return how many training jobs each of several definitions has had."""
    names = [item["DefinitionName"] for item in job.get("TrainingJobDefinitions", ())]
    counts = Counter(trial.get("definition") for trial in explanation.get("trials", ()))
    return ", ".join(f"{name} ({counts[name]})" for name in names) or None


def _parents(explanation: Mapping[str, Any]) -> str | None:
    """Return the parents of a warm start, with the training jobs that were taken over from each."""
    return (
        ", ".join(
            f"{item['name']} ({sum(item['used'].values())} of {item['finished']} training jobs)"
            for item in explanation.get("parents", ())
        )
        or None
    )


def _overall(job: Mapping[str, Any]) -> str | None:
    best = job.get("OverallBestTrainingJob", {})
    metric = best.get("FinalHyperParameterTuningJobObjectiveMetric")
    if not metric:
        return None
    return f"{best['TrainingJobName']} of {best['TuningJobName']} with {metric['MetricName']}={number(metric['Value'])}"


def _print_trials(trials: Sequence[Mapping[str, Any]], explanation: Mapping[str, Any]) -> None:
    reasons = {trial.get("name"): trial for trial in explanation.get("trials", ())}
    several = any((trial.get("suggestion") or {}).get("turn") for trial in explanation.get("trials", ()))
    rows = []
    for trial in trials:
        metric = trial.get("FinalHyperParameterTuningJobObjectiveMetric", {})
        known = reasons.get(trial["TrainingJobName"], {}).get("suggestion") or {}
        turn = str(known.get("turn") or "-").partition(":")[0]
        rows.append(
            (
                trial["TrainingJobName"],
                trial["TrainingJobStatus"],
                number(metric.get("Value")),
                *((trial.get("TrainingJobDefinitionName", "-"), turn) if several else ()),
                str(known.get("reason") or "-"),
                ", ".join(f"{name}={value}" for name, value in trial["TunedHyperParameters"].items()),
            )
        )
    if rows:
        print()
        more = ("ALGORITHM", "TURN") if several else ()
        print_table(("TRAINING JOB", "STATUS", "OBJECTIVE", *more, "WHY", "VALUES"), rows)
    for trial in trials:
        if trial.get("FailureReason"):
            print(f"\n{trial['TrainingJobName']}: {trial['FailureReason']}")


def _show_training_job(client: Client, name: str, as_json: bool) -> None:
    try:
        job = client.call("sagemaker", "DescribeTrainingJob", TrainingJobName=name)
    except ApiError as error:
        if error.code != "ResourceNotFound":
            raise
        show_endpoint(client, name, as_json)
        return
    explanation = client.call("pegbox", "ExplainJob", Name=name)["Explanation"]
    # An endpoint has the name of the training job whose model it serves, unless another was chosen.
    served = find_endpoint(client, name)
    if as_json:
        print_json({"job": job, "explanation": explanation, **({"endpoint": served} if served else {})})
        return
    print_facts(
        {
            "training job": job["TrainingJobName"],
            "status": f"{job['TrainingJobStatus']} ({job['SecondaryStatus']})",
            "failure": job.get("FailureReason"),
            "tuning job": str(job.get("TuningJobArn", "")).rpartition("/")[2],
            "created": clock_time(job["CreationTime"]),
            "started": clock_time(job.get("TrainingStartTime")),
            "ended": clock_time(job.get("TrainingEndTime")),
            "model": job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
            "endpoint": f"{served['EndpointStatus']} ('pegbox show {name} --endpoint')" if served else None,
            "algorithm": explanation.get("definition"),
            "its turn because": (explanation.get("suggestion") or {}).get("turn"),
            "chosen because": (explanation.get("suggestion") or {}).get("reason"),
        }
    )
    _print_list("Notices", explanation.get("notices", ()))
    _print_list("Met by nature", explanation.get("met_by_nature", ()))
    for metric in job.get("FinalMetricDataList", ()):
        print(f"    {metric['MetricName']} = {number(metric['Value'])}")
    print("hyperparameters")
    for key, value in job.get("HyperParameters", {}).items():
        print(f"    {key} = {value}")
    transitions = job.get("SecondaryStatusTransitions", ())
    rows = [
        (clock_time(item["StartTime"]), item["Status"], item.get("StatusMessage", "")) for item in transitions
    ]
    if rows:
        print()
        print_table(("SINCE", "STATUS", "MESSAGE"), rows)


def _print_list(title: str, items: Sequence[Any]) -> None:
    if items:
        print(f"\n{title}:")
    for item in items:
        print(f"  - {item if isinstance(item, str) else json.dumps(item)}")
