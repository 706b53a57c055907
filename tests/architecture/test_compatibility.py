"""The page on compatibility is true: every public name of the tuner's module has a row, and each proof is a test that exists."""

from __future__ import annotations

import ast
import enum
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pegbox import tuner

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
#: Names that the module passes on and that other pages describe.
PASSED_ON = {
    "AmazonAlgorithmEstimatorBase",
    "FileSystemRecordSet",
    "Framework",
    "HyperparameterTuningJobAnalytics",
    "RecordSet",
    "Session",
    "hp",
    "s3_input",
}
#: Positional arguments with their defaults, as the documentation has them.
DOCUMENTED = {
    "HyperparameterTuner": "estimator, objective_metric_name, hyperparameter_ranges, metric_definitions=None, "
    "strategy='Bayesian', objective_type='Maximize', max_jobs=1, max_parallel_jobs=1, tags=None, base_tuning_job_name=None, "
    "warm_start_config=None, early_stopping_type='Off', estimator_name=None",
    "HyperparameterTuner.fit": "inputs=None, job_name=None, include_cls_metadata=False, estimator_kwargs=None",
    "HyperparameterTuner.attach": "tuning_job_name, sagemaker_session=None, job_details=None, estimator_cls=None",
    "HyperparameterTuner.deploy": "initial_instance_count=None, instance_type=None, accelerator_type=None, endpoint_name=None, "
    "wait=True, model_name=None, kms_key=None, data_capture_config=None",
    "HyperparameterTuner.stop_tuning_job": "",
    "HyperparameterTuner.wait": "",
    "HyperparameterTuner.best_estimator": "best_training_job=None",
    "HyperparameterTuner.best_training_job": "",
    "HyperparameterTuner.delete_endpoint": "endpoint_name=None",
    "HyperparameterTuner.hyperparameter_ranges": "",
    "HyperparameterTuner.hyperparameter_ranges_dict": "",
    "HyperparameterTuner.analytics": "",
    "HyperparameterTuner.transfer_learning_tuner": "additional_parents=None, estimator=None",
    "HyperparameterTuner.identical_dataset_and_algorithm_tuner": "additional_parents=None",
    "HyperparameterTuner.create": "estimator_dict, objective_metric_name_dict, hyperparameter_ranges_dict, "
    "metric_definitions_dict=None, base_tuning_job_name=None, strategy='Bayesian', objective_type='Maximize', max_jobs=1, "
    "max_parallel_jobs=1, tags=None, warm_start_config=None, early_stopping_type='Off'",
    "ContinuousParameter": "min_value, max_value, scaling_type='Auto'",
    "ContinuousParameter.cast_to_type": "value",
    "IntegerParameter": "min_value, max_value, scaling_type='Auto'",
    "IntegerParameter.cast_to_type": "value",
    "CategoricalParameter": "values",
    "CategoricalParameter.as_tuning_range": "name",
    "CategoricalParameter.as_json_range": "name",
    "CategoricalParameter.is_valid": "value",
    "CategoricalParameter.cast_to_type": "value",
}


def _arguments(name: str, called: Callable[..., Any]) -> Iterator[str]:
    for argument in inspect.signature(called).parameters:
        if argument != "self":
            yield f"{name}({argument})"


def _of_class(name: str, cls: type) -> Iterator[str]:
    if issubclass(cls, enum.Enum):
        yield from (f"{name}.{member.name}" for member in cls)
        return
    yield from _arguments(name, cls)
    for member in dir(cls):
        if not member.startswith("_"):
            yield f"{name}.{member}"
            value = getattr(cls, member)
            if callable(value):
                yield from _arguments(f"{name}.{member}", value)


def _public_names() -> Iterator[str]:
    for name in tuner.__all__:
        if name.startswith("_"):
            continue
        yield name
        value = getattr(tuner, name)
        if name in PASSED_ON:
            continue
        if inspect.isclass(value):
            yield from _of_class(name, value)
        elif callable(value):
            yield from _arguments(name, value)


def _rows() -> list[list[str]]:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_public_name_has_one_row() -> None:
    """Classes, methods, arguments, constants and functions as introspection finds them, neither more nor fewer."""
    names = [row[0].strip("`") for row in _rows()]
    assert sorted(names) == sorted(set(names))
    assert set(names) == set(_public_names())


def test_every_row_is_complete() -> None:
    """Each has one of the three outcomes and says what happens."""
    for name, outcome, here, proof in _rows():
        assert outcome in ("works", "met by nature", "refused"), name
        assert here, name
        assert "::" in proof, name


def test_every_proof_exists() -> None:
    """Each named test is a function of the named file."""
    functions: dict[str, set[str]] = {}
    for name, _, _, proof in _rows():
        path, _, test = proof.strip("`").partition("::")
        if path not in functions:
            tree = ast.parse((ROOT / path).read_text())
            functions[path] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in functions[path], f"{name}: {proof}"


@pytest.mark.parametrize("name", DOCUMENTED)
def test_documented_signatures(name: str) -> None:
    """Positional arguments have the documented names, order and defaults; everything else has to be given by name."""
    value: Any = tuner
    for part in name.split("."):
        value = getattr(value, part)
    documented = DOCUMENTED[name].split(", ") if DOCUMENTED[name] else []
    found = [
        item.name if item.default is item.empty else f"{item.name}={item.default!r}"
        for item in inspect.signature(value).parameters.values()
        if item.kind is item.POSITIONAL_OR_KEYWORD and item.name != "self"
    ]
    assert found[: len(documented)] == documented
    # The newer ``wait`` of fit comes after all documented ones.
    assert found[len(documented) :] in ([], ["wait=None"])


def test_constants_of_the_module() -> None:
    """What programs import beside the classes has the AWS SDK's values."""
    assert tuner.AMAZON_ESTIMATOR_MODULE == "sagemaker"
    assert tuner.AMAZON_ESTIMATOR_CLS_NAMES["kmeans"] == "KMeans"
    assert len(tuner.AMAZON_ESTIMATOR_CLS_NAMES) == 8
    assert tuner.HYPERPARAMETER_TUNING_JOB_NAME == "HyperParameterTuningJobName"
    assert tuner.PARENT_HYPERPARAMETER_TUNING_JOBS == "ParentHyperParameterTuningJobs"
    assert tuner.WARM_START_TYPE == "WarmStartType"
    assert tuner.to_str(5) == "5"
