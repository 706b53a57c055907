"""Several definitions, warm starts and replays in the simulation."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Mapping
from typing import Any

from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.engine.replay import replay_request, replay_turn
from pegbox.engine.specs import definitions_of
from pegbox.errors import ValidationException
from pegbox.ports.store import Page, Reader
from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.space import Space, values_to_text
from pegbox.testing.invariants import InvariantBroken
from pegbox.testing.simulated_ports import cheap_strategy


def telltale_strategy(request: SuggestRequest) -> SuggestAnswer:
    """Answer without numerics, in a way that any difference between two requests shows in the values.

    Random values depend on the seed alone, as the real ones do.
    """
    told: list[Any] = [list(request.seed), request.strategy, request.count, request.space]
    if request.strategy != "Random":
        told += [list(request.history), list(request.pending), request.maximize, request.budget]
        told.append(list(request.parents))
    drawn = random.Random(json.dumps(told, sort_keys=True)).getrandbits(60)
    return cheap_strategy(_with_seed(request, drawn))


def _with_seed(request: SuggestRequest, drawn: int) -> SuggestRequest:
    return SuggestRequest(
        job_id=request.job_id,
        strategy=request.strategy,
        space=request.space,
        history=(),
        pending=(),
        count=request.count,
        seed=(drawn, 0),
        maximize=request.maximize,
    )


def with_several_definitions(rng: random.Random, request: dict[str, Any]) -> dict[str, Any]:
    """Return a random tuning job's request, a third of the time with two or three definitions that compete."""
    if rng.random() < 0.67:
        return request
    config = request["HyperParameterTuningJobConfig"]
    definition = request.pop("TrainingJobDefinition")
    objective, ranges = config.pop("HyperParameterTuningJobObjective"), config.pop("ParameterRanges")
    listed = []
    for index in range(rng.choice((2, 3))):
        item, own = copy.deepcopy(definition), copy.deepcopy(ranges)
        if index and config["Strategy"] != "Grid":
            own["IntegerParameterRanges"] = [{"Name": "n", "MinValue": "1", "MaxValue": str(index + 1)}]
        metric = "m" if index else "other"
        item["AlgorithmSpecification"]["MetricDefinitions"].append({"Name": "other", "Regex": "other=(.*)"})
        item |= {"DefinitionName": f"part{index}", "HyperParameterRanges": own}
        item["TuningObjective"] = {**objective, "MetricName": metric if rng.random() < 0.1 else "m"}
        listed.append(item)
    request["TrainingJobDefinitions"] = listed
    if config["Strategy"] == "Grid":
        config["ResourceLimits"]["MaxNumberOfTrainingJobs"] *= len(listed)
    return request


def child_request(rng: random.Random, reader: Reader, name: str) -> dict[str, Any] | None:
    """Return the request of a job that starts from jobs that have ended and are alike, or None as long as there are none."""
    ended = [job for job in reader.list_tuning_jobs(Page(limit=100)).items if job.status.terminal]
    if not ended:
        return None
    first = rng.choice(ended)
    request = copy.deepcopy(dict(first.request))
    alike = [job for job in ended if _shape(job.request) == _shape(first.request)]
    parents = rng.sample(alike, rng.randint(1, min(len(alike), 5)))
    if first not in parents:
        parents[0] = first
    request["HyperParameterTuningJobName"] = name
    request["WarmStartConfig"] = {
        "WarmStartType": rng.choice(("IdenticalDataAndAlgorithm", "TransferLearning")),
        "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": job.name} for job in parents],
    }
    return request


def _shape(request: Mapping[str, Any]) -> str:
    """Return what jobs must share to be parents of the same child."""
    config = request["HyperParameterTuningJobConfig"]
    parts = [config.get("ParameterRanges"), config.get("HyperParameterTuningJobObjective")]
    parts += [
        (item.get("HyperParameterRanges"), item.get("TuningObjective"), item.get("StaticHyperParameters"))
        for item in request.get("TrainingJobDefinitions") or [request["TrainingJobDefinition"]]
    ]
    return json.dumps(parts, sort_keys=True)


def _turn(reader: Reader, tuning: TuningJob, trial: TrainingJob) -> str:
    """Return why it is again this trial's definition's turn, or what else is decided now."""
    turn = replay_turn(reader, trial)
    name = definitions_of(tuning.request)[turn.definition]["DefinitionName"]
    return turn.reason if name == trial.definition else f"the turn of {name}: {turn.reason}"


def check_replays(reader: Reader) -> int:
    """Compute every trial's values and turn again from the store; return how many were compared.

    Raises:
        InvariantBroken: One is not what was stored (promise P8).
    """
    compared = 0
    for tuning in reader.list_tuning_jobs(Page(limit=100)).items:
        for trial in reader.trials(tuning.id):
            record = trial.suggestion
            if record is None:
                continue
            try:
                request = replay_request(reader, trial)
                turn = _turn(reader, tuning, trial) if record.turn else ""
            except ValidationException:
                # What it rests on was deleted.
                continue
            values = telltale_strategy(request).suggestions[record.index]["values"]
            text = values_to_text(Space.from_json(request.space), values)
            if text != dict(record.values) or turn != record.turn:
                raise InvariantBroken(
                    f"P8: {trial.name} is {dict(record.values)} ({record.turn}), again {text} ({turn})"
                )
            compared += 1
    return compared
