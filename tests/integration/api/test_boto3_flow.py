"""A program that knows only boto3: it tunes a model, waits, lists, stops, reads logs and metrics."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.testing.lab import ROLE, tuning_request

SCRIPT = """
import argparse, os, pathlib, sys, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float); parser.add_argument("-n", type=int, default=1)
parser.add_argument("--until", default="/"); parser.add_argument("--fail-above", type=float, default=9)
given = parser.parse_args()
print("starting with", given.x, flush=True)
for epoch in range(3):
    print(f"epoch={epoch} objective={-(given.x - 0.3) ** 2 + epoch * 0.001:.6f}", flush=True)
while not os.path.exists(given.until):
    time.sleep(0.05)
if given.x > given.fail_above:
    sys.exit("x is too large")
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(str(given.x))
"""

WIDE = {
    "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1", "ScalingType": "Linear"}],
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9"}],
}


def wait_for_end(sagemaker: Any, name: str, wait_until: Callable[..., Any]) -> dict[str, Any]:
    """Return the description of a tuning job once it is terminal."""

    def ended() -> dict[str, Any] | None:
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return job if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") else None

    job: dict[str, Any] = wait_until(ended)
    return job


@pytest.fixture(scope="module")
def code(server: Any) -> str:
    """The address of the training script."""
    return str(server.upload_code(SCRIPT))


@pytest.fixture(scope="module")
def tuned(server: Any, sagemaker: Any, code: str, wait_until: Callable[..., Any]) -> dict[str, Any]:
    """A finished tuning job of eight training jobs, two at a time."""
    request = tuning_request("flow", code, max_jobs=8, parallel=2, strategy="Bayesian", ranges=WIDE)
    request["Tags"] = [{"Key": "team", "Value": "a"}]
    arn = sagemaker.create_hyper_parameter_tuning_job(**request)["HyperParameterTuningJobArn"]
    job = wait_for_end(sagemaker, "flow", wait_until)
    assert job["HyperParameterTuningJobArn"] == arn
    return job


def trials_of(sagemaker: Any, name: str, **given: Any) -> list[dict[str, Any]]:
    """Return all trials of a tuning job, page by page."""
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    found = pages.paginate(HyperParameterTuningJobName=name, PaginationConfig={"PageSize": 3}, **given)
    return [row for page in found for row in page["TrainingJobSummaries"]]


def test_the_job_is_complete_and_counted(tuned: dict[str, Any]) -> None:
    """Status, both counter families, times and limits are those of a finished job; nothing has failed."""
    assert tuned["HyperParameterTuningJobStatus"] == "Completed"
    counters = {key: value for key, value in tuned["TrainingJobStatusCounters"].items() if value}
    assert counters == {"Completed": 8}
    assert tuned["ObjectiveStatusCounters"] == {"Succeeded": 8, "Pending": 0, "Failed": 0}
    assert tuned["HyperParameterTuningEndTime"] >= tuned["CreationTime"]
    assert "FailureReason" not in tuned


def test_describe_has_all_that_clients_index(tuned: dict[str, Any]) -> None:
    """Members that the AWS SDKs index without a default are there, the added hyperparameter included."""
    definition, config = tuned["TrainingJobDefinition"], tuned["HyperParameterTuningJobConfig"]
    assert definition["StaticHyperParameters"]["_tuning_objective_metric"] == "objective"
    assert definition["AlgorithmSpecification"]["MetricDefinitions"]
    assert set(config["ParameterRanges"]) >= {
        "ContinuousParameterRanges",
        "CategoricalParameterRanges",
        "IntegerParameterRanges",
    }
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert set(definition["ResourceConfig"]) >= {"InstanceCount", "InstanceType", "VolumeSizeInGB"}
    assert definition["StoppingCondition"]["MaxRuntimeInSeconds"]
    assert definition["OutputDataConfig"]["S3OutputPath"]
    assert definition["RoleArn"] == ROLE


def test_best_is_the_greatest_final_objective(sagemaker: Any, tuned: dict[str, Any]) -> None:
    """BestTrainingJob can be recomputed from the list by anyone."""
    rows = trials_of(sagemaker, "flow")
    value = {
        row["TrainingJobName"]: row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for row in rows
    }
    best = tuned["BestTrainingJob"]
    assert best["TrainingJobName"] == max(value, key=lambda name: value[name])
    assert best["ObjectiveStatus"] == "Succeeded"
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["MetricName"] == "objective"
    assert set(best["TunedHyperParameters"]) == {"x", "n"}
    for row in rows:
        x = float(row["TunedHyperParameters"]["x"])
        assert value[row["TrainingJobName"]] == pytest.approx(-((x - 0.3) ** 2) + 0.002, abs=2e-6)


def test_lists_page_sort_and_filter(sagemaker: Any, tuned: dict[str, Any]) -> None:
    """Each sort order of the trials is total over pages of three; filters leave out what does not match."""
    by_name = trials_of(sagemaker, "flow")
    assert len(by_name) == 8
    assert by_name == sorted(by_name, key=lambda row: row["TrainingJobName"].lower())
    metric = [
        row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for row in trials_of(sagemaker, "flow", SortBy="FinalObjectiveMetricValue", SortOrder="Descending")
    ]
    assert metric == sorted(metric, reverse=True)
    created = [row["CreationTime"] for row in trials_of(sagemaker, "flow", SortBy="CreationTime")]
    assert created == sorted(created)
    assert trials_of(sagemaker, "flow", StatusEquals="Failed") == []
    assert len(trials_of(sagemaker, "flow", StatusEquals="Completed")) == 8
    first = sagemaker.list_training_jobs_for_hyper_parameter_tuning_job(HyperParameterTuningJobName="flow")
    assert "NextToken" not in first


def test_jobs_are_listed_with_filters(sagemaker: Any, tuned: dict[str, Any]) -> None:
    """ListHyperParameterTuningJobs and ListTrainingJobs filter by name, status and times."""

    def names(**given: Any) -> list[str]:
        found = sagemaker.list_hyper_parameter_tuning_jobs(**given)["HyperParameterTuningJobSummaries"]
        return [row["HyperParameterTuningJobName"] for row in found]

    assert "flow" in names(NameContains="LO", StatusEquals="Completed")
    assert names(NameContains="nothing-like-it") == []
    assert "flow" not in names(CreationTimeBefore=tuned["CreationTime"] - dt.timedelta(seconds=1))
    assert "flow" in names(CreationTimeAfter=tuned["CreationTime"] - dt.timedelta(seconds=1))
    found = sagemaker.list_training_jobs(NameContains="flow-00", MaxResults=100)["TrainingJobSummaries"]
    assert len(found) == 8
    created = [row["CreationTime"] for row in found]
    assert created in (sorted(created), sorted(created, reverse=True))


def test_training_job_description_and_artifacts(server: Any, sagemaker: Any, tuned: dict[str, Any]) -> None:
    """A trial's description has what attach needs, its metrics, its transitions, and a model file that exists."""
    job = sagemaker.describe_training_job(TrainingJobName=tuned["BestTrainingJob"]["TrainingJobName"])
    assert job["TrainingJobStatus"] == job["SecondaryStatus"] == "Completed"
    assert job["TuningJobArn"] == tuned["HyperParameterTuningJobArn"]
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert {"InstanceCount", "InstanceType", "VolumeSizeInGB"} <= set(job["ResourceConfig"])
    assert {item["MetricName"] for item in job["FinalMetricDataList"]} == {"objective"}
    steps = [item["Status"] for item in job["SecondaryStatusTransitions"]]
    assert steps[0] == "Starting"
    assert steps[-1] == "Completed"
    assert steps.index("Training") < steps.index("Uploading")
    address = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert address == f"s3://pegbox-local/{job['TrainingJobName']}/output/model.tar.gz"
    assert (server.home / "buckets" / address.removeprefix("s3://")).stat().st_size > 0


