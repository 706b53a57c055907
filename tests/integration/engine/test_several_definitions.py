"""Several definitions in one job through the engine: whose turn it is, what is told, recovery, replay, ends."""

from __future__ import annotations

import copy
import logging
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob
from pegbox.domain.statuses import TrainingStatus, TuningStatus
from pegbox.engine.active import ActiveTuning
from pegbox.engine.parts import Work
from pegbox.engine.queries import Queries
from pegbox.engine.recovery import load_picture
from pegbox.engine.replay import replay_request, replay_turn
from pegbox.executors.simulated import Faults
from pegbox.testing.simulated_ports import SimulatedLogs, real_strategy
from pegbox.testing.simulated_searches import telltale_strategy
from pegbox.testing.simulation import NO_DANGERS, NO_FAULTS, Dangers, World, simulated_policy, tuning_request

NAMES = ("alpha", "beta", "gamma")
#: What a definition's best values are worth.
LEVELS = {"alpha": 0.0, "beta": 5.0, "gamma": 1.0}


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Refused commits are part of the play."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def several(name: str = "job", *, jobs: int = 24, parallel: int = 3, **config: Any) -> dict[str, Any]:
    """Return a request with three definitions; the second one is the best."""
    request = tuning_request(random.Random(0), name)
    own = request["HyperParameterTuningJobConfig"]
    for member in ("HyperParameterTuningJobObjective", "ParameterRanges"):
        del own[member]
    own["TuningJobCompletionCriteria"] = {}
    own["Strategy"] = "Random"
    own["ResourceLimits"] = {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": parallel}
    own |= config
    definition = request.pop("TrainingJobDefinition")
    definition.pop("RetryStrategy", None)
    definition["AlgorithmSpecification"]["MetricDefinitions"].append({"Name": "other", "Regex": "other=(.*)"})
    ranges = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}
    request["TrainingJobDefinitions"] = [
        copy.deepcopy(
            {
                **definition,
                "DefinitionName": part,
                "TuningObjective": {"Type": "Maximize", "MetricName": "m"},
                "HyperParameterRanges": ranges,
                "StaticHyperParameters": {"level": str(LEVELS[part])},
            }
        )
        for part in NAMES
    ]
    return request


def _program(hyperparameters: Mapping[str, str], rng: random.Random) -> list[float]:
    top = float(hyperparameters["level"]) + float(hyperparameters["x"])
    return [top * step / 6 for step in range(1, 7)]


def _world(dangers: Dangers = NO_DANGERS, faults: Faults = NO_FAULTS, **more: Any) -> World:
    world = World(0, dangers=dangers, faults=faults, **more)
    world.machine.program = _program
    return world


def _run(world: World, request: dict[str, Any]) -> list[TrainingJob]:
    action = world.commands.admitted_tuning(request)
    while world.store.reader.tuning_job(request["HyperParameterTuningJobName"]) is None:
        world.post(action)
        world.step()
    world.settle()
    job = world.store.reader.tuning_job(request["HyperParameterTuningJobName"])
    assert job is not None
    return list(world.store.reader.trials(job.id))


def _queries(world: World) -> Queries:
    return Queries(world.parts, SimulatedLogs(), world.controller.not_improving)


@pytest.mark.parametrize("strategy", ["Random", "Bayesian"])
@pytest.mark.parametrize("crash", [0.0, 0.1])
def test_all_start_and_the_best_is_favoured(strategy: str, crash: float) -> None:
    """Three training jobs for each, most of the rest for the best; each can be told again, after crashes, too."""
    world = _world(Dangers(crash=crash, refused_commit=crash / 5, wall_jump=0), strategy=telltale_strategy)
    trials = _run(world, several(Strategy=strategy))
    assert [trial.number for trial in trials] == list(range(1, 25))
    assert Counter(trial.definition for trial in trials[:9]) == dict.fromkeys(NAMES, 3)
    counts = Counter(trial.definition for trial in trials)
    assert counts["beta"] > 10 > counts["gamma"]
    for trial in trials:
        record = trial.suggestion
        assert record is not None
        assert record.turn
        assert replay_turn(world.store.reader, trial).reason == record.turn
        again = telltale_strategy(replay_request(world.store.reader, trial)).suggestions[record.index]
        assert {name: str(value) for name, value in again["values"].items()} == dict(record.values)


