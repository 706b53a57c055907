"""When a tuning job may start from parents: AWS's rules, each refusal with the parent, the difference and the remedy.

In extended mode, rules that only hurt are left out: values and names that SDKs inject (``sagemaker_*``), environment, retries and
the other members of a definition may differ, and several definitions may learn from parents.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.records import TuningJob
from pegbox.engine.lineage import IDENTICAL, injected, pairs, parents_of
from pegbox.engine.specs import INTERPRETER_KEY, definitions_of
from pegbox.ports.store import Reader

_PATH = "WarmStartConfig.ParentHyperParameterTuningJobs"
#: What changed static values, and tunable parameters made static, may add up to; each counts twice, as in AWS's guide.
MOST_CHANGES = 10
_WEIGHT = 2
#: Members of a definition that may differ from a parent's.
_FREE = frozenset(
    {
        "AlgorithmSpecification",
        "InputDataConfig",
        "OutputDataConfig",
        "StaticHyperParameters",
        "RoleArn",
        "ResourceConfig",
        "HyperParameterTuningResourceConfig",
        "StoppingCondition",
        "VpcConfig",
        "EnableManagedSpotTraining",
        "CheckpointConfig",
        "TuningObjective",
        "HyperParameterRanges",
    }
)
_KINDS = {
    "ContinuousParameterRanges": "continuous",
    "IntegerParameterRanges": "integer",
    "CategoricalParameterRanges": "categorical",
}
Definition = Mapping[str, Any]


def warm_start_problems(
    reader: Reader,
    request: Mapping[str, Any],
    *,
    strict: bool,
    most_parents: int | None,
    most_jobs: int | None,
) -> list[str]:
    """Return everything that keeps a request from starting from the parents it names.

    Args:
        reader: Committed state.
        request: The child's request; each of its definitions has an objective.
        strict: Whether all of AWS's rules hold.
        most_parents: Parents that a job may have, or None.
        most_jobs: Training jobs that a job and its parents may have together, or None.
    """
    config = request.get("WarmStartConfig")
    if not config:
        return []
    names = parents_of(request)
    problems = []
    if not names or (most_parents is not None and len(names) > most_parents):
        problems.append(f"{_PATH}: {len(names)} parents; give one to {most_parents} finished tuning jobs")
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"{_PATH}: {name!r} is given more than once; name each parent once")
    ours = definitions_of(request)
    if strict and len(ours) > 1:
        problems.append(
            f"WarmStartConfig: warm start goes with a single training job definition, and there are {len(ours)}; leave it out, "
            "or use mode = extended"
        )
        return problems
    together = 0
    for name in dict.fromkeys(names):
        job = reader.tuning_job(name)
        if job is None:
            problems.append(f"{_PATH}: {name!r} is no tuning job here; correct the name or leave it out")
            continue
        together += job.launched
        problems += [f"{_PATH}: parent {name!r}: {text}" for text in _of_parent(job, ours, request, strict)]
    budget = request["HyperParameterTuningJobConfig"]["ResourceLimits"].get("MaxNumberOfTrainingJobs") or 0
    if most_jobs is not None and together + budget > most_jobs:
        problems.append(
            f"{_PATH}: {together} training jobs of parents and {budget} of this job are above the quota of {most_jobs}; lower "
            "MaxNumberOfTrainingJobs, name fewer parents, or use mode = extended"
        )
    return problems


def _of_parent(
    job: TuningJob, ours: Sequence[Definition], request: Mapping[str, Any], strict: bool
) -> list[str]:
    """Return what is wrong with one parent."""
    if not job.status.terminal:
        return [
            f"it is {job.status.value}; wait until it has ended (Completed, Stopped or Failed), or stop it"
        ]
    theirs = definitions_of(job.request)
    if strict and len(theirs) > 1:
        return [
            f"it has {len(theirs)} training job definitions; name a parent with one, or use mode = extended"
        ]
    identical = request["WarmStartConfig"].get("WarmStartType") == IDENTICAL
    if len(theirs) == len(ours) == 1:
        return differences(theirs[0], ours[0], identical=identical, strict=strict)
    both = pairs(theirs, ours)
    if not both:
        there = ", ".join(repr(item.get("DefinitionName")) for item in theirs)
        return [
            f"its definitions ({there}) and this job's have no name in common; a definition learns from that of its name"
        ]
    found = [differences(parent, child, identical=identical, strict=strict) for parent, child in both]
    if not all(found):
        return []
    return [
        f"definition {child.get('DefinitionName')!r}: {text}"
        for (_, child), problems in zip(both, found, strict=True)
        for text in problems
    ]


def differences(theirs: Definition, ours: Definition, *, identical: bool, strict: bool) -> list[str]:
    """Return what keeps a definition from learning from a parent's, each with the remedy.

    Args:
        theirs: The parent's definition, with its objective and ranges.
        ours: The child's.
        identical: Whether the type is IdenticalDataAndAlgorithm.
        strict: Whether all of AWS's rules hold.
    """
    problems = []
    for member in ("MetricName", "Type"):
        before, now = (item["TuningObjective"][member] for item in (theirs, ours))
        if before != now:
            problems.append(
                f"its objective has {member} {before!r}, this job's {now!r}; tune the same metric in the same direction"
            )
    problems += _hyperparameter_differences(theirs, ours, strict)
    if strict:
        problems += _member_differences(theirs, ours)
    return problems + (_identity_differences(theirs, ours) if identical else [])


def _hyperparameter_differences(theirs: Definition, ours: Definition, strict: bool) -> list[str]:
    before, now = _kinds(theirs), _kinds(ours)
    was, is_ = _statics(theirs, strict), _statics(ours, strict)
    problems = []
    gone = sorted((before.keys() | was.keys()) - (now.keys() | is_.keys()))
    new = sorted((now.keys() | is_.keys()) - (before.keys() | was.keys()))
    if gone:
        problems.append(
            f"it has the hyperparameters {_listed(gone)}, which this job lacks; give each as a static value or a range"
        )
    if new:
        problems.append(
            f"this job has the hyperparameters {_listed(new)}, which it lacks; remove them: the static and tunable "
            "hyperparameters of parent and child must have the same names"
        )
    problems += [
        f"hyperparameter {name!r} is {before[name]} there and {now[name]} here; keep its kind"
        for name in sorted(before.keys() & now.keys())
        if before[name] != now[name]
    ]
    fixed = sorted(before.keys() & is_.keys())
    changed = sorted(name for name in was.keys() & is_.keys() if was[name] != is_[name])
    total = _WEIGHT * (len(fixed) + len(changed))
    if total > MOST_CHANGES:
        problems.append(
            f"tunable hyperparameters made static ({_listed(fixed) or 'none'}) and changed static values "
            f"({_listed(changed) or 'none'}) make {total} changes, each counting {_WEIGHT}; at most {MOST_CHANGES} are allowed: "
            "keep more of them as they were"
        )
    return problems


def _member_differences(theirs: Definition, ours: Definition) -> list[str]:
    names = sorted((theirs.keys() | ours.keys()) - _FREE)
    differing = [
        name for name in names if _comparable(name, theirs.get(name)) != _comparable(name, ours.get(name))
    ]
    return [
        f"{name} differs ({theirs.get(name)!r} there, {ours.get(name)!r} here); keep it, or use mode = extended"
        for name in differing
    ]


def _identity_differences(theirs: Definition, ours: Definition) -> list[str]:
    problems = []
    images = [item["AlgorithmSpecification"].get("TrainingImage") for item in (theirs, ours)]
    if images[0] != images[1]:
        problems.append(
            f"TrainingImage is {images[0]!r} there and {images[1]!r} here; {IDENTICAL} needs the same image. Use it, or "
            "WarmStartType TransferLearning"
        )
    before, now = _channels(theirs), _channels(ours)
    differing = sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))
    if differing:
        problems.append(
            f"input channels {_listed(differing)} differ; {IDENTICAL} needs the same input data. Use the same, or "
            "WarmStartType TransferLearning"
        )
    return problems


def _kinds(definition: Definition) -> dict[str, str]:
    ranges = definition.get("HyperParameterRanges") or {}
    return {str(item.get("Name")): word for kind, word in _KINDS.items() for item in ranges.get(kind) or ()}


def _statics(definition: Definition, strict: bool) -> dict[str, str]:
    statics = definition.get("StaticHyperParameters") or {}
    return {name: text for name, text in statics.items() if strict or not injected(name)}


def _channels(definition: Definition) -> dict[str, Any]:
    return {item["ChannelName"]: item for item in definition.get("InputDataConfig") or ()}


def _comparable(name: str, value: Any) -> Any:
    """Return what of a member is compared: nothing and empty are the same, and our SDK's interpreter does not count."""
    if name == "Environment":
        value = {key: text for key, text in (value or {}).items() if key != INTERPRETER_KEY}
    return value or None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names))
