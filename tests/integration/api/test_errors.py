"""Every error code that clients branch on, met with plain boto3 and raw connections against a real server."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.testing.lab import tuning_request
from pegbox.wire import presign_url, sign_request

PRINTS = "print('objective=1')"
RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


@pytest.fixture(scope="module")
def code(server: Any) -> str:
    """The address of a training script."""
    return str(server.upload_code(PRINTS))


def refusal(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    """Return code and text of the error that a call gives."""
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


def changed(code: str, *path: Any, to: Any) -> dict[str, Any]:
    """Return a sound request with one member changed."""
    request = copy.deepcopy(tuning_request("errors", code, max_jobs=2, parallel=1, ranges=RANGES))
    place: Any = request
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return request


CONFIG = "HyperParameterTuningJobConfig"
CONTINUOUS = (CONFIG, "ParameterRanges", "ContinuousParameterRanges")
DEFINITION = "TrainingJobDefinition"


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ((*CONTINUOUS, 0, "MinValue"), "2", ["x", "2", "1"]),
        ((*CONTINUOUS, 0, "ScalingType"), "Logarithmic", ["x", "Logarithmic"]),
        ((*CONTINUOUS, 0, "MaxValue"), "many", ["x", "many"]),
        ((CONFIG, "ParameterRanges", "IntegerParameterRanges"),
         [{"Name": "n", "MinValue": "1", "MaxValue": "5", "ScalingType": "ReverseLogarithmic"}], ["n", "ReverseLogarithmic"]),
        ((CONFIG, "ParameterRanges", "IntegerParameterRanges"), [{"Name": "x", "MinValue": "1", "MaxValue": "5"}], ["x"]),
        ((DEFINITION, "StaticHyperParameters", "x"), "1", ["x", "static"]),
        ((DEFINITION, "AlgorithmSpecification", "MetricDefinitions"), [{"Name": "objective", "Regex": "("}], ["objective"]),
        ((DEFINITION, "AlgorithmSpecification", "MetricDefinitions"), [], ["objective"]),
        ((DEFINITION, "AlgorithmSpecification", "TrainingImage"), "nobody/knows", ["nobody/knows", "pegbox images add"]),
        ((DEFINITION, "InputDataConfig"),
         [{"ChannelName": "train", "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://pegbox-local/none"}}}],
         ["s3://pegbox-local/none"]),
        ((DEFINITION, "StaticHyperParameters", "sagemaker_program"), "absent.py", ["absent.py"]),
        ((DEFINITION, "EnableNetworkIsolation"), True, ["EnableNetworkIsolation"]),
        ((DEFINITION, "VpcConfig"), {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}, ["VpcConfig"]),
        ((DEFINITION, "OutputDataConfig", "KmsKeyId"), "alias/k", ["KmsKeyId"]),
        ((CONFIG, "Strategy"), "Sorcery", ["Sorcery", "strategy"]),
        ((CONFIG, "ResourceLimits", "MaxParallelTrainingJobs"), 0, ["maxParallelTrainingJobs", "greater than or equal to 1"]),
        (("HyperParameterTuningJobName",), "-bad", ["-bad", "hyperParameterTuningJobName"]),
    ],
)  # fmt: skip
def test_bad_requests_name_field_and_value(
    server: Any, code: str, path: tuple[Any, ...], value: Any, words: list[str]
) -> None:
    """Each mistake is a ValidationException that names what is wrong, and nothing is created."""
    client = server.client(parameter_validation=False)
    name, text = refusal(client.create_hyper_parameter_tuning_job, **changed(code, *path, to=value))
    assert name == "ValidationException"
    for word in words:
        assert word in text, text
    assert (
        client.list_hyper_parameter_tuning_jobs(NameContains="errors")["HyperParameterTuningJobSummaries"]
        == []
    )


def test_more_jobs_than_combinations(sagemaker: Any, code: str) -> None:
    """A finite space smaller than the budget is refused with both numbers."""
    request = tuning_request("errors", code, max_jobs=5, parallel=1)
    request[CONFIG]["ParameterRanges"] = {"CategoricalParameterRanges": [{"Name": "c", "Values": ["a", "b"]}]}
    name, text = refusal(sagemaker.create_hyper_parameter_tuning_job, **request)
    assert name == "ValidationException"
    assert "2" in text
    assert "5" in text


def test_all_problems_come_in_one_error(server: Any, code: str) -> None:
    """Three mistakes give one error that counts and names three."""
    request = changed(code, CONFIG, "Strategy", to="Sorcery")
    request[CONFIG]["ResourceLimits"]["MaxParallelTrainingJobs"] = 0
    del request[DEFINITION]["RoleArn"]
    client = server.client(parameter_validation=False)
    name, text = refusal(client.create_hyper_parameter_tuning_job, **request)
    assert name == "ValidationException"
    assert text.startswith("3 validation errors detected")


def test_names_are_taken_without_regard_to_case(server: Any, code: str) -> None:
    """A second job of the same name, however spelt, is ResourceInUse."""
    client = server.client()
    client.create_hyper_parameter_tuning_job(
        **tuning_request("Twice", code, max_jobs=1, parallel=1, ranges=RANGES)
    )
    again = tuning_request("tWICE", code, max_jobs=1, parallel=1, ranges=RANGES)
    name, text = refusal(client.create_hyper_parameter_tuning_job, **again)
    assert name == "ResourceInUse"
    assert "tWICE" in text


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("sagemaker", "describe_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "no"}, "ResourceNotFound"),
        ("sagemaker", "stop_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "no"}, "ResourceNotFound"),
        ("sagemaker", "list_training_jobs_for_hyper_parameter_tuning_job", {"HyperParameterTuningJobName": "no"},
         "ResourceNotFound"),
        ("sagemaker", "describe_training_job", {"TrainingJobName": "no"}, "ResourceNotFound"),
        ("sagemaker", "stop_training_job", {"TrainingJobName": "no"}, "ResourceNotFound"),
        ("sagemaker", "delete_training_job", {"TrainingJobName": "no"}, "ResourceNotFound"),
        ("sagemaker", "list_training_jobs", {"NextToken": "made-up"}, "ValidationException"),
        ("sagemaker", "describe_transform_job", {"TransformJobName": "m"}, "NotImplemented"),
        ("sagemaker", "list_transform_jobs", {}, "NotImplemented"),
        ("logs", "get_log_events", {"logGroupName": "no", "logStreamName": "no"}, "ResourceNotFoundException"),
        ("logs", "describe_log_streams", {"logGroupName": "no"}, "ResourceNotFoundException"),
        ("logs", "put_log_events",
         {"logGroupName": "a", "logStreamName": "b", "logEvents": [{"timestamp": 1, "message": "m"}]}, "NotImplemented"),
        ("cloudwatch", "put_metric_data", {"Namespace": "n", "MetricData": []}, "NotImplemented"),
    ],
)  # fmt: skip
def test_codes_that_clients_branch_on(
    server: Any, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    """Unknown objects, foreign tokens and operations of later versions answer with AWS's codes, per service."""
    assert refusal(getattr(server.client(service), operation), **params)[0] == code


