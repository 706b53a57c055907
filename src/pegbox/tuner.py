"""Hyperparameter tuning: search the ranges of a training job's hyperparameters for the best objective."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from pegbox._sdk import tuner_attach
from pegbox._sdk.api_version import waits_by_default
from pegbox._sdk.class_names import CLASS_ENTRY, MODULE_ENTRY
from pegbox._sdk.jobs import announce_target
from pegbox._sdk.naming import base_name_from_image, name_from_base, numbered, to_str
from pegbox._sdk.record_sets import FileSystemRecordSet, RecordSet
from pegbox._sdk.request_tags import request_tags
from pegbox._sdk.tuner_configs import (
    BEST_OBJECTIVE_NOT_IMPROVING,
    COMPLETE_ON_CONVERGENCE_DETECTED,
    CONVERGENCE_DETECTED,
    GRID_SEARCH,
    HYPERBAND_MAX_RESOURCE,
    HYPERBAND_MIN_RESOURCE,
    HYPERBAND_STRATEGY_CONFIG,
    HYPERPARAMETER_TUNING_JOB_NAME,
    MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING,
    MAX_RUNTIME_IN_SECONDS,
    PARENT_HYPERPARAMETER_TUNING_JOBS,
    TARGET_OBJECTIVE_METRIC_VALUE,
    WARM_START_TYPE,
    HyperbandStrategyConfig,
    InstanceConfig,
    StrategyConfig,
    TuningJobCompletionCriteriaConfig,
    WarmStartConfig,
    WarmStartTypes,
)
from pegbox._sdk.tuner_handle import TuningJobHandle
from pegbox._sdk.tuner_parts import (
    check_before_start,
    check_keys,
    check_ranges,
    job_base,
    prepare_estimator,
    refuse_autotune,
    refuse_unused,
    request_ranges,
    static_hyperparameters,
)
from pegbox._sdk.tuning_job import _TuningJob, is_name_taken, made_meanwhile
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.analytics import HyperparameterTuningJobAnalytics
from pegbox.estimator import Framework
from pegbox.inputs import s3_input
from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange
from pegbox.session import Session

__all__ = [
    "AMAZON_ESTIMATOR_CLS_NAMES",
    "AMAZON_ESTIMATOR_MODULE",
    "BEST_OBJECTIVE_NOT_IMPROVING",
    "COMPLETE_ON_CONVERGENCE_DETECTED",
    "CONVERGENCE_DETECTED",
    "GRID_SEARCH",
    "HYPERBAND_MAX_RESOURCE",
    "HYPERBAND_MIN_RESOURCE",
    "HYPERBAND_STRATEGY_CONFIG",
    "HYPERPARAMETER_TUNING_JOB_NAME",
    "MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING",
    "MAX_RUNTIME_IN_SECONDS",
    "PARENT_HYPERPARAMETER_TUNING_JOBS",
    "TARGET_OBJECTIVE_METRIC_VALUE",
    "WARM_START_TYPE",
    "AmazonAlgorithmEstimatorBase",
    "CategoricalParameter",
    "ContinuousParameter",
    "FileSystemRecordSet",
    "Framework",
    "HyperbandStrategyConfig",
    "HyperparameterTuner",
    "HyperparameterTuningJobAnalytics",
    "InstanceConfig",
    "IntegerParameter",
    "ParameterRange",
    "RecordSet",
    "Session",
    "StrategyConfig",
    "TuningJobCompletionCriteriaConfig",
    "WarmStartConfig",
    "WarmStartTypes",
    "_TuningJob",
    "base_name_from_image",
    "create_identical_dataset_and_algorithm_tuner",
    "create_transfer_learning_tuner",
    "hp",
    "name_from_base",
    "s3_input",
    "to_str",
]

AMAZON_ESTIMATOR_MODULE = "sagemaker"
#: Built-in algorithms whose estimator the AWS SDK derives from the image's name.
AMAZON_ESTIMATOR_CLS_NAMES = {
    "factorization-machines": "FactorizationMachines",
    "kmeans": "KMeans",
    "lda": "LDA",
    "linear-learner": "LinearLearner",
    "ntm": "NTM",
    "randomcutforest": "RandomCutForest",
    "knn": "KNN",
    "object2vec": "Object2Vec",
}

#: What a tuner for warm start takes over from its parent, besides what it searches.
_OF_A_CHILD = (
    "strategy",
    "strategy_config",
    "objective_type",
    "max_jobs",
    "max_parallel_jobs",
    "max_runtime_in_seconds",
    "completion_criteria_config",
    "early_stopping_type",
    "random_seed",
    "tags",
    "base_tuning_job_name",
)
#: Names of the grid; the second is that of early releases of version 2 of the AWS SDK, which no service takes.
_GRIDS = (GRID_SEARCH, "GridSearch")
#: Suffixes tried for a generated name that is taken.
_MOST_NAMES = 99


class HyperparameterTuner(TuningJobHandle):
    """A tuning job: what is trained, which hyperparameters are searched, and how long.

    Args:
        estimator: How a training job is run.
        objective_metric_name: Metric that is optimised.
        hyperparameter_ranges: Range by hyperparameter name.
        metric_definitions: ``Name`` and ``Regex`` of each metric to read from the log. Without them a script's own
            reports (:func:`pegbox.report`) are read.
        strategy: ``Bayesian``, ``Random``, ``Grid`` or ``Hyperband``.
        objective_type: ``Maximize`` or ``Minimize``.
        max_jobs: Training jobs in all.
        max_parallel_jobs: Training jobs at a time.
        tags: Tags of the tuning job and its training jobs: a list of ``Key`` and ``Value``, or a dict.
        base_tuning_job_name: First part of the job's name; the image's name by default.
        warm_start_config: Earlier tuning jobs to learn from.
        early_stopping_type: ``Auto`` or ``Off``.
        estimator_name: Name of the estimator, where a tuning job has several (see :meth:`create`).
        random_seed: Seed of the search.
        max_runtime_in_seconds: Seconds after which the tuning job ends.
        completion_criteria_config: When it ends before its budget is used.
        strategy_config: Settings of the strategy.
        autotune: Refused when True.
        hyperparameters_to_keep_static: Belongs to ``autotune``.

    Raises:
        ValueError: There is no range, something in the ranges is no range, or a value is not acceptable to the
            estimator's class.
        NotHere: ``autotune`` was asked for.
    """

    TUNING_JOB_NAME_MAX_LENGTH: ClassVar[int] = 32
    SAGEMAKER_ESTIMATOR_MODULE: ClassVar[str] = MODULE_ENTRY
    SAGEMAKER_ESTIMATOR_CLASS_NAME: ClassVar[str] = CLASS_ENTRY
    DEFAULT_ESTIMATOR_MODULE: ClassVar[str] = "sagemaker.estimator"
    DEFAULT_ESTIMATOR_CLS_NAME: ClassVar[str] = "Estimator"

    def __init__(
        self,
        estimator: Any,
        objective_metric_name: str,
        hyperparameter_ranges: dict[str, Any],
        metric_definitions: list[dict[str, str]] | None = None,
        strategy: str = "Bayesian",
        objective_type: str = "Maximize",
        max_jobs: int | None = 1,
        max_parallel_jobs: int = 1,
        tags: list[dict[str, str]] | dict[str, str] | None = None,
        base_tuning_job_name: str | None = None,
        warm_start_config: WarmStartConfig | None = None,
        early_stopping_type: str = "Off",
        estimator_name: str | None = None,
        *,
        random_seed: int | None = None,
        max_runtime_in_seconds: int | None = None,
        completion_criteria_config: TuningJobCompletionCriteriaConfig | None = None,
        strategy_config: StrategyConfig | None = None,
        autotune: bool = False,
        hyperparameters_to_keep_static: list[str] | None = None,
    ) -> None:
        refuse_autotune(autotune, hyperparameters_to_keep_static)
        check_ranges(estimator, hyperparameter_ranges)
        # One estimator or named ones: the attributes of the other form are None, as in the AWS SDK.
        self.estimator: Any = None
        self.objective_metric_name: str | None = None
        self._hyperparameter_ranges: dict[str, Any] | None = None
        self.metric_definitions: list[dict[str, str]] | None = None
        self.static_hyperparameters: dict[str, str] | None = None
        self.estimator_dict: dict[str, Any] | None = None
        self.objective_metric_name_dict: dict[str, str] | None = None
        self._hyperparameter_ranges_dict: dict[str, dict[str, Any]] | None = None
        self.metric_definitions_dict: dict[str, list[dict[str, str]]] | None = None
        self.static_hyperparameters_dict: dict[str, dict[str, str]] | None = None
        if estimator_name is None:
            self.estimator = estimator
            self.objective_metric_name = objective_metric_name
            self._hyperparameter_ranges = hyperparameter_ranges
            self.metric_definitions = metric_definitions
        else:
            self.estimator_dict, self.objective_metric_name_dict = {}, {}
            self._hyperparameter_ranges_dict, self.metric_definitions_dict = {}, {}
            self._add_estimator(
                estimator_name, estimator, objective_metric_name, hyperparameter_ranges, metric_definitions
            )
        self.strategy = strategy
        self.strategy_config = strategy_config
        self.objective_type = objective_type
        # A grid's own size, where nothing else was said (the documented default is 1).
        of_a_grid = strategy in _GRIDS and max_jobs in (None, 1)
        self.max_jobs = None if of_a_grid else 1 if max_jobs is None else max_jobs
        self.max_parallel_jobs = max_parallel_jobs
        self.max_runtime_in_seconds = max_runtime_in_seconds
        self.random_seed = random_seed
        self.completion_criteria_config = completion_criteria_config
        self.tags = request_tags(tags)
        self.base_tuning_job_name = base_tuning_job_name
        self.warm_start_config = warm_start_config
        self.early_stopping_type = early_stopping_type
        self._current_job_name: str | None = None
        self.latest_tuning_job: Any = None

    # -- starting

    def fit(
        self,
        inputs: Any = None,
        job_name: str | None = None,
        include_cls_metadata: bool | dict[str, bool] | None = False,
        estimator_kwargs: dict[str, dict[str, Any]] | None = None,
        wait: bool | None = None,
        *,
        logs: bool | str | None = None,
        quiet: bool = False,
        **kwargs: Any,
    ) -> None:
        """Start the tuning job. It does not wait for it unless asked; see :meth:`wait`.

        Args:
            inputs: Training data: an address, an input object, a dict of channels, record sets, or None; with several
                estimators a dict of such by estimator name.
            job_name: Name of the job; made from the base name and the time by default.
            include_cls_metadata: Put the estimator's class into the hyperparameters (script estimators always do);
                with several estimators a dict by estimator name, or False for none.
            estimator_kwargs: With several estimators, further arguments for each by name.
            wait: Wait until the job ends. By default it does not, as in version 1 of the AWS SDK; it does after
                ``pegbox.install_as_sagemaker(api="v2")``.
            logs: While waiting, print the training jobs' log lines.
            quiet: While waiting, show nothing.
            **kwargs: Further arguments for the estimator's preparation, such as ``mini_batch_size``.

        Raises:
            ValueError: An argument, an input or the code is not acceptable; nothing was started.
            UnexpectedStatusException: The job failed, and was waited for.
        """
        if self.estimator is not None:
            self._prepare_one(inputs, job_name, kwargs)
        else:
            refuse_unused(kwargs, "use estimator_kwargs with several estimators")
            include_cls_metadata = self._prepare_several(
                inputs, job_name, include_cls_metadata, estimator_kwargs
            )
        self._prepare_for_tuning(job_name=job_name, include_cls_metadata=include_cls_metadata)
        self.latest_tuning_job = self._start(inputs, generated_name=job_name is None)
        if waits_by_default() if wait is None else wait:
            self.wait(logs=logs, quiet=quiet)

    def _prepare_one(self, inputs: Any, job_name: str | None, kwargs: dict[str, Any]) -> None:
        check_before_start(self.estimator)
        announce_target(self.sagemaker_session)
        prepare_estimator(self.estimator, inputs, job_name, kwargs)

    def _prepare_several(
        self, inputs: Any, job_name: str | None, include_cls_metadata: Any, estimator_kwargs: Any
    ) -> dict[str, bool]:
        estimators = self.estimator_dict or {}
        names = sorted(estimators)
        if include_cls_metadata is False:
            include_cls_metadata = {}
        for name, value in (
            ("inputs", inputs),
            ("include_cls_metadata", include_cls_metadata),
            ("estimator_kwargs", estimator_kwargs),
        ):
            check_keys(name, value, names)
        for estimator in estimators.values():
            check_before_start(estimator)
        announce_target(self.sagemaker_session)
        for name, estimator in estimators.items():
            own_inputs = (inputs or {}).get(name)
            prepare_estimator(estimator, own_inputs, job_name, (estimator_kwargs or {}).get(name, {}))
        return include_cls_metadata or {}

    def _start(self, inputs: Any, generated_name: bool) -> _TuningJob:
        """Create the job; a generated name that is taken gets a number."""
        first_name = self._current_job_name or ""
        for number in range(2, _MOST_NAMES + 1):
            try:
                return _TuningJob.start_new(self, inputs)
            except Exception as error:
                if not is_name_taken(error):
                    raise
                if made_meanwhile(self.sagemaker_session, self._current_job_name or "", error):
                    return _TuningJob(self.sagemaker_session, self._current_job_name or "")
                if not generated_name or number == _MOST_NAMES:
                    raise
            self._current_job_name = numbered(first_name, number, self.TUNING_JOB_NAME_MAX_LENGTH)
        raise AssertionError("unreachable")

    def _prepare_for_tuning(
        self, job_name: str | None = None, include_cls_metadata: bool | dict[str, bool] | None = False
    ) -> None:
        self._prepare_job_name_for_tuning(job_name=job_name)
        self._prepare_static_hyperparameters_for_tuning(include_cls_metadata=include_cls_metadata)

    def _prepare_job_name_for_tuning(self, job_name: str | None = None) -> None:
        if job_name is not None:
            self._current_job_name = job_name
            return
        base = self.base_tuning_job_name or job_base(self._first_estimator())
        self._current_job_name = name_from_base(base, max_length=self.TUNING_JOB_NAME_MAX_LENGTH, short=True)

    def _prepare_static_hyperparameters_for_tuning(self, include_cls_metadata: Any = False) -> None:
        self.static_hyperparameters = None
        self.static_hyperparameters_dict = None
        if self.estimator is not None:
            self.static_hyperparameters = static_hyperparameters(
                self.estimator, self._hyperparameter_ranges or {}, include_cls_metadata
            )
        else:
            ranges = self._hyperparameter_ranges_dict or {}
            self.static_hyperparameters_dict = {
                name: static_hyperparameters(estimator, ranges[name], include_cls_metadata.get(name, False))
                for name, estimator in (self.estimator_dict or {}).items()
            }

    # -- attaching

    @classmethod
    def attach(
        cls,
        tuning_job_name: str,
        sagemaker_session: Any = None,
        job_details: dict[str, Any] | None = None,
        estimator_cls: str | dict[str, str] | None = None,
    ) -> HyperparameterTuner:
        """Return a tuner for a tuning job that exists.

        Args:
            tuning_job_name: Name of the job.
            sagemaker_session: The session; a new one by default.
            job_details: The job's description; asked for if None, as are its tags.
            estimator_cls: ``package.module.Class`` of the estimator; read from the job by default (from its
                hyperparameters, else from the name of its image). For a job with several definitions a dict by
                definition name.

        Raises:
            ValueError: The class cannot be loaded, the dict names a definition that is not there, or the description
                lacks fields (all of them are named).
        """
        session = sagemaker_session or Session()
        tuner: HyperparameterTuner = tuner_attach.attach(
            cls, tuning_job_name, session, job_details, estimator_cls
        )
        tuner.latest_tuning_job = _TuningJob(session, tuning_job_name)
        tuner._current_job_name = tuning_job_name
        return tuner

    # -- ranges

    def hyperparameter_ranges(self) -> dict[str, list[dict[str, Any]]] | None:
        """Return the ranges as the request has them, or None with several estimators."""
        if self._hyperparameter_ranges is None:
            return None
        return request_ranges(self._hyperparameter_ranges, self.estimator)

    def hyperparameter_ranges_dict(self) -> dict[str, dict[str, list[dict[str, Any]]]] | None:
        """Return the ranges of each estimator as the request has them, or None with a single estimator."""
        if self._hyperparameter_ranges_dict is None or self.estimator_dict is None:
            return None
        return {
            name: request_ranges(self._hyperparameter_ranges_dict[name], self.estimator_dict[name])
            for name in sorted(self.estimator_dict)
        }

    @property
    def sagemaker_session(self) -> Any:
        """The session of the estimator, of the first by name where there are several."""
        return self._first_estimator().sagemaker_session

    def _first_estimator(self) -> Any:
        if self.estimator is not None:
            return self.estimator
        estimators = self.estimator_dict or {}
        return estimators[min(estimators)]

    # -- warm start

    def transfer_learning_tuner(
        self, additional_parents: Iterable[str] | None = None, estimator: Any = None
    ) -> HyperparameterTuner:
        """Return a new tuner that learns from this job, where data or algorithm version differ.

        Args:
            additional_parents: Names of further parent tuning jobs.
            estimator: Another estimator for the new tuner.
        """
        return self._child(WarmStartTypes.TRANSFER_LEARNING, additional_parents, estimator)

    def identical_dataset_and_algorithm_tuner(
        self, additional_parents: Iterable[str] | None = None
    ) -> HyperparameterTuner:
        """Return a new tuner that goes on where this job ended, with the same data and algorithm.

        Args:
            additional_parents: Names of further parent tuning jobs.
        """
        return self._child(WarmStartTypes.IDENTICAL_DATA_AND_ALGORITHM, additional_parents, None)

    def _child(
        self, kind: WarmStartTypes, additional_parents: Iterable[str] | None, estimator: Any
    ) -> HyperparameterTuner:
        self._ensure_last_tuning_job()
        more = [additional_parents] if isinstance(additional_parents, str) else additional_parents or ()
        common: dict[str, Any] = {name: getattr(self, name) for name in _OF_A_CHILD}
        common["warm_start_config"] = WarmStartConfig(kind, {self.latest_tuning_job.name, *more})
        if self.estimator is not None:
            child = type(self)(
                estimator or self.estimator,
                self.objective_metric_name or "",
                self._hyperparameter_ranges or {},
                self.metric_definitions,
                **common,
            )
        else:
            child = self._child_of_one(estimator, common)
        # A parent that was attached to may have no number, which the constructor takes for one.
        child.max_jobs = self.max_jobs
        if estimator is None:
            child.instance_configs, child.instance_configs_dict = (
                self.instance_configs,
                self.instance_configs_dict,
            )
        return child

    def _child_of_one(self, estimator: Any, common: dict[str, Any]) -> HyperparameterTuner:
        estimators = self.estimator_dict or {}
        if len(estimators) > 1:
            raise ValueError(
                "Warm start is not supported currently for tuners with multiple estimators by this method; give "
                "warm_start_config to HyperparameterTuner.create()"
            )
        return type(self).create(
            estimator_dict=dict.fromkeys(estimators, estimator) if estimator else estimators,
            objective_metric_name_dict=self.objective_metric_name_dict or {},
            hyperparameter_ranges_dict=self._hyperparameter_ranges_dict or {},
            metric_definitions_dict=self.metric_definitions_dict,
            **common,
        )

    # -- several estimators

    @classmethod
    def create(
        cls,
        estimator_dict: dict[str, Any],
        objective_metric_name_dict: dict[str, str],
        hyperparameter_ranges_dict: dict[str, dict[str, Any]],
        metric_definitions_dict: dict[str, list[dict[str, str]]] | None = None,
        base_tuning_job_name: str | None = None,
        strategy: str = "Bayesian",
        objective_type: str = "Maximize",
        max_jobs: int | None = 1,
        max_parallel_jobs: int = 1,
        tags: list[dict[str, str]] | dict[str, str] | None = None,
        warm_start_config: WarmStartConfig | None = None,
        early_stopping_type: str = "Off",
        **more: Any,
    ) -> HyperparameterTuner:
        """Return a tuner over one or several named estimators.

        Args:
            estimator_dict: Estimator by name.
            objective_metric_name_dict: Metric that is optimised, by the same names.
            hyperparameter_ranges_dict: Ranges by the same names.
            metric_definitions_dict: Metric definitions by some of these names.
            base_tuning_job_name: See the constructor, as for the rest.
            strategy: See the constructor.
            objective_type: See the constructor.
            max_jobs: See the constructor.
            max_parallel_jobs: See the constructor.
            tags: See the constructor.
            warm_start_config: See the constructor.
            early_stopping_type: See the constructor.
            **more: Keyword-only arguments of the constructor.

        Raises:
            ValueError: There is no estimator, a name is None, or the names do not agree.
        """
        if not estimator_dict:
            raise ValueError("At least one estimator should be provided")
        if None in estimator_dict:
            raise ValueError("Estimator names cannot be None")
        names = sorted(estimator_dict)
        check_keys("objective_metric_name_dict", objective_metric_name_dict, names, same=True)
        check_keys("hyperparameter_ranges_dict", hyperparameter_ranges_dict, names, same=True)
        check_keys("metric_definitions_dict", metric_definitions_dict, names)
        metrics = metric_definitions_dict or {}
        more.setdefault(
            "hyperparameters_to_keep_static", more.pop("hyperparameters_to_keep_static_dict", None)
        )
        parts = {
            name: (
                estimator_dict[name], objective_metric_name_dict[name], hyperparameter_ranges_dict[name],
                metrics.get(name),
            )
            for name in names
        }  # fmt: skip
        tuner = cls(
            *parts[names[0]],
            estimator_name=names[0],
            base_tuning_job_name=base_tuning_job_name,
            strategy=strategy,
            objective_type=objective_type,
            max_jobs=max_jobs,
            max_parallel_jobs=max_parallel_jobs,
            tags=tags,
            warm_start_config=warm_start_config,
            early_stopping_type=early_stopping_type,
            **more,
        )
        for name in names[1:]:
            check_ranges(parts[name][0], parts[name][2])
            tuner._add_estimator(name, *parts[name])
        return tuner

    def _add_estimator(
        self,
        estimator_name: str,
        estimator: Any,
        objective_metric_name: str,
        hyperparameter_ranges: dict[str, Any],
        metric_definitions: list[dict[str, str]] | None = None,
    ) -> None:
        self.estimator_dict = {**(self.estimator_dict or {}), estimator_name: estimator}
        metrics, ranges = self.objective_metric_name_dict or {}, self._hyperparameter_ranges_dict or {}
        self.objective_metric_name_dict = {**metrics, estimator_name: objective_metric_name}
        self._hyperparameter_ranges_dict = {**ranges, estimator_name: hyperparameter_ranges}
        if metric_definitions is not None and self.metric_definitions_dict is not None:
            self.metric_definitions_dict[estimator_name] = metric_definitions


def create_identical_dataset_and_algorithm_tuner(
    parent: str, additional_parents: Iterable[str] | None = None, sagemaker_session: Any = None
) -> HyperparameterTuner:
    """Return a tuner that goes on where a tuning job ended, with the same data and algorithm.

    Args:
        parent: Name of that job.
        additional_parents: Names of further parent tuning jobs.
        sagemaker_session: The session; a new one by default.
    """
    tuner = HyperparameterTuner.attach(tuning_job_name=parent, sagemaker_session=sagemaker_session)
    return tuner.identical_dataset_and_algorithm_tuner(additional_parents=additional_parents)


def create_transfer_learning_tuner(
    parent: str,
    additional_parents: Iterable[str] | None = None,
    estimator: Any = None,
    sagemaker_session: Any = None,
) -> HyperparameterTuner:
    """Return a tuner that learns from a tuning job, where data or algorithm version differ.

    Args:
        parent: Name of that job.
        additional_parents: Names of further parent tuning jobs.
        estimator: Another estimator for the new tuner.
        sagemaker_session: The session; a new one by default.
    """
    tuner = HyperparameterTuner.attach(tuning_job_name=parent, sagemaker_session=sagemaker_session)
    return tuner.transfer_learning_tuner(additional_parents=additional_parents, estimator=estimator)
