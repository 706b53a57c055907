"""Single training jobs of an estimator."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.jobs import (
    _Job,
    image_arguments,
    in_words_of_version,
    input_mode_of,
    load_config,
    optional_arguments,
)


def _log_word(logs: Any) -> str:
    """The kind of log lines that was asked for, in any of the forms that the AWS SDK's versions take."""
    if isinstance(logs, (list, tuple)):
        return next((word for word in ("All", "Training", "Rules") if word in logs), "None")
    return str({True: "All", False: "None", None: "None"}.get(logs, logs))


class _TrainingJob(_Job):
    """A training job that an estimator started or was attached to."""

    @classmethod
    def start_new(cls, estimator: Any, inputs: Any, experiment_config: dict[str, str] | None) -> _TrainingJob:
        """Start a training job.

        Args:
            estimator: The estimator, prepared for training.
            inputs: Inputs of ``fit``.
            experiment_config: The request's ``ExperimentConfig``.
        """
        hyperparameters = {
            str(name): str(value) for name, value in (estimator.hyperparameters() or {}).items()
        }
        arguments = load_config(inputs, estimator)
        arguments.update(
            input_mode=input_mode_of(inputs, estimator),
            job_name=estimator._current_job_name,
            hyperparameters=hyperparameters,
            tags=estimator.tags,
            metric_definitions=estimator.metric_definitions,
            experiment_config=experiment_config,
            **image_arguments(estimator),
            **optional_arguments(estimator),
        )
        if estimator.enable_network_isolation():
            arguments["enable_network_isolation"] = True
        if estimator.encrypt_inter_container_traffic:
            arguments["encrypt_inter_container_traffic"] = True
        if estimator.use_spot_instances:
            arguments["train_use_spot_instances"] = True
        for name in ("checkpoint_s3_uri", "checkpoint_local_path"):
            if getattr(estimator, name):
                arguments[name] = getattr(estimator, name)
        if estimator.enable_sagemaker_metrics is not None:
            arguments["enable_sagemaker_metrics"] = estimator.enable_sagemaker_metrics
        estimator.sagemaker_session.train(**in_words_of_version(arguments))
        return cls(estimator.sagemaker_session, estimator._current_job_name)

    def wait(self, logs: bool | str | list[str] | None = "All") -> None:
        """Wait until the job ends.

        Args:
            logs: ``All`` or True, ``Training``, ``Rules``, ``None`` or False, or a list of such: which lines to print.
        """
        word = _log_word(logs)
        if word == "None":
            self.sagemaker_session.wait_for_job(self.job_name)
        else:
            self.sagemaker_session.logs_for_job(self.job_name, wait=True, log_type=word)

    def describe(self) -> dict[str, Any]:
        """Return the job's description."""
        answer: dict[str, Any] = self.sagemaker_session.describe_training_job(self.job_name)
        return answer

    def stop(self) -> None:
        """Stop the job."""
        self.sagemaker_session.stop_training_job(self.name)
