"""Requests for built-in algorithms."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest

from pegbox.domain.builtin_algorithms import ALGORITHMS, absent, algorithm_of
from pegbox.engine.algorithms import algorithm_problems, metric_definitions_of, runtime_of_algorithm
from pegbox.engine.definitions import regex_fault


def _problems(name: str, **more: Any) -> list[str]:
    arguments: dict[str, Any] = {
        "prefix": "D.", "hyperparameters": "Static", "static": (), "tuned": (), "objective": None,
        "channels": ALGORITHMS[name].channels, **more,
    }  # fmt: skip
    specification = {"TrainingImage": f"{name}:1", **arguments.pop("specification", {})}
    return algorithm_problems(ALGORITHMS[name], specification, **arguments)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_metrics_of_every_algorithm(name: str) -> None:
    """Their patterns compile, each can be tuned in its own direction only, and there is one to tune by."""
    algorithm = ALGORITHMS[name]
    assert all(regex_fault(item.regex) is None for item in algorithm.metrics)
    assert len({item.name for item in algorithm.metrics}) == len(algorithm.metrics)
    tunable = [item for item in algorithm.metrics if item.direction]
    assert tunable
    for item in algorithm.metrics:
        other = "Maximize" if item.direction == "Minimize" else "Minimize"
        assert _problems(name, objective=(item.name, other))
        assert not item.direction or _problems(name, objective=(item.name, item.direction)) == []
    definitions = metric_definitions_of(runtime_of_algorithm(algorithm), {})
    assert _problems(name, specification={"MetricDefinitions": list(definitions)}) == []


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told when the job is created, with the command that helps."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "xgboost" else found(name))
    (problem,) = _problems("xgboost")
    assert "xgboost needs xgboost-cpu, not installed" in problem
    assert "pip install 'pegbox[algorithms]'" in problem
    assert _problems("kmeans") == []


def test_names_of_hyperparameters_are_checked() -> None:
    """Static and tuned ones; what SDKs add of their own is let through."""
    own = ["sagemaker_estimator_module", "_tuning_objective_metric", "_log_level", "k"]
    assert _problems("kmeans", static=own, tuned=["epochs"]) == []
    static, tuned = _problems("kmeans", static=["K"], tuned=["x", "y"])
    assert static.startswith("D.Static: 'K' is not known to kmeans; remove it (known: ")
    assert "untunable hyperparameters: [x, y]" in tuned


def test_images_of_algorithms() -> None:
    """The repository's name decides, with a tag that is a version; what AWS has and Pegbox has not is told."""
    found = algorithm_of("123456789012.dkr.ecr.eu-west-1.amazonaws.com/kmeans:1")
    assert found is ALGORITHMS["kmeans"]
    assert algorithm_of("me/kmeans:mine") is None
    assert algorithm_of("sagemaker-xgboost:1.7-1", has_program=True) is None
    assert algorithm_of("my-kmeans:1") is None
    assert "script of your own" in (absent("1.dkr.ecr.us-east-1.amazonaws.com/object2vec:1") or "")
    assert absent("mine:1") is None


def test_the_objective_needs_its_channel() -> None:
    """A metric of a channel that is not there would never come."""
    (problem,) = _problems("kmeans", objective=("test:msd", "Minimize"), channels=["train"])
    assert "measured on channel 'test', which is not there (there is train)" in problem
    assert _problems("lightgbm", objective=("auc", "Maximize"), channels=["train"]) == []


def test_channels_are_those_of_the_algorithm() -> None:
    """A plain address makes a channel named training, which these algorithms do not read."""
    strange, missing = _problems("pca", channels=["training"])
    assert "channel 'training' is not known to pca, which reads train, test" in strange
    assert "channel 'train' is missing (there is training)" in missing