def test_logs_can_be_read_like_the_sdk_does(logs: Any, tuned: dict[str, Any]) -> None:
    """Group, stream and events are found by the job's name; the forward token repeats where nothing is new."""
    group, job = "/aws/sagemaker/TrainingJobs", tuned["BestTrainingJob"]["TrainingJobName"]
    assert group in [item["logGroupName"] for item in logs.describe_log_groups()["logGroups"]]
    streams = logs.describe_log_streams(
        logGroupName=group, logStreamNamePrefix=f"{job}/", orderBy="LogStreamName", limit=1
    )["logStreams"]
    assert [item["logStreamName"].split("/")[0] for item in streams] == [job]
    stream = streams[0]["logStreamName"]
    page = logs.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, limit=2)
    assert page["events"][0]["message"].startswith("starting with")
    rest = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=page["nextForwardToken"])
    assert len(page["events"]) + len(rest["events"]) == 4
    again = logs.get_log_events(logGroupName=group, logStreamName=stream, nextToken=rest["nextForwardToken"])
    assert again["events"] == []
    assert again["nextForwardToken"] == rest["nextForwardToken"]
    found = logs.filter_log_events(logGroupName=group, logStreamNamePrefix=job, filterPattern="epoch")[
        "events"
    ]
    assert len(found) == 3


