"""What can be done with a tuning job that exists: watch it, stop it, read what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pegbox.analytics import HyperparameterTuningJobAnalytics
from pegbox.errors import NotHere
from pegbox.exceptions import BestTrainingJobNotAvailable
from pegbox.session import endpoints_come_later


class TuningJobHandle:
    """A handle on the latest tuning job of a tuner. Base of :class:`pegbox.tuner.HyperparameterTuner`."""

    latest_tuning_job: Any
    estimator: Any
    estimator_dict: dict[str, Any] | None

    @property
    def sagemaker_session(self) -> Any:
        """The session that requests go through."""
        raise NotImplementedError

    def wait(self, *, logs: bool | str | None = None, quiet: bool = False) -> None:
        """Wait until the tuning job ends, showing how it goes.

        Interrupted (Ctrl-C), it stops watching and says how to come back; the job goes on.

        Args:
            logs: Print the training jobs' log lines.
            quiet: Show nothing.

        Raises:
            ValueError: There is no tuning job.
            UnexpectedStatusException: The job failed.
        """
        self._ensure_last_tuning_job()
        options: dict[str, Any] = {}
        if logs is not None:
            options["logs"] = logs
        if quiet:
            options["quiet"] = True
        self.latest_tuning_job.wait(**options)

    def stop_tuning_job(self) -> None:
        """Stop the tuning job and its training jobs; one that has ended already is left as it is."""
        self._ensure_last_tuning_job()
        self.latest_tuning_job.stop()

    def describe(self) -> dict[str, Any]:
        """Return the description of the tuning job."""
        self._ensure_last_tuning_job()
        answer: dict[str, Any] = self.sagemaker_session.describe_tuning_job(self.latest_tuning_job.name)
        return answer

    def analytics(self) -> HyperparameterTuningJobAnalytics:
        """Return the results of the tuning job, as a data frame among others."""
        self._ensure_last_tuning_job()
        return HyperparameterTuningJobAnalytics(self.latest_tuning_job.name, self.sagemaker_session)

    def best_training_job(self) -> str:
        """Return the name of the best training job so far.

        Raises:
            BestTrainingJobNotAvailable: No training job has reported a usable objective yet.
            ValueError: There is no tuning job.
        """
        return str(self._get_best_training_job()["TrainingJobName"])

    def best_estimator(self, best_training_job: dict[str, Any] | str | None = None) -> Any:
        """Return an estimator that holds the best training job.

        Args:
            best_training_job: The description's ``BestTrainingJob``, or the name of a training job (single
                estimator only); the best one so far by default.

        Raises:
            BestTrainingJobNotAvailable: No training job has reported a usable objective yet.
        """
        best = self._get_best_training_job() if best_training_job is None else best_training_job
        if isinstance(best, str):
            best = {"TrainingJobName": best}
        if self.estimator is not None:
            estimator = self.estimator
        elif "TrainingJobDefinitionName" in best:
            estimator = (self.estimator_dict or {})[best["TrainingJobDefinitionName"]]
        else:
            raise ValueError("best_training_job must name its definition: pass describe()['BestTrainingJob']")
        return estimator.attach(
            training_job_name=best["TrainingJobName"], sagemaker_session=self.sagemaker_session
        )

    def _get_best_training_job(self) -> dict[str, Any]:
        self._ensure_last_tuning_job()
        name = self.latest_tuning_job.name
        described = self.sagemaker_session.sagemaker_client.describe_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name
        )
        try:
            best: dict[str, Any] = described["BestTrainingJob"]
        except KeyError:
            raise BestTrainingJobNotAvailable(_no_best(name, described)) from None
        return best

    def _ensure_last_tuning_job(self) -> None:
        if self.latest_tuning_job is None:
            raise ValueError("No tuning job available: call fit or attach first")

    # -- what comes later

    def deploy(
        self,
        initial_instance_count: int,
        instance_type: str,
        accelerator_type: str | None = None,
        endpoint_name: str | None = None,
        wait: bool = True,
        model_name: str | None = None,
        kms_key: str | None = None,
        data_capture_config: Any = None,
        **kwargs: Any,
    ) -> NoReturn:
        """Refused: endpoints come with a later version.

        Raises:
            NotHere: Always.
        """
        raise endpoints_come_later("HyperparameterTuner.deploy")

    def delete_endpoint(self, endpoint_name: str | None = None) -> NoReturn:
        """Refused: endpoints come with a later version.

        Raises:
            NotHere: Always.
        """
        raise endpoints_come_later("HyperparameterTuner.delete_endpoint")

    def override_resource_config(self, instance_configs: Any) -> NoReturn:
        """Refused: alternative machines for a training job are not offered.

        Raises:
            NotHere: Always.
        """
        raise NotHere(
            "override_resource_config is not offered by this version; give the estimator one instance_type"
        )


def _no_best(name: str, described: Mapping[str, Any]) -> str:
    status = described.get("HyperParameterTuningJobStatus", "status unknown")
    text = f"Best training job not available for tuning job: {name} ({status}). "
    if status in ("InProgress", "Stopping"):
        return text + "No training job has finished with an objective yet; call wait() on the tuner first"
    reason = described.get("FailureReason")
    return text + "No training job reported the objective" + (f": {reason}" if reason else "")
