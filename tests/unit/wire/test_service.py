"""Recognising requests, and answers that do not fit."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pegbox.errors import ApiError, InternalFailure, SerializationException, UnknownOperationException
from pegbox.wire import Request, Service
from pegbox.wire.protocols.cbor import loads
from pegbox.wire.service import Call

JSON = ("Content-Type", "application/x-amz-json-1.1")
FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")


@pytest.fixture(scope="module")
def service() -> Service:
    """Everything that is served."""
    return Service.load()


def _list_call(service: Service) -> Call:
    return service.parse("POST", "/", [JSON, ("X-Amz-Target", "SageMaker.ListTrainingJobs")], b"{}")


@pytest.mark.parametrize(
    ("method", "target", "headers", "body", "error"),
    [
        ("POST", "/", [], b"", UnknownOperationException),
        ("GET", "/", [], b"", UnknownOperationException),
        ("GET", "/", [JSON, ("X-Amz-Target", "SageMaker.ListTrainingJobs")], b"", UnknownOperationException),
        ("POST", "/", [("X-Amz-Target", "SageMaker.ListTrainingJobs")], b"{}", SerializationException),
        (
            "POST",
            "/",
            [("Content-Type", "text/plain"), ("X-Amz-Target", "SageMaker.ListTrainingJobs")],
            b"{}",
            SerializationException,
        ),
        ("POST", "/", [JSON, ("X-Amz-Target", "SageMaker")], b"{}", UnknownOperationException),
        ("POST", "/", [JSON, ("X-Amz-Target", "SageMaker.<b>")], b"{}", UnknownOperationException),
        ("POST", "/", [FORM], b"Action=ListMetrics", UnknownOperationException),
        ("POST", "/", [FORM], b"Action=ListMetrics&Version=1999-01-01", UnknownOperationException),
        ("POST", "/", [FORM], b"Action=ListMetrics&Version=2010-08-01&Action=a", SerializationException),
        ("POST", "/", [FORM], b"Action=%ff&Version=2010-08-01", SerializationException),
        ("POST", "/", [FORM], b"Action=ListMetrics&Version=2010-08-01&Dimensions=x", SerializationException),
        (
            "POST",
            "/",
            [FORM],
            b"Action=ListMetrics&Version=2010-08-01&Dimensions.member.x.Name=y",
            SerializationException,
        ),
        (
            "POST",
            "/",
            [FORM],
            b"Action=ListMetrics&Version=2010-08-01&Dimensions.member.1=a&Dimensions.member.1.Name=b",
            SerializationException,
        ),
        (
            "POST",
            "/service/Nope/operation/ListMetrics",
            [("smithy-protocol", "rpc-v2-cbor")],
            b"",
            UnknownOperationException,
        ),
        (
            "POST",
            "/service/GraniteServiceVersion20100801/operation/ListMetrics",
            [("Content-Type", "application/cbor")],
            b"",
            SerializationException,
        ),
        (
            "POST",
            "/service/SageMaker/operation/ListTrainingJobs",
            [("smithy-protocol", "rpc-v2-cbor")],
            b"",
            UnknownOperationException,
        ),
        (
            "POST",
            "/service/GraniteServiceVersion20100801/operation/ListMetrics",
            [("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")],
            b"\xff",
            SerializationException,
        ),
    ],
)
def test_what_is_not_a_call_is_answered_all_the_same(
    service: Service,
    method: str,
    target: str,
    headers: list[tuple[str, str]],
    body: bytes,
    error: type[ApiError],
) -> None:
    """Whatever arrives is recognised enough to be refused in some protocol."""
    call = service.parse(method, target, headers, body)
    with pytest.raises(error) as caught:
        call.params()
    response = call.respond_error(caught.value, "id")
    assert 400 <= response.status < 500
    assert response.body


def test_the_answer_speaks_the_version_of_the_request(service: Service) -> None:
    """A request in JSON 1.0 is answered in JSON 1.0."""
    headers = [("content-type", "application/x-amz-json-1.0"), ("x-amz-target", "SageMaker.ListTrainingJobs")]
    response = service.parse("POST", "/", headers, b"{}").respond({"TrainingJobSummaries": []}, "id")
    assert ("content-type", "application/x-amz-json-1.0") in response.headers
    assert response.body == b'{"TrainingJobSummaries":[]}'


def test_the_query_protocol_reads_the_query_string_too(service: Service) -> None:
    """A presigned GET carries its parameters in the URL, beside the fields of the signature."""
    target = "/?Action=ListMetrics&Version=2010-08-01&MetricName=a%2Bb+c&X-Amz-Date=x&X-Amz-Signature=y"
    call = service.parse("GET", target, [], b"")
    assert (call.service, call.operation) == ("cloudwatch", "ListMetrics")
    assert call.params() == {"MetricName": "a+b c"}


def test_times_are_answered_in_milliseconds(service: Service) -> None:
    """Microseconds are rounded, whole seconds are integers, numbers of seconds are accepted."""
    rows = [
        {"CreationTime": datetime(2026, 1, 2, 3, 4, 5, 123456, timezone.utc)},
        {"CreationTime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)},
        {"CreationTime": 1767323045.5},
    ]
    response = _list_call(service).respond({"TrainingJobSummaries": rows}, "id")
    assert response.body == (
        b'{"TrainingJobSummaries":[{"CreationTime":1767323045.123},'
        b'{"CreationTime":1767323045},{"CreationTime":1767323045.5}]}'
    )


def test_lone_surrogates_never_break_an_answer(service: Service) -> None:
    """What no protocol can carry is replaced, in results and in errors that quote a request."""
    response = _list_call(service).respond({"NextToken": "a\udcffb"}, "id")
    assert response.body == b'{"NextToken":"a?b"}'
    headers = [JSON, ("X-Amz-Target", "SageMaker.ListTrainingJobs")]
    call = service.parse("POST", "/", headers, b'{"\\ud800": 1}')
    with pytest.raises(ApiError) as caught:
        call.params()
    assert b"Unknown member '\\\\ud800'" in call.respond_error(caught.value, "id").body


def test_floods_of_problems_are_counted_not_written(service: Service) -> None:
    """Ten thousand elements in a list of at most fifty make a short message; unknown members are counted."""
    headers = [JSON, ("X-Amz-Target", "SageMaker.DeleteTags")]
    arn = b'"arn:aws:sagemaker:us-east-1:000000000000:training-job/a"'
    for body, start, end in (
        (b'{"ResourceArn": %s, "TagKeys": [%s]}', "51 validation errors", "; and 21 more"),
        (b'{"ResourceArn": %s, "TagKeys": [1, %s]}', "'tagKeys.1.member' must be a string", ""),
    ):
        elements = b",".join([b'""'] * 10_000)
        with pytest.raises(ApiError) as caught:
            service.parse("POST", "/", headers, body % (arn, elements)).params()
        assert caught.value.message.startswith(start)
        assert caught.value.message.endswith(end)
        assert len(caught.value.message) < 10_000
    members = b",".join(b'"m%d":1' % i for i in range(1_000))
    with pytest.raises(ApiError, match=r"^1002 validation errors.*; and 972 more$"):
        service.parse("POST", "/", headers, b"{%s}" % members).params()


def test_a_form_is_sent_with_get_or_post(service: Service) -> None:
    """Other methods are refused in the query protocol too."""
    body = b"Action=ListMetrics&Version=2010-08-01"
    assert service.parse("POST", "/", [FORM], body).params() == {}
    with pytest.raises(UnknownOperationException):
        service.parse("PUT", "/", [FORM], body).params()


@pytest.mark.parametrize(
    ("result", "named"),
    [
        ({"Nope": 1}, "Nope"),
        ({"TrainingJobSummaries": {}}, "TrainingJobSummaries"),
        ({"TrainingJobSummaries": [{"CreationTime": datetime(2026, 1, 1)}]}, "CreationTime"),
        ({"TrainingJobSummaries": [{"CreationTime": True}]}, "CreationTime"),
        ({"TrainingJobSummaries": [{"TrainingJobName": 5}]}, "TrainingJobName"),
        ({"TrainingJobSummaries": [[]]}, r"TrainingJobSummaries\[0\]"),
    ],
)
def test_an_answer_that_does_not_fit_is_our_fault_and_named(
    service: Service, result: dict[str, object], named: str
) -> None:
    """A handler's mistake never reaches a client as data."""
    with pytest.raises(InternalFailure, match=named):
        _list_call(service).respond(result, "id")


