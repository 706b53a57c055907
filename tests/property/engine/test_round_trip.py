"""Any accepted create request comes back from describe unchanged."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.engine.queries import Queries
from pegbox.testing.simulated_ports import SimulatedLogs
from pegbox.testing.simulation import IMAGE, NO_DANGERS, NO_FAULTS, World

_OBJECTIVE = "HyperParameterTuningJobObjective"
NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=12)


def _optional(**members: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=members)


@st.composite
def ranges(draw: st.DrawFn) -> dict[str, Any]:
    """Ranges of all kinds with distinct names; always one that is continuous."""
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    made: dict[str, Any] = {"ContinuousParameterRanges": []}
    for index, name in enumerate(names):
        kind = "Continuous" if index == 0 else draw(st.sampled_from(["Continuous", "Integer", "Categorical"]))
        item: dict[str, Any] = {"Name": name}
        if kind == "Categorical":
            item["Values"] = draw(st.lists(TEXTS, min_size=1, max_size=4, unique=True))
        else:
            low = draw(st.integers(1, 50))
            item |= {"MinValue": str(low), "MaxValue": str(low + draw(st.integers(1, 50)))}
            if draw(st.booleans()):
                item["ScalingType"] = draw(st.sampled_from(["Auto", "Linear", "Logarithmic"]))
        made.setdefault(f"{kind}ParameterRanges", []).append(item)
    return made


CONFIGS = st.fixed_dictionaries(
    {
        "Strategy": st.sampled_from(["Bayesian", "Random"]),
        "HyperParameterTuningJobObjective": st.fixed_dictionaries(
            {"Type": st.sampled_from(["Maximize", "Minimize"]), "MetricName": st.just("m")}
        ),
        "ResourceLimits": st.fixed_dictionaries(
            {"MaxNumberOfTrainingJobs": st.integers(1, 3), "MaxParallelTrainingJobs": st.integers(1, 3)},
            optional={"MaxRuntimeInSeconds": st.integers(120, 10**6)},
        ),
        "ParameterRanges": ranges(),
    },
    optional={
        "TrainingJobEarlyStoppingType": st.sampled_from(["Off", "Auto"]),
        "RandomSeed": st.integers(0, 2**31),
        "TuningJobCompletionCriteria": _optional(
            TargetObjectiveMetricValue=st.floats(-9, 9),
            BestObjectiveNotImproving=_optional(MaxNumberOfTrainingJobsNotImproving=st.integers(3, 9)),
            ConvergenceDetected=_optional(CompleteOnConvergence=st.sampled_from(["Enabled", "Disabled"])),
        ),
    },
)
RESOURCES = st.sampled_from(
    [
        {},
        {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}},
        {
            "HyperParameterTuningResourceConfig": {
                "InstanceType": "ml.c5.xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 7,
            }
        },
        {
            "HyperParameterTuningResourceConfig": {
                "InstanceConfigs": [{"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5}],
                "AllocationStrategy": "Prioritized",
            }
        },
    ]
)
DEFINITIONS = st.fixed_dictionaries(
    {
        "AlgorithmSpecification": st.fixed_dictionaries(
            {
                "TrainingImage": st.just(IMAGE),
                "TrainingInputMode": st.just("File"),
                "MetricDefinitions": st.just(
                    [{"Name": "m", "Regex": "m=(.*)"}, {"Name": "n", "Regex": "n=(.*)"}]
                ),
            }
        ),
        "RoleArn": st.just("arn:aws:iam::000000000000:role/x"),
        "OutputDataConfig": st.fixed_dictionaries(
            {"S3OutputPath": st.sampled_from(["s3://b/out", "s3://b/out/"])}
        ),
        "StoppingCondition": _optional(MaxRuntimeInSeconds=st.integers(1, 10**6)),
    },
    optional={
        "DefinitionName": NAMES,
        "StaticHyperParameters": st.dictionaries(
            st.from_regex(r"S[A-Z]{1,8}", fullmatch=True), TEXTS, max_size=4
        ),
        "InputDataConfig": st.just(
            [
                {
                    "ChannelName": "train",
                    "ContentType": "text/csv",
                    "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://b/inputs/a"}},
                }
            ]
        ),
        "EnableManagedSpotTraining": st.booleans(),
        "EnableInterContainerTrafficEncryption": st.booleans(),
        "EnableNetworkIsolation": st.just(False),
        "CheckpointConfig": st.just({"S3Uri": "s3://b/checkpoints"}),
        "RetryStrategy": st.fixed_dictionaries({"MaximumRetryAttempts": st.integers(1, 30)}),
        "Environment": st.dictionaries(NAMES, TEXTS, max_size=3),
    },
)


def _within(part: Any, whole: Any, path: str = "") -> None:
    """Every field of ``part`` is in ``whole`` with the same value; ``whole`` may hold more."""
    if isinstance(part, Mapping):
        for name, value in part.items():
            assert name in whole, f"{path}.{name} is gone"
            _within(value, whole[name], f"{path}.{name}")
    elif isinstance(part, (list, tuple)):
        assert len(part) == len(whole), path
        for index, item in enumerate(part):
            _within(item, whole[index], f"{path}[{index}]")
    else:
        assert part == whole, path


@settings(max_examples=100)
@given(config=CONFIGS, definition=DEFINITIONS, resources=RESOURCES)
def test_describe_gives_back_every_field_of_an_accepted_request(
    config: dict[str, Any], definition: dict[str, Any], resources: dict[str, Any]
) -> None:
    """Before the first trial and after the last one; so do the trials with their part of it."""
    request = {
        "HyperParameterTuningJobName": "Job",
        "HyperParameterTuningJobConfig": config,
        "TrainingJobDefinition": {**definition, **resources},
    }
    world = World(1, dangers=NO_DANGERS, faults=NO_FAULTS)
    world.do(world.commands.admitted_tuning(copy.deepcopy(request)))
    queries = Queries(world.parts, SimulatedLogs(), world.controller.not_improving)
    asked = {"HyperParameterTuningJobName": "Job"}
    _within(request, queries.describe_hyper_parameter_tuning_job(asked))
    world.settle()
    _within(request, queries.describe_hyper_parameter_tuning_job(asked))
    for trial in world.store.reader.trials(1):
        answer = queries.describe_training_job({"TrainingJobName": trial.name})
        shared = {"RoleArn", "InputDataConfig", "OutputDataConfig", "Environment", "AlgorithmSpecification"}
        _within({name: value for name, value in definition.items() if name in shared}, answer)
        assert trial.suggestion is not None
        _within(dict(trial.suggestion.values), answer["HyperParameters"])
        _within(definition.get("StaticHyperParameters", {}), answer["HyperParameters"])


@settings(max_examples=50)
@given(config=CONFIGS, parts=st.lists(st.tuples(DEFINITIONS, ranges()), min_size=1, max_size=3))
def test_describe_gives_back_lists_of_definitions_and_warm_starts(
    config: dict[str, Any], parts: list[tuple[dict[str, Any], dict[str, Any]]]
) -> None:
    """Any accepted list comes back in its order, for a job and for one that starts from it; trials have their part."""
    own = {name: value for name, value in config.items() if name not in ("ParameterRanges", _OBJECTIVE)}
    listed = [
        {
            **definition,
            "DefinitionName": f"part{place}",
            "HyperParameterRanges": chosen,
            "TuningObjective": config[_OBJECTIVE],
        }
        for place, (definition, chosen) in enumerate(parts)
    ]
    world = World(1, dangers=NO_DANGERS, faults=NO_FAULTS)
    queries = Queries(world.parts, SimulatedLogs(), world.controller.not_improving)
    request: dict[str, Any] = {"HyperParameterTuningJobConfig": own, "TrainingJobDefinitions": listed}
    warm = {
        "WarmStartType": "IdenticalDataAndAlgorithm",
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": "Job"}],
    }
    for name, more in (("Job", {}), ("Child", {"WarmStartConfig": warm})):
        asked = {"HyperParameterTuningJobName": name}
        world.do(world.commands.admitted_tuning(copy.deepcopy({**request, **more, **asked})))
        world.settle()
        described = queries.describe_hyper_parameter_tuning_job(asked)
        _within({**request, **more}, described)
        assert "TrainingJobDefinition" not in described
    by_name = {item["DefinitionName"]: item for item in listed}
    for trial in world.store.reader.trials(2):
        answer = queries.describe_training_job({"TrainingJobName": trial.name})
        statics = by_name[trial.definition or ""].get("StaticHyperParameters", {})
        assert trial.suggestion is not None
        _within({**statics, **trial.suggestion.values}, answer["HyperParameters"])
