"""Whether a create request is accepted: everything that the service model cannot say.

All problems of a request are told at once, each with field, value and remedy. Runs in the caller's thread, before a command
gets to the controller; what depends on other jobs (a name in use, a quota) is decided there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.engine.definitions import definition_problems
from pegbox.engine.outcomes import refusals
from pegbox.engine.parts import Parts
from pegbox.engine.specs import OBJECTIVE_KEY, model_uri
from pegbox.errors import SpaceError, ValidationException
from pegbox.ports.store import Reader
from pegbox.space import CategoricalRange, Space, space_from_aws
from pegbox.stopping import judge_of
from pegbox.wire.limits import Quotas, quotas

_CONFIG = "HyperParameterTuningJobConfig"
_DEFINITION = "TrainingJobDefinition"


def admit_tuning(parts: Parts, reader: Reader, request: Mapping[str, Any]) -> None:
    """Check a ``CreateHyperParameterTuningJob`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    limits = limits_of(parts)
    problems = refusals(request, "tuning")
    config = request[_CONFIG]
    definition = request.get(_DEFINITION)
    if definition is None:
        if not request.get("TrainingJobDefinitions"):
            problems.append(f"{_DEFINITION}: missing; give the training job that is to be tuned")
        raise_problems(problems)
        return
    objective = config.get("HyperParameterTuningJobObjective")
    if objective is None:
        problems.append(f"{_CONFIG}.HyperParameterTuningJobObjective: missing; give its Type and MetricName")
    space, found = _space(config)
    problems += found
    problems += _limit_problems(config, space, limits)
    problems += _name_problems(config, definition, limits)
    problems += _stopping_problems(config, definition, limits)
    problems += refusals(definition, "definition", f"{_DEFINITION}.")
    metric = objective["MetricName"] if objective else None
    tuned = [item.name for item in space.parameters] if space is not None else []
    problems += definition_problems(
        parts,
        reader,
        definition,
        definition.get("StaticHyperParameters") or {},
        prefix=f"{_DEFINITION}.",
        hyperparameters="StaticHyperParameters",
        objective=metric,
        limits=limits,
        objective_type=objective["Type"] if objective else None,
        tuned=tuned,
    )
    raise_problems(problems)


def admit_training(parts: Parts, reader: Reader, request: Mapping[str, Any]) -> None:
    """Check a ``CreateTrainingJob`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    limits = limits_of(parts)
    problems = refusals(request, "training") + refusals(request, "definition")
    problems += definition_problems(
        parts,
        reader,
        request,
        request.get("HyperParameters") or {},
        prefix="",
        hyperparameters="HyperParameters",
        objective=None,
        limits=limits,
    )
    address = model_uri(request, request["TrainingJobName"])
    if parts.artifacts.check_output(address) is None and parts.artifacts.check_input(address) is None:
        problems.append(
            f"TrainingJobName: {request['TrainingJobName']!r}: {address} holds the model of an earlier training job; "
            "choose another name or S3OutputPath, or remove it"
        )
    raise_problems(problems)


def limits_of(parts: Parts) -> Quotas:
    """Return the quotas of the server's mode."""
    return quotas("extended" if parts.policy.extended else "strict")


def raise_problems(problems: list[str]) -> None:
    """Raise one error that lists all problems, if there are any.

    Raises:
        ValidationException: There are.
    """
    if problems:
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected"
        raise ValidationException(f"{count}: {'; '.join(problems)}")


def _space(config: Mapping[str, Any]) -> tuple[Space | None, list[str]]:
    ranges = config.get("ParameterRanges") or {}
    try:
        space = space_from_aws(ranges)
    except SpaceError as error:
        return None, [f"{_CONFIG}.ParameterRanges: {problem}" for problem in error.problems]
    if not space.dimension:
        return None, [f"{_CONFIG}.ParameterRanges: empty; give at least one range to tune"]
    return space, []