def test_numbers_that_are_not_finite_are_written_as_text(service: Service) -> None:
    """JSON has no NaN; the protocol writes it as text."""
    headers = [JSON, ("X-Amz-Target", "SageMaker.DescribeTrainingJob")]
    call = service.parse("POST", "/", headers, b'{"TrainingJobName":"a"}')
    rows = [
        {"MetricName": "m", "Value": value} for value in (float("nan"), float("inf"), float("-inf"), 1e300)
    ]
    assert call.respond({"FinalMetricDataList": rows}, "id").body == (
        b'{"FinalMetricDataList":[{"MetricName":"m","Value":"NaN"},{"MetricName":"m","Value":"Infinity"},'
        b'{"MetricName":"m","Value":"-Infinity"},{"MetricName":"m","Value":"Infinity"}]}'
    )


def test_a_cbor_error_is_a_cbor_map(service: Service) -> None:
    """The code stands under __type, the older code in its header."""
    path = "/service/GraniteServiceVersion20100801/operation/ListMetrics"
    headers = [("smithy-protocol", "rpc-v2-cbor"), ("content-type", "application/cbor")]
    response = service.parse("POST", path, headers, b"\xa0").respond_error(
        SerializationException("bad"), "id"
    )
    assert loads(response.body) == {"__type": "SerializationException", "message": "bad"}
    assert dict(response.headers)["smithy-protocol"] == "rpc-v2-cbor"


def test_headers_are_found_in_any_case_and_order() -> None:
    """Names are lowered once; repeated headers stay in order."""
    request = Request.of("GET", "/a?b=c", [("A", "1"), ("b", "2"), ("a", "3")])
    assert (request.path, request.query) == ("/a", "b=c")
    assert request.header("a") == "1"
    assert request.header_values("a") == ["1", "3"]
    assert request.header("c") is None
