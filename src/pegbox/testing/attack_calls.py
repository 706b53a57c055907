"""Hostile calls for a server with a history: model-driven rubbish, and calls of everyday use with something wrong in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from botocore.exceptions import ClientError

from pegbox.testing.fuzz import FuzzedCall, fuzzed_calls, spoilt_call
from pegbox.testing.lab import Lab, tuning_request
from pegbox.wire.model import ServiceModel

_NAMES = tuple(f"attacked-{i}" for i in range(4))
_GROUP = "/aws/sagemaker/TrainingJobs"
_ARN = "arn:aws:sagemaker:us-east-1:000000000000"
_PROGRAM = "print('objective=0.5', flush=True)\n"


class Calls:
    """Hostile calls by number: the same seed and number give the same call.

    Args:
        lab: The server's home; a small training program is put into its bucket.
        models: Served models by service.
        seed: What all choices come from.
    """

    def __init__(self, lab: Lab, models: Mapping[str, ServiceModel], seed: int) -> None:
        self._models = models
        self._seed = seed
        self._code = lab.upload_code(_PROGRAM)
        self._everyday = _everyday(self._code)

    def call(self, number: int) -> FuzzedCall:
        """Return a call: half of them made from the models, half of them nearly right."""
        rng = Random(f"{self._seed}:{number}")
        if rng.random() < 0.5:
            return next(fuzzed_calls(self._models, rng.randrange(2**63)))
        service, operation, params = rng.choice(self._everyday)
        model = self._models[service]
        return spoilt_call(rng, model, model.operations[operation], params(rng))

    def settle(self, client: Any) -> None:
        """Stop the tuning jobs that calls have managed to create, so that they do not run on for ever."""
        found = client.list_hyper_parameter_tuning_jobs(StatusEquals="InProgress", MaxResults=100)
        for row in found["HyperParameterTuningJobSummaries"]:
            # It may have ended meanwhile.
            with contextlib.suppress(ClientError):
                client.stop_hyper_parameter_tuning_job(
                    HyperParameterTuningJobName=row["HyperParameterTuningJobName"]
                )


def _everyday(code: str) -> tuple[tuple[str, str, Callable[[Random], dict[str, Any]]], ...]:
    """Return (service, operation, parameters that work) of everyday use, over a handful of names."""

    def tuning_name(rng: Random) -> dict[str, Any]:
        return {"HyperParameterTuningJobName": rng.choice(_NAMES)}

    def training_name(rng: Random) -> dict[str, Any]:
        return {"TrainingJobName": f"single-{rng.randrange(3)}"}

    def resource(rng: Random) -> dict[str, Any]:
        kind = rng.choice(("hyper-parameter-tuning-job", "training-job"))
        return {"ResourceArn": f"{_ARN}:{kind}/{rng.choice(_NAMES)}"}

    def create_tuning(rng: Random) -> dict[str, Any]:
        strategy = rng.choice(("Random", "Bayesian", "Grid", "Hyperband"))
        return tuning_request(rng.choice(_NAMES), code, max_jobs=2, parallel=1, strategy=strategy)

    def create_training(rng: Random) -> dict[str, Any]:
        definition = tuning_request("x", code, max_jobs=1, parallel=1)["TrainingJobDefinition"]
        static = definition.pop("StaticHyperParameters")
        return {**definition, **training_name(rng), "HyperParameters": static}

    def stream(rng: Random) -> dict[str, Any]:
        return {
            "logGroupName": _GROUP,
            "logStreamName": f"single-{rng.randrange(3)}/algo-1-1",
            "startFromHead": True,
        }

    def metric(rng: Random) -> dict[str, Any]:
        name = f"single-{rng.randrange(3)}"
        return {
            "Namespace": _GROUP,
            "MetricName": "objective",
            "Dimensions": [{"Name": "TrainingJobName", "Value": name}],
        }

    def span() -> dict[str, Any]:
        now = datetime.now(timezone.utc)
        return {"StartTime": now - timedelta(hours=1), "EndTime": now}

    def statistics(rng: Random) -> dict[str, Any]:
        return {**metric(rng), **span(), "Period": 60, "Statistics": ["Average", "Maximum"]}

    def data(rng: Random) -> dict[str, Any]:
        query = {"Id": "m", "MetricStat": {"Metric": metric(rng), "Period": 60, "Stat": "Maximum"}}
        return {**span(), "MetricDataQueries": [query]}

    return (
        ("sagemaker", "CreateHyperParameterTuningJob", create_tuning),
        ("sagemaker", "CreateTrainingJob", create_training),
        ("sagemaker", "DescribeHyperParameterTuningJob", tuning_name),
        ("sagemaker", "DescribeTrainingJob", training_name),
        ("sagemaker", "StopHyperParameterTuningJob", tuning_name),
        ("sagemaker", "StopTrainingJob", training_name),
        ("sagemaker", "DeleteHyperParameterTuningJob", tuning_name),
        ("sagemaker", "DeleteTrainingJob", training_name),
        ("sagemaker", "ListTrainingJobsForHyperParameterTuningJob", tuning_name),
        ("sagemaker", "ListHyperParameterTuningJobs", lambda rng: {"MaxResults": 3, "NameContains": "a"}),
        ("sagemaker", "ListTrainingJobs", lambda rng: {"MaxResults": 3, "SortBy": "Status"}),
        ("sagemaker", "AddTags", lambda rng: {**resource(rng), "Tags": [{"Key": "k", "Value": "v"}]}),
        ("sagemaker", "ListTags", resource),
        ("sagemaker", "DeleteTags", lambda rng: {**resource(rng), "TagKeys": ["k"]}),
        ("logs", "DescribeLogStreams", lambda rng: {"logGroupName": _GROUP, "logStreamNamePrefix": "single"}),
        ("logs", "GetLogEvents", stream),
        ("logs", "FilterLogEvents", lambda rng: {"logGroupName": _GROUP, "filterPattern": "objective"}),
        ("cloudwatch", "GetMetricStatistics", statistics),
        ("cloudwatch", "GetMetricData", data),
        ("cloudwatch", "ListMetrics", lambda rng: {"Namespace": _GROUP}),
    )
