"""Queries: AWS-shaped answers with every field that clients index without a default."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from pegbox.engine.queries import Queries
from pegbox.engine.replay import replay_request
from pegbox.engine.views import float32
from pegbox.errors import ApiError, ResourceNotFound, ResourceNotFoundException, ValidationException
from pegbox.executors.simulated import Faults
from pegbox.ports.logs import LogLine
from pegbox.testing.fake_clock import START
from pegbox.testing.simulated_ports import real_strategy
from pegbox.testing.simulation import NO_FAULTS, World, training_request

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


class Logs:
    """Logs in memory: the same five lines for every attempt, one second apart."""

    lines = tuple(
        LogLine(at_ms=1000 * (i + 1), text=text, start=10 * i, end=10 * (i + 1))
        for i, text in enumerate(("epoch 1", "m=0.5", "epoch 2", "ERROR x", "done"))
    )

    def size(self, training_job_id: int, attempt: int) -> int:
        """See ``LogReader``."""
        return 50

    def forward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> list[LogLine]:
        """See ``LogReader``."""
        return [line for line in self.lines if line.start >= offset][:limit]

    def backward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> list[LogLine]:
        """See ``LogReader``."""
        return [line for line in self.lines if line.end <= offset][-limit:]

    def delete(self, training_job_id: int, attempt: int | None = None) -> None:
        """See ``LogReader``."""


def _queries(world: World) -> Queries:
    return Queries(world.parts, Logs(), world.controller.not_improving)


def _run(world: World, request: dict[str, Any]) -> Queries:
    world.do(world.commands.admitted_tuning(request))
    world.settle()
    return _queries(world)


def _describe(queries: Queries, name: str = "job") -> dict[str, Any]:
    return queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": name})


def test_a_description_has_what_attach_indexes(calm: Make, request_for: Request) -> None:
    """The fields that the AWS SDK reads without a default are there, even when the request had none of them."""
    request = request_for()
    definition = request["TrainingJobDefinition"]
    definition["HyperParameterTuningResourceConfig"] = definition.pop("ResourceConfig")
    answer = _describe(_run(calm(), request))
    config, there = answer["HyperParameterTuningJobConfig"], answer["TrainingJobDefinition"]
    assert there["StaticHyperParameters"]["_tuning_objective_metric"] == "m"
    assert there["ResourceConfig"] == there["HyperParameterTuningResourceConfig"]
    assert there["ResourceConfig"]["VolumeSizeInGB"] == 30
    assert there["AlgorithmSpecification"]["MetricDefinitions"]
    assert config["TrainingJobEarlyStoppingType"] == "Off"
    assert set(config["ParameterRanges"]) == {
        "ContinuousParameterRanges",
        "IntegerParameterRanges",
        "CategoricalParameterRanges",
    }
    assert answer["TrainingJobStatusCounters"]["Completed"] == 4
    assert answer["ObjectiveStatusCounters"]["Succeeded"] == 4
    assert answer["ConsumedResources"]["RuntimeInSeconds"] >= 0
    assert "TrainingJobDefinitions" not in answer


def test_the_best_job_is_absent_until_there_is_one(calm: Make, request_for: Request) -> None:
    """None yet is an absent key; then it is the best of the list, in single precision."""
    world = calm()
    world.do(world.commands.admitted_tuning(request_for()))
    assert "BestTrainingJob" not in _describe(_queries(world))
    world.settle()
    queries = _queries(world)
    best = _describe(queries)["BestTrainingJob"]
    page, _ = queries.list_training_jobs_for_hyper_parameter_tuning_job(
        {"HyperParameterTuningJobName": "job"}
    )
    values = {
        item["TrainingJobName"]: item["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for item in page["TrainingJobSummaries"]
    }
    assert best["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == max(values.values())
    assert set(best["TunedHyperParameters"]) == {"x"}


def test_values_are_rounded_to_single_precision() -> None:
    """The service keeps float32; values beyond its range end at its bounds."""
    assert float32(0.1) == struct.unpack("f", struct.pack("f", 0.1))[0] != 0.1
    assert float32(1e300) == float32(3.4028234663852886e38)
    assert float32(-1e300) == -float32(1e300)


def test_lists_page_sort_and_filter(calm: Make, request_for: Request) -> None:
    """Default order by name; sorting by the metric leaves out jobs without a value."""
    world = calm(faults=Faults(**{**dict.fromkeys(NO_FAULTS.__slots__, 0.0), "fail": 0.4}), seed=3)
    queries = _run(world, request_for(jobs=8, parallel=2))
    asked = {"HyperParameterTuningJobName": "job", "MaxResults": 3}
    names, after = [], None
    while True:
        page, after = queries.list_training_jobs_for_hyper_parameter_tuning_job(asked, after)
        names += [item["TrainingJobName"] for item in page["TrainingJobSummaries"]]
        if after is None:
            break
    assert names == sorted(names)
    assert len(names) == 8
    by_value, _ = queries.list_training_jobs_for_hyper_parameter_tuning_job(
        {
            "HyperParameterTuningJobName": "job",
            "SortBy": "FinalObjectiveMetricValue",
            "SortOrder": "Descending",
        }
    )
    values = [
        i["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] for i in by_value["TrainingJobSummaries"]
    ]
    assert values == sorted(values, reverse=True)
    assert 0 < len(values) < 8
    failed, _ = queries.list_training_jobs({"StatusEquals": "Failed"})
    assert len(failed["TrainingJobSummaries"]) == 8 - len(values)
    listed, _ = queries.list_hyper_parameter_tuning_jobs({"NameContains": "jo"})
    assert [i["HyperParameterTuningJobName"] for i in listed["HyperParameterTuningJobSummaries"]] == ["job"]


def test_a_training_description_has_what_attach_indexes(calm: Make, request_for: Request) -> None:
    """KmsKeyId, model address, resources, limits, transitions with messages, never-zero times."""
    queries = _run(calm(), request_for(jobs=1))
    page, _ = queries.list_training_jobs({})
    name = page["TrainingJobSummaries"][0]["TrainingJobName"]
    answer = queries.describe_training_job({"TrainingJobName": name})
    assert answer["OutputDataConfig"]["KmsKeyId"] == ""
    assert answer["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://bucket/out/{name}/output/model.tar.gz"
    assert answer["ResourceConfig"]["InstanceCount"] == 1
    assert answer["StoppingCondition"]["MaxRuntimeInSeconds"] == 3600
    assert answer["TrainingTimeInSeconds"] >= 1
    assert answer["HyperParameters"]["_tuning_objective_metric"] == "m"
    assert answer["TuningJobArn"].endswith("/job")
    assert [t["Status"] for t in answer["SecondaryStatusTransitions"]][-1] == "Completed"
    assert all(t["StatusMessage"] for t in answer["SecondaryStatusTransitions"])
    assert answer["FinalMetricDataList"][0]["MetricName"] == "m"


def test_unknown_names_have_the_codes_that_clients_branch_on(calm: Make) -> None:
    """ResourceNotFound for jobs, ResourceNotFoundException for logs."""
    queries = _queries(calm())
    with pytest.raises(ResourceNotFound):
        _describe(queries, "nobody")
    with pytest.raises(ResourceNotFound):
        queries.describe_training_job({"TrainingJobName": "nobody"})
    with pytest.raises(ResourceNotFound):
        queries.list_training_jobs_for_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "nobody"})
    with pytest.raises(ResourceNotFoundException):
        queries.describe_log_streams({"logGroupName": "/other"})
    with pytest.raises(ResourceNotFoundException):
        queries.get_log_events({"logGroupName": "/aws/sagemaker/TrainingJobs", "logStreamName": "a/algo-1-1"})


def test_filters_that_mean_nothing_here_are_refused(calm: Make) -> None:
    """No parameter is silently ignored."""
    with pytest.raises(ValidationException, match="WarmPoolStatusEquals"):
        _queries(calm()).list_training_jobs({"WarmPoolStatusEquals": "InUse"})


def test_a_pattern_that_matches_nothing_is_told_in_the_description(calm: Make, request_for: Request) -> None:
    """While the job runs, FailureReason carries the warning with the nearest lines."""
    world = calm(faults=Faults(**{**dict.fromkeys(NO_FAULTS.__slots__, 0.0), "silent": 1.0}))
    world.machine.unmatched = {"m": ["m: 0.5"]}
    world.do(world.commands.admitted_tuning(request_for(jobs=50, parallel=1)))
    queries = _queries(world)
    while "FailureReason" not in _describe(queries):
        world.step()
    answer = _describe(queries)
    assert answer["HyperParameterTuningJobStatus"] == "InProgress"
    assert "m: 0.5" in answer["FailureReason"]
    world.settle()
    assert "m: 0.5" in _describe(queries)["FailureReason"]


def test_progress_without_improvement_is_counted(calm: Make, request_for: Request) -> None:
    """NumberOfTrainingJobsObjectiveNotImproving is there without the criterion, running and at rest."""
    world = calm()
    world.machine.program = lambda hyperparameters, rng: [1.0]
    world.do(world.commands.admitted_tuning(request_for(jobs=5, parallel=1)))
    queries = _queries(world)
    while world.controller.not_improving(1) != 2:
        world.step()
    assert _describe(queries)["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 2
    world.settle()
    assert _describe(queries)["TuningJobCompletionDetails"]["NumberOfTrainingJobsObjectiveNotImproving"] == 4


def test_explain_tells_reasons_inputs_and_what_is_met_by_nature(calm: Make, request_for: Request) -> None:
    """What pegbox show prints: every suggestion with the inputs it was computed from."""
    queries = _run(calm(), request_for(jobs=3))
    explained = queries.explain("job")
    assert explained["seed"] == 7
    assert any("RoleArn" in text for text in explained["met_by_nature"])
    assert [trial["suggestion"]["reason"] for trial in explained["trials"]] == ["simulated"] * 3
    assert queries.explain(explained["trials"][0]["name"])["number"] == 1


def test_every_suggestion_can_be_computed_again(calm: Make, request_for: Request) -> None:
    """Promise P8 on the record: the stored inputs give the stored values, for each strategy, computed ahead or not."""
    for strategy in ("Random", "Bayesian", "Grid"):
        world = calm(world={"strategy": real_strategy})
        ranges = {"CategoricalParameterRanges": [{"Name": "c", "Values": list("abcdefgh")}]}
        if strategy != "Grid":
            ranges["ContinuousParameterRanges"] = [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
        _run(world, request_for(jobs=8, parallel=2, Strategy=strategy, ParameterRanges=ranges))
        trials = world.store.reader.trials(1)
        assert len(trials) == 8
        for trial in trials:
            assert trial.suggestion is not None
            request = replay_request(world.store.reader, trial)
            values = real_strategy(request).suggestions[trial.suggestion.index]["values"]
            assert {name: str(value) for name, value in values.items()} == dict(trial.suggestion.values)


def test_replaying_needs_what_it_was_computed_from(calm: Make) -> None:
    """A training job of its own has no suggestion."""
    world = calm()
    world.do(world.commands.admitted_training(training_request("solo")))
    world.settle()
    job = world.store.reader.training_job("solo")
    assert job is not None
    with pytest.raises(ValidationException):
        replay_request(world.store.reader, job)


# Logs.

GROUP = {"logGroupName": "/aws/sagemaker/TrainingJobs"}


@pytest.fixture
def logged(calm: Make) -> Queries:
    """Queries over two training jobs with five log lines each."""
    world = calm()
    for name in ("one", "two"):
        world.do(world.commands.admitted_training(training_request(name)))
    world.settle()
    return _queries(world)


def test_streams_are_found_by_prefix_and_paged(logged: Queries) -> None:
    """One stream per attempt, named as AWS names them."""
    page, after = logged.describe_log_streams({**GROUP, "limit": 1})
    rest, end = logged.describe_log_streams({**GROUP, "limit": 1}, after)
    names = [s["logStreamName"] for s in page["logStreams"] + rest["logStreams"]]
    assert [name.partition("/algo-1-")[0] for name in names] == ["one", "two"]
    assert end is None
    only, _ = logged.describe_log_streams({**GROUP, "logStreamNamePrefix": "two/"})
    assert [s["logStreamName"] for s in only["logStreams"]] == names[1:]
    assert only["logStreams"][0]["lastEventTimestamp"] == 5000
    groups, _ = logged.describe_log_groups({})
    assert [g["logGroupName"] for g in groups["logGroups"]] == [GROUP["logGroupName"]]


def test_events_are_read_forwards_and_backwards(logged: Queries) -> None:
    """The forward token repeats when there is nothing new; the backward token leads to older lines."""
    stream = logged.describe_log_streams(GROUP)[0]["logStreams"][0]["logStreamName"]
    asked = {**GROUP, "logStreamName": stream, "limit": 2}
    first = logged.get_log_events({**asked, "startFromHead": True})
    assert [e["message"] for e in first["events"]] == ["epoch 1", "m=0.5"]
    texts, token = [], first["nextForwardToken"]
    while True:
        page = logged.get_log_events({**asked, "nextToken": token})
        texts += [e["message"] for e in page["events"]]
        if page["nextForwardToken"] == token:
            break
        token = page["nextForwardToken"]
    assert texts == ["epoch 2", "ERROR x", "done"]
    last = logged.get_log_events(asked)
    assert [e["message"] for e in last["events"]] == ["ERROR x", "done"]
    older = logged.get_log_events({**asked, "nextToken": last["nextBackwardToken"]})
    assert [e["message"] for e in older["events"]] == ["m=0.5", "epoch 2"]
    within = logged.get_log_events({**GROUP, "logStreamName": stream, "startTime": 2000, "endTime": 4000})
    assert [e["message"] for e in within["events"]] == ["m=0.5", "epoch 2"]
    with pytest.raises(ApiError, match="nextToken"):
        logged.get_log_events({**asked, "nextToken": "nonsense"})


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        ("epoch", ["epoch 1", "epoch 2"]),
        ('"epoch 2"', ["epoch 2"]),
        ("epoch -2", ["epoch 1"]),
        ("?ERROR ?done", ["ERROR x", "done"]),
        ("", ["epoch 1", "m=0.5", "epoch 2", "ERROR x", "done"]),
    ],
)
def test_events_are_filtered_by_terms(logged: Queries, pattern: str, texts: list[str]) -> None:
    """All terms, any of those with ?, none of those with -; page by page."""
    found, after = [], None
    while True:
        page, after = logged.filter_log_events(
            {**GROUP, "logStreamNamePrefix": "one/", "filterPattern": pattern, "limit": 1}, after
        )
        found += [e["message"] for e in page["events"]]
        if after is None:
            break
    assert found == texts


def test_patterns_that_are_no_terms_are_refused(logged: Queries) -> None:
    """JSON and column patterns are not offered and say so."""
    with pytest.raises(ApiError, match="not offered"):
        logged.filter_log_events({**GROUP, "filterPattern": "{ $.x = 1 }"})


# Metrics.


def test_metrics_are_listed_and_aggregated(calm: Make) -> None:
    """Emitted values by period, with the statistics that were asked for; NaN left out."""
    world = calm()
    world.machine.program = lambda hyperparameters, rng: [1.0, 3.0, float("nan")]
    world.do(world.commands.admitted_training(training_request("solo")))
    world.settle()
    queries = _queries(world)
    listed, _ = queries.list_metrics({"Namespace": "/aws/sagemaker/TrainingJobs"})
    (metric,) = listed["Metrics"]
    assert metric["Dimensions"] == [{"Name": "TrainingJobName", "Value": "solo"}]
    times = {"StartTime": START - timedelta(minutes=1), "EndTime": START + timedelta(minutes=5)}
    asked = {**metric, **times, "Period": 60, "Statistics": ["Average", "Maximum", "SampleCount"]}
    (point,) = queries.get_metric_statistics({**asked, "ExtendedStatistics": ["p50"]})["Datapoints"]
    assert (point["Average"], point["Maximum"], point["SampleCount"]) == (2.0, 3.0, 2.0)
    assert point["ExtendedStatistics"] == {"p50": 2.0}
    assert "Minimum" not in point
    query = {"Id": "a", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}
    data, _ = queries.get_metric_data({**times, "MetricDataQueries": [query]})
    assert data["MetricDataResults"][0]["Values"] == [4.0]
    with pytest.raises(ApiError, match="metric math"):
        queries.get_metric_data({**times, "MetricDataQueries": [{"Id": "a", "Expression": "1+1"}]})
    nothing = queries.get_metric_statistics({**asked, "Namespace": "AWS/EC2"})
    assert nothing["Datapoints"] == []
    with pytest.raises(ApiError, match="1440"):
        queries.get_metric_statistics({**asked, "Period": 1, "EndTime": START + timedelta(days=9)})