def _limit_problems(config: Mapping[str, Any], space: Space | None, limits: Quotas) -> list[str]:
    resources = config["ResourceLimits"]
    strategy = config["Strategy"]
    budget = resources.get("MaxNumberOfTrainingJobs")
    path = f"{_CONFIG}.ResourceLimits"
    problems = []
    most = limits.training_jobs_random if strategy == "Random" else limits.training_jobs
    for field, value, most_allowed in (
        ("MaxNumberOfTrainingJobs", budget, most),
        ("MaxParallelTrainingJobs", resources["MaxParallelTrainingJobs"], limits.parallel_training_jobs),
        ("MaxRuntimeInSeconds", resources.get("MaxRuntimeInSeconds"), limits.tuning_runtime_seconds),
    ):
        if value is not None and most_allowed is not None and value > most_allowed:
            problems.append(
                f"{path}.{field}: {value} is above the quota of {most_allowed}; lower it, or use mode = extended"
            )
    if strategy == "Grid":
        return problems + _grid_problems(space, budget, limits)
    if budget is None and not _other_end(config):
        problems.append(
            f"{path}.MaxNumberOfTrainingJobs: missing; give it, or MaxRuntimeInSeconds, or a completion criterion"
        )
    if (
        space is not None
        and budget is not None
        and space.cardinality is not None
        and space.cardinality < budget
    ):
        problems.append(
            f"{path}.MaxNumberOfTrainingJobs: {budget} is more than the {space.cardinality} different combinations that "
            f"ParameterRanges hold; give at most {space.cardinality} or widen the ranges"
        )
    return problems


def _stopping_problems(config: Mapping[str, Any], definition: Mapping[str, Any], limits: Quotas) -> list[str]:
    problems = []
    resources = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    most, given = limits.hyperband_max_resource, resources.get("MaxResource")
    if most is not None and given is not None and given > most:
        problems.append(
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig.MaxResource: {given} is above the quota of {most}; lower it, "
            "or use mode = extended"
        )
    try:
        judge_of(config, definition.get("StaticHyperParameters") or {}, maximize=True, seed=0)
    except ValidationException as refusal:
        problems.append(refusal.message)
    return problems


def _other_end(config: Mapping[str, Any]) -> bool:
    criteria = config.get("TuningJobCompletionCriteria") or {}
    converging = (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled"
    ends = ("TargetObjectiveMetricValue", "BestObjectiveNotImproving")
    limited = config["ResourceLimits"].get("MaxRuntimeInSeconds") is not None
    return limited or converging or any(criteria.get(name) for name in ends)


def _grid_problems(space: Space | None, budget: int | None, limits: Quotas) -> list[str]:
    if space is None:
        return []
    problems = []
    taken = "categorical and integer" if limits.grid_takes_integers else "categorical"
    for item in space.parameters:
        countable = limits.grid_takes_integers and item.size is not None
        if not isinstance(item, CategoricalRange) and not countable:
            problems.append(
                f"{_CONFIG}.ParameterRanges: strategy Grid takes {taken} ranges only, {item.name!r} is none; "
                "list its values as a categorical range or use another strategy"
            )
    if problems or space.cardinality is None:
        return problems
    path = f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs"
    if budget is not None and budget != space.cardinality:
        problems.append(
            f"{path}: {budget} is not the {space.cardinality} combinations of the grid; give {space.cardinality} or leave it out"
        )
    if limits.training_jobs is not None and space.cardinality > limits.training_jobs:
        problems.append(
            f"{path}: the grid has {space.cardinality} combinations, above the quota of {limits.training_jobs}; "
            "list fewer values"
        )
    return problems


def _name_problems(config: Mapping[str, Any], definition: Mapping[str, Any], limits: Quotas) -> list[str]:
    ranges = config.get("ParameterRanges") or {}
    tuned = [
        str(item.get("Name"))
        for kind in ("ContinuousParameterRanges", "IntegerParameterRanges", "CategoricalParameterRanges")
        for item in ranges.get(kind) or ()
    ]
    statics = definition.get("StaticHyperParameters") or {}
    path = f"{_DEFINITION}.StaticHyperParameters"
    problems = [
        f"{path}: {name!r} is static and tunable at once; remove it here or from ParameterRanges"
        for name in sorted(set(tuned) & set(statics))
    ]
    if OBJECTIVE_KEY in tuned or OBJECTIVE_KEY in statics:
        problems.append(f"{OBJECTIVE_KEY!r} is added by the service; remove it")
    if limits.tunable_parameters is not None and len(tuned) > limits.tunable_parameters:
        problems.append(
            f"{_CONFIG}.ParameterRanges: {len(tuned)} ranges are above the quota of {limits.tunable_parameters}; tune fewer"
        )
    total = len(tuned) + len(statics) + 1
    if limits.parameters is not None and total > limits.parameters:
        problems.append(
            f"{path}: {total} static and tunable hyperparameters with {OBJECTIVE_KEY} are above the quota of "
            f"{limits.parameters}; use fewer"
        )
    return problems
