"""Records as AWS shapes. Pure.

Numbers that the service keeps as float32 are rounded so. A field that clients index without a default is always there
(``ModelArtifacts``, ``KmsKeyId``, all three lists of ranges, ...); one that means "none yet" by its absence is left out.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pegbox.domain.builtin_algorithms import algorithm_of
from pegbox.domain.names import Realm
from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.domain.statuses import ObjectiveStatus, TrainingStatus, TuningStatus
from pegbox.engine.algorithms import has_program
from pegbox.engine.specs import (
    DEFAULT_RUNTIME,
    OBJECTIVE_KEY,
    definition_named,
    definitions_of,
    model_uri,
    resources_of,
)
from pegbox.ports.store import Counters

_RANGES = ("ContinuousParameterRanges", "IntegerParameterRanges", "CategoricalParameterRanges")
_FLOAT32_MAX = 3.4028234663852886e38


def float32(value: float) -> float:
    """Return a value in single precision, as the service keeps metrics; too large ones end at its bounds."""
    if not math.isfinite(value):
        return value
    clipped = min(max(value, -_FLOAT32_MAX), _FLOAT32_MAX)
    return float(struct.unpack("f", struct.pack("f", clipped))[0])


def tuning_description(
    realm: Realm,
    job: TuningJob,
    counters: Counters,
    best: TrainingJob | None,
    not_improving: int,
    now: datetime,
    overall: tuple[str, TrainingJob] | None = None,
) -> dict[str, Any]:
    """Return the answer of ``DescribeHyperParameterTuningJob``.

    Args:
        realm: Region and account.
        job: The tuning job.
        counters: Both counter families.
        best: Its best training job, if any.
        not_improving: Finished trials since the last improvement.
        now: The present time.
        overall: The best training job of this job and its parents with the name of its tuning job, where that is asked for.
    """
    request = job.request
    answer: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": realm.tuning_arn(job.name),
        "HyperParameterTuningJobConfig": _config(request),
        **_definitions(request),
        "HyperParameterTuningJobStatus": job.status.value,
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        **counter_fields(counters),
    }
    if job.ended_at is not None:
        answer["HyperParameterTuningEndTime"] = job.ended_at
    if best is not None:
        answer["BestTrainingJob"] = trial_summary(realm, job, best)
    if overall is not None:
        summary = trial_summary(realm, job, overall[1])
        answer["OverallBestTrainingJob"] = {**summary, "TuningJobName": overall[0]}
    if request.get("WarmStartConfig"):
        answer["WarmStartConfig"] = request["WarmStartConfig"]
    reason = _failure_reason(job)
    if reason:
        answer["FailureReason"] = reason
    details: dict[str, Any] = {"NumberOfTrainingJobsObjectiveNotImproving": not_improving}
    if job.converged_at is not None:
        details["ConvergenceDetectedTime"] = job.converged_at
    answer["TuningJobCompletionDetails"] = details
    end = job.ended_at or now
    answer["ConsumedResources"] = {"RuntimeInSeconds": max(0, int((end - job.created_at).total_seconds()))}
    return answer


def tuning_summary(realm: Realm, job: TuningJob, counters: Counters) -> dict[str, Any]:
    """Return one item of ``ListHyperParameterTuningJobs``."""
    config = job.request["HyperParameterTuningJobConfig"]
    summary: dict[str, Any] = {
        "HyperParameterTuningJobName": job.name,
        "HyperParameterTuningJobArn": realm.tuning_arn(job.name),
        "HyperParameterTuningJobStatus": job.status.value,
        "Strategy": config["Strategy"],
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        **counter_fields(counters),
        "ResourceLimits": dict(config["ResourceLimits"]),
    }
    if job.ended_at is not None:
        summary["HyperParameterTuningEndTime"] = job.ended_at
    return summary


def counter_fields(counters: Counters) -> dict[str, Any]:
    """Return both counter families."""
    return {
        "TrainingJobStatusCounters": {
            "Completed": counters.completed,
            "InProgress": counters.in_progress,
            "RetryableError": counters.retryable_error,
            "NonRetryableError": counters.non_retryable_error,
            "Stopped": counters.stopped,
        },
        "ObjectiveStatusCounters": {
            "Succeeded": counters.objective_succeeded,
            "Pending": counters.objective_pending,
            "Failed": counters.objective_failed,
        },
    }


def trial_summary(realm: Realm, tuning: TuningJob, job: TrainingJob) -> dict[str, Any]:
    """Return a trial as ``ListTrainingJobsForHyperParameterTuningJob`` and ``BestTrainingJob`` show it."""
    objective = definition_named(tuning.request, job.definition)["TuningObjective"]
    summary: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": realm.training_arn(job.name),
        "CreationTime": job.created_at,
        "TrainingJobStatus": job.status.value,
        "TunedHyperParameters": dict(job.suggestion.values) if job.suggestion is not None else {},
    }
    if job.definition is not None:
        summary["TrainingJobDefinitionName"] = job.definition
    _times(summary, job)
    if job.status is TrainingStatus.FAILED and job.failure_reason:
        summary["FailureReason"] = job.failure_reason
    if job.objective is not None:
        summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
            "Type": objective["Type"],
            "MetricName": objective["MetricName"],
            "Value": float32(job.objective),
        }
    summary["ObjectiveStatus"] = (job.objective_status or ObjectiveStatus.PENDING).value
    return summary


def training_description(realm: Realm, job: TrainingJob, tuning: str | None) -> dict[str, Any]:
    """Return the answer of ``DescribeTrainingJob``; ``tuning`` is the tuning job's name, if it has one."""
    request = job.request
    answer: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": realm.training_arn(job.name),
        "ModelArtifacts": {"S3ModelArtifacts": _model_address(job)},
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.secondary.value,
        **{key: value for key, value in request.items() if key not in _NOT_ECHOED},
        "AlgorithmSpecification": _algorithm(request, request.get("HyperParameters") or {}),
        "HyperParameters": dict(request.get("HyperParameters") or {}),
        "OutputDataConfig": {"KmsKeyId": "", **request["OutputDataConfig"]},
        "ResourceConfig": resources_of(request),
        "StoppingCondition": {
            "MaxRuntimeInSeconds": DEFAULT_RUNTIME,
            **(request.get("StoppingCondition") or {}),
        },
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        "SecondaryStatusTransitions": [
            {
                "Status": entry.status.value,
                "StartTime": entry.started_at,
                **({"EndTime": entry.ended_at} if entry.ended_at is not None else {}),
                "StatusMessage": entry.message,
            }
            for entry in job.transitions
        ],
        "EnableNetworkIsolation": request.get("EnableNetworkIsolation", False),
        "EnableInterContainerTrafficEncryption": request.get("EnableInterContainerTrafficEncryption", False),
        "EnableManagedSpotTraining": request.get("EnableManagedSpotTraining", False),
    }
    if tuning is not None:
        answer["TuningJobArn"] = realm.tuning_arn(tuning)
    _times(answer, job)
    if job.failure_reason and job.status is TrainingStatus.FAILED:
        answer["FailureReason"] = job.failure_reason
    # JSON has no NaN; a notice tells of a last value that is none.
    finite = {name: item for name, item in job.final_metrics.items() if math.isfinite(item[0])}
    if finite:
        answer["FinalMetricDataList"] = [
            {"MetricName": name, "Value": float32(value), "Timestamp": at}
            for name, (value, at) in finite.items()
        ][:40]
    if job.started_at is not None and job.ended_at is not None:
        # Not zero: clients divide by it.
        seconds = max(1, round((job.ended_at - job.started_at).total_seconds()))
        answer["TrainingTimeInSeconds"] = answer["BillableTimeInSeconds"] = seconds
    return answer


