"""When a job may start from parents: each rule with the difference that it names."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pegbox.engine.handlers import StopTuning
from pegbox.errors import ValidationException
from pegbox.testing.simulation import World

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


def _ended(world: World, *requests: dict[str, Any]) -> None:
    for request in requests:
        world.do(world.commands.admitted_tuning(request))
    world.settle()


def _child(request: dict[str, Any], *parents: str, kind: str = "TransferLearning") -> dict[str, Any]:
    child = copy.deepcopy(request)
    child["HyperParameterTuningJobName"] = "child"
    child["WarmStartConfig"] = {
        "WarmStartType": kind,
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in parents],
    }
    return child


def _problems(world: World, request: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        world.commands.admitted_tuning(request)
    return caught.value.message


@pytest.fixture
def base(request_for: Request) -> dict[str, Any]:
    """A request with a range of each kind, statics, environment, a channel."""
    request = request_for(
        "parent",
        ParameterRanges={
            "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}],
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "9"}],
            "CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}],
        },
    )
    definition = request["TrainingJobDefinition"]
    definition["StaticHyperParameters"] = {"epochs": "3", "sagemaker_job_name": "one"}
    definition["Environment"] = {"MODE": "a"}
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/inputs/a"}}
    definition["InputDataConfig"] = [{"ChannelName": "train", "DataSource": source}]
    return request


def test_the_same_request_is_accepted_in_both_modes(calm: Make, base: dict[str, Any]) -> None:
    """Both types; ranges, limits, strategy and our SDK's interpreter may change."""
    for extended in (True, False):
        world = calm(extended=extended)
        _ended(world, base)
        for kind in ("TransferLearning", "IdenticalDataAndAlgorithm"):
            child = _child(base, "parent", kind=kind)
            config = child["HyperParameterTuningJobConfig"]
            config["ParameterRanges"]["ContinuousParameterRanges"][0]["MaxValue"] = "5"
            config["ResourceLimits"] = {"MaxNumberOfTrainingJobs": 7, "MaxParallelTrainingJobs": 3}
            config["Strategy"] = "Bayesian"
            assert world.commands.admitted_tuning(child).parents[0]["name"] == "parent"


def test_parents_must_be_there_and_have_ended(calm: Make, base: dict[str, Any]) -> None:
    """Unknown, running, six of them, one twice; a stopped parent will do."""
    world = calm()
    world.do(world.commands.admitted_tuning(base))
    message = _problems(world, _child(base, "parent", "nobody", "nobody"))
    assert "parent 'parent': it is InProgress; wait until it has ended" in message
    assert "'nobody' is no tuning job here" in message
    assert "'nobody' is given more than once" in message
    assert "6 parents; give one to 5" in _problems(
        world, _child(base, *(f"p{number}" for number in range(6)))
    )
    world.do(StopTuning(name="parent"))
    world.settle()
    world.commands.admitted_tuning(_child(base, "parent"))


