"""Answers of the service for tests."""

from __future__ import annotations

from typing import Any

NAME = "job-261123-1822"
T0 = 1_795_000_000.0


def tuning_job(status: str = "InProgress", **changes: Any) -> dict[str, Any]:
    """A describe answer as JSON."""
    answer: dict[str, Any] = {
        "HyperParameterTuningJobName": NAME,
        "HyperParameterTuningJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:hyper-parameter-tuning-job/{NAME}",
        "HyperParameterTuningJobStatus": status,
        "CreationTime": T0,
        "HyperParameterTuningJobConfig": {
            "Strategy": "Bayesian",
            "HyperParameterTuningJobObjective": {"Type": "Minimize", "MetricName": "loss"},
            "ResourceLimits": {
                "MaxNumberOfTrainingJobs": 4,
                "MaxParallelTrainingJobs": 2,
                "MaxRuntimeInSeconds": 600,
            },
            "ParameterRanges": {
                "ContinuousParameterRanges": [
                    {"Name": "lr", "MinValue": "0.001", "MaxValue": "1", "ScalingType": "Logarithmic"}
                ],
                "CategoricalParameterRanges": [{"Name": "kind", "Values": ["a", "b"]}],
                "IntegerParameterRanges": [
                    {"Name": "n", "MinValue": "1", "MaxValue": "9.0", "ScalingType": "Linear"}
                ],
            },
            "TrainingJobEarlyStoppingType": "Off",
            "RandomSeed": 5,
            "TuningJobCompletionCriteria": {
                "TargetObjectiveMetricValue": 0.5,
                "BestObjectiveNotImproving": {"MaxNumberOfTrainingJobsNotImproving": 3},
                "ConvergenceDetected": {"CompleteOnConvergence": "Enabled"},
            },
        },
        "TrainingJobDefinition": definition(),
        "TrainingJobStatusCounters": {
            "Completed": 1,
            "InProgress": 1,
            "RetryableError": 0,
            "NonRetryableError": 0,
            "Stopped": 0,
        },
        "ObjectiveStatusCounters": {"Succeeded": 1, "Pending": 1, "Failed": 0},
    }
    return {**answer, **changes}


def definition(image: str = "image", **changes: Any) -> dict[str, Any]:
    """A training-job definition."""
    answer: dict[str, Any] = {
        "StaticHyperParameters": {"fixed": "7", "_tuning_objective_metric": "loss"},
        "AlgorithmSpecification": {
            "TrainingImage": image,
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "loss", "Regex": "loss=(\\S+)"}],
        },
        "RoleArn": "arn:aws:iam::000000000000:role/pegbox",
        "OutputDataConfig": {"S3OutputPath": "s3://pegbox-local/out"},
        "ResourceConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 30},
        "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
        "EnableManagedSpotTraining": True,
        "CheckpointConfig": {"S3Uri": "s3://pegbox-local/ckpt", "LocalPath": "/opt/ml/checkpoints"},
        "Environment": {"PEGBOX_PYTHON": "/usr/bin/python3", "A": "b"},
        "RetryStrategy": {"MaximumRetryAttempts": 2},
    }
    return {**answer, **changes}


def summary(
    number: int, status: str = "Completed", value: float | None = 0.5, **changes: Any
) -> dict[str, Any]:
    """An item of the list call."""
    name = f"{NAME}-{number:03d}-0a1b2c3d"
    answer: dict[str, Any] = {
        "TrainingJobName": name,
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{name}",
        "CreationTime": T0 + number,
        "TrainingJobStatus": status,
        "TunedHyperParameters": {"lr": "0.012345678", "n": str(number), "kind": '"a"'},
    }
    if status != "InProgress":
        answer |= {"TrainingStartTime": T0 + number, "TrainingEndTime": T0 + number + 2}
    if value is not None:
        answer["FinalHyperParameterTuningJobObjectiveMetric"] = {"MetricName": "loss", "Value": value}
    return {**answer, **changes}


def training_job(status: str = "Completed", **changes: Any) -> dict[str, Any]:
    """A describe answer of a training job."""
    answer = {key: value for key, value in definition().items() if key != "StaticHyperParameters"}
    answer |= {
        "TrainingJobName": f"{NAME}-001-0a1b2c3d",
        "TrainingJobArn": f"arn:aws:sagemaker:us-east-1:000000000000:training-job/{NAME}-001-0a1b2c3d",
        "TrainingJobStatus": status,
        "SecondaryStatus": status,
        "CreationTime": T0,
        "HyperParameters": {"fixed": "7"},
        "ModelArtifacts": {"S3ModelArtifacts": "s3://pegbox-local/out/x/output/model.tar.gz"},
    }
    return {**answer, **changes}