#: Members of a request that are no members of the description, or that it forms anew.
_NOT_ECHOED = frozenset({"SessionChainingConfig"})


def training_summary(realm: Realm, job: TrainingJob) -> dict[str, Any]:
    """Return one item of ``ListTrainingJobs``."""
    summary: dict[str, Any] = {
        "TrainingJobName": job.name,
        "TrainingJobArn": realm.training_arn(job.name),
        "CreationTime": job.created_at,
        "LastModifiedTime": job.modified_at,
        "TrainingJobStatus": job.status.value,
        "SecondaryStatus": job.secondary.value,
    }
    if job.ended_at is not None:
        summary["TrainingEndTime"] = job.ended_at
    return summary


def _config(request: Mapping[str, Any]) -> dict[str, Any]:
    config = request["HyperParameterTuningJobConfig"]
    answer = {
        **config,
        "TrainingJobEarlyStoppingType": config.get("TrainingJobEarlyStoppingType", "Off"),
    }
    if not request.get("TrainingJobDefinitions"):
        answer["ParameterRanges"] = _ranges(config.get("ParameterRanges") or {})
    return answer


def _ranges(ranges: Mapping[str, Any]) -> dict[str, Any]:
    """Return ranges with all three lists, which clients index."""
    return {**ranges, **{kind: list(ranges.get(kind) or ()) for kind in _RANGES}}