def test_metrics_are_the_same_in_three_protocols(server: Any, tuned: dict[str, Any]) -> None:
    """Old clients (query), and newer ones (JSON, CBOR), get the same statistics, and list the same metrics."""
    job = tuned["BestTrainingJob"]["TrainingJobName"]
    answers = []
    for protocol in ("query", "json", "smithy-rpc-v2-cbor"):
        client = client_speaking(server, protocol)
        given = {
            "Namespace": "/aws/sagemaker/TrainingJobs",
            "MetricName": "objective",
            "Dimensions": [{"Name": "TrainingJobName", "Value": job}],
        }
        listed = client.list_metrics(**given)["Metrics"]
        end = tuned["HyperParameterTuningEndTime"] + dt.timedelta(minutes=2)
        start = tuned["CreationTime"] - dt.timedelta(minutes=2)
        statistics = client.get_metric_statistics(
            **given, StartTime=start, EndTime=end, Period=60, Statistics=["Average", "SampleCount", "Maximum"]
        )
        query = {"Id": "m", "MetricStat": {"Metric": given, "Period": 60, "Stat": "Maximum"}}
        data = client.get_metric_data(MetricDataQueries=[query], StartTime=start, EndTime=end)
        answers.append((listed, statistics["Datapoints"], data["MetricDataResults"][0]["Values"]))
        with pytest.raises(ClientError) as caught:
            client.get_metric_statistics(
                **given, StartTime=start, EndTime=end, Period=0, Statistics=["Average"]
            )
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert answers[0] == answers[1] == answers[2]
    listed, points, values = answers[0]
    assert len(listed) == 1
    assert sum(point["SampleCount"] for point in points) == 3
    best = tuned["BestTrainingJob"]["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
    assert max(values) == pytest.approx(best, abs=1e-6)


#: The content type by which each protocol is known.
CONTENT_TYPES = {
    "query": "application/x-www-form-urlencoded",
    "json": "application/x-amz-json-1.0",
    "smithy-rpc-v2-cbor": "application/cbor",
}


def client_speaking(server: Any, protocol: str) -> Any:
    """Return a cloudwatch client that speaks one protocol, whatever botocore prefers, and checks nothing itself."""
    from botocore import serialize

    client = server.client("cloudwatch", parameter_validation=False)
    model = client.meta.service_model
    model.__dict__["resolved_protocol"] = protocol
    client._serializer = serialize.create_serializer(protocol, include_validation=False)
    sent: list[str] = []

    def note(request: Any, **_: Any) -> None:
        value = request.headers["Content-Type"]
        sent.append(value.decode() if isinstance(value, bytes) else value)
        assert sent[-1].startswith(CONTENT_TYPES[protocol])

    client.meta.events.register("before-sign.cloudwatch.*", note)
    return client


def test_tuning_loads_no_numerics_into_the_server(server: Any, tuned: dict[str, Any]) -> None:
    """After a whole Bayesian search neither numpy nor scipy is in the server's memory."""
    maps = Path(f"/proc/{server.facts['pid']}/maps").read_text()
    assert "uvloop" in maps
    assert "numpy" not in maps
    assert "scipy" not in maps


def test_tags_of_a_job(sagemaker: Any, tuned: dict[str, Any]) -> None:
    """Tags given at creation are on the tuning job and its trials; they can be added, replaced and removed."""
    arn = tuned["HyperParameterTuningJobArn"]
    trial = tuned["BestTrainingJob"]["TrainingJobArn"]
    for resource in (arn, trial):
        assert sagemaker.list_tags(ResourceArn=resource)["Tags"] == [{"Key": "team", "Value": "a"}]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": f"k{i:02d}", "Value": "v"} for i in range(49)])
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "b"}])
    pages = sagemaker.get_paginator("list_tags").paginate(ResourceArn=arn)
    tags = {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}
    assert len(tags) == 50
    assert tags["team"] == "b"
    sagemaker.delete_tags(ResourceArn=arn, TagKeys=[f"k{i:02d}" for i in range(49)])
    assert sagemaker.list_tags(ResourceArn=arn)["Tags"] == [{"Key": "team", "Value": "b"}]


