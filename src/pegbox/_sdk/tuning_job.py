"""The request that starts a tuning job, and the handle that results."""

from __future__ import annotations

import re
from typing import Any

from pegbox import image_uris
from pegbox._sdk import api_version
from pegbox._sdk.jobs import (
    _Job,
    image_arguments,
    in_words_of_version,
    input_mode_of,
    is_local_session,
    load_config,
    optional_arguments,
)
from pegbox._sdk.tuner_configs import InstanceConfig
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.estimator import Framework

#: Line that :func:`pegbox.report` prints, as a metric definition reads it.
REPORT_PATTERN = r"\[pegbox\] {name}=(\S+)"


class _TuningJob(_Job):
    """A tuning job that a tuner started or was attached to."""

    @classmethod
    def start_new(cls, tuner: Any, inputs: Any) -> _TuningJob:
        """Start a tuning job.

        Args:
            tuner: The tuner, prepared for tuning.
            inputs: Inputs of ``fit``.
        """
        warm_start = tuner.warm_start_config.to_input_req() if tuner.warm_start_config else None
        arguments: dict[str, Any] = {
            "job_name": tuner._current_job_name,
            "tuning_config": _tuning_config(tuner),
            "tags": _tags(tuner),
            "warm_start_config": warm_start,
        }
        if api_version.speaks_of_version_2():
            arguments["autotune"] = False
        if tuner.estimator is not None:
            arguments["training_config"] = _training_config(
                inputs, tuner.estimator, tuner.static_hyperparameters, tuner.objective_metric_name,
                tuner.metric_definitions, tuner.instance_configs,
            )  # fmt: skip
        else:
            arguments["training_config_list"] = [
                _named_training_config(tuner, name, inputs) for name in sorted(tuner.estimator_dict)
            ]
        tuner.sagemaker_session.create_tuning_job(**arguments)
        return cls(tuner.sagemaker_session, tuner._current_job_name)

    def describe(self) -> dict[str, Any]:
        """Return the description of the job."""
        answer: dict[str, Any] = self.sagemaker_session.describe_tuning_job(self.name)
        return answer

    def stop(self) -> None:
        """Stop the job."""
        self.sagemaker_session.stop_tuning_job(name=self.name)

    def wait(self, **options: Any) -> None:
        """Wait until the job ends.

        Args:
            **options: Keyword arguments of :meth:`pegbox.session.Session.wait_for_tuning_job`.
        """
        self.sagemaker_session.wait_for_tuning_job(self.name, **options)


def is_name_taken(error: BaseException) -> bool:
    """Tell whether a create call was refused because a job has that name."""
    response = getattr(error, "response", None) or {}
    return bool(response.get("Error", {}).get("Code") == "ResourceInUse")


def made_meanwhile(session: Any, name: str, error: BaseException) -> bool:
    """Tell whether the job that has the name was made by an earlier attempt of the very same call.

    A create call whose answer got lost is repeated by the client and then finds its own job.

    Args:
        session: The session.
        name: Name of the job.
        error: The refusal.
    """
    facts = (getattr(error, "response", None) or {}).get("ResponseMetadata", {})
    if not facts.get("RetryAttempts") or not is_local_session(session):
        return False
    from datetime import datetime, timedelta, timezone

    described = session.describe_tuning_job(name)
    return bool(datetime.now(timezone.utc) - described["CreationTime"] < timedelta(seconds=60))


def _tuning_config(tuner: Any) -> dict[str, Any]:
    config: dict[str, Any] = {
        "strategy": tuner.strategy,
        "max_jobs": tuner.max_jobs,
        "max_parallel_jobs": tuner.max_parallel_jobs,
        "early_stopping_type": tuner.early_stopping_type,
    }
    if tuner.objective_metric_name is not None:
        config["objective_type"] = tuner.objective_type
        config["objective_metric_name"] = tuner.objective_metric_name
    ranges = tuner.hyperparameter_ranges()
    if ranges is not None:
        config["parameter_ranges"] = ranges
    for name in ("max_runtime_in_seconds", "random_seed"):
        if getattr(tuner, name, None) is not None:
            config[name] = getattr(tuner, name)
    for name in ("strategy_config", "completion_criteria_config"):
        if getattr(tuner, name, None) is not None:
            config[name] = getattr(tuner, name).to_input_req()
    return config


