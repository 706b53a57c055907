"""A program that knows only boto3 tunes three algorithms in one job and starts further jobs from it, against a real server."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.testing.lab import tuning_request

SCRIPT = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float); parser.add_argument("--level", type=float)
parser.add_argument("--wait", type=float, default=0)
given = parser.parse_args()
print(f"score={given.level - (given.x - 0.3) ** 2:.6f}", flush=True)
time.sleep(given.wait)
"""
LEVELS = {"high": 3.0, "low": 1.0, "middle": 2.0}
RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


def several(name: str, code: str, *, jobs: int = 15) -> dict[str, Any]:
    """Return a request with three definitions, whose values differ by their level."""
    request = tuning_request(name, code, max_jobs=jobs, parallel=2, strategy="Bayesian", ranges=RANGES)
    config, definition = request["HyperParameterTuningJobConfig"], request.pop("TrainingJobDefinition")
    del config["HyperParameterTuningJobObjective"], config["ParameterRanges"]
    request["TrainingJobDefinitions"] = []
    for part, level in LEVELS.items():
        item = copy.deepcopy(definition)
        item["DefinitionName"], item["HyperParameterRanges"] = part, RANGES
        item["TuningObjective"] = {"Type": "Maximize", "MetricName": "score"}
        item["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "score", "Regex": r"score=(\S+)"}]
        item["StaticHyperParameters"]["level"] = str(level)
        request["TrainingJobDefinitions"].append(item)
    return request


def warm(request: dict[str, Any], name: str, *parents: str, kind: str = "TransferLearning") -> dict[str, Any]:
    """Return the request of a job that starts from parents."""
    items = [{"HyperParameterTuningJobName": parent} for parent in parents]
    config = {"WarmStartType": kind, "ParentHyperParameterTuningJobs": items}
    return {**copy.deepcopy(request), "HyperParameterTuningJobName": name, "WarmStartConfig": config}


def run(sagemaker: Any, request: dict[str, Any], wait_until: Callable[..., Any]) -> dict[str, Any]:
    """Create a tuning job and return its description when it has ended."""
    sagemaker.create_hyper_parameter_tuning_job(**request)
    name = request["HyperParameterTuningJobName"]

    def ended() -> dict[str, Any] | None:
        job = sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name)
        return job if job["HyperParameterTuningJobStatus"] not in ("InProgress", "Stopping") else None

    job: dict[str, Any] = wait_until(ended)
    return job


def rows_of(sagemaker: Any, name: str) -> list[dict[str, Any]]:
    """Return all training jobs of a tuning job."""
    pages = sagemaker.get_paginator("list_training_jobs_for_hyper_parameter_tuning_job")
    return [
        row
        for page in pages.paginate(HyperParameterTuningJobName=name)
        for row in page["TrainingJobSummaries"]
    ]


@pytest.fixture(scope="module")
def code(server: Any) -> str:
    """The address of the training script."""
    return str(server.upload_code(SCRIPT))


@pytest.fixture(scope="module")
def tuned(sagemaker: Any, code: str, wait_until: Callable[..., Any]) -> dict[str, Any]:
    """A finished tuning job of three algorithms."""
    return run(sagemaker, several("trio", code), wait_until)


def test_the_best_algorithm_gets_most(server: Any, sagemaker: Any, tuned: dict[str, Any]) -> None:
    """A start for each, most of the others for the best, whose training job is the best; show tells why."""
    assert tuned["HyperParameterTuningJobStatus"] == "Completed"
    rows = rows_of(sagemaker, "trio")
    counts = Counter(row["TrainingJobDefinitionName"] for row in rows)
    assert sum(counts.values()) == 15
    assert min(counts.values()) >= 2
    assert counts["high"] >= 7
    assert tuned["BestTrainingJob"]["TrainingJobDefinitionName"] == "high"
    shown = server.pegbox("show", "trio").stdout
    for words in (f"high ({counts['high']})", "ALGORITHM", "TURN", "start", "score "):
        assert words in shown
    alone = server.pegbox("show", tuned["BestTrainingJob"]["TrainingJobName"]).stdout
    assert "its turn because" in alone


