"""What a tuning job takes over from its parents: read once, when it is created, and kept with it.

Parents may be deleted while their child runs or later; its suggestions can be computed again all the same, because what they rest
on is the child's own (``Transaction.insert_warm_start``). One item of it: ``name`` and ``tuning_job_id`` of the parent,
``identical``, ``finished`` (how many trials it had), and ``histories``: for each of the child's definitions, by its name, the
``ParentHistory`` as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.domain.statuses import TrainingStatus
from pegbox.engine.active import curve_of, finite, judge_for, observation_of
from pegbox.engine.lineage import IDENTICAL, history_key, pairs, parents_of
from pegbox.engine.specs import DefinitionSpec, TuningSpec, plain_text, read_tuning
from pegbox.engine.warm_start_rules import differences
from pegbox.errors import ValidationException
from pegbox.ports.store import Reader
from pegbox.space import CategoricalRange, ParameterRange
from pegbox.strategies import ParentHistory

#: Trials of one parent that a child takes over at most ...
LIMIT = 200
#: ... of which so many are its best ones.
BEST = 80


def take_over(reader: Reader, request: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what an accepted request takes over from its parents.

    Args:
        reader: Committed state.
        request: The child's request.

    Raises:
        ValidationException: A parent has been deleted since the request was accepted.
    """
    kind = (request.get("WarmStartConfig") or {}).get("WarmStartType")
    child = read_tuning(request, breaker=1, compute_ahead=False)
    found = []
    for name in parents_of(request):
        job = reader.tuning_job(name)
        if job is None:
            raise ValidationException(
                f"WarmStartConfig: {name!r} is no tuning job here any more; leave it out."
            )
        parent = read_tuning(job.request, breaker=1, compute_ahead=False)
        ended = [trial for trial in reader.trials(job.id) if trial.observed_seq is not None]
        ended.sort(key=lambda trial: trial.observed_seq or 0)
        histories = {}
        for theirs, ours in _learning(parent, child, identical=kind == IDENTICAL):
            own = [trial for trial in ended if parent.of(trial) is theirs]
            chosen = representative(own, maximize=parent.maximize)
            history = _history(reader, job, theirs, ours, chosen, identical=kind == IDENTICAL)
            histories[history_key(ours)] = history.to_json()
        found.append(
            {
                "name": job.name,
                "tuning_job_id": job.id,
                "identical": kind == IDENTICAL,
                "finished": len(ended),
                "histories": histories,
            }
        )
    return found


def _learning(
    parent: TuningSpec, child: TuningSpec, *, identical: bool
) -> list[tuple[DefinitionSpec, DefinitionSpec]]:
    """Return each of the child's definitions that learns with the parent's one that it learns from."""
    theirs = {id(item.definition): item for item in parent.definitions}
    ours = {id(item.definition): item for item in child.definitions}
    found = pairs(
        [item.definition for item in parent.definitions], [item.definition for item in child.definitions]
    )
    if parent.several or child.several:
        # Where several are in play, one that may not learn does not keep the others from it.
        found = [(a, b) for a, b in found if not differences(a, b, identical=identical, strict=False)]
    return [(theirs[id(a)], ours[id(b)]) for a, b in found]


def representative(trials: Sequence[TrainingJob], *, maximize: bool) -> list[TrainingJob]:
    """Return at most ``LIMIT`` trials in completion order: the best ones, and others evenly from all the rest.

    Args:
        trials: Finished trials in completion order.
        maximize: Whether larger objectives are better.
    """
    if len(trials) <= LIMIT:
        return list(trials)
    sign = -1.0 if maximize else 1.0
    measured = [place for place, trial in enumerate(trials) if finite(trial.objective) is not None]
    measured.sort(key=lambda place: (sign * (trials[place].objective or 0.0), place))
    best = set(measured[:BEST])
    rest = [place for place in range(len(trials)) if place not in best]
    wanted = LIMIT - len(best)
    spread = {rest[(2 * index + 1) * len(rest) // (2 * wanted)] for index in range(wanted)}
    return [trials[place] for place in sorted(best | spread)]


def taken_over_notices(taken: Sequence[Mapping[str, Any]], spec: TuningSpec) -> list[str]:
    """Return what the owner of a warm-started job should know of its start.

    Args:
        taken: What :func:`take_over` returned.
        spec: The child, read.
    """
    notices = []
    if taken and spec.goals.blind:
        notices.append(
            f"Warm start: strategy {spec.goals.strategy} does not look at results when it chooses values, its parents' neither; "
            "OverallBestTrainingJob takes them into account where the type is IdenticalDataAndAlgorithm."
        )
    for item in taken:
        used = sum(len(history["observations"]) for history in item["histories"].values())
        if not item["finished"]:
            notices.append(
                f"Warm start: parent {item['name']!r} has no finished training job; nothing is learned from it."
            )
        elif used < item["finished"]:
            notices.append(
                f"Warm start: {used} of the {item['finished']} finished training jobs of parent {item['name']!r} are used, "
                f"the best and an even choice of the rest (at most {LIMIT} for each definition), of definitions with the same "
                "name and hyperparameters."
            )
    return notices


def overall_best(
    reader: Reader, job: TuningJob, own: TrainingJob | None, *, maximize: bool
) -> tuple[str, TrainingJob] | None:
    """Return the best training job of a job and its parents with the name of its tuning job, or None without any.

    Only for the type IdenticalDataAndAlgorithm: there all measure the same.
    """
    if (job.request.get("WarmStartConfig") or {}).get("WarmStartType") != IDENTICAL:
        return None
    candidates = [(job.name, own)] if own is not None else []
    for item in reader.warm_start(job.id):
        best = reader.best_trial(item["tuning_job_id"], maximize)
        if best is not None:
            candidates.append((item["name"], best))
    sign = -1.0 if maximize else 1.0

    def order(candidate: tuple[str, TrainingJob]) -> Any:
        trial = candidate[1]
        stopped = trial.status is not TrainingStatus.COMPLETED
        return stopped, sign * (trial.objective or 0.0), trial.created_at, trial.name

    return min(candidates, key=order, default=None)


def _history(
    reader: Reader,
    job: TuningJob,
    theirs: DefinitionSpec,
    ours: DefinitionSpec,
    trials: Sequence[TrainingJob],
    *,
    identical: bool,
) -> ParentHistory:
    judged = judge_for(job, theirs) is not None
    return ParentHistory(
        name=job.name,
        space=theirs.space,
        observations=tuple(
            observation_of(trial, None, theirs, curve_of(reader, trial, theirs.objective) if judged else ())
            for trial in trials
        ),
        constants=_typed(ours.space.parameters, theirs.definition.get("StaticHyperParameters") or {}),
        pinned=_typed(theirs.space.parameters, ours.definition.get("StaticHyperParameters") or {}),
        identical=identical,
    )


def _typed(ranges: Sequence[ParameterRange], statics: Mapping[str, str]) -> dict[str, Any]:
    """Return static values of what someone else tunes, typed as its range is; what has no such value is left out."""
    values = {}
    for item in ranges:
        if item.name in statics:
            value = _value(item, statics[item.name])
            if value is not None:
                values[item.name] = value
    return values


def _value(item: ParameterRange, text: str) -> Any:
    if isinstance(item, CategoricalRange):
        plain = plain_text(text)
        return next((c for c in (text, plain, json.dumps(plain)) if c in item.choices), text)
    try:
        number = float(plain_text(text) or "")
    except ValueError:
        return None
    return finite(number)
