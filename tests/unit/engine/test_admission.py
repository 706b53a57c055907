"""What is accepted: every kind of bad request with its field, value and remedy, and nothing started."""

from __future__ import annotations

import copy
import io
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.errors import ValidationException
from pegbox.testing.simulation import World, training_request

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]
SKLEARN = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"


def _problems(world: World, request: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        world.commands.admitted_tuning(request)
    return caught.value.message


def _config(request: dict[str, Any]) -> dict[str, Any]:
    config: dict[str, Any] = request["HyperParameterTuningJobConfig"]
    return config


def _ranges(**kinds: Any) -> dict[str, Any]:
    return {f"{kind}ParameterRanges": items for kind, items in kinds.items()}


def _range(name: str, low: str, high: str, scaling: str = "Auto") -> dict[str, str]:
    return {"Name": name, "MinValue": low, "MaxValue": high, "ScalingType": scaling}


def test_a_good_request_is_accepted_as_it_is(calm: Make, request_for: Request) -> None:
    """The stored request is the client's; the seed is its RandomSeed."""
    request = request_for()
    action = calm().commands.admitted_tuning(copy.deepcopy(request))
    assert action.seed == 7
    assert action.request["HyperParameterTuningJobConfig"] == request["HyperParameterTuningJobConfig"]
    assert action.tags == {"team": "a"}


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        (_ranges(Continuous=[_range("x", "2", "1")]), ["'2.0'|2.0", "'x'", "swap"]),
        (_ranges(Continuous=[_range("x", "0", "1", "Logarithmic")]), ["Logarithmic", "'x'"]),
        (_ranges(Integer=[_range("n", "1", "9", "ReverseLogarithmic")]), ["ReverseLogarithmic", "'n'"]),
        (_ranges(Continuous=[_range("x", "one", "2")]), ["'one'", "'x'"]),
        (
            _ranges(Continuous=[_range("x", "0", "1")], Integer=[_range("x", "1", "2")]),
            ["'x'", "more than one"],
        ),
        (_ranges(), ["at least one range"]),
        ({"AutoParameters": [{"Name": "x", "ValueHint": "1"}]}, ["AutoParameters", "Autotune"]),
    ],
)
def test_bad_ranges_are_refused(
    calm: Make, request_for: Request, ranges: dict[str, Any], words: list[str]
) -> None:
    """Min above max, log at zero, reverse log on an integer, texts, duplicates, nothing to tune."""
    message = _problems(calm(), request_for(ParameterRanges=ranges))
    assert "ParameterRanges" in message
    for word in words:
        assert any(part in message for part in word.split("|")), (word, message)