def test_describe_gives_back_the_list(tuned: dict[str, Any], code: str) -> None:
    """Definitions in the request's order with what attach reads of each; none of the single form's members."""
    assert "TrainingJobDefinition" not in tuned
    assert "HyperParameterTuningJobObjective" not in tuned["HyperParameterTuningJobConfig"]
    assert [item["DefinitionName"] for item in tuned["TrainingJobDefinitions"]] == list(LEVELS)
    for item in tuned["TrainingJobDefinitions"]:
        assert item["StaticHyperParameters"]["_tuning_objective_metric"] == "score"
        assert item["AlgorithmSpecification"]["MetricDefinitions"]
        assert item["ResourceConfig"]["InstanceType"] == "ml.m5.large"
        assert item["TuningObjective"]["MetricName"] == "score"
        assert item["HyperParameterRanges"]["CategoricalParameterRanges"] == []


def test_a_child_learns_from_its_parent(
    server: Any, sagemaker: Any, code: str, tuned: dict[str, Any], wait_until: Callable[..., Any]
) -> None:
    """Warm start of several algorithms: the request comes back, the best of all is named, show tells what was taken over."""
    request = warm(several("trio", code, jobs=3), "trio-child", "trio", kind="IdenticalDataAndAlgorithm")
    job = run(sagemaker, request, wait_until)
    assert job["WarmStartConfig"] == request["WarmStartConfig"]
    overall = job["OverallBestTrainingJob"]
    assert overall["TuningJobName"] in ("trio", "trio-child")
    values = [
        row["FinalHyperParameterTuningJobObjectiveMetric"]["Value"]
        for name in ("trio", "trio-child")
        for row in rows_of(sagemaker, name)
    ]
    assert overall["FinalHyperParameterTuningJobObjectiveMetric"]["Value"] == max(values)
    shown = server.pegbox("show", "trio-child").stdout
    assert "trio (15 of 15 training jobs)" in shown
    assert "best of all" in shown


def test_bad_warm_starts_are_validation_errors(
    sagemaker: Any, code: str, wait_until: Callable[..., Any]
) -> None:
    """Six parents in AWS's words; a running and an unknown parent, both at once."""
    running = several("runs", code, jobs=3)
    for item in running["TrainingJobDefinitions"]:
        item["StaticHyperParameters"]["wait"] = "600"
    sagemaker.create_hyper_parameter_tuning_job(**running)
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**warm(running, "child", "runs", "nobody"))
    assert caught.value.response["Error"]["Code"] == "ValidationException"
    message = caught.value.response["Error"]["Message"]
    assert "parent 'runs': it is InProgress" in message
    assert "'nobody' is no tuning job here" in message
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**warm(running, "child", *(f"p{n}" for n in range(6))))
    assert "Member must have length less than or equal to 5" in caught.value.response["Error"]["Message"]
    sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName="runs")
    wait_until(
        lambda: (
            sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName="runs")[
                "HyperParameterTuningJobStatus"
            ]
            == "Stopped"
        )
    )


def test_problems_of_a_list_are_told_at_once(sagemaker: Any, code: str) -> None:
    """Names, directions and members of the single form, in one answer."""
    request = several("bad", code)
    request["TrainingJobDefinitions"][0]["DefinitionName"] = "low"
    request["TrainingJobDefinitions"][1]["TuningObjective"]["Type"] = "Minimize"
    request["HyperParameterTuningJobConfig"]["ParameterRanges"] = RANGES
    with pytest.raises(ClientError) as caught:
        sagemaker.create_hyper_parameter_tuning_job(**request)
    message = caught.value.response["Error"]["Message"]
    assert message.startswith("3 validation errors detected")
    for words in (
        "'low' is given more than once",
        "Maximize and Minimize",
        "ParameterRanges: belongs to each",
    ):
        assert words in message
