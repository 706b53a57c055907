"""From a tuning job's description back to estimators, ranges and constructor arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pegbox._sdk.class_names import CLASS_ENTRY, MODULE_ENTRY, load_class
from pegbox._sdk.naming import base_from_name
from pegbox._sdk.script_code import JOB_NAME
from pegbox._sdk.tuner_configs import (
    InstanceConfig,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
    WarmStartConfig,
)
from pegbox._sdk.tuner_parts import check_keys
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.estimator import Estimator, Framework
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange

#: Entry that the service adds to the static hyperparameters.
OBJECTIVE_ENTRY = "_tuning_objective_metric"
#: Channel that brings a model to go on from, unless the estimator was told otherwise.
DEFAULT_MODEL_CHANNEL = "model"
_DEFINITION_FIELDS = (
    "AlgorithmSpecification.TrainingInputMode",
    "RoleArn",
    "OutputDataConfig.S3OutputPath",
    "StoppingCondition.MaxRuntimeInSeconds",
)
_RESOURCE_FIELDS = ("InstanceCount", "InstanceType", "VolumeSizeInGB")

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


def attach(
    cls: Any, name: str, session: Any, job_details: Mapping[str, Any] | None, estimator_cls: Any
) -> Any:
    """Return a tuner for a tuning job that exists.

    Args:
        cls: The tuner's class.
        name: Name of the job.
        session: The session.
        job_details: Its description; asked for, with its tags, if None.
        estimator_cls: See :meth:`pegbox.tuner.HyperparameterTuner.attach`.

    Raises:
        ValueError: Fields are missing (all are named), or a class cannot be loaded.
    """
    if job_details is None:
        described = session.sagemaker_client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        tags, source = _tags(session, described), f"the description of tuning job {name}"
    else:
        described, tags, source = job_details, job_details.get("Tags"), "job_details"
    lacking = missing_fields(described)
    if lacking:
        raise ValueError(
            f"{source} lacks {', '.join(lacking)}; give the whole answer of DescribeHyperParameterTuningJob, or leave "
            "job_details out to have it asked for"
        )
    common = {**common_arguments(described), "tags": tags, "base_tuning_job_name": base_from_name(name)}
    many = "TrainingJobDefinition" not in described
    tuner = (_attach_several if many else _attach_one)(cls, session, described, estimator_cls, common)
    # The constructor takes no number for one job; a description without it has no limit.
    tuner.max_jobs = described["HyperParameterTuningJobConfig"]["ResourceLimits"].get(
        "MaxNumberOfTrainingJobs"
    )
    if many:
        found = {item["DefinitionName"]: _machines(item) for item in described["TrainingJobDefinitions"]}
        tuner.instance_configs_dict = {name: machines for name, machines in found.items() if machines} or None
    else:
        tuner.instance_configs = _machines(described["TrainingJobDefinition"])
    return tuner


def _machines(definition: Mapping[str, Any]) -> list[InstanceConfig] | None:
    """The machines that a definition's training jobs may run on, where it names several."""
    tuning = definition.get("HyperParameterTuningResourceConfig") or {}
    machines = [InstanceConfig.from_job_desc(item) for item in tuning.get("InstanceConfigs") or ()]
    return [machine for machine in machines if machine is not None] or None


def _attach_one(
    cls: Any, session: Any, described: Mapping[str, Any], estimator_cls: Any, common: dict[str, Any]
) -> Any:
    if estimator_cls is not None and not isinstance(estimator_cls, str):
        raise ValueError(
            f"estimator_cls={estimator_cls!r}: the job has one TrainingJobDefinition; give a text, 'package.module.Class'"
        )
    definition = described["TrainingJobDefinition"]
    config = described["HyperParameterTuningJobConfig"]
    ranges = config["ParameterRanges"]
    estimator = estimator_of(definition, ranges, estimator_cls, session, common["base_tuning_job_name"])
    objective = config["HyperParameterTuningJobObjective"]
    return cls(
        estimator=estimator,
        objective_metric_name=objective["MetricName"],
        objective_type=objective["Type"],
        hyperparameter_ranges=ranges_of(ranges, estimator),
        metric_definitions=definition["AlgorithmSpecification"].get("MetricDefinitions"),
        **common,
    )


def _attach_several(
    cls: Any, session: Any, described: Mapping[str, Any], estimator_cls: Any, common: dict[str, Any]
) -> Any:
    definitions = {item["DefinitionName"]: item for item in described["TrainingJobDefinitions"]}
    check_keys("estimator_cls", estimator_cls, sorted(definitions))
    base = common["base_tuning_job_name"]
    estimators = {
        name: estimator_of(item, item["HyperParameterRanges"], (estimator_cls or {}).get(name), session, base)
        for name, item in definitions.items()
    }
    metrics = {
        name: item["AlgorithmSpecification"].get("MetricDefinitions") for name, item in definitions.items()
    }
    return cls.create(
        estimator_dict=estimators,
        objective_metric_name_dict={
            name: item["TuningObjective"]["MetricName"] for name, item in definitions.items()
        },
        hyperparameter_ranges_dict={
            name: ranges_of(item["HyperParameterRanges"], estimators[name])
            for name, item in definitions.items()
        },
        metric_definitions_dict={name: value for name, value in metrics.items() if value is not None},
        objective_type=described["TrainingJobDefinitions"][0]["TuningObjective"]["Type"],
        **common,
    )