def test_all_problems_are_told_at_once(calm: Make, request_for: Request) -> None:
    """One answer lists everything, counted."""
    request = request_for(
        ParameterRanges=_ranges(Continuous=[_range("x", "2", "1")], Integer=[_range("n", "a", "2")]),
        TrainingJobEarlyStoppingType="Auto",
        Strategy="Hyperband",
        StrategyConfig={"HyperbandStrategyConfig": {"MaxResource": 9}},
    )
    definition = request["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "m", "Regex": "("}]
    definition["EnableNetworkIsolation"] = True
    definition["ResourceConfig"]["InstanceCount"] = 2
    message = _problems(calm(), request)
    assert message.startswith("6 validation errors detected")
    for word in (
        "'x'",
        "'n'",
        "EarlyStoppingType",
        "does not compile",
        "EnableNetworkIsolation",
        "InstanceCount",
    ):
        assert word in message


def test_a_name_both_static_and_tunable_is_refused(calm: Make, request_for: Request) -> None:
    """The name is told, and both places."""
    request = request_for()
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"x": "1", "_tuning_objective_metric": "m"}
    message = _problems(calm(), request)
    assert "'x' is static and tunable" in message
    assert "added by the service" in message


def test_more_jobs_than_combinations_are_refused_with_both_numbers(calm: Make, request_for: Request) -> None:
    """A finite space is never sampled twice."""
    ranges = _ranges(Categorical=[{"Name": "c", "Values": ["a", "b"]}], Integer=[_range("n", "1", "3")])
    message = _problems(calm(), request_for(jobs=7, ParameterRanges=ranges))
    assert "7" in message
    assert "6 different combinations" in message
    calm().commands.admitted_tuning(request_for(jobs=6, ParameterRanges=ranges))


@pytest.mark.parametrize(("jobs", "good"), [(None, True), (6, True), (5, False), (7, False)])
def test_grid_runs_all_combinations(calm: Make, request_for: Request, jobs: int | None, good: bool) -> None:
    """MaxNumberOfTrainingJobs may be left out, or must be the number of combinations."""
    ranges = _ranges(Categorical=[{"Name": "c", "Values": ["a", "b"]}], Integer=[_range("n", "1", "3")])
    request = request_for(jobs=jobs, Strategy="Grid", ParameterRanges=ranges)
    if good:
        world = calm()
        world.do(world.commands.admitted_tuning(request))
        world.settle()
        job = world.store.reader.tuning_job("job")
        assert job is not None
        assert job.launched == 6
    else:
        assert "6 combinations" in _problems(calm(), request)


def test_grid_takes_no_continuous_range_and_in_strict_mode_no_integer(
    calm: Make, request_for: Request
) -> None:
    """Each range that does not fit is named."""
    request = request_for(Strategy="Grid")
    assert "'x'" in _problems(calm(), request)
    integers = request_for(Strategy="Grid", jobs=3, ParameterRanges=_ranges(Integer=[_range("n", "1", "3")]))
    assert "'n'" in _problems(calm(extended=False), integers)


@pytest.mark.parametrize("field", ["MaxNumberOfTrainingJobs", "MaxParallelTrainingJobs"])
def test_strict_mode_keeps_awss_quotas(calm: Make, request_for: Request, field: str) -> None:
    """The same request works in extended mode."""
    request = request_for()
    _config(request)["ResourceLimits"][field] = 2000
    calm().commands.admitted_tuning(request)
    assert "quota" in _problems(calm(extended=False), request)


def test_a_search_without_an_end_is_refused(calm: Make, request_for: Request) -> None:
    """Without MaxNumberOfTrainingJobs something else has to end the job."""
    assert "MaxNumberOfTrainingJobs" in _problems(calm(), request_for(jobs=None))
    criteria = {"BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3}}
    calm().commands.admitted_tuning(request_for(jobs=None, TuningJobCompletionCriteria=criteria))


def test_an_objective_without_a_definition_asks_for_one(calm: Make, request_for: Request) -> None:
    """AWS's words, which clients show."""
    request = request_for()
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["MetricDefinitions"] = []
    assert "A metric is required for this hyperparameter tuning job objective" in _problems(calm(), request)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("Autotune", {"Mode": "Enabled"}, "Autotune"),
    ],
)
def test_what_comes_later_says_so(
    calm: Make, request_for: Request, field: str, value: Any, words: str
) -> None:
    """Refused with a text that names it."""
    message = _problems(calm(), {**request_for(), field: value})
    assert field in message
    assert words in message


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("VpcConfig", {"Subnets": ["s"], "SecurityGroupIds": ["g"]}),
        ("EnableNetworkIsolation", True),
        ("ResourceConfig.InstanceCount", 2),
        ("AlgorithmSpecification.AlgorithmName", "market"),
        ("OutputDataConfig.CompressionType", "NONE"),
    ],
)
def test_what_cannot_be_honoured_is_refused(calm: Make, request_for: Request, path: str, value: Any) -> None:
    """Field, value and remedy (promise P9)."""
    request = request_for()
    target: dict[str, Any] = request["TrainingJobDefinition"]
    *parents, last = path.split(".")
    for name in parents:
        target = target[name]
    target[last] = value
    message = _problems(calm(), request)
    assert f"TrainingJobDefinition.{path}" in message
    assert "is refused" in message


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 5}, "at least as much"),
        ({"MaxRuntimeInSeconds": 10, "MaxWaitTimeInSeconds": 20}, "EnableManagedSpotTraining"),
    ],
)
def test_waiting_times_go_with_spot(
    calm: Make, request_for: Request, changes: dict[str, int], word: str
) -> None:
    """MaxWaitTimeInSeconds at least MaxRuntimeInSeconds, and only for spot."""
    request = request_for()
    request["TrainingJobDefinition"]["StoppingCondition"] = changes
    assert word in _problems(calm(), request)


