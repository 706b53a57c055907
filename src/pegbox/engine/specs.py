"""An accepted request, read: what the engine needs to know of it, in its own words. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pegbox.domain.records import TrainingJob
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
class DefinitionSpec:
    """One training-job definition of a tuning job's request, read."""

    #: Place in the request, from 0.
    index: int
    #: ``DefinitionName``, or None where a single definition has none.
    name: str | None
    space: Space
    objective: str
    rules: TrialRules
    definition: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSpec:
    """A tuning job's request, read."""

    goals: Goals
    #: One, or one for each algorithm.
    definitions: tuple[DefinitionSpec, ...]
    maximize: bool
    #: Seconds that the tuning job may take, or None.
    max_runtime: float | None

    @property
    def several(self) -> bool:
        """Whether algorithms compete for the trials."""
        return len(self.definitions) > 1

    def of(self, trial: TrainingJob) -> DefinitionSpec:
        """Return the definition that a trial was made from."""
        if self.several:
            for item in self.definitions:
                if item.name == trial.definition:
                    return item
        return self.definitions[0]


def definitions_of(request: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the training-job definitions of a tuning job's request, each with its own objective and ranges.

    A ``TrainingJobDefinition`` gets those of the job's config, so that both forms of the request read alike.
    """
    several = request.get("TrainingJobDefinitions")
    if several:
        return tuple(several)
    config = request["HyperParameterTuningJobConfig"]
    own = {
        "TuningObjective": config.get("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.get("ParameterRanges") or {},
    }
    return ({**request["TrainingJobDefinition"], **own},)


def definition_named(request: Mapping[str, Any], name: str | None) -> Mapping[str, Any]:
    """Return the definition of this name; the first where there is none of it (a trial of a warm start's parent)."""
    found = definitions_of(request)
    return next((item for item in found if item.get("DefinitionName") == name), found[0])


def maximizes(request: Mapping[str, Any]) -> bool:
    """Return whether a tuning job's larger objective values are better."""
    return bool(definitions_of(request)[0]["TuningObjective"]["Type"] == "Maximize")


def read_tuning(request: Mapping[str, Any], *, breaker: int, compute_ahead: bool) -> TuningSpec:
    """Read an accepted ``CreateHyperParameterTuningJob`` request."""
    config = request["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    criteria = config.get("TuningJobCompletionCriteria") or {}
    definitions = tuple(
        DefinitionSpec(
            index=index,
            name=item.get("DefinitionName"),
            space=space_from_aws(item["HyperParameterRanges"]),
            objective=item["TuningObjective"]["MetricName"],
            rules=read_rules(item, item["TuningObjective"]["MetricName"]),
            definition=item,
        )
        for index, item in enumerate(definitions_of(request))
    )
    budget = limits.get("MaxNumberOfTrainingJobs")
    if budget is None and config["Strategy"] == "Grid":
        budget = sum(item.space.cardinality or 0 for item in definitions)
    goals = Goals(
        strategy=config["Strategy"],
        budget=budget,
        parallel=limits["MaxParallelTrainingJobs"],
        dimension=sum(item.space.dimension for item in definitions),
        objective=", ".join(dict.fromkeys(item.objective for item in definitions)),
        target=criteria.get("TargetObjectiveMetricValue"),
        patience=(criteria.get("BestObjectiveNotImproving") or {}).get("MaxNumberOfTrainingJobsNotImproving"),
        stop_on_convergence=(criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence")
        == "Enabled",
        breaker=breaker,
        compute_ahead=compute_ahead,
    )
    return TuningSpec(
        goals=goals,
        definitions=definitions,
        maximize=maximizes(request),
        max_runtime=limits.get("MaxRuntimeInSeconds"),
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


def trial_request(spec: DefinitionSpec) -> dict[str, Any]:
    """Return the ``CreateTrainingJob`` request that a definition's trials share: all but name and tuned values."""
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
