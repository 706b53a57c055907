"""Real boto3 clients, signing and parsing as they always do, against the room."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.errors import (
    ApiError,
    InternalFailure,
    ResourceInUse,
    ResourceLimitExceeded,
    ResourceNotFound,
    ResourceNotFoundException,
    ThrottlingException,
    ValidationException,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=timezone.utc)
ROLE = "arn:aws:iam::000000000000:role/pegbox"


def _raising(error: ApiError) -> Any:
    def handler(operation: str, params: dict[str, Any]) -> dict[str, Any]:
        raise error

    return handler


def test_a_signed_call_arrives_and_its_answer_returns(wired: Any) -> None:
    """boto3's parameters arrive typed, and the answer comes back as boto3 documents it."""
    wired.handler = lambda operation, params: {
        "TrainingJobSummaries": [
            {
                "TrainingJobName": params["NameContains"],
                "TrainingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:training-job/a",
                "CreationTime": NOW,
                "TrainingJobStatus": "InProgress",
                "TrainingEndTime": None,
            }
        ]
    }
    answer = wired.client("sagemaker").list_training_jobs(NameContains="a-b", CreationTimeAfter=NOW)
    (summary,) = answer["TrainingJobSummaries"]
    assert summary["TrainingJobName"] == "a-b"
    assert summary["CreationTime"] == NOW
    assert "TrainingEndTime" not in summary
    assert wired.calls[0][:2] == ("sagemaker", "ListTrainingJobs")
    assert wired.calls[0][2]["CreationTimeAfter"].replace(microsecond=0) == NOW.replace(microsecond=0)
    assert answer["ResponseMetadata"]["RequestId"] == "6c1f0d1e-0000-4000-8000-00000000abcd"


def test_an_operation_without_output_answers_with_an_empty_body(wired: Any) -> None:
    """Stop and Delete answer 200 without a body."""
    wired.client("sagemaker").stop_training_job(TrainingJobName="a")
    assert wired.responses[0].status == 200
    assert wired.responses[0].body == b""


@pytest.mark.parametrize(
    ("error", "exception"),
    [
        (ResourceInUse("taken"), "ResourceInUse"),
        (ResourceLimitExceeded("too many"), "ResourceLimitExceeded"),
        (ResourceNotFound("none"), "ResourceNotFound"),
    ],
)
def test_modelled_errors_are_the_clients_exception_classes(
    wired: Any, error: ApiError, exception: str
) -> None:
    """The errors that the service models arrive as their own classes with their text."""
    client = wired.client("sagemaker")
    wired.handler = _raising(error)
    with pytest.raises(getattr(client.exceptions, exception)) as caught:
        client.create_training_job(
            TrainingJobName="a", RoleArn=ROLE, OutputDataConfig={"S3OutputPath": "s3://b/k"}
        )
    assert caught.value.response["Error"]["Code"] == exception
    assert caught.value.response["Error"]["Message"] == error.message
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize(
    "error", [ValidationException("bad"), ThrottlingException("slow"), InternalFailure("us")]
)
def test_unmodelled_errors_carry_code_text_and_request_id(wired: Any, error: ApiError) -> None:
    """Codes that no model names arrive as bare codes."""
    wired.handler = _raising(error)
    with pytest.raises(ClientError) as caught:
        wired.client("sagemaker").list_training_jobs()
    assert caught.value.response["Error"] == {"Code": error.code, "Message": error.message}
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == error.status
    assert caught.value.response["ResponseMetadata"]["RequestId"]


def test_logs_calls_a_broken_constraint_by_its_own_name(wired: Any) -> None:
    """What is a ValidationException elsewhere is an InvalidParameterException of logs."""
    client = wired.client("logs")
    with pytest.raises(client.exceptions.InvalidParameterException, match="logGroupName"):
        client.get_log_events(logGroupName="a*b", logStreamName="s")
    wired.handler = _raising(ResourceNotFoundException("no stream"))
    with pytest.raises(client.exceptions.ResourceNotFoundException, match="no stream"):
        client.get_log_events(logGroupName="a", logStreamName="s")


def test_monitoring_speaks_what_the_installed_client_speaks(wired: Any) -> None:
    """GetMetricStatistics works through the real client, whatever protocol it prefers."""
    wired.handler = lambda operation, params: {
        "Label": params["MetricName"],
        "Datapoints": [{"Timestamp": NOW, "Average": 0.1, "Unit": "None"}],
    }
    answer = wired.client("cloudwatch").get_metric_statistics(
        Namespace="/aws/sagemaker/TrainingJobs",
        MetricName="accuracy",
        Dimensions=[{"Name": "TrainingJobName", "Value": "a"}],
        StartTime=NOW,
        EndTime=NOW,
        Period=60,
        Statistics=["Average"],
    )
    assert answer["Datapoints"][0]["Average"] == 0.1
    assert answer["Datapoints"][0]["Timestamp"] == NOW


def test_monitoring_errors_keep_their_query_code(wired: Any) -> None:
    """A modelled error of monitoring is caught by its class and carries its older code."""
    client = wired.client("cloudwatch")
    wired.handler = _raising(ApiError("bad value", code="InvalidParameterValue"))
    with pytest.raises(client.exceptions.ClientError) as caught:
        client.list_metrics()
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValue"
    assert caught.value.response["Error"]["Message"] == "bad value"


def test_an_operation_that_is_only_at_aws_says_so(wired: Any) -> None:
    """DescribeTransformJob is known by name and answered with what there is instead."""
    with pytest.raises(ClientError) as caught:
        wired.client("sagemaker").describe_transform_job(TransformJobName="a")
    assert caught.value.response["Error"]["Code"] == "NotImplemented"
    assert "DescribeTransformJob exists at AWS" in caught.value.response["Error"]["Message"]


def test_a_wrong_secret_is_refused_with_the_code_of_aws(service: Any, wired: Any) -> None:
    """A client with another secret meets InvalidSignatureException, and no handler runs."""
    client = wired.client("sagemaker")
    client._request_signer._credentials.secret_key = "other"
    with pytest.raises(ClientError) as caught:
        client.list_training_jobs()
    assert caught.value.response["Error"]["Code"] == "InvalidSignatureException"
    assert wired.calls == []


def test_single_precision_is_answered_where_the_model_says_float(wired: Any) -> None:
    """A metric value is rounded to single precision, as the service answers it."""
    wired.handler = lambda operation, params: {
        "TrainingJobSummaries": [
            {
                "TrainingJobName": "a",
                "TrainingJobArn": "arn:aws:sagemaker:us-east-1:000000000000:training-job/a",
                "CreationTime": NOW,
                "TrainingJobStatus": "Completed",
                "TunedHyperParameters": {"x": "0.1"},
                "FinalHyperParameterTuningJobObjectiveMetric": {"MetricName": "m", "Value": 0.1},
            }
        ]
    }
    answer = wired.client("sagemaker").list_training_jobs_for_hyper_parameter_tuning_job(
        HyperParameterTuningJobName="t"
    )
    metric = answer["TrainingJobSummaries"][0]["FinalHyperParameterTuningJobObjectiveMetric"]
    assert metric["Value"] == 0.10000000149011612
