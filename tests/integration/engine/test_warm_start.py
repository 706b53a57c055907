"""Warm start through the engine: what is taken over, that it stays, and whose training job is the best of all."""

from __future__ import annotations

import copy
import logging
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob
from pegbox.domain.statuses import TrainingStatus
from pegbox.engine.handlers import DeleteTraining, DeleteTuning
from pegbox.engine.queries import Queries
from pegbox.engine.replay import replay_request
from pegbox.engine.warm_start import BEST, LIMIT, representative
from pegbox.store import open_store
from pegbox.testing.sample_records import training
from pegbox.testing.simulated_ports import SimulatedLogs, real_strategy
from pegbox.testing.simulated_searches import telltale_strategy
from pegbox.testing.simulation import NO_DANGERS, NO_FAULTS, Dangers, World, tuning_request


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Refused commits are part of the play."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _request(name: str, *parents: str, jobs: int = 6, kind: str = "", **config: Any) -> dict[str, Any]:
    request = tuning_request(random.Random(0), name)
    own = request["HyperParameterTuningJobConfig"]
    own |= {"Strategy": "Bayesian", "TuningJobCompletionCriteria": {}}
    own["HyperParameterTuningJobObjective"]["Type"] = "Maximize"
    own["ParameterRanges"] = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
    own["ResourceLimits"] = {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 2}
    own |= config
    request["TrainingJobDefinition"].pop("RetryStrategy", None)
    if parents:
        request["WarmStartConfig"] = {
            "WarmStartType": kind or "IdenticalDataAndAlgorithm",
            "ParentHyperParameterTuningJobs": [{"HyperParameterTuningJobName": name} for name in parents],
        }
    return request


def _program(hyperparameters: Mapping[str, str], rng: random.Random) -> list[float]:
    top = 1.0 - (float(hyperparameters["x"]) - 0.3) ** 2
    return [top * step / 6 for step in range(1, 7)]


def _world(**more: Any) -> World:
    world = World(0, **{"dangers": NO_DANGERS, "faults": NO_FAULTS, **more})
    world.machine.program = _program
    return world


def _run(world: World, request: dict[str, Any]) -> list[TrainingJob]:
    name = request["HyperParameterTuningJobName"]
    action = world.commands.admitted_tuning(request)
    while world.store.reader.tuning_job(name) is None:
        world.post(action)
        world.step()
    world.settle()
    job = world.store.reader.tuning_job(name)
    assert job is not None
    return list(world.store.reader.trials(job.id))


def _describe(world: World, name: str) -> dict[str, Any]:
    queries = Queries(world.parts, SimulatedLogs(), world.controller.not_improving)
    return queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": name})


def _replay(world: World, trials: list[TrainingJob]) -> None:
    for trial in trials:
        assert trial.suggestion is not None
        request = replay_request(world.store.reader, trial)
        again = world.strategy(request).suggestions[trial.suggestion.index]
        assert {name: str(value) for name, value in again["values"].items()} == dict(trial.suggestion.values)