class Raw:
    """Requests made by hand, to a running server."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._port = int(server.url.rpartition(":")[2])

    def send(
        self, method: str, path: str, headers: dict[str, str], body: bytes = b""
    ) -> tuple[int, dict[str, Any]]:
        """Send a request and return status and JSON members."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=120)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        try:
            members = json.loads(data)
        except ValueError:
            members = {"text": data.decode()}
        return answer.status, members

    def sign(self, body: bytes = b"{}", **changes: Any) -> dict[str, str]:
        """Return signed headers of a list request."""
        keys = self._server.keys
        given = {
            "headers": {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListTrainingJobs"},
            "access_key_id": keys["access_key_id"],
            "secret_access_key": keys["secret_access_key"],
            "region": "us-east-1",
            "service": "sagemaker",
            "now": datetime.now(timezone.utc),
            **changes,
        }  # fmt: skip
        return sign_request("POST", self._server.url + "/", body=body, **given)

    def connect(self) -> socket.socket:
        """Return a bare connection."""
        return socket.create_connection(("127.0.0.1", self._port), timeout=120)


@pytest.fixture(scope="module")
def raw(server: Any) -> Raw:
    """Requests by hand."""
    return Raw(server)


def test_signatures_are_verified(raw: Raw) -> None:
    """A right signature is let in; wrong secret, key, service, clock, body or none is refused with its own code."""
    assert raw.send("POST", "/", raw.sign(), b"{}")[0] == 200
    late = datetime.now(timezone.utc) - timedelta(minutes=16)
    cases: list[tuple[dict[str, str], bytes, str]] = [
        ({"X-Amz-Target": "SageMaker.ListTrainingJobs"}, b"{}", "MissingAuthenticationTokenException"),
        (raw.sign(secret_access_key="wrong"), b"{}", "InvalidSignatureException"),
        (raw.sign(access_key_id="NOBODY"), b"{}", "UnrecognizedClientException"),
        (raw.sign(service="logs"), b"{}", "InvalidSignatureException"),
        (raw.sign(now=late), b"{}", "InvalidSignatureException"),
        (raw.sign(now=late + timedelta(minutes=32)), b"{}", "InvalidSignatureException"),
        (raw.sign(), b'{"MaxResults":5}', "InvalidSignatureException"),
        ({**raw.sign(), "Authorization": "AWS4-HMAC-SHA256 x"}, b"{}", "IncompleteSignatureException"),
        ({**raw.sign(), "X-Amz-Security-Token": "t"}, b"{}", "UnrecognizedClientException"),
    ]
    for headers, body, code in cases:
        status, members = raw.send("POST", "/", headers, body)
        assert 400 <= status < 500
        assert members["__type"] == code


def test_a_presigned_address_works_until_it_expires(server: Any, raw: Raw) -> None:
    """The signature may stand in the address; altered or expired it is refused."""
    keys = server.keys
    now = datetime.now(timezone.utc)
    body = b"Action=ListMetrics&Version=2010-08-01"

    def address(at: datetime) -> str:
        return presign_url(
            "POST", server.url + "/", access_key_id=keys["access_key_id"], secret_access_key=keys["secret_access_key"],
            region="us-east-1", service="monitoring", now=at, expires=60, body=body,
        ).removeprefix(server.url)  # fmt: skip

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert raw.send("POST", address(now), headers, body)[0] == 200
    assert raw.send("POST", address(now - timedelta(seconds=90)), headers, body)[0] == 403
    assert raw.send("POST", address(now).replace("us-east-1", "eu-west-1"), headers, body)[0] == 403


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"MaxResults": "many"}', b'{"A": 1}', b"\xff\xfe", b"nul"]
)
def test_malformed_bodies_are_refused(raw: Raw, body: bytes) -> None:
    """A body that is no JSON object, or has a foreign member, is a client's mistake (an empty one means no members)."""
    status, members = raw.send("POST", "/", raw.sign(body), body)
    if body == b"":
        assert status == 200
    else:
        assert status in (200, 400)
        assert status == 200 or members["__type"] in ("SerializationException", "ValidationException")
    assert status == 400 or body in (b"", b'{"A": 1}')


