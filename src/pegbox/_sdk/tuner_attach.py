"""From a tuning job's description back to estimators, ranges and constructor arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pegbox._sdk.class_names import load_class
from pegbox._sdk.tuner_configs import StrategyConfig, TuningJobCompletionCriteriaConfig, WarmStartConfig
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.estimator import Estimator, Framework
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange

#: Entry that the service adds to the static hyperparameters.
OBJECTIVE_ENTRY = "_tuning_objective_metric"
CLASS_ENTRY = "sagemaker_estimator_class_name"
MODULE_ENTRY = "sagemaker_estimator_module"

#: Repository of a built-in algorithm's image -> module and name of its estimator.
_ALGORITHMS = {
    "factorization-machines": ("pegbox.amazon.factorization_machines", "FactorizationMachines"),
    "kmeans": ("pegbox.amazon.kmeans", "KMeans"),
    "knn": ("pegbox.amazon.knn", "KNN"),
    "lda": ("pegbox.amazon.lda", "LDA"),
    "linear-learner": ("pegbox.amazon.linear_learner", "LinearLearner"),
    "pca": ("pegbox.amazon.pca", "PCA"),
    "randomcutforest": ("pegbox.amazon.randomcutforest", "RandomCutForest"),
}


def estimator_of(
    definition: Mapping[str, Any],
    described_ranges: Mapping[str, Any],
    estimator_cls: str | None,
    session: Any,
) -> Any:
    """Return an estimator for a training-job definition.

    Args:
        definition: Item of the description.
        described_ranges: Ranges of that definition.
        estimator_cls: ``package.module.Class``, or None to read it from the definition.
        session: The session.

    Raises:
        ValueError: The class cannot be loaded.
    """
    cls = estimator_class(definition, estimator_cls)
    details = dict(definition)
    values = dict(details.pop("StaticHyperParameters", None) or {})
    values.pop(OBJECTIVE_ENTRY, None)
    if issubclass(cls, AmazonAlgorithmEstimatorBase):
        values.update(_first_values(described_ranges))
    for entry in (CLASS_ENTRY, MODULE_ENTRY):
        values.pop(entry, None)
    details["HyperParameters"] = values
    details.setdefault("TrainingJobName", "")
    arguments = cls._prepare_init_params_from_job_description(details)
    # The estimator's own definitions would be a second place for what the tuner holds.
    arguments.pop("metric_definitions", None)
    return cls(sagemaker_session=session, **arguments)


def estimator_class(definition: Mapping[str, Any], estimator_cls: str | None) -> Any:
    """Return the estimator class: the one named, the one the job names, the image's, or ``Estimator``."""
    if estimator_cls is not None:
        module, _, name = estimator_cls.rpartition(".")
        return load_class(module, name)
    values = definition.get("StaticHyperParameters") or {}
    if CLASS_ENTRY in values and MODULE_ENTRY in values:
        return load_class(json.loads(values[MODULE_ENTRY]), json.loads(values[CLASS_ENTRY]))
    image = (definition.get("AlgorithmSpecification") or {}).get("TrainingImage") or ""
    repository = image.rpartition("/")[2].partition(":")[0]
    return load_class(*_ALGORITHMS[repository]) if repository in _ALGORITHMS else Estimator


def ranges_of(described: Mapping[str, Any], estimator: Any) -> dict[str, ParameterRange]:
    """Return range objects, scaling types included.

    Args:
        described: ``ParameterRanges`` of a description.
        estimator: Its estimator; a framework's categorical values are decoded once, because it encodes them once.
    """
    found: dict[str, ParameterRange] = {}
    for item in described.get("CategoricalParameterRanges") or ():
        values = item["Values"]
        found[item["Name"]] = CategoricalParameter(
            _decoded(values) if isinstance(estimator, Framework) else values
        )
    for item in described.get("ContinuousParameterRanges") or ():
        scaling = item.get("ScalingType") or "Auto"
        found[item["Name"]] = ContinuousParameter(float(item["MinValue"]), float(item["MaxValue"]), scaling)
    for item in described.get("IntegerParameterRanges") or ():
        scaling = item.get("ScalingType") or "Auto"
        found[item["Name"]] = IntegerParameter(
            _integer(item["MinValue"]), _integer(item["MaxValue"]), scaling
        )
    return found


def common_arguments(described: Mapping[str, Any]) -> dict[str, Any]:
    """Return the constructor arguments that do not depend on the number of definitions."""
    config = described["HyperParameterTuningJobConfig"]
    limits = config["ResourceLimits"]
    return {
        "strategy": config["Strategy"],
        "max_jobs": limits.get("MaxNumberOfTrainingJobs", 1),
        "max_parallel_jobs": limits["MaxParallelTrainingJobs"],
        "max_runtime_in_seconds": limits.get("MaxRuntimeInSeconds"),
        "early_stopping_type": config.get("TrainingJobEarlyStoppingType", "Off"),
        "random_seed": config.get("RandomSeed"),
        "strategy_config": StrategyConfig.from_job_desc(config.get("StrategyConfig")),
        "completion_criteria_config": TuningJobCompletionCriteriaConfig.from_job_desc(
            config.get("TuningJobCompletionCriteria")
        ),
        "warm_start_config": WarmStartConfig.from_job_desc(described.get("WarmStartConfig")),
    }


def _first_values(described: Mapping[str, Any]) -> dict[str, Any]:
    """A value of every range, for estimators whose constructors want one."""
    found: dict[str, Any] = {}
    for item in described.get("CategoricalParameterRanges") or ():
        found[item["Name"]] = item["Values"][0]
    for item in described.get("ContinuousParameterRanges") or ():
        found[item["Name"]] = float(item["MinValue"])
    for item in described.get("IntegerParameterRanges") or ():
        found[item["Name"]] = _integer(item["MinValue"])
    return found


def _integer(text: str) -> int:
    """A bound of an integer range; clients may have sent ``1.0``."""
    try:
        return int(text)
    except ValueError:
        return int(float(text))


def _decoded(values: list[str]) -> list[str]:
    found = []
    for text in values:
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.append(value if isinstance(value, str) else text)
    return found