def test_real_searches_are_apart_and_replay_bit_equal() -> None:
    """Each definition's search is told of its own trials only, and every suggestion comes out again from the store."""
    world = _world(strategy=real_strategy)
    trials = _run(world, several(Strategy="Bayesian", jobs=16))
    told = {request.job_id: request for request in world.suggester.requests}
    counts = Counter(trial.definition for trial in trials)
    assert len(told) == 3
    for request, name in zip([told[key] for key in sorted(told)], NAMES, strict=True):
        assert len(request.history) <= counts[name]
        assert request.budget == 6
    for trial in trials:
        assert trial.suggestion is not None
        again = real_strategy(replay_request(world.store.reader, trial)).suggestions[trial.suggestion.index]
        assert {name: str(value) for name, value in again["values"].items()} == dict(trial.suggestion.values)


def _work(world: World) -> Work:
    clock = world.clock
    return Work(
        store=world.store,
        now=clock.now(),
        time=clock.monotonic(),
        stack=ExitStack(),
        before_commit=lambda: None,
    )


def _picture_of(tuning: ActiveTuning) -> list[Any]:
    searches = [
        (item.launched, item.history, item.objectives, item.values, item.tally) for item in tuning.searches
    ]
    live = {number: (trial.curve, trial.judged) for number, trial in tuning.live.items()}
    return [searches, live, tuning.tally, tuning.progress, tuning.turns(4)]


@pytest.mark.parametrize("kind", ["Off", "Auto", "Hyperband"])
def test_another_engine_would_know_the_same(kind: str) -> None:
    """After any step the picture in memory is the one that the store gives: searches, judges' curves, turns."""
    config: dict[str, Any] = {"TrainingJobEarlyStoppingType": "Auto" if kind == "Auto" else "Off"}
    if kind == "Hyperband":
        resources = {"HyperbandStrategyConfig": {"MinResource": 1, "MaxResource": 6}}
        config |= {"Strategy": "Hyperband", "StrategyConfig": resources}
    world = _world(faults=replace(NO_FAULTS, internal=0.2, fail=0.1, not_finite=0.1, repeated=0.2))
    request = several(**config)
    for item in request["TrainingJobDefinitions"]:
        item["RetryStrategy"] = {"MaximumRetryAttempts": 3}
    world.do(world.commands.admitted_tuning(request))
    compared = 0
    while not world.quiet():
        world.step()
        tuning = world.controller.picture.tunings.get(1)
        if tuning is not None and world.outcome.steps % 5 == 0:
            again = load_picture(world.parts, world.store.reader, _work(world)).tunings[1]
            assert repr(_picture_of(tuning)) == repr(_picture_of(again))
            compared += 1
    assert compared > 10


def test_a_grid_runs_every_combination_of_every_definition() -> None:
    """Each definition's own grid, once."""
    request = several(Strategy="Grid", jobs=2 + 3 + 4)
    for count, item in enumerate(request["TrainingJobDefinitions"], start=2):
        item["HyperParameterRanges"] = {
            "CategoricalParameterRanges": [{"Name": "x", "Values": [str(value) for value in range(count)]}]
        }
    trials = _run(_world(strategy=real_strategy), request)
    found = sorted(
        (trial.definition or "", trial.suggestion.values["x"]) for trial in trials if trial.suggestion
    )
    assert found == sorted((name, str(v)) for name, n in zip(NAMES, (2, 3, 4), strict=True) for v in range(n))


