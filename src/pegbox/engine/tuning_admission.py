"""Whether a tuning job's request is accepted, with one definition or several.

Ranges and objective stand in the job's config, or in each of several definitions; both forms are read as a list of parts, so that
every rule is written once and tells the path that its reader wrote.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.engine.admission import limits_of, raise_problems
from pegbox.engine.definitions import definition_problems
from pegbox.engine.outcomes import refusals
from pegbox.engine.parts import Parts
from pegbox.engine.specs import INTERPRETER_KEY, OBJECTIVE_KEY, definitions_of
from pegbox.engine.warm_start_rules import warm_start_problems
from pegbox.errors import SpaceError, ValidationException
from pegbox.ports.store import Reader
from pegbox.space import CategoricalRange, Space, space_from_aws
from pegbox.stopping import judge_of
from pegbox.wire.limits import Quotas

_CONFIG = "HyperParameterTuningJobConfig"
_SINGLE, _SEVERAL = "TrainingJobDefinition", "TrainingJobDefinitions"
#: Environment entries that all definitions may have together, in strict mode.
_ENVIRONMENT = 48


@dataclass(frozen=True, slots=True)
class _Part:
    """One definition with its ranges and objective, and the paths where they stand in the request."""

    definition: Mapping[str, Any]
    #: Put before the paths of the definition's own members.
    prefix: str
    ranges_path: str
    objective_path: str
    #: None where the ranges make no space; the problems say why.
    space: Space | None
    problems: tuple[str, ...]

    @property
    def objective(self) -> Mapping[str, Any] | None:
        """Type and metric name, where given."""
        found: Mapping[str, Any] | None = self.definition.get("TuningObjective")
        return found


def admit_tuning(parts: Parts, reader: Reader, request: Mapping[str, Any]) -> None:
    """Check a ``CreateHyperParameterTuningJob`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    limits, config = limits_of(parts), request[_CONFIG]
    problems = refusals(request, "tuning")
    several = bool(request.get(_SEVERAL))
    if several == (request.get(_SINGLE) is not None):
        problems.append(
            f"{_SEVERAL}: given together with {_SINGLE}; give one of them"
            if several
            else f"{_SINGLE}: missing; give the training job that is to be tuned, or several as {_SEVERAL}"
        )
        raise_problems(problems)
    shares = [_part(item, index, several=several) for index, item in enumerate(definitions_of(request))]
    if several:
        problems += _list_problems(config, shares, strict=not parts.policy.extended)
    problems += _limit_problems(config, shares, limits)
    for part in shares:
        problems += part.problems
        problems += _name_problems(part, limits)
        problems += _stopping_problems(config, part, limits, first=part is shares[0])
        problems += refusals(part.definition, "definition", part.prefix)
        problems += _definition_problems(parts, reader, part, limits)
    if request.get("WarmStartConfig") and all(part.objective for part in shares):
        most = limits.training_jobs_random if config["Strategy"] == "Random" else limits.training_jobs
        problems += warm_start_problems(
            reader,
            request,
            strict=not parts.policy.extended,
            most_parents=limits.warm_start_parents,
            most_jobs=most,
        )
    # Shares of one config find the same problem of it.
    raise_problems(list(dict.fromkeys(problems)))


def _part(item: Mapping[str, Any], index: int, *, several: bool) -> _Part:
    place = f"{_SEVERAL}[{index}]" if several else _SINGLE
    ranges_path = f"{place}.HyperParameterRanges" if several else f"{_CONFIG}.ParameterRanges"
    objective_path = f"{place}.TuningObjective" if several else f"{_CONFIG}.HyperParameterTuningJobObjective"
    space, problems = None, list[str]()
    try:
        space = space_from_aws(item.get("HyperParameterRanges") or {})
    except SpaceError as error:
        problems += [f"{ranges_path}: {problem}" for problem in error.problems]
    if space is not None and not space.dimension:
        space = None
        problems.append(f"{ranges_path}: empty; give at least one range to tune")
    if item.get("TuningObjective") is None:
        problems.append(f"{objective_path}: missing; give its Type and MetricName")

    return _Part(item, f"{place}.", ranges_path, objective_path, space, tuple(problems))


def _list_problems(config: Mapping[str, Any], shares: Sequence[_Part], *, strict: bool) -> list[str]:
    """What only a request with a list of definitions can do wrong."""
    problems = [
        f"{_CONFIG}.{member}: belongs to each of {_SEVERAL}, as {own}; leave it out here"
        for member, own in (
            ("HyperParameterTuningJobObjective", "TuningObjective"),
            ("ParameterRanges", "HyperParameterRanges"),
        )
        if config.get(member) and any(config[member].values())
    ]
    names = [part.definition.get("DefinitionName") for part in shares]
    problems += [
        f"{part.prefix}DefinitionName: missing; each of several definitions needs a name of its own"
        for part, name in zip(shares, names, strict=True)
        if not name
    ]
    problems += [
        f"{_SEVERAL}: DefinitionName {name!r} is given more than once; rename one of them"
        for name in sorted({name for name in names if name and names.count(name) > 1})
    ]
    types = [part.objective["Type"] for part in shares if part.objective]
    if len(set(types)) > 1:
        problems.append(
            f"{_SEVERAL}: TuningObjective.Type is {' and '.join(sorted(set(types)))}; all definitions need the same, since their "
            "values are compared"
        )
    if strict and len(shares) > 1 and config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        problems.append(
            f"{_CONFIG}.TrainingJobEarlyStoppingType: {config['TrainingJobEarlyStoppingType']!r} goes with a single training job "
            f"definition, and there are {len(shares)}; use Off, or mode = extended"
        )
    entries = sum(len(set(part.definition.get("Environment") or ()) - {INTERPRETER_KEY}) for part in shares)
    if strict and entries > _ENVIRONMENT:
        problems.append(
            f"{_SEVERAL}: {entries} entries of Environment in all definitions together are above the quota of {_ENVIRONMENT}; "
            "use fewer, or mode = extended"
        )
    return problems


def _definition_problems(parts: Parts, reader: Reader, part: _Part, limits: Quotas) -> list[str]:
    objective = part.objective
    return definition_problems(
        parts,
        reader,
        part.definition,
        part.definition.get("StaticHyperParameters") or {},
        prefix=part.prefix,
        hyperparameters="StaticHyperParameters",
        objective=objective["MetricName"] if objective else None,
        limits=limits,
        objective_type=objective["Type"] if objective else None,
        tuned=[item.name for item in part.space.parameters] if part.space is not None else [],
    )


def _limit_problems(config: Mapping[str, Any], shares: Sequence[_Part], limits: Quotas) -> list[str]:
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
        return problems + _grid_problems(shares, budget, limits)
    if budget is None and not _other_end(config):
        problems.append(
            f"{path}.MaxNumberOfTrainingJobs: missing; give it, or MaxRuntimeInSeconds, or a completion criterion"
        )
    total = _combinations(shares)
    if budget is not None and total is not None and total < budget:
        where = "ParameterRanges hold" if len(shares) == 1 else "the ranges of all definitions hold together"
        problems.append(
            f"{path}.MaxNumberOfTrainingJobs: {budget} is more than the {total} different combinations that {where}; give at "
            f"most {total} or widen the ranges"
        )
    return problems


def _combinations(shares: Sequence[_Part]) -> int | None:
    """Return the combinations of all definitions together, or None where one of them has no end."""
    sizes = [part.space.cardinality if part.space is not None else None for part in shares]
    return None if None in sizes else sum(size or 0 for size in sizes)


def _stopping_problems(config: Mapping[str, Any], part: _Part, limits: Quotas, *, first: bool) -> list[str]:
    problems = []
    resources = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig") or {}
    most, given = limits.hyperband_max_resource, resources.get("MaxResource")
    if first and most is not None and given is not None and given > most:
        problems.append(
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig.MaxResource: {given} is above the quota of {most}; lower it, "
            "or use mode = extended"
        )
    try:
        judge_of(config, part.definition.get("StaticHyperParameters") or {}, maximize=True, seed=0)
    except ValidationException as refusal:
        problems.append(refusal.message)
    return problems


def _other_end(config: Mapping[str, Any]) -> bool:
    criteria = config.get("TuningJobCompletionCriteria") or {}
    converging = (criteria.get("ConvergenceDetected") or {}).get("CompleteOnConvergence") == "Enabled"
    ends = ("TargetObjectiveMetricValue", "BestObjectiveNotImproving")
    limited = config["ResourceLimits"].get("MaxRuntimeInSeconds") is not None
    return limited or converging or any(criteria.get(name) for name in ends)


def _grid_problems(shares: Sequence[_Part], budget: int | None, limits: Quotas) -> list[str]:
    problems = []
    taken = "categorical and integer" if limits.grid_takes_integers else "categorical"
    for part in shares:
        for item in part.space.parameters if part.space is not None else ():
            countable = limits.grid_takes_integers and item.size is not None
            if not isinstance(item, CategoricalRange) and not countable:
                problems.append(
                    f"{part.ranges_path}: strategy Grid takes {taken} ranges only, {item.name!r} is none; list its values as "
                    "a categorical range or use another strategy"
                )
    total = _combinations(shares)
    if problems or total is None:
        return problems
    path = f"{_CONFIG}.ResourceLimits.MaxNumberOfTrainingJobs"
    what = "the grid" if len(shares) == 1 else "the grids of all definitions together"
    if budget is not None and budget != total:
        problems.append(
            f"{path}: {budget} is not the {total} combinations of {what}; give {total} or leave it out"
        )
    if limits.training_jobs is not None and total > limits.training_jobs:
        problems.append(
            f"{path}: {what} has {total} combinations, above the quota of {limits.training_jobs}; list fewer values"
        )
    return problems


def _name_problems(part: _Part, limits: Quotas) -> list[str]:
    ranges = part.definition.get("HyperParameterRanges") or {}
    tuned = [
        str(item.get("Name"))
        for kind in ("ContinuousParameterRanges", "IntegerParameterRanges", "CategoricalParameterRanges")
        for item in ranges.get(kind) or ()
    ]
    statics = part.definition.get("StaticHyperParameters") or {}
    path = f"{part.prefix}StaticHyperParameters"
    problems = [
        f"{path}: {name!r} is static and tunable at once; remove it here or from {part.ranges_path.rpartition('.')[2]}"
        for name in sorted(set(tuned) & set(statics))
    ]
    if OBJECTIVE_KEY in tuned or OBJECTIVE_KEY in statics:
        problems.append(f"{path}: {OBJECTIVE_KEY!r} is added by the service; remove it")
    if limits.tunable_parameters is not None and len(tuned) > limits.tunable_parameters:
        problems.append(
            f"{part.ranges_path}: {len(tuned)} ranges are above the quota of {limits.tunable_parameters}; tune fewer"
        )
    total = len(tuned) + len(statics) + 1
    if limits.parameters is not None and total > limits.parameters:
        problems.append(
            f"{path}: {total} static and tunable hyperparameters with {OBJECTIVE_KEY} are above the quota of "
            f"{limits.parameters}; use fewer"
        )
    return problems
