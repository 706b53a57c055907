"""What can be done with a tuning job that exists: watch it, stop it, read what it found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pegbox._sdk.api_version import speaks_of_version_2
from pegbox._sdk.tuner_configs import InstanceConfig
from pegbox._sdk.tuner_parts import check_keys
from pegbox.analytics import HyperparameterTuningJobAnalytics
from pegbox.errors import NotHere
from pegbox.exceptions import BestTrainingJobNotAvailable

#: What the methods say that need a tuning job.
NO_TUNING_JOB = "No tuning job available: call fit or attach first"


class TuningJobHandle:
    """A handle on the latest tuning job of a tuner. Base of :class:`pegbox.tuner.HyperparameterTuner`."""

    latest_tuning_job: Any
    estimator: Any
    _current_job_name: str | None
    estimator_dict: dict[str, Any] | None
    #: Machines that training jobs may run on instead of the estimator's, or None.
    instance_configs: list[InstanceConfig] | None = None
    #: The same by estimator name.
    instance_configs_dict: dict[str, list[InstanceConfig]] | None = None

    @property
    def sagemaker_session(self) -> Any:
        """The session that requests go through."""
        raise NotImplementedError

    def override_resource_config(
        self, instance_configs: list[InstanceConfig] | dict[str, list[InstanceConfig]] | None
    ) -> None:
        """Let training jobs run on one of several kinds of machine, instead of the estimator's.

        Args:
            instance_configs: The kinds, the one that is wanted most first; with several estimators a dict of such by
                estimator name; None for the estimator's own machine again. The local server is one machine and takes
                the first.

        Raises:
            ValueError: A name is no estimator's, or a list is given with several estimators.
        """
        names = sorted(self.estimator_dict or {})
        if isinstance(instance_configs, dict):
            check_keys("instance_configs", instance_configs, names)
        elif instance_configs is not None and len(names) > 1:
            raise ValueError(f"Argument 'instance_configs' must be a dictionary using {names} as keys")
        elif names:
            self.instance_configs_dict = {names[0]: instance_configs} if instance_configs else None
            return
        if names:
            self.instance_configs_dict = instance_configs  # type: ignore[assignment]
        else:
            self.instance_configs = instance_configs  # type: ignore[assignment]

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
        """Return the description of the tuning job.

        Raises:
            ValueError: There is no tuning job.
        """
        # Without a job it is the session that says so, as scripts that test themselves with a mock expect.
        name = self.latest_tuning_job.name if self.latest_tuning_job is not None else self._current_job_name
        answer: dict[str, Any] = self.sagemaker_session.describe_tuning_job(name)
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
            raise ValueError(NO_TUNING_JOB)

    # -- endpoints

    def deploy(
        self,
        initial_instance_count: int | None = None,
        instance_type: str | None = None,
        accelerator_type: str | None = None,
        endpoint_name: str | None = None,
        wait: bool = True,
        model_name: str | None = None,
        kms_key: str | None = None,
        data_capture_config: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Serve the best model so far at an endpoint, and return a predictor for it.

        On the local server nothing has to be said: one model server, on the kind of machine that trained.

        Args:
            initial_instance_count: Number of model servers; on the local server 1 by default.
            instance_type: Kind of machine; on the local server that of the training job by default.
            accelerator_type: Accelerator of each.
            endpoint_name: Name of the endpoint; that of the best training job by default.
            wait: Wait until the endpoint serves.
            model_name: Name of the model; that of the best training job by default.
            kms_key: KMS key that encrypts the machines' disks.
            data_capture_config: A :class:`pegbox.model_monitor.DataCaptureConfig`.
            **kwargs: Further arguments of :meth:`pegbox.estimator.EstimatorBase.deploy`, for example ``serializer`` or
                ``tags``, and of the estimator's ``create_model``, for example ``entry_point`` or ``env``.

        Raises:
            BestTrainingJobNotAvailable: No training job has reported a usable objective yet.
            ValueError: There is no tuning job, an argument is not acceptable, or the name is in use.
            UnexpectedStatusException: The endpoint failed; the end of its log is printed.
        """
        best = self._get_best_training_job()
        if speaks_of_version_2():
            kwargs = {"serializer": None, "deserializer": None, **kwargs}
        return self.best_estimator(best).deploy(
            initial_instance_count=initial_instance_count,
            instance_type=instance_type,
            accelerator_type=accelerator_type,
            endpoint_name=endpoint_name or best["TrainingJobName"],
            wait=wait,
            model_name=model_name,
            kms_key=kms_key,
            data_capture_config=data_capture_config,
            **kwargs,
        )

    def delete_endpoint(self, endpoint_name: str | None = None) -> None:
        """Delete an endpoint; its configuration and model stay (``predictor.delete_endpoint()`` deletes the former too).

        Args:
            endpoint_name: Name of the endpoint; that of the best training job by default.
        """
        self.sagemaker_session.delete_endpoint(endpoint_name or self.best_training_job())

    # -- what is not offered

    @staticmethod
    def visualize_jobs(tuning_jobs: Any, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused: the figures are made by :mod:`pegbox.plots`.

        Args:
            tuning_jobs: Tuners, or names of tuning jobs.
            *args: Not read.
            **kwargs: Not read.

        Raises:
            NotHere: Always.
        """
        raise NotHere(
            "visualize_jobs is not offered; pegbox.plots.best_so_far(job) and pegbox.plots.parallel_coordinates(job) make "
            "figures of a tuner or the name of a tuning job"
        )

    def visualize_job(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refused; see :meth:`visualize_jobs`.

        Args:
            *args: Not read.
            **kwargs: Not read.

        Raises:
            NotHere: Always.
        """
        self.visualize_jobs(self)


def _no_best(name: str, described: Mapping[str, Any]) -> str:
    status = described.get("HyperParameterTuningJobStatus", "status unknown")
    text = f"Best training job not available for tuning job: {name} ({status}). "
    if status in ("InProgress", "Stopping"):
        return text + "No training job has finished with an objective yet; call wait() on the tuner first"
    reason = described.get("FailureReason")
    return text + "No training job reported the objective" + (f": {reason}" if reason else "")