def test_early_stopping_compares_within_one_definition() -> None:
    """A definition whose values are lower by far is not stopped for it."""
    world = _world()
    trials = _run(world, several(TrainingJobEarlyStoppingType="Auto", jobs=30, parallel=1))
    lesser = [trial for trial in trials if trial.definition != "beta"]
    assert lesser
    for trial in lesser[:6]:
        assert trial.status is TrainingStatus.COMPLETED
    for trial in (trial for trial in trials if trial.status is TrainingStatus.STOPPED):
        own = [t for t in trials if t.definition == trial.definition and t.status is TrainingStatus.COMPLETED]
        assert len(own) >= 5


def test_definitions_without_any_value_are_set_aside_and_told() -> None:
    """After three training jobs without a value the others get the rest; the owner is told why."""
    world = _world()
    request = several()
    request["TrainingJobDefinitions"][0]["StaticHyperParameters"]["level"] = "nan"
    trials = _run(world, request)
    assert Counter(trial.definition for trial in trials)["alpha"] == 3
    job = world.store.reader.tuning_job("job")
    assert job is not None
    assert job.status is TuningStatus.COMPLETED
    assert any("Definition 'alpha' gets no more training jobs" in text for text in job.notices)


def test_a_job_of_which_all_definitions_fail_fails_early() -> None:
    """Some of each definition were tried, all failed: nothing more is launched."""
    world = _world(faults=replace(NO_FAULTS, fail=1.0))
    trials = _run(world, several(jobs=30, parallel=2))
    job = world.store.reader.tuning_job("job")
    assert job is not None
    assert job.status is TuningStatus.FAILED
    assert (job.failure_reason or "").startswith("No training job succeeded after 5 attempts")
    assert len(trials) <= 7


def test_descriptions_name_the_definitions() -> None:
    """Describe, best training job, list and explanation: definition names, own objective and ranges, mirrored resources."""
    world = _world()
    request = several()
    names = {"alpha": "m", "beta": "m", "gamma": "m"}
    _run(world, request)
    queries = _queries(world)
    described = queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "job"})
    assert "TrainingJobDefinition" not in described
    assert "ParameterRanges" not in described["HyperParameterTuningJobConfig"]
    for item in described["TrainingJobDefinitions"]:
        name = item["DefinitionName"]
        assert item["StaticHyperParameters"]["_tuning_objective_metric"] == names[name]
        assert item["TuningObjective"] == {"Type": "Maximize", "MetricName": names[name]}
        assert set(item["HyperParameterRanges"]) == {
            "ContinuousParameterRanges",
            "IntegerParameterRanges",
            "CategoricalParameterRanges",
        }
        assert item["ResourceConfig"]["InstanceCount"] == 1
        assert item["HyperParameterTuningResourceConfig"]["InstanceType"] == "local"
    assert described["BestTrainingJob"]["TrainingJobDefinitionName"] == "beta"
    listed = queries.list_training_jobs_for_hyper_parameter_tuning_job(
        {"HyperParameterTuningJobName": "job", "MaxResults": 100}
    )[0]["TrainingJobSummaries"]
    assert {row["TrainingJobDefinitionName"] for row in listed} == set(NAMES)
    explained = queries.explain("job")
    assert any(text.startswith("TrainingJobDefinitions[0].") for text in explained["met_by_nature"])
    turns = {trial["suggestion"]["turn"] for trial in explained["trials"]}
    assert "start: training job 1 of 3" in turns
    trial = queries.describe_training_job({"TrainingJobName": listed[0]["TrainingJobName"]})
    assert trial["HyperParameters"]["level"] == str(LEVELS[listed[0]["TrainingJobDefinitionName"]])


def test_a_target_is_reached_by_any_definition() -> None:
    """And ends the job for all."""
    request = several(TuningJobCompletionCriteria={"TargetObjectiveMetricValue": 5.0}, jobs=50, parallel=1)
    world = _world(policy=simulated_policy())
    trials = _run(world, request)
    assert len(trials) < 10
    job = world.store.reader.tuning_job("job")
    assert job is not None
    assert "target objective value 5 reached" in (job.completion_reason or "")