def test_foreign_hosts_and_origins_are_refused_over_the_network(raw: Raw) -> None:
    """DNS rebinding and foreign pages are refused by the running server, on the health path, too."""
    for path in ("/", "/healthz"):
        assert raw.send("GET", path, {"Host": "evil.example"})[0] == 403
        assert raw.send("GET", path, {"Origin": "https://evil.example"})[0] == 403
    assert raw.send("POST", "/", {**raw.sign(), "Origin": "https://evil.example"}, b"{}")[0] == 403


def test_endless_headers_are_cut_off(raw: Raw) -> None:
    """A head that does not end is refused while it is still small."""
    with raw.connect() as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        sent = 0
        try:
            while sent < 50_000_000:
                sent += connection.send(b"x" * 65536)
        except OSError:
            pass
        assert sent < 20_000_000
    with raw.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 300 + b"\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 4")


def test_slow_clients_are_cut_off(make_server: Callable[..., Any]) -> None:
    """Silence, half a head and half a body end with the request's time, and others are answered meanwhile."""
    server = make_server(PEGBOX_REQUEST_SECONDS="1")
    slow = Raw(server)
    head = b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    connections = [slow.connect() for _ in range(3)]
    for connection, begun in zip(
        connections, (b"", head, head + b"Content-Length: 9\r\n\r\nab"), strict=True
    ):
        connection.sendall(begun)
    assert slow.send("POST", "/", slow.sign(), b"{}")[0] == 200
    for connection in connections:
        with connection:
            while connection.recv(4096):
                pass


def test_strict_mode_keeps_the_limits_of_aws(make_server: Callable[..., Any]) -> None:
    """A name of 40 characters, accepted in extended mode, is refused in strict mode in AWS's words."""
    server = make_server(PEGBOX_MODE="strict")
    client = server.client(parameter_validation=False)
    code = server.upload_code(PRINTS)
    request = tuning_request("n" * 40, code, max_jobs=1, parallel=1, ranges=RANGES)
    name, text = refusal(client.create_hyper_parameter_tuning_job, **request)
    assert name == "ValidationException"
    assert "less than or equal to 32" in text