def test_the_objective_is_the_same(calm: Make, base: dict[str, Any]) -> None:
    """Name and type, each with both values."""
    world = calm()
    _ended(world, base)
    child = _child(base, "parent")
    child["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"] = {
        "Type": "Minimize",
        "MetricName": "other",
    }
    metrics = [{"Name": "other", "Regex": "o=(.*)"}]
    child["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = metrics
    message = _problems(world, child)
    assert "parent 'parent': its objective has MetricName 'm', this job's 'other'" in message
    assert "its objective has Type 'Maximize', this job's 'Minimize'" in message


def test_names_and_kinds_are_the_same(calm: Make, base: dict[str, Any]) -> None:
    """Every name that is missing or new, and every parameter of another kind, for each parent."""
    world = calm()
    second = {**copy.deepcopy(base), "HyperParameterTuningJobName": "second"}
    _ended(world, base, second)
    child = _child(base, "parent", "second")
    ranges = child["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["ContinuousParameterRanges"] = [{"Name": "n", "MinValue": "0", "MaxValue": "1"}]
    ranges["IntegerParameterRanges"] = [{"Name": "depth", "MinValue": "1", "MaxValue": "9"}]
    message = _problems(world, child)
    assert message.startswith("6 validation errors detected")
    for name in ("parent", "second"):
        assert f"parent {name!r}: it has the hyperparameters 'x', which this job lacks" in message
        assert f"parent {name!r}: this job has the hyperparameters 'depth', which it lacks" in message
        assert f"parent {name!r}: hyperparameter 'n' is integer there and continuous here" in message


def test_static_and_tunable_may_change_places(calm: Make, base: dict[str, Any]) -> None:
    """In both directions; what the other side held fixed travels with the parent's history, typed."""
    world = calm()
    _ended(world, base)
    child = _child(base, "parent")
    ranges = child["HyperParameterTuningJobConfig"]["ParameterRanges"]
    ranges["IntegerParameterRanges"] = [{"Name": "epochs", "MinValue": "1", "MaxValue": "9"}]
    ranges["CategoricalParameterRanges"] = []
    child["TrainingJobDefinition"]["StaticHyperParameters"] = {"n": "4", "c": '"b"'}
    history = world.commands.admitted_tuning(child).parents[0]["histories"][""]
    assert history["constants"] == {"epochs": 3.0}
    assert history["pinned"] == {"n": 4.0, "c": "b"}
    assert [set(seen["values"]) for seen in history["observations"]] == [{"x", "n", "c"}] * 4


def test_changes_add_up_to_ten_at_most(calm: Make, base: dict[str, Any]) -> None:
    """A changed static value counts two, so does a tunable made static; injected names do not count in extended mode."""
    base["TrainingJobDefinition"]["StaticHyperParameters"] |= {f"s{number}": "1" for number in range(5)}
    child = _child(base, "parent")
    statics = child["TrainingJobDefinition"]["StaticHyperParameters"]
    statics |= {f"s{number}": "2" for number in range(5)} | {"sagemaker_job_name": "two"}
    world = calm()
    _ended(world, base)
    world.commands.admitted_tuning(child)
    statics["epochs"] = "4"
    assert "make 12 changes, each counting 2; at most 10" in _problems(world, child)
    strict = calm(extended=False)
    _ended(strict, base)
    statics["epochs"] = "3"
    message = _problems(strict, child)
    assert (
        "changed static values ('s0', 's1', 's2', 's3', 's4', 'sagemaker_job_name') make 12 changes"
        in message
    )


def test_what_sdks_inject_and_environments_only_matter_in_strict_mode(
    calm: Make, base: dict[str, Any]
) -> None:
    """AWS refuses them; they hurt nobody here."""
    child = _child(base, "parent", kind="IdenticalDataAndAlgorithm")
    definition = child["TrainingJobDefinition"]
    definition["Environment"] = {"MODE": "b", "PEGBOX_PYTHON": "/usr/bin/python3"}
    definition["RetryStrategy"] = {"MaximumRetryAttempts": 2}
    definition["StaticHyperParameters"]["sagemaker_estimator_module"] = '"pegbox.estimator"'
    del definition["StaticHyperParameters"]["sagemaker_job_name"]
    world = calm()
    _ended(world, base)
    world.commands.admitted_tuning(child)
    strict = calm(extended=False)
    _ended(strict, base)
    message = _problems(strict, child)
    for part in (
        "Environment differs",
        "RetryStrategy differs",
        "it has the hyperparameters 'sagemaker_job_name'",
        "this job has the hyperparameters 'sagemaker_estimator_module'",
    ):
        assert part in message, part
    assert message.startswith("4 validation errors")


def test_identical_means_the_same_image_and_data(calm: Make, base: dict[str, Any]) -> None:
    """Each difference is named with the remedy; transfer learning takes both."""
    world = calm()
    with world.store_that_works() as transaction:
        transaction.set_image("mine", {"kind": "command", "command": ["/bin/true"]})
    _ended(world, base)
    child = _child(base, "parent", kind="IdenticalDataAndAlgorithm")
    definition = child["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = "mine"
    source = definition["InputDataConfig"][0]["DataSource"]["S3DataSource"]
    source["S3Uri"] = "s3://bucket/inputs/b"
    message = _problems(world, child)
    assert (
        "IdenticalDataAndAlgorithm needs the same image. Use it, or WarmStartType TransferLearning" in message
    )
    assert "input channels 'train' differ" in message
    child["WarmStartConfig"]["WarmStartType"] = "TransferLearning"
    world.commands.admitted_tuning(child)


def test_strict_mode_counts_the_parents_training_jobs(calm: Make, base: dict[str, Any]) -> None:
    """Parents' jobs and the child's together stay within the quota."""
    world = calm(extended=False)
    _ended(world, base)
    child = _child(base, "parent")
    child["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 747
    assert "4 training jobs of parents and 747 of this job are above the quota of 750" in _problems(
        world, child
    )
    child["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 746
    world.commands.admitted_tuning(child)


def test_several_definitions_learn_by_name(calm: Make, base: dict[str, Any]) -> None:
    """Extended mode: one of the same name and hyperparameters must be there; strict mode wants single ones."""
    listed = copy.deepcopy(base)
    config, definition = listed["HyperParameterTuningJobConfig"], listed.pop("TrainingJobDefinition")
    own = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    listed["TrainingJobDefinitions"] = [
        copy.deepcopy({**definition, **own, "DefinitionName": name}) for name in ("alpha", "beta")
    ]
    world = calm()
    _ended(world, listed)
    child = _child(listed, "parent")
    first, second = child["TrainingJobDefinitions"]
    assert set(world.commands.admitted_tuning(child).parents[0]["histories"]) == {"alpha", "beta"}
    second["StaticHyperParameters"]["more"] = "1"
    assert set(world.commands.admitted_tuning(child).parents[0]["histories"]) == {"alpha"}
    del second["StaticHyperParameters"]["more"]
    second["HyperParameterRanges"]["IntegerParameterRanges"] = []
    second["HyperParameterRanges"]["ContinuousParameterRanges"] += [
        {"Name": "n", "MinValue": "1", "MaxValue": "9"}
    ]
    assert set(world.commands.admitted_tuning(child).parents[0]["histories"]) == {"alpha"}
    first["StaticHyperParameters"]["more"] = "1"
    message = _problems(world, child)
    assert "parent 'parent': definition 'alpha': this job has the hyperparameters 'more'" in message
    first["DefinitionName"], second["DefinitionName"] = "gamma", "delta"
    assert "its definitions ('alpha', 'beta') and this job's have no name in common" in _problems(
        world, child
    )
    strict = calm(extended=False)
    _ended(strict, listed)
    assert "it has 2 training job definitions" in _problems(strict, _child(base, "parent"))