def _tags(tuner: Any) -> list[dict[str, str]] | None:
    """The tuner's tags; since version 2 of the AWS SDK also those of its first estimator."""
    if not api_version.speaks_of_version_2():
        own: list[dict[str, str]] | None = tuner.tags
        return own
    tags = list(tuner.tags or ())
    tags += [tag for tag in tuner._first_estimator().tags or () if tag not in tags]
    return tags or tuner.tags


def _named_training_config(tuner: Any, name: str, inputs: Any) -> dict[str, Any]:
    estimator = tuner.estimator_dict[name]
    metric = tuner.objective_metric_name_dict[name]
    config = _training_config(
        (inputs or {}).get(name),
        estimator,
        tuner.static_hyperparameters_dict[name],
        metric,
        tuner.metric_definitions_dict.get(name),
        (tuner.instance_configs_dict or {}).get(name),
    )
    config["estimator_name"] = name
    config["objective_type"] = tuner.objective_type
    config["objective_metric_name"] = metric
    config["parameter_ranges"] = tuner.hyperparameter_ranges_dict()[name]
    return config


def _training_config(
    inputs: Any,
    estimator: Any,
    static_hyperparameters: dict[str, str],
    metric_name: str,
    metric_definitions: list[dict[str, str]] | None,
    instance_configs: list[InstanceConfig] | None,
) -> dict[str, Any]:
    config = load_config(inputs, estimator)
    config.update(
        input_mode=input_mode_of(inputs, estimator),
        metric_definitions=metric_definitions_for(estimator, metric_name, metric_definitions),
        enable_network_isolation=estimator.enable_network_isolation(),
        encrypt_inter_container_traffic=estimator.encrypt_inter_container_traffic,
        train_use_spot_instances=estimator.use_spot_instances,
        checkpoint_s3_uri=estimator.checkpoint_s3_uri,
        checkpoint_local_path=estimator.checkpoint_local_path,
        static_hyperparameters=static_hyperparameters,
        **image_arguments(estimator),
        **optional_arguments(estimator),
    )
    if instance_configs:
        machines: dict[str, Any] = {"InstanceConfigs": [item.to_input_req() for item in instance_configs]}
        if estimator.volume_kms_key is not None:
            machines["VolumeKmsKeyId"] = estimator.volume_kms_key
        del config["resource_config"]
        config["hpo_resource_config"] = machines
    elif api_version.speaks_of_version_2():
        config["hpo_resource_config"] = config.pop("resource_config")
    return in_words_of_version(config)


def metric_definitions_for(
    estimator: Any, metric_name: str, given: list[dict[str, str]] | None
) -> list[dict[str, str]] | None:
    """Return the metric definitions of a request.

    Args:
        estimator: The estimator.
        metric_name: Metric that is optimised.
        given: The tuner's own definitions.

    Returns:
        The tuner's definitions, else the estimator's, else for scripts the lines of :func:`pegbox.report`, else None
        (algorithms that bring their own).
    """
    if given is not None:
        return given
    if estimator.metric_definitions:
        definitions: list[dict[str, str]] = estimator.metric_definitions
        return definitions
    if not _may_report(estimator):
        return None
    return [{"Name": metric_name, "Regex": REPORT_PATTERN.format(name=re.escape(metric_name))}]


def _may_report(estimator: Any) -> bool:
    if isinstance(estimator, Framework) or getattr(estimator, "entry_point", None):
        return True
    if isinstance(estimator, AmazonAlgorithmEstimatorBase) or not is_local_session(
        estimator.sagemaker_session
    ):
        return False
    return not image_uris.is_built_in_algorithm(estimator.train_image())