def _definitions(request: Mapping[str, Any]) -> dict[str, Any]:
    several = request.get("TrainingJobDefinitions")
    if several:
        described = [
            {**_definition(item, item), "HyperParameterRanges": _ranges(item["HyperParameterRanges"])}
            for item in several
        ]
        return {"TrainingJobDefinitions": described}
    return {
        "TrainingJobDefinition": _definition(request["TrainingJobDefinition"], definitions_of(request)[0])
    }


def _definition(definition: Mapping[str, Any], read: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition as clients need it; ``read`` is the same with its objective."""
    objective = read["TuningObjective"]["MetricName"]
    resources = resources_of(definition)
    mirrored = {
        key: resources[key]
        for key in ("InstanceType", "InstanceCount", "VolumeSizeInGB", "VolumeKmsKeyId")
        if key in resources
    }
    return {
        "HyperParameterTuningResourceConfig": mirrored,
        "ResourceConfig": resources,
        "EnableNetworkIsolation": False,
        "EnableInterContainerTrafficEncryption": False,
        "EnableManagedSpotTraining": False,
        **definition,
        "StaticHyperParameters": {
            **(definition.get("StaticHyperParameters") or {}),
            OBJECTIVE_KEY: objective,
        },
        "AlgorithmSpecification": _algorithm(definition, definition.get("StaticHyperParameters") or {}),
        "StoppingCondition": {"MaxRuntimeInSeconds": DEFAULT_RUNTIME, **definition["StoppingCondition"]},
    }


def _algorithm(request: Mapping[str, Any], hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """What a request says of its algorithm, with the metrics that a built-in one brings."""
    said = request["AlgorithmSpecification"]
    metrics = list(said.get("MetricDefinitions") or ())
    known = algorithm_of(said.get("TrainingImage") or "", has_program=has_program(hyperparameters))
    if not metrics and known is not None:
        metrics = [item.definition() for item in known.metrics]
    return {**said, "MetricDefinitions": metrics}


def _failure_reason(job: TuningJob) -> str | None:
    """Return why a job failed; while it runs, what its owner should look at (a metric that is never found)."""
    if job.status is TuningStatus.FAILED:
        return job.failure_reason
    silent = [text for text in job.notices if text.startswith("Metric ")]
    return f"Warning: {silent[0]}"[:1024] if silent and job.status is TuningStatus.IN_PROGRESS else None


def _model_address(job: TrainingJob) -> str:
    model = job.artifacts.get("model") if job.artifacts else None
    return str(model["uri"]) if model else model_uri(job.request, job.name)


def _times(answer: dict[str, Any], job: TrainingJob) -> None:
    if job.started_at is not None:
        answer["TrainingStartTime"] = job.started_at
        if job.ended_at is not None:
            answer["TrainingEndTime"] = job.ended_at
