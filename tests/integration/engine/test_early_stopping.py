"""Early stopping through the engine: the real engine and rules on a simulated machine, with and without crashes."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob
from pegbox.domain.statuses import ObjectiveStatus, StopReason, TrainingStatus, TuningStatus
from pegbox.engine.active import ActiveTuning
from pegbox.engine.parts import Work
from pegbox.engine.queries import Queries
from pegbox.engine.recovery import load_picture, load_tuning
from pegbox.engine.replay import replay_request
from pegbox.errors import ValidationException
from pegbox.executors.simulated import Faults
from pegbox.testing.simulated_ports import SimulatedLogs, real_strategy
from pegbox.testing.simulation import NO_DANGERS, NO_FAULTS, Dangers, World, simulated_policy, tuning_request

EPOCHS = 30


@pytest.fixture(autouse=True)
def _quiet_logs() -> Iterator[None]:
    """Refused commits are part of the play."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def _learning(hyperparameters: Mapping[str, str], rng: random.Random) -> list[float]:
    """A learning curve that rises towards its own level."""
    top, rate = float(hyperparameters["x"]), rng.uniform(0.5, 3)
    return [top * (1 - math.exp(-rate * step / 10)) + rng.gauss(0, 0.01) for step in range(1, EPOCHS + 1)]


def _request(kind: str) -> dict[str, Any]:
    request = tuning_request(random.Random(0), "job")
    config = request["HyperParameterTuningJobConfig"]
    config["Strategy"] = "Hyperband" if kind == "Hyperband" else "Random"
    config["TrainingJobEarlyStoppingType"] = "Auto" if kind == "Auto" else "Off"
    config["HyperParameterTuningJobObjective"]["Type"] = "Maximize"
    config["TuningJobCompletionCriteria"] = {}
    config["ParameterRanges"] = {
        "ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]
    }
    config["ResourceLimits"] = {"MaxNumberOfTrainingJobs": 40, "MaxParallelTrainingJobs": 4}
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {"epochs": str(EPOCHS)}
    return request


def _world(dangers: Dangers = NO_DANGERS, faults: Faults = NO_FAULTS, **more: Any) -> World:
    world = World(0, dangers=dangers, faults=faults, **more)
    world.machine.program = _learning
    world.machine.seconds = (20.0, 30.0)
    return world


def _create(world: World, request: dict[str, Any]) -> None:
    action = world.commands.admitted_tuning(request)
    while world.store.reader.tuning_job("job") is None:
        world.post(action)
        world.step()


def _trials(world: World) -> list[TrainingJob]:
    job = world.store.reader.tuning_job("job")
    assert job is not None
    return list(world.store.reader.trials(job.id))


def _run(kind: str, *, crash: float) -> tuple[World, list[TrainingJob]]:
    world = _world(Dangers(crash=crash, refused_commit=crash / 5, wall_jump=0))
    _create(world, _request(kind))
    world.settle()
    return world, _trials(world)


@pytest.mark.parametrize(("kind", "least"), [("Auto", 0.15), ("Hyperband", 0.5)])
@pytest.mark.parametrize("crash", [0.0, 0.05])
def test_lagging_trials_are_stopped_and_the_best_is_kept(kind: str, least: float, crash: float) -> None:
    """Epochs are saved, each stop carries its reason and its last value, and the best value known is a completed trial's."""
    world, trials = _run(kind, crash=crash)
    curves = {t.number: world.store.reader.metric_points(t.id, "m", attempt=t.attempt) for t in trials}
    spent = sum(len(points) for points in curves.values())
    assert 1 - spent / (len(trials) * EPOCHS) >= least
    stopped = [trial for trial in trials if trial.status is TrainingStatus.STOPPED]
    assert stopped
    for trial in stopped:
        assert trial.stop_reason is StopReason.EARLY_STOP
        assert any(note.startswith("Early stopping: value") for note in trial.notices)
        assert any(entry.message.startswith("Early stopping: value") for entry in trial.transitions)
        assert trial.objective == curves[trial.number][-1].value
        assert trial.objective_status is ObjectiveStatus.SUCCEEDED
    finals = {trial.number: float(trial.suggestion.values["x"]) for trial in trials if trial.suggestion}
    completed = [trial for trial in trials if trial.status is TrainingStatus.COMPLETED]
    assert max(finals[trial.number] for trial in completed) >= sorted(finals.values())[-4]


def test_nothing_is_stopped_when_it_is_off() -> None:
    """The same job without early stopping runs every trial to its end."""
    _, trials = _run("Off", crash=0.0)
    assert {trial.status for trial in trials} == {TrainingStatus.COMPLETED}


def test_contradictions_are_refused_at_create() -> None:
    """Hyperband with early stopping and without a resource is refused, both problems at once."""
    request = _request("Hyperband")
    request["HyperParameterTuningJobConfig"]["TrainingJobEarlyStoppingType"] = "Auto"
    request["TrainingJobDefinition"]["StaticHyperParameters"] = {}
    world = _world()
    with pytest.raises(ValidationException) as caught:
        world.commands.admitted_tuning(request)
    assert "TrainingJobEarlyStoppingType: must be Off" in caught.value.message
    assert "MaxResource: Hyperband needs a maximum resource" in caught.value.message


def _work(world: World) -> Work:
    clock = world.clock
    return Work(
        store=world.store,
        now=clock.now(),
        time=clock.monotonic(),
        stack=ExitStack(),
        before_commit=lambda: None,
    )