@pytest.mark.parametrize("database", [False, True])
def test_suggestions_rest_on_the_parents_and_outlive_them(database: bool, tmp_path: Path) -> None:
    """The search is given both parents; after these are deleted, training jobs and all, every suggestion comes out again."""
    store = open_store(tmp_path / "pegbox.db") if database else None
    world = _world(strategy=real_strategy, store=store)
    parents = [*_run(world, _request("first")), *_run(world, _request("second", RandomSeed=5))]
    trials = _run(world, _request("child", "first", "second"))
    requests = [request for request in world.suggester.requests if request.parents]
    assert requests
    for request in requests:
        assert [item["name"] for item in request.parents] == ["first", "second"]
        assert all(len(item["observations"]) == 6 for item in request.parents)
        assert all(item["identical"] for item in request.parents)
    for name in ("first", "second"):
        world.do(DeleteTuning(name=name))
    for trial in parents:
        world.do(DeleteTraining(name=trial.name))
    _replay(world, trials)
    assert _describe(world, "child")["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    if store is not None:
        store.close()


def test_a_server_that_crashes_goes_on_with_the_same_parents() -> None:
    """What was taken over is read from the store; the parent is deleted in the middle."""
    world = _world(strategy=telltale_strategy)
    _run(world, _request("parent"))
    world.dangers = Dangers(crash=0.5, refused_commit=0.02, wall_jump=0)
    world.store.share = 0.02
    action = world.commands.admitted_tuning(_request("child", "parent", jobs=20))
    while world.store.reader.tuning_job("child") is None:
        world.post(action)
        world.step()
    while len(world.store.reader.trials(2)) < 6:
        world.step()
    while world.store.reader.tuning_job("parent") is not None:
        world.post(DeleteTuning(name="parent"))
        world.step()
    world.settle()
    assert world.outcome.crashes > 3
    _replay(world, list(world.store.reader.trials(2)))


def test_judged_parents_give_their_curves() -> None:
    """Early-stopped trials arrive as such, with thinned curves."""
    world = _world(strategy=telltale_strategy)
    _run(world, _request("parent", jobs=16, TrainingJobEarlyStoppingType="Auto"))
    _run(world, _request("child", "parent"))
    (parent,) = world.suggester.requests[-1].parents
    assert {len(seen["curve"]) for seen in parent["observations"]} >= {6}
    statuses = [seen["status"] for seen in parent["observations"]]
    assert statuses.count("completed") >= 5
    assert set(statuses) <= {"completed", "stopped"}


def test_the_best_of_all_may_be_a_parents() -> None:
    """For identical data and algorithm only, with the name of its tuning job."""
    world = _world(strategy=real_strategy)
    good = _run(world, _request("good", jobs=12))
    bad = _request("bad", "good", jobs=2, Strategy="Random")
    bad["HyperParameterTuningJobConfig"]["ParameterRanges"]["ContinuousParameterRanges"][0]["MinValue"] = (
        "0.9"
    )
    _run(world, bad)
    described = _describe(world, "bad")
    assert described["BestTrainingJob"]["TrainingJobName"].startswith("bad-")
    overall = described["OverallBestTrainingJob"]
    assert overall["TuningJobName"] == "good"
    assert overall["TrainingJobName"] == max(good, key=lambda trial: trial.objective or 0).name
    job = world.store.reader.tuning_job("bad")
    assert job is not None
    assert any("strategy Random does not look at results" in text for text in job.notices)
    better = _request("better", "good", kind="TransferLearning", jobs=1)
    _run(world, better)
    assert "OverallBestTrainingJob" not in _describe(world, "better")
    assert "OverallBestTrainingJob" not in _describe(world, "good")


def test_what_parents_took_over_is_not_passed_on() -> None:
    """A grandparent counts only where it is listed."""
    world = _world(strategy=telltale_strategy)
    _run(world, _request("one"))
    _run(world, _request("two", "one"))
    _run(world, _request("three", "two"))
    assert [item["name"] for item in world.suggester.requests[-1].parents] == ["two"]


def test_several_definitions_learn_from_their_namesakes() -> None:
    """Each search is given what the definition of its name found."""
    listed = _request("parent", jobs=9)
    config, definition = listed["HyperParameterTuningJobConfig"], listed.pop("TrainingJobDefinition")
    own = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    listed["TrainingJobDefinitions"] = [
        copy.deepcopy({**definition, **own, "DefinitionName": name}) for name in ("alpha", "beta", "gamma")
    ]
    world = _world(strategy=telltale_strategy)
    parents = _run(world, listed)
    child = copy.deepcopy(listed)
    child["HyperParameterTuningJobName"] = "child"
    child["WarmStartConfig"] = _request("x", "parent")["WarmStartConfig"]
    child["TrainingJobDefinitions"][2]["DefinitionName"] = "delta"
    world.suggester.requests.clear()
    trials = _run(world, child)
    told = {request.job_id: request.parents for request in world.suggester.requests}
    for place, name in enumerate(("alpha", "beta")):
        values = [
            trial.suggestion.values["x"] for trial in parents if trial.definition == name and trial.suggestion
        ]
        ((history,),) = [told[key] for key in told if key >> 40 == place]
        assert sorted(str(seen["values"]["x"]) for seen in history["observations"]) == sorted(values)
    assert [told[key] for key in told if key >> 40 == 2] == [()]
    _replay(world, trials)
    job = world.store.reader.tuning_job("child")
    assert job is not None
    used = sum(trial.definition != "gamma" for trial in parents)
    assert any(f"{used} of the 9 finished training jobs of parent 'parent'" in text for text in job.notices)


def test_what_is_taken_over_is_bounded() -> None:
    """The best ones all, the rest evenly from first to last, in completion order, the same each time."""
    trials = [
        training(
            f"t{place}",
            status=TrainingStatus.COMPLETED,
            objective=float((place * 7919) % 1000) if place % 10 else None,
        )
        for place in range(1000)
    ]
    chosen = representative(trials, maximize=False)
    assert chosen == representative(trials, maximize=False)
    assert len(chosen) == LIMIT
    places = [int(trial.name[1:]) for trial in chosen]
    assert places == sorted(places)
    best = sorted((t.objective, t.name) for t in trials if t.objective is not None)[:BEST]
    assert {name for _, name in best} <= {trial.name for trial in chosen}
    assert places[0] < 20
    assert places[-1] > 980
    assert any(trial.objective is None for trial in chosen)
    assert representative(trials[:LIMIT], maximize=True) == trials[:LIMIT]
