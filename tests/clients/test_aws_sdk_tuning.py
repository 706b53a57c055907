"""Warm start and several algorithms with the unmodified AWS SDK; and Pegbox's own SDK on the AWS SDK's jobs."""

from __future__ import annotations

from typing import Any

import pytest

from pegbox import Session
from pegbox.estimator import Estimator
from pegbox.sklearn import SKLearn
from pegbox.tuner import HyperparameterTuner

SDKS = ("sdk-v1", "sdk-v2")


@pytest.mark.parametrize("sdk", SDKS)
def test_children_learn_from_a_parent(clients: Any, sdk: str) -> None:
    """A running parent is refused; both types run; the description echoes type and parents."""
    found = clients.sdk(sdk, "warm_start.py", sdk[-2:])
    assert found["refused"] == "ValidationException"
    for key, kind in (("identical", "IdenticalDataAndAlgorithm"), ("transfer", "TransferLearning")):
        child = found[key]
        assert (child["status"], child["type"], child["rows"]) == ("Completed", kind, 3)
        assert child["parents"] == [{"HyperParameterTuningJobName": found["parent"]}]
        assert child["attached"] == [found["parent"]]
        assert child["overall"] is (key == "identical")


@pytest.mark.parametrize("sdk", SDKS)
def test_two_algorithms_in_one_job(
    clients: Any, sdk: str, server: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are tried, the frame tells which, attach brings both back; Pegbox attaches to the classes of the same names."""
    found = clients.sdk(sdk, "several_algorithms.py", str(tmp_path), sdk[-2:])
    assert found["rows"] == 4
    assert found["definitions"] == ["image", "script"]
    assert found["best_definition"] == "script"
    assert found["classes"] == {"image": "Estimator", "script": "SKLearn"}
    assert found["best"] == "SKLearn"
    assert found["ranges"] == {"image": ["rate"], "script": ["depth", "kind", "rate"]}
    monkeypatch.setenv("PEGBOX_HOME", str(server.home))
    tuner = HyperparameterTuner.attach(found["name"], sagemaker_session=Session())
    estimators = tuner.estimator_dict or {}
    assert {name: type(item) for name, item in estimators.items()} == {"image": Estimator, "script": SKLearn}
    assert tuner.tags == [{"Key": "team", "Value": sdk[-2:]}]
    assert tuner.base_tuning_job_name == f"several-{sdk[-2:]}"
    scripts = (tuner._hyperparameter_ranges_dict or {})["script"]
    assert scripts["rate"].scaling_type == "Logarithmic"
    assert scripts["kind"].values == ["a", "b"]
