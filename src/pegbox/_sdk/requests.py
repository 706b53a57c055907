"""Requests of the SageMaker API, built from the keyword forms that the AWS SDK's session takes."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import accepts_old_names

#: Names of version 2 of the AWS SDK for what version 1 (and these functions) call otherwise.
_NEWER = {"image_uri": "image", "use_spot_instances": "train_use_spot_instances"}


def tuning_config(
    strategy: str,
    max_jobs: int | None,
    max_parallel_jobs: int,
    early_stopping_type: str = "Off",
    objective_type: str | None = None,
    objective_metric_name: str | None = None,
    parameter_ranges: dict[str, Any] | None = None,
    max_runtime_in_seconds: int | None = None,
    random_seed: int | None = None,
    strategy_config: dict[str, Any] | None = None,
    completion_criteria_config: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return ``HyperParameterTuningJobConfig``; what is None is left out."""
    limits: dict[str, Any] = {}
    _put(limits, MaxNumberOfTrainingJobs=max_jobs, MaxParallelTrainingJobs=max_parallel_jobs)
    _put(limits, MaxRuntimeInSeconds=max_runtime_in_seconds)
    config: dict[str, Any] = {
        "Strategy": strategy,
        "ResourceLimits": limits,
        "TrainingJobEarlyStoppingType": early_stopping_type,
    }
    _put(
        config,
        HyperParameterTuningJobObjective=objective(objective_type, objective_metric_name),
        ParameterRanges=parameter_ranges,
        RandomSeed=random_seed,
        StrategyConfig=strategy_config,
        TuningJobCompletionCriteria=completion_criteria_config,
    )
    return config


def objective(objective_type: str | None, metric_name: str | None) -> dict[str, Any] | None:
    """Return an objective of type and metric name, or None without either."""
    found: dict[str, Any] = {}
    _put(found, Type=objective_type, MetricName=metric_name)
    return found or None


@accepts_old_names(_NEWER)
def training_definition(
    static_hyperparameters: dict[str, str],
    input_mode: str,
    role: str,
    output_config: dict[str, Any],
    resource_config: dict[str, Any] | None = None,
    stop_condition: dict[str, Any] | None = None,
    input_config: list[dict[str, Any]] | None = None,
    metric_definitions: list[dict[str, str]] | None = None,
    image: str | None = None,
    algorithm_arn: str | None = None,
    vpc_config: dict[str, Any] | None = None,
    enable_network_isolation: bool = False,
    encrypt_inter_container_traffic: bool = False,
    estimator_name: str | None = None,
    objective_type: str | None = None,
    objective_metric_name: str | None = None,
    parameter_ranges: dict[str, Any] | None = None,
    train_use_spot_instances: bool = False,
    checkpoint_s3_uri: str | None = None,
    checkpoint_local_path: str | None = None,
    environment: dict[str, str] | None = None,
    max_retry_attempts: int | None = None,
    hpo_resource_config: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return one training-job definition of a tuning job."""
    definition: dict[str, Any] = {
        "StaticHyperParameters": static_hyperparameters,
        "RoleArn": role,
        "OutputDataConfig": output_config,
        "AlgorithmSpecification": _algorithm(input_mode, image, algorithm_arn, metric_definitions),
    }
    _put(
        definition,
        ResourceConfig=resource_config,
        HyperParameterTuningResourceConfig=hpo_resource_config,
        StoppingCondition=stop_condition,
        InputDataConfig=input_config,
        VpcConfig=vpc_config,
        EnableNetworkIsolation=enable_network_isolation or None,
        EnableInterContainerTrafficEncryption=encrypt_inter_container_traffic or None,
        EnableManagedSpotTraining=train_use_spot_instances or None,
        CheckpointConfig=_checkpoints(checkpoint_s3_uri, checkpoint_local_path),
        DefinitionName=estimator_name,
        TuningObjective=objective(objective_type, objective_metric_name),
        HyperParameterRanges=parameter_ranges,
        Environment=environment or None,
        RetryStrategy={"MaximumRetryAttempts": max_retry_attempts} if max_retry_attempts else None,
    )
    return definition


@accepts_old_names(_NEWER)
def train_request(
    input_mode: str,
    input_config: list[dict[str, Any]] | None,
    role: str,
    job_name: str,
    output_config: dict[str, Any],
    resource_config: dict[str, Any],
    vpc_config: dict[str, Any] | None,
    hyperparameters: dict[str, str] | None,
    stop_condition: dict[str, Any],
    tags: list[dict[str, str]] | None,
    metric_definitions: list[dict[str, str]] | None,
    enable_network_isolation: bool = False,
    image: str | None = None,
    algorithm_arn: str | None = None,
    encrypt_inter_container_traffic: bool = False,
    train_use_spot_instances: bool = False,
    checkpoint_s3_uri: str | None = None,
    checkpoint_local_path: str | None = None,
    experiment_config: dict[str, str] | None = None,
    enable_sagemaker_metrics: bool | None = None,
    environment: dict[str, str] | None = None,
    max_retry_attempts: int | None = None,
) -> dict[str, Any]:
    """Return a ``CreateTrainingJob`` request.

    Raises:
        ValueError: Not exactly one of ``image`` and ``algorithm_arn`` is given.
    """
    if (image is None) == (algorithm_arn is None):
        raise ValueError(f"give exactly one of image and algorithm_arn; got {image!r} and {algorithm_arn!r}")
    algorithm = _algorithm(input_mode, image, algorithm_arn, metric_definitions)
    _put(algorithm, EnableSageMakerMetricsTimeSeries=enable_sagemaker_metrics)
    request: dict[str, Any] = {
        "TrainingJobName": job_name,
        "AlgorithmSpecification": algorithm,
        "OutputDataConfig": output_config,
        "StoppingCondition": stop_condition,
        "ResourceConfig": resource_config,
        "RoleArn": role,
    }
    _put(
        request,
        InputDataConfig=input_config,
        HyperParameters=hyperparameters or None,
        Tags=tags,
        VpcConfig=vpc_config,
        ExperimentConfig=experiment_config or None,
        EnableNetworkIsolation=enable_network_isolation or None,
        EnableInterContainerTrafficEncryption=encrypt_inter_container_traffic or None,
        EnableManagedSpotTraining=train_use_spot_instances or None,
        CheckpointConfig=_checkpoints(checkpoint_s3_uri, checkpoint_local_path),
        Environment=environment or None,
        RetryStrategy={"MaximumRetryAttempts": max_retry_attempts} if max_retry_attempts else None,
    )
    return request


def _algorithm(
    input_mode: str, image: str | None, arn: str | None, definitions: list[dict[str, str]] | None
) -> dict[str, Any]:
    found: dict[str, Any] = {"TrainingInputMode": input_mode}
    if arn:
        found["AlgorithmName"] = arn
    else:
        found["TrainingImage"] = image
    _put(found, MetricDefinitions=definitions)
    return found


def _checkpoints(uri: str | None, path: str | None) -> dict[str, Any] | None:
    if not uri:
        return None
    found = {"S3Uri": uri}
    _put(found, LocalPath=path or None)
    return found


def _put(target: dict[str, Any], **values: Any) -> None:
    target.update({key: value for key, value in values.items() if value is not None})