def _judged_by(tuning: ActiveTuning) -> list[Any]:
    """What a judge would say of any trial at any step, and all that the search and the end of the job rest on."""
    (search,) = tuning.searches
    assert search.judge is not None
    probes = [[level] * length for level in (0.2, 0.5, 0.8) for length in (3, 12, 24)]
    said = [replace(search.judge._judge(999, probe, len(probe))) for probe in probes]
    live = {number: (trial.curve, trial.judged) for number, trial in tuning.live.items()}
    return [said, live, search.history, tuning.progress, tuning.tally]


@pytest.mark.parametrize("kind", ["Auto", "Hyperband"])
def test_another_engine_would_judge_the_same(kind: str) -> None:
    """After any step, with attempts that start again, the picture in memory is the one that the store gives."""
    world = _world(faults=replace(NO_FAULTS, internal=0.4, not_finite=0.05, repeated=0.2, delayed=0.2))
    request = _request(kind)
    request["TrainingJobDefinition"]["RetryStrategy"] = {"MaximumRetryAttempts": 3}
    _create(world, request)
    compared = 0
    while not world.quiet():
        world.step()
        tuning = world.controller.picture.tunings.get(1)
        if tuning is not None and world.outcome.steps % 10 == 0:
            again = load_picture(world.parts, world.store.reader, _work(world)).tunings[1]
            assert repr(_judged_by(tuning)) == repr(_judged_by(again))
            compared += 1
    assert compared > 20
    assert any(trial.attempt > 1 for trial in _trials(world))


def test_stopped_trials_are_censored_observations_and_replay_exactly() -> None:
    """The Bayesian strategy is told of stopped trials with their curves; its suggestions are recomputed bit-equal."""
    world = _world(strategy=real_strategy)
    request = _request("Auto")
    request["HyperParameterTuningJobConfig"] |= {"Strategy": "Bayesian"}
    request["HyperParameterTuningJobConfig"]["ResourceLimits"] = {
        "MaxNumberOfTrainingJobs": 14,
        "MaxParallelTrainingJobs": 2,
    }
    _create(world, request)
    world.settle()
    trials = _trials(world)
    assert len(trials) == 14
    told = [seen for request in world.suggester.requests for seen in request.history]
    stopped = [seen for seen in told if seen["status"] == "stopped"]
    assert stopped
    assert all(len(seen["curve"]) >= 5 for seen in told)
    for trial in trials:
        assert trial.suggestion is not None
        values = real_strategy(replay_request(world.store.reader, trial)).suggestions[trial.suggestion.index]
        assert {name: str(value) for name, value in values["values"].items()} == dict(trial.suggestion.values)


def test_stopped_trials_say_nothing_of_convergence() -> None:
    """They are launched and count in the budget; progress is that of the trials that ran to their end."""
    world, trials = _run("Hyperband", crash=0.0)
    job = world.store.reader.tuning_job("job")
    assert job is not None
    tuning = load_tuning(world.parts, world.store.reader, _work(world), job)
    completed = [trial for trial in trials if trial.status is TrainingStatus.COMPLETED]
    assert (job.launched, tuning.progress.evaluated) == (40, len(completed))
    assert len(completed) < 20
    queries = Queries(world.parts, SimulatedLogs(), world.controller.not_improving)
    described = queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "job"})
    details = described["TuningJobCompletionDetails"]
    assert details["NumberOfTrainingJobsObjectiveNotImproving"] == tuning.progress.since


def test_a_trial_that_used_the_maximum_resource_is_evaluated() -> None:
    """Programs that go on are stopped after MaxResource, and the value they have by then can reach the target."""
    world = _world()
    request = _request("Hyperband")
    config = request["HyperParameterTuningJobConfig"]
    config["StrategyConfig"] = {"HyperbandStrategyConfig": {"MinResource": 2, "MaxResource": 10}}
    config["TuningJobCompletionCriteria"] = {"TargetObjectiveMetricValue": 0.6}
    _create(world, request)
    world.settle()
    job = world.store.reader.tuning_job("job")
    assert job is not None
    assert job.status is TuningStatus.COMPLETED
    assert "target objective value 0.6 reached" in (job.completion_reason or "")
    trials = _trials(world)
    assert {trial.status for trial in trials} == {TrainingStatus.STOPPED}
    assert any("beyond the maximum resource of 10" in note for trial in trials for note in trial.notices)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"MinResource": 9, "MaxResource": 3}, "MinResource: 9 exceeds MaxResource (3)"),
        ({"MaxResource": 20_001}, "MaxResource: 20001 is above the quota of 20000"),
    ],
)
def test_impossible_resources_are_refused(config: dict[str, int], words: str) -> None:
    """A minimum above the maximum, and more than AWS allows, with field, value and remedy."""
    request = _request("Hyperband")
    request["HyperParameterTuningJobConfig"]["StrategyConfig"] = {"HyperbandStrategyConfig": config}
    with pytest.raises(ValidationException) as caught:
        _world(policy=simulated_policy(extended=False)).commands.admitted_tuning(request)
    assert words in caught.value.message


def test_resources_beside_another_strategy_are_refused() -> None:
    """They would be ignored otherwise."""
    request = _request("Auto")
    request["HyperParameterTuningJobConfig"]["StrategyConfig"] = {
        "HyperbandStrategyConfig": {"MaxResource": 9}
    }
    with pytest.raises(ValidationException, match="belongs to Strategy Hyperband, not Random"):
        _world().commands.admitted_tuning(request)
