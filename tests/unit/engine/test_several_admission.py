"""Requests with several definitions: what is accepted, what is refused, all problems at once."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from pegbox.errors import ValidationException
from pegbox.testing.simulation import World

Make = Callable[..., World]
Request = Callable[..., dict[str, Any]]


@pytest.fixture
def several(request_for: Request) -> Request:
    """Makes requests with two definitions, alpha and beta, each with a continuous range x."""

    def make(name: str = "job", **config: Any) -> dict[str, Any]:
        request = request_for(name, **config)
        own = request["HyperParameterTuningJobConfig"]
        objective = own.pop("HyperParameterTuningJobObjective")
        ranges, definition = own.pop("ParameterRanges"), request.pop("TrainingJobDefinition")
        parts = {"TuningObjective": objective, "HyperParameterRanges": ranges}
        request["TrainingJobDefinitions"] = [
            copy.deepcopy({**definition, **parts, "DefinitionName": part}) for part in ("alpha", "beta")
        ]
        return request

    return make


def _problems(world: World, request: dict[str, Any]) -> str:
    with pytest.raises(ValidationException) as caught:
        world.commands.admitted_tuning(request)
    return caught.value.message


def test_two_definitions_are_accepted(calm: Make, several: Request) -> None:
    """The stored request is the client's; strict mode takes it, too."""
    request = several()
    for extended in (True, False):
        action = calm(extended=extended).commands.admitted_tuning(copy.deepcopy(request))
        assert action.request["TrainingJobDefinitions"] == request["TrainingJobDefinitions"]


def test_one_definition_in_a_list_is_accepted(calm: Make, several: Request) -> None:
    """The AWS SDK sends lists of one; early stopping goes with it in strict mode."""
    request = several(TrainingJobEarlyStoppingType="Auto")
    del request["TrainingJobDefinitions"][1]
    world = calm(extended=False)
    world.do(world.commands.admitted_tuning(request))
    world.settle()
    assert {trial.definition for trial in world.store.reader.trials(1)} == {"alpha"}


def test_problems_of_all_definitions_are_told_at_once(calm: Make, several: Request) -> None:
    """Each with the place of its definition in the list."""
    request = several()
    first, second = request["TrainingJobDefinitions"]
    first["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "m", "Regex": "("}]
    first["HyperParameterRanges"] = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "2", "MaxValue": "1"}]
    }
    second["StaticHyperParameters"] = {"x": "1"}
    second["EnableNetworkIsolation"] = True
    del second["TuningObjective"]
    message = _problems(calm(), request)
    assert message.startswith("5 validation errors detected")
    for part in (
        "TrainingJobDefinitions[0].AlgorithmSpecification.MetricDefinitions: Regex '('",
        "TrainingJobDefinitions[0].HyperParameterRanges: ",
        "TrainingJobDefinitions[1].StaticHyperParameters: 'x' is static and tunable at once; remove it here or from "
        "HyperParameterRanges",
        "TrainingJobDefinitions[1].EnableNetworkIsolation: True is refused",
        "TrainingJobDefinitions[1].TuningObjective: missing",
    ):
        assert part in message, part


def test_names_are_needed_and_unique(calm: Make, several: Request) -> None:
    """Summaries, attach and warm start tell definitions apart by them."""
    request = several()
    request["TrainingJobDefinitions"][1]["DefinitionName"] = "alpha"
    assert "DefinitionName 'alpha' is given more than once" in _problems(calm(), request)
    del request["TrainingJobDefinitions"][1]["DefinitionName"]
    assert "TrainingJobDefinitions[1].DefinitionName: missing" in _problems(calm(), request)


def test_one_direction_for_all(calm: Make, several: Request) -> None:
    """Values are compared; metric names may differ."""
    request = several()
    second = request["TrainingJobDefinitions"][1]
    second["TuningObjective"] = {"Type": "Minimize", "MetricName": "other"}
    second["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": "other", "Regex": "o=(.*)"}]
    assert "TuningObjective.Type is Maximize and Minimize" in _problems(calm(), request)
    second["TuningObjective"]["Type"] = "Maximize"
    calm().commands.admitted_tuning(request)


def test_what_belongs_to_the_definitions_is_refused_in_the_config(
    calm: Make, several: Request, request_for: Request
) -> None:
    """Objective and ranges of the job's config; empty lists of ranges are none."""
    config = request_for()["HyperParameterTuningJobConfig"]
    request = several()
    request["HyperParameterTuningJobConfig"] |= {
        name: config[name] for name in ("HyperParameterTuningJobObjective", "ParameterRanges")
    }
    message = _problems(calm(), request)
    assert "HyperParameterTuningJobObjective: belongs to each of TrainingJobDefinitions" in message
    assert "ParameterRanges: belongs to each of TrainingJobDefinitions" in message
    empty = several()
    empty["HyperParameterTuningJobConfig"]["ParameterRanges"] = {"ContinuousParameterRanges": []}
    calm().commands.admitted_tuning(empty)


def test_both_forms_or_none_are_refused(calm: Make, several: Request, request_for: Request) -> None:
    """TrainingJobDefinition excludes TrainingJobDefinitions."""
    both = {**several(), "TrainingJobDefinition": request_for()["TrainingJobDefinition"]}
    assert "given together with TrainingJobDefinition" in _problems(calm(), both)
    none = request_for()
    del none["TrainingJobDefinition"]
    assert "TrainingJobDefinition: missing" in _problems(calm(), none)


def test_strict_mode_refuses_what_goes_with_one_algorithm(calm: Make, several: Request) -> None:
    """Early stopping and warm start with several definitions, and too many Environment entries in all, as on AWS."""
    request = several(TrainingJobEarlyStoppingType="Auto")
    request["WarmStartConfig"] = {
        "WarmStartType": "TransferLearning",
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "parent"}],
    }
    for index, item in enumerate(request["TrainingJobDefinitions"]):
        item["Environment"] = {f"V{index}_{number}": "1" for number in range(30)}
    message = _problems(calm(extended=False), request)
    assert "TrainingJobEarlyStoppingType: 'Auto' goes with a single training job definition" in message
    assert "WarmStartConfig: warm start goes with a single training job definition" in message
    assert "60 entries of Environment" in message
    del request["WarmStartConfig"]
    calm().commands.admitted_tuning(request)


def test_autotune_is_refused_with_several(calm: Make, several: Request) -> None:
    """As with one."""
    assert "Autotune" in _problems(calm(), {**several(), "Autotune": {"Mode": "Enabled"}})


def test_finite_ranges_hold_the_budget_together(calm: Make, several: Request) -> None:
    """More jobs than all combinations are refused with both numbers; as many are run, each combination once."""
    request = several()
    for count, item in enumerate(request["TrainingJobDefinitions"], start=2):
        item["HyperParameterRanges"] = {
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": str(count)}]
        }
    limits = request["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxNumberOfTrainingJobs"] = 6
    assert "6 is more than the 5 different combinations that the ranges of all" in _problems(calm(), request)
    limits["MaxNumberOfTrainingJobs"] = 5
    calm().commands.admitted_tuning(request)
    grid = copy.deepcopy(request)
    grid["HyperParameterTuningJobConfig"]["Strategy"] = "Grid"
    limits = grid["HyperParameterTuningJobConfig"]["ResourceLimits"]
    limits["MaxNumberOfTrainingJobs"] = 4
    assert "4 is not the 5 combinations of the grids of all definitions" in _problems(calm(), grid)
    del limits["MaxNumberOfTrainingJobs"]
    calm().commands.admitted_tuning(grid)
