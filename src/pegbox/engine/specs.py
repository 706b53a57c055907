"""An accepted request, read: what the engine needs to know of it, in its own words. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pegbox.engine.lifecycle.training import TrialRules
from pegbox.engine.planner import Goals
from pegbox.space import Space, space_from_aws

#: The hyperparameter that the service adds to each trial.
OBJECTIVE_KEY = "_tuning_objective_metric"
#: Environment entry that names the interpreter of a script-mode program.
INTERPRETER_KEY = "PEGBOX_PYTHON"
#: What a training job may run where its request says nothing: one day.
DEFAULT_RUNTIME = 86_400
#: Resources of a request that names none.
DEFAULT_RESOURCES: Mapping[str, Any] = {"InstanceType": "local", "InstanceCount": 1, "VolumeSizeInGB": 30}


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSpec:
    """A tuning job's request, read."""

    goals: Goals
    space: Space
    maximize: bool
    objective: str
    rules: TrialRules
    #: Seconds that the tuning job may take, or None.
    max_runtime: float | None
    definition: Mapping[str, Any]


def read_tuning(request: Mapping[str, Any], *, breaker: int, compute_ahead: bool) -> TuningSpec:
    """Read an accepted ``CreateHyperParameterTuningJob`` request."""
    config = request["HyperParameterTuningJobConfig"]
    definition = request["TrainingJobDefinition"]
    objective = config["HyperParameterTuningJobObjective"]
    limits = config["ResourceLimits"]
    criteria = config.get("TuningJobCompletionCriteria") or {}
    space = space_from_aws(config.get("ParameterRanges") or {})
    budget = limits.get("MaxNumberOfTrainingJobs")
    if budget is None and config["Strategy"] == "Grid":
        budget = space.cardinality
    goals = Goals(
        strategy=config["Strategy"],
        budget=budget,
        parallel=limits["MaxParallelTrainingJobs"],
        dimension=space.dimension,
        objective=objective["MetricName"],
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=(criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving"),
        stop_on_convergence=(criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence")
        == "Enabled",
        breaker=breaker,
        compute_ahead=compute_ahead,
    )
    return TuningSpec(
        goals=goals,
        space=space,
        maximize=objective["Type"] == "Maximize",
        objective=objective["MetricName"],
        rules=read_rules(definition, objective["MetricName"]),
        max_runtime=limits.get("MaxRuntimeInSeconds"),
        definition=definition,
    )


def read_rules(definition: Mapping[str, Any], objective: str | None) -> TrialRules:
    """Read what a training job's machine needs from its request or definition."""
    retries = (definition.get("RetryStrategy") or {}).get("MaximumRetryAttempts", 0)
    stopping = definition.get("StoppingCondition") or {}
    return TrialRules(
        objective=objective,
        max_attempts=1 + retries,
        max_runtime=stopping.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME),
    )


def resources_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the one ``ResourceConfig`` that both of AWS's ways to state resources mean."""
    if definition.get("ResourceConfig"):
        return dict(definition["ResourceConfig"])
    tuning = definition.get("HyperParameterTuningResourceConfig")
    if not tuning:
        return dict(DEFAULT_RESOURCES)
    first = (tuning.get("InstanceConfigs") or [tuning])[0]
    resources = {key: first[key] for key in ("InstanceType", "InstanceCount") if key in first}
    size = first.get("VolumeSizeInGB", tuning.get("VolumeSizeInGB", DEFAULT_RESOURCES["VolumeSizeInGB"]))
    mirrored = {**DEFAULT_RESOURCES, **resources, "VolumeSizeInGB": size}
    if tuning.get("VolumeKmsKeyId"):
        mirrored["VolumeKmsKeyId"] = tuning["VolumeKmsKeyId"]
    return mirrored


#: Members of a definition that a trial's request takes over as they are.
_SHARED = (
    "RoleArn",
    "InputDataConfig",
    "OutputDataConfig",
    "VpcConfig",
    "EnableNetworkIsolation",
    "EnableInterContainerTrafficEncryption",
    "EnableManagedSpotTraining",
    "CheckpointConfig",
    "RetryStrategy",
    "Environment",
)


def trial_request(spec: TuningSpec) -> dict[str, Any]:
    """Return the ``CreateTrainingJob`` request that a tuning job's trials share: all but name and tuned values."""
    definition = spec.definition
    request = {key: definition[key] for key in _SHARED if key in definition}
    request["AlgorithmSpecification"] = definition["AlgorithmSpecification"]
    request["StoppingCondition"] = definition["StoppingCondition"]
    request["ResourceConfig"] = resources_of(definition)
    statics = definition.get("StaticHyperParameters") or {}
    request["HyperParameters"] = {**statics, OBJECTIVE_KEY: spec.objective}
    return request


def plain_text(value: str | None) -> str | None:
    """Return a script-mode hyperparameter without the JSON that framework SDKs wrap around it."""
    if value is None:
        return None
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value


def model_uri(request: Mapping[str, Any], name: str, archive: str = "model") -> str:
    """Return where a training job's ``model.tar.gz`` (or ``output.tar.gz``) is published."""
    return f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{name}/output/{archive}.tar.gz"