def test_a_missing_input_is_refused_with_its_channel(calm: Make, request_for: Request) -> None:
    """An empty address is found at create time, not by the first trial."""
    request = request_for()
    source = {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/nowhere"}}
    request["TrainingJobDefinition"]["InputDataConfig"] = [{"ChannelName": "train", "DataSource": source}] * 2
    message = _problems(calm(), request)
    assert "'train'" in message
    assert "s3://bucket/nowhere" in message
    assert "more than once" in message


def test_an_unknown_image_names_the_command_that_adds_it(calm: Make, request_for: Request) -> None:
    """Other images need containers, which are not offered."""
    request = request_for()
    request["TrainingJobDefinition"]["AlgorithmSpecification"]["TrainingImage"] = "me/mine:1"
    assert "pegbox images add" in _problems(calm(), request)


def test_script_images_need_an_entry_point_that_is_there(
    calm: Make, request_for: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both hyperparameters, a readable archive, and the program in it."""
    world = calm()
    request = request_for()
    definition = request["TrainingJobDefinition"]
    definition["AlgorithmSpecification"]["TrainingImage"] = SKLEARN
    message = _problems(world, request)
    assert "sagemaker_program" in message
    assert "sagemaker_submit_directory" in message
    archive = tmp_path / "sourcedir.tar.gz"
    monkeypatch.setattr(type(world.artifacts), "locate", lambda self, uri: str(archive))
    statics = {"sagemaker_program": '"train.py"', "sagemaker_submit_directory": '"s3://b/inputs/code.tar.gz"'}
    definition["StaticHyperParameters"] = statics
    archive.write_bytes(b"no archive")
    assert "no readable tar.gz" in _problems(world, request)
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("other.py"), io.BytesIO())
    message = _problems(world, request)
    assert "'train.py' is not in" in message
    assert "other.py" in message
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("./train.py"), io.BytesIO())
    world.commands.admitted_tuning(request)


def test_the_interpreter_of_a_request_is_checked(calm: Make, request_for: Request) -> None:
    """It must be there, and only local servers take it."""
    request = request_for()
    environment = request["TrainingJobDefinition"].setdefault("Environment", {})
    environment["PEGBOX_PYTHON"] = "/no/python"
    assert "/no/python" in _problems(calm(), request)
    environment["PEGBOX_PYTHON"] = sys.executable
    calm().commands.admitted_tuning(request)
    assert "leave it out" in _problems(calm(trust_interpreters=False), request)


def test_checkpoints_stay_below_opt_ml(calm: Make, request_for: Request) -> None:
    """A local path elsewhere cannot be given to a program without containers."""
    request = request_for()
    request["TrainingJobDefinition"]["CheckpointConfig"] = {"S3Uri": "s3://b/c", "LocalPath": "/tmp/here"}
    assert "/opt/ml/checkpoints" in _problems(calm(), request)


def test_training_jobs_are_checked_alike(calm: Make) -> None:
    """CreateTrainingJob: the same table of outcomes."""
    request = {**training_request("solo"), "DebugRuleConfigurations": [{"RuleConfigurationName": "r"}]}
    request["ResourceConfig"]["InstanceCount"] = 2
    with pytest.raises(ValidationException, match=r"2 validation errors.*DebugRule.*InstanceCount"):
        calm().commands.admitted_training(request)
