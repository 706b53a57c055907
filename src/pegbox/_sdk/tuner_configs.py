"""Settings of a tuning job that are objects of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

HYPERPARAMETER_TUNING_JOB_NAME = "HyperParameterTuningJobName"
PARENT_HYPERPARAMETER_TUNING_JOBS = "ParentHyperParameterTuningJobs"
WARM_START_TYPE = "WarmStartType"
HYPERBAND_STRATEGY_CONFIG = "HyperbandStrategyConfig"
HYPERBAND_MIN_RESOURCE = "MinResource"
HYPERBAND_MAX_RESOURCE = "MaxResource"
GRID_SEARCH = "Grid"
MAX_RUNTIME_IN_SECONDS = "MaxRuntimeInSeconds"
BEST_OBJECTIVE_NOT_IMPROVING = "BestObjectiveNotImproving"
MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING = "MaxNumberOfTrainingJobsNotImproving"
CONVERGENCE_DETECTED = "ConvergenceDetected"
COMPLETE_ON_CONVERGENCE_DETECTED = "CompleteOnConvergence"
TARGET_OBJECTIVE_METRIC_VALUE = "TargetObjectiveMetricValue"


class WarmStartTypes(Enum):
    """How a tuning job uses what its parents found."""

    #: Same data, same algorithm: the parents' results count as the child's own.
    IDENTICAL_DATA_AND_ALGORITHM = "IdenticalDataAndAlgorithm"
    #: Data or algorithm version differ: the parents' results guide the search.
    TRANSFER_LEARNING = "TransferLearning"


class WarmStartConfig:
    """Parents of a tuning job and how their results are used.

    Args:
        warm_start_type: A member of :class:`WarmStartTypes`.
        parents: Names of the parent tuning jobs; one name alone is taken as one parent.

    Raises:
        ValueError: The type is no member, or there is no parent.
    """

    def __init__(self, warm_start_type: WarmStartTypes, parents: Iterable[str]) -> None:
        if not isinstance(warm_start_type, WarmStartTypes):
            raise ValueError(
                f"Invalid type: {warm_start_type}, valid warm start types are: {[*WarmStartTypes]}"
            )
        if not parents:
            raise ValueError(f"Invalid parents: {parents}, parents should not be None/empty")
        self.type = warm_start_type
        self.parents = {parents} if isinstance(parents, str) else set(parents)
        strangers = [parent for parent in self.parents if not isinstance(parent, str)]
        if strangers:
            raise ValueError(f"Invalid parents: {strangers}: give names of tuning jobs")

    @classmethod
    def from_job_desc(cls, warm_start_config: Mapping[str, Any] | None) -> WarmStartConfig | None:
        """Return the settings in a tuning job's description, or None if it has none.

        Args:
            warm_start_config: The description's ``WarmStartConfig``.
        """
        if (
            not warm_start_config
            or WARM_START_TYPE not in warm_start_config
            or PARENT_HYPERPARAMETER_TUNING_JOBS not in warm_start_config
        ):
            return None
        parents = [
            item[HYPERPARAMETER_TUNING_JOB_NAME]
            for item in warm_start_config[PARENT_HYPERPARAMETER_TUNING_JOBS]
        ]
        return cls(WarmStartTypes(warm_start_config[WARM_START_TYPE]), parents)

    def to_input_req(self) -> dict[str, Any]:
        """Return the request's ``WarmStartConfig``; parents are sorted."""
        return {
            WARM_START_TYPE: self.type.value,
            PARENT_HYPERPARAMETER_TUNING_JOBS: [
                {HYPERPARAMETER_TUNING_JOB_NAME: parent} for parent in sorted(self.parents)
            ],
        }

    def __repr__(self) -> str:
        return f"WarmStartConfig({self.type}, {sorted(self.parents)!r})"


class HyperbandStrategyConfig:
    """Resources of the strategy Hyperband.

    Args:
        max_resource: Resource at which a training job is complete, for example its epochs.
        min_resource: Resource that a training job gets before it can be stopped.
    """

    def __init__(self, max_resource: int | None, min_resource: int | None) -> None:
        self.max_resource = max_resource
        self.min_resource = min_resource

    @classmethod
    def from_job_desc(
        cls, hyperband_strategy_config: Mapping[str, Any] | None
    ) -> HyperbandStrategyConfig | None:
        """Return the resources in a tuning job's description, or None if it has none."""
        if not hyperband_strategy_config:
            return None
        return cls(
            hyperband_strategy_config.get(HYPERBAND_MAX_RESOURCE),
            hyperband_strategy_config.get(HYPERBAND_MIN_RESOURCE),
        )

    def to_input_req(self) -> dict[str, Any]:
        """Return the request's ``HyperbandStrategyConfig``; what is None is left to the service."""
        resources = {HYPERBAND_MIN_RESOURCE: self.min_resource, HYPERBAND_MAX_RESOURCE: self.max_resource}
        given = {name: value for name, value in resources.items() if value is not None}
        return {HYPERBAND_STRATEGY_CONFIG: given}