def test_another_job_is_stopped(
    server: Any, sagemaker: Any, code: str, wait_until: Callable[..., Any], processes_of: Callable[..., Any]
) -> None:
    """A stopped job says Stopping, then Stopped; no process of it is left; stopping again is a ValidationException."""
    request = tuning_request("stopped", code, max_jobs=50, parallel=2, ranges=WIDE)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["until"] = "/never"
    sagemaker.create_hyper_parameter_tuning_job(**request)
    wait_until(
        lambda: any(
            row["TrainingJobStatus"] == "InProgress" and "TrainingStartTime" in row
            for row in trials_of(sagemaker, "stopped")
        )
    )
    agents = [item for item in processes_of(server.home) if "--agent-id" in item.cmdline()]
    for agent in agents:
        agent.suspend()  # Nothing can be told to have stopped before the next look.
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    now = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    for agent in agents:
        agent.resume()
    assert now["HyperParameterTuningJobStatus"] == "Stopping"
    assert wait_for_end(sagemaker, "stopped", wait_until)["HyperParameterTuningJobStatus"] == "Stopped"
    marked = [item for item in processes_of(server.home) if "train.py" in " ".join(item.cmdline())]
    assert marked == []
    with pytest.raises(ClientError) as caught:
        sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="stopped")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_a_training_job_of_its_own(sagemaker: Any, code: str, wait_until: Callable[..., Any]) -> None:
    """A training job without tuning runs, fails with its reason, is deleted, and its name is free again."""
    definition = tuning_request("x", code, max_jobs=1, parallel=1, ranges=WIDE)["TrainingJobDefinition"]
    static = definition.pop("StaticHyperParameters")
    request = {
        **definition,
        "TrainingJobName": "single",
        "HyperParameters": {**static, "x": "0.9", "fail-above": "0.5"},
    }
    for _ in range(2):
        sagemaker.create_training_job(**request)
        with pytest.raises(ClientError) as caught:
            sagemaker.create_training_job(**request)
        assert caught.value.response["Error"]["Code"] == "ResourceInUse"
        job = wait_until(lambda: ended(sagemaker, "single"))
        assert job["TrainingJobStatus"] == "Failed"
        assert job["FailureReason"].startswith("AlgorithmError")
        sagemaker.delete_training_job(TrainingJobName="single")
        with pytest.raises(ClientError) as caught:
            sagemaker.describe_training_job(TrainingJobName="single")
        assert caught.value.response["Error"]["Code"] == "ResourceNotFound"


def ended(sagemaker: Any, name: str) -> dict[str, Any] | None:
    """Return a training job's description once it is terminal."""
    job: dict[str, Any] = sagemaker.describe_training_job(TrainingJobName=name)
    return job if job["TrainingJobStatus"] not in ("InProgress", "Stopping") else None


def test_deleting_a_tuning_job_keeps_its_training_jobs(
    sagemaker: Any, code: str, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """Delete removes the record only; a running job cannot be deleted; the name is free afterwards."""
    request = tuning_request("gone", code, max_jobs=1, parallel=1, ranges=WIDE)
    request["TrainingJobDefinition"]["StaticHyperParameters"]["until"] = str(tmp_path / "go")
    sagemaker.create_hyper_parameter_tuning_job(**request)
    with pytest.raises(ClientError):
        sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="gone")
    (tmp_path / "go").touch()
    wait_for_end(sagemaker, "gone", wait_until)
    trial = trials_of(sagemaker, "gone")[0]["TrainingJobName"]
    sagemaker.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName="gone")
    with pytest.raises(ClientError) as caught:
        sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="gone")
    assert caught.value.response["Error"]["Code"] == "ResourceNotFound"
    assert sagemaker.describe_training_job(TrainingJobName=trial)["TrainingJobStatus"] == "Completed"
