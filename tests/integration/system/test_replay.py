"""Suggestions computed again from the store, after the server that made them is gone."""

from __future__ import annotations

import copy
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from pegbox.engine.replay import replay_request, replay_turn
from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.store import open_store
from pegbox.suggester import SuggesterPool
from pegbox.testing.lab import Lab, tuning_request

_JOBS = 20
#: Deleted after their child has ended.
_PARENTS = ("job-1", "job-2")
_RANGES = {
    "ContinuousParameterRanges": [
        {"Name": "a", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
    ],
    "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "50"}],
    "CategoricalParameterRanges": [{"Name": "z", "Values": ["red", "green"]}],
}


@pytest.fixture
def finished() -> Iterator[Lab]:
    """A home in which twenty jobs have ended and two more: one that started from two of them, one of three algorithms.

    Through a kill and a restart of their server; the parents are deleted.
    """
    with Lab() as lab:
        lab.launch()
        lab.pegbox("images", "add", "fast", "--", "/bin/sh", "-c", 'echo "objective=$SM_HP_A"')
        client = lab.client()
        for number in range(_JOBS):
            strategy = "Random" if number % 4 == 0 else "Bayesian"
            request = tuning_request(
                f"job-{number}", "", max_jobs=6, parallel=2, strategy=strategy, seed=number, ranges=_RANGES
            )
            definition = request["TrainingJobDefinition"]
            definition["AlgorithmSpecification"]["TrainingImage"] = "fast"
            del definition["StaticHyperParameters"], definition["Environment"]
            client.create_hyper_parameter_tuning_job(**request)
        wait_for_all(client)
        for further in (_child(request), _several(request)):
            client.create_hyper_parameter_tuning_job(**further)
        wait_for_all(client)
        lab.kill_server()
        lab.launch()
        for parent in _PARENTS:
            client.delete_hyper_parameter_tuning_job(HyperParameterTuningJobName=parent)
        assert len(client.list_hyper_parameter_tuning_jobs()["HyperParameterTuningJobSummaries"]) > 0
        lab.process.terminate()
        lab.process.wait()
        yield lab


def _child(request: dict[str, Any]) -> dict[str, Any]:
    items = [{"HyperParameterTuningJobName": name} for name in _PARENTS]
    warm = {"WarmStartType": "TransferLearning", "ParentHyperParameterTuningJobs": items}
    return {**copy.deepcopy(request), "HyperParameterTuningJobName": "child", "WarmStartConfig": warm}


def _several(request: dict[str, Any]) -> dict[str, Any]:
    further = copy.deepcopy(request)
    further["HyperParameterTuningJobName"] = "several"
    config, definition = further["HyperParameterTuningJobConfig"], further.pop("TrainingJobDefinition")
    config["ResourceLimits"]["MaxNumberOfTrainingJobs"] = 15
    own = {
        "TuningObjective": config.pop("HyperParameterTuningJobObjective"),
        "HyperParameterRanges": config.pop("ParameterRanges"),
    }
    further["TrainingJobDefinitions"] = [
        {**definition, **own, "DefinitionName": name} for name in ("first", "second", "third")
    ]
    return further


def wait_for_all(client: Any) -> None:
    """Wait until no tuning job runs."""
    pause = threading.Event()
    for _ in range(1200):
        counted = client.list_hyper_parameter_tuning_jobs(StatusEquals="InProgress", MaxResults=100)
        if not counted["HyperParameterTuningJobSummaries"]:
            return
        pause.wait(0.1)
    raise AssertionError("the tuning jobs do not end")


def compute(pool: SuggesterPool, request: SuggestRequest) -> SuggestAnswer:
    """Return a suggester's answer."""
    answers: list[SuggestAnswer] = []
    ready = threading.Event()

    def done(answer: SuggestAnswer) -> None:
        answers.append(answer)
        ready.set()

    pool.request(request, done)
    assert ready.wait(60)
    return answers[0]


def test_recorded_suggestions_are_computed_again(finished: Lab) -> None:
    """All values of all trials of twenty jobs come out bit-equal from the stored inputs, in a new process."""
    store = open_store(finished.home / "pegbox.db")
    pool = SuggesterPool(processes=1)
    answers: dict[tuple[Any, ...], SuggestAnswer] = {}
    compared: list[str] = []
    try:
        names = {f"job-{number}" for number in range(_JOBS)} - set(_PARENTS)
        for name in sorted(names | {"child", "several"}):
            job = store.reader.tuning_job(name)
            assert job is not None
            for trial in store.reader.trials(job.id):
                record = trial.suggestion
                assert record is not None
                request = replay_request(store.reader, trial)
                if name == "several":
                    assert replay_turn(store.reader, trial).reason == record.turn
                assert len(request.parents) == (2 if name == "child" else 0)
                key = (request.job_id, record.observed, record.pending, record.seed, record.count)
                answer = answers.setdefault(key, compute(pool, request))
                assert answer.fault is None
                assert answer.numerics == record.numerics
                again = answer.suggestions[record.index]
                assert {name: str(value) for name, value in again["values"].items()} == dict(record.values)
                assert again["reason"] == record.reason
                compared.append(record.strategy)
    finally:
        pool.close()
        store.close()
    print(f"{len(compared)} suggestions of {_JOBS} jobs computed again, 0 differ", file=sys.stderr)
    # Two of the Bayesian jobs are the deleted parents.
    assert compared.count("Bayesian") == 13 * 6 + 6 + 15
    assert compared.count("Random") == 5 * 6