class StrategyConfig:
    """Settings of a strategy.

    Args:
        hyperband_strategy_config: Settings of Hyperband.
    """

    def __init__(self, hyperband_strategy_config: HyperbandStrategyConfig) -> None:
        self.hyperband_strategy_config = hyperband_strategy_config

    @classmethod
    def from_job_desc(cls, strategy_config: Mapping[str, Any] | None) -> StrategyConfig | None:
        """Return the settings in a tuning job's description, or None if it has none."""
        hyperband = HyperbandStrategyConfig.from_job_desc(
            (strategy_config or {}).get(HYPERBAND_STRATEGY_CONFIG)
        )
        return None if hyperband is None else cls(hyperband)

    def to_input_req(self) -> dict[str, Any]:
        """Return the request's ``StrategyConfig``."""
        return self.hyperband_strategy_config.to_input_req()


class InstanceConfig:
    """A kind of machine that a training job may run on; the first of a list is wanted most.

    Args:
        instance_count: Number of machines.
        instance_type: Kind of machine.
        volume_size: Disk in GB.
    """

    def __init__(
        self, instance_count: int | None = None, instance_type: str | None = None, volume_size: int = 30
    ) -> None:
        self.instance_count = instance_count
        self.instance_type = instance_type
        self.volume_size = volume_size

    @classmethod
    def from_job_desc(cls, instance_config: Mapping[str, Any] | None) -> InstanceConfig | None:
        """Return the machine in an item of a description's ``InstanceConfigs``, or None if there is none."""
        if not instance_config:
            return None
        return cls(
            instance_config.get("InstanceCount"),
            instance_config.get("InstanceType"),
            instance_config.get("VolumeSizeInGB", 30),
        )

    def to_input_req(self) -> dict[str, Any]:
        """Return the item of the request's ``InstanceConfigs``."""
        return {
            "InstanceCount": self.instance_count,
            "InstanceType": self.instance_type,
            "VolumeSizeInGB": self.volume_size,
        }


class TuningJobCompletionCriteriaConfig:
    """When a tuning job ends before its budget is used.

    Args:
        max_number_of_training_jobs_not_improving: Training jobs in a row that are no better, at least 3.
        complete_on_convergence: Whether the job ends when the search has converged.
        target_objective_metric_value: Objective value that is good enough.
    """

    def __init__(
        self,
        max_number_of_training_jobs_not_improving: int | None = None,
        complete_on_convergence: bool | None = None,
        target_objective_metric_value: float | None = None,
    ) -> None:
        self.max_number_of_training_jobs_not_improving = max_number_of_training_jobs_not_improving
        self.complete_on_convergence = complete_on_convergence
        self.target_objective_metric_value = target_objective_metric_value

    @classmethod
    def from_job_desc(
        cls, completion_criteria_config: Mapping[str, Any] | None
    ) -> TuningJobCompletionCriteriaConfig | None:
        """Return the criteria in a tuning job's description, or None if it has none."""
        if not completion_criteria_config:
            return None
        convergence = (completion_criteria_config.get(CONVERGENCE_DETECTED) or {}).get(
            COMPLETE_ON_CONVERGENCE_DETECTED
        )
        return cls(
            (completion_criteria_config.get(BEST_OBJECTIVE_NOT_IMPROVING) or {}).get(
                MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING
            ),
            None if convergence is None else convergence == "Enabled",
            completion_criteria_config.get(TARGET_OBJECTIVE_METRIC_VALUE),
        )

    def to_input_req(self) -> dict[str, Any]:
        """Return the request's ``TuningJobCompletionCriteria``."""
        found: dict[str, Any] = {}
        if self.max_number_of_training_jobs_not_improving is not None:
            found[BEST_OBJECTIVE_NOT_IMPROVING] = {
                MAX_NUMBER_OF_TRAINING_JOBS_NOT_IMPROVING: self.max_number_of_training_jobs_not_improving
            }
        if self.target_objective_metric_value is not None:
            found[TARGET_OBJECTIVE_METRIC_VALUE] = self.target_objective_metric_value
        if self.complete_on_convergence is not None:
            state = "Enabled" if self.complete_on_convergence else "Disabled"
            found[CONVERGENCE_DETECTED] = {COMPLETE_ON_CONVERGENCE_DETECTED: state}
        return found
