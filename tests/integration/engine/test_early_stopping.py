"""Early stopping through the engine: the real engine and rules on a simulated machine, with and without crashes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

import pytest

from pegbox.domain.records import TrainingJob
from pegbox.domain.statuses import ObjectiveStatus, StopReason, TrainingStatus
from pegbox.errors import ValidationException
from pegbox.executors.simulated import Faults
from pegbox.testing.simulation import Dangers, World, tuning_request

EPOCHS = 30
CALM = Faults(fail=0, internal=0, lost=0, undead=0, silent=0, not_finite=0, repeated=0, shuffled=0, delayed=0)


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


def _run(kind: str, *, crash: float, seed: int = 0) -> tuple[World, list[TrainingJob]]:
    dangers = Dangers(crash=crash, refused_commit=crash / 5, wall_jump=0)
    world = World(seed, dangers=dangers, faults=CALM)
    world.machine.program = _learning
    world.machine.seconds = (20.0, 30.0)
    action = world.commands.admitted_tuning(_request(kind))
    while world.store.reader.tuning_job("job") is None:
        world.post(action)
        world.step()
    while not world.quiet():
        world.step()
    job = world.store.reader.tuning_job("job")
    assert job is not None
    return world, list(world.store.reader.trials(job.id))


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
    world = World(0, dangers=Dangers(crash=0, refused_commit=0, wall_jump=0))
    with pytest.raises(ValidationException) as caught:
        world.commands.admitted_tuning(request)
    assert "TrainingJobEarlyStoppingType: must be Off" in caught.value.message
    assert "MaxResource: Hyperband needs a maximum resource" in caught.value.message