def missing_fields(described: Mapping[str, Any]) -> list[str]:
    """Return which fields a description lacks that a tuner cannot be made without, all of them."""
    config = "HyperParameterTuningJobConfig"
    wanted = [f"{config}.Strategy", f"{config}.ResourceLimits.MaxParallelTrainingJobs"]
    definitions: list[tuple[str, Mapping[str, Any]]] = []
    own: tuple[str, ...] = ()
    if "TrainingJobDefinition" in described:
        objective = f"{config}.HyperParameterTuningJobObjective"
        wanted += [f"{objective}.Type", f"{objective}.MetricName", f"{config}.ParameterRanges"]
        definitions = [("TrainingJobDefinition", described["TrainingJobDefinition"])]
    elif described.get("TrainingJobDefinitions"):
        own = ("DefinitionName", "TuningObjective.Type", "TuningObjective.MetricName", "HyperParameterRanges")
        definitions = [
            (f"TrainingJobDefinitions[{index}]", item)
            for index, item in enumerate(described["TrainingJobDefinitions"])
        ]
    else:
        wanted.append("TrainingJobDefinition or TrainingJobDefinitions")
    lacking = [path for path in wanted if " or " in path or not _has(described, path)]
    for prefix, definition in definitions:
        if not any(
            _has(definition, f"AlgorithmSpecification.{name}") for name in ("TrainingImage", "AlgorithmName")
        ):
            lacking.append(f"{prefix}.AlgorithmSpecification.TrainingImage")
        resources = resource_config(definition)
        lacking += [f"{prefix}.{path}" for path in (*own, *_DEFINITION_FIELDS) if not _has(definition, path)]
        lacking += [f"{prefix}.ResourceConfig.{name}" for name in _RESOURCE_FIELDS if name not in resources]
    return lacking


def _has(data: Any, path: str) -> bool:
    for name in path.split("."):
        if not isinstance(data, Mapping) or name not in data:
            return False
        data = data[name]
    return True


def resource_config(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition's ``ResourceConfig``, whichever of its two forms the description has."""
    if definition.get("ResourceConfig"):
        return dict(definition["ResourceConfig"])
    tuning = dict(definition.get("HyperParameterTuningResourceConfig") or {})
    first = (tuning.pop("InstanceConfigs", None) or [{}])[0]
    return {"VolumeSizeInGB": 30, **tuning, **first} if tuning or first else {}


def _tags(session: Any, described: Mapping[str, Any]) -> list[dict[str, str]] | None:
    arn = described.get("HyperParameterTuningJobArn")
    answer = session.sagemaker_client.list_tags(ResourceArn=arn) if arn else None
    # Sessions of other people's tests answer with anything.
    tags = answer.get("Tags") if isinstance(answer, Mapping) else None
    return list(tags) if tags else None


def estimator_of(
    definition: Mapping[str, Any],
    described_ranges: Mapping[str, Any],
    estimator_cls: str | None,
    session: Any,
    base_name: str,
) -> Any:
    """Return an estimator for a training-job definition.

    Args:
        definition: Item of the description.
        described_ranges: Ranges of that definition.
        estimator_cls: ``package.module.Class``, or None to read it from the definition.
        session: The session.
        base_name: First part of job names, where the definition does not tell.

    Raises:
        ValueError: The class cannot be loaded.
    """
    cls = estimator_class(definition, estimator_cls)
    details = {**definition, "ResourceConfig": resource_config(definition)}
    values = dict(details.pop("StaticHyperParameters", None) or {})
    values.pop(OBJECTIVE_ENTRY, None)
    if issubclass(cls, AmazonAlgorithmEstimatorBase):
        values.update(_first_values(described_ranges))
    for entry in (CLASS_ENTRY, MODULE_ENTRY):
        values.pop(entry, None)
    details["HyperParameters"] = values
    details["TrainingJobName"] = _estimator_base(values) or base_name
    arguments = cls._prepare_init_params_from_job_description(details, DEFAULT_MODEL_CHANNEL)
    # The estimator's own definitions would be a second place for what the tuner holds.
    arguments.pop("metric_definitions", None)
    return cls(sagemaker_session=session, **arguments)


def _estimator_base(values: Mapping[str, str]) -> str | None:
    """First part of the name that a script estimator gave itself."""
    try:
        name = json.loads(values.get(JOB_NAME, "null"))
    except ValueError:
        return None
    return base_from_name(name) if isinstance(name, str) and name else None


def estimator_class(definition: Mapping[str, Any], estimator_cls: str | None) -> Any:
    """Return the estimator class: the one named, the one the job names, the image's, or ``Estimator``."""
    if estimator_cls is not None:
        module, _, name = str(estimator_cls).rpartition(".")
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
        "max_jobs": limits.get("MaxNumberOfTrainingJobs"),
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
