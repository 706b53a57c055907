"""What clients of the runtime service see, through the real boto3 and by hand."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError, EventStreamError

from pegbox.testing.gateway_rig import GatewayRig
from pegbox.wire import presign_url


@pytest.fixture(scope="module")
def client(rig: GatewayRig) -> Any:
    """The AWS SDK's client of the gateway."""
    return rig.client()


def refused(call: Any, **arguments: Any) -> ClientError:
    """Return the error of a call."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value


def test_an_answer_comes_with_its_type_and_who_gave_it(client: Any) -> None:
    """The body, the content type, the variant and the model server's custom attributes come back; nothing else of it does."""
    answer = client.invoke_endpoint(
        EndpointName="one", Body=b"1,2,3", ContentType="text/csv", CustomAttributes="attributes=trace-7"
    )
    assert answer["Body"].read() == b"1,2,3"
    assert answer["ContentType"] == "text/csv"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    assert answer["CustomAttributes"] == "trace-7"
    assert "x-secret" not in answer["ResponseMetadata"]["HTTPHeaders"]
    assert answer["ResponseMetadata"]["RequestId"]


def test_only_known_headers_reach_the_model_server(rig: GatewayRig) -> None:
    """Signatures, cookies and unknown headers are stripped; the documented ones arrive."""
    status, _, body = rig.post(
        "/endpoints/one/invocations",
        b"x",
        {
            "Content-Type": "text/csv",
            "Accept": "application/json",
            "X-Amzn-SageMaker-Custom-Attributes": "headers",
            "X-Amzn-SageMaker-Inference-Id": "id 1",
            "X-Amzn-SageMaker-Unknown": "x",
            "Cookie": "a=b",
            "X-Forwarded-For": "1.2.3.4",
        },
    )
    assert status == 200
    seen = json.loads(body)
    assert set(seen) == {
        "host", "content-length", "user-agent", "content-type", "accept",
        "x-amzn-sagemaker-custom-attributes", "x-amzn-sagemaker-inference-id",
    }  # fmt: skip
    assert seen["x-amzn-sagemaker-inference-id"] == "id 1"


def test_errors_of_model_servers_are_model_errors(client: Any) -> None:
    """A 4xx or 5xx of the model server is a ModelError with its status, its words and its log stream."""
    error = refused(
        client.invoke_endpoint, EndpointName="one", Body=b"bad row", CustomAttributes="status=415"
    )
    assert type(error).__name__ == "ModelError"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert error.response["OriginalStatusCode"] == 415
    assert error.response["OriginalMessage"] == "bad row"
    assert error.response["LogStreamArn"].startswith("arn:aws:logs:")
    assert 'Received client error (415) from primary with message "bad row"' in str(error)
    error = refused(client.invoke_endpoint, EndpointName="one", Body=b"", CustomAttributes="status=500")
    assert "Received server error (500)" in str(error)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"EndpointName": "none"}, "Endpoint none of account 000000000000 not found."),
        ({"EndpointName": "One"}, "Upper and lower case count: there is 'one'."),
        ({"EndpointName": "new"}, "Endpoint new of account 000000000000 not found: its status is Creating."),
        ({"EndpointName": "one", "TargetVariant": "b"}, "its variants are AllTraffic"),
        ({"EndpointName": "one", "TargetModel": "m.tar.gz"}, "use TargetVariant"),
        ({"EndpointName": "one", "TargetContainerHostname": "c"}, "use TargetVariant"),
        ({"EndpointName": "one", "InferenceComponentName": "c"}, "use TargetVariant"),
        ({"EndpointName": "one", "SessionId": "NEW_SESSION"}, "leave SessionId out"),
        ({"EndpointName": "one", "EnableExplanations": "`true`"}, "leave EnableExplanations out"),
        ({"EndpointName": "one", "CustomAttributes": "x" * 1025}, "CustomAttributes: must be at most 1024"),
        ({"EndpointName": "one", "InferenceId": "x" * 65}, "InferenceId"),
        ({"EndpointName": "small", "Body": b"x" * 1001}, "Body: has 1001 bytes; endpoint small takes at most 1000"),
    ],
)  # fmt: skip
def test_mistakes_are_validation_errors(client: Any, arguments: dict[str, Any], words: str) -> None:
    """What a client does wrong is a ValidationError (not ValidationException) that says what to do."""
    error = refused(client.invoke_endpoint, **{"Body": b"x", **arguments})
    assert type(error).__name__ == "ValidationError"
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert words in str(error)


def test_all_problems_come_at_once(rig: GatewayRig) -> None:
    """Two mistakes in one request are told in one error."""
    status, headers, body = rig.post(
        "/endpoints/one/invocations",
        b"x",
        {"X-Amzn-SageMaker-Target-Model": "m", "X-Amzn-SageMaker-Inference-Id": " "},
    )
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationError")
    words = json.loads(body)["Message"]
    assert words.startswith("2 validation errors detected:")
    assert "InferenceId" in words


def test_weights_and_the_wanted_variant(client: Any) -> None:
    """Requests are shared by weight; TargetVariant goes past it."""
    shares = Counter(
        client.invoke_endpoint(EndpointName="two", Body=b"x")["InvokedProductionVariant"] for _ in range(200)
    )
    # Each of 200 goes to b with probability 1/4: fewer than 20 or more than 90 would be a chance of less than 1e-6.
    assert 20 < shares["b"] < 90
    for name in "ab":
        answer = client.invoke_endpoint(EndpointName="two", Body=b"x", TargetVariant=name)
        assert answer["InvokedProductionVariant"] == name


def test_a_slow_model_server_is_a_model_error(client: Any) -> None:
    """An answer that does not come within the variant's time is a ModelError with status 0; the next request is served."""
    error = refused(client.invoke_endpoint, EndpointName="short", Body=b"x", CustomAttributes="sleep=20")
    assert type(error).__name__ == "ModelError"
    assert error.response["OriginalStatusCode"] == 0
    assert "within the time" in str(error)
    assert client.invoke_endpoint(EndpointName="short", Body=b"y")["Body"].read() == b"y"


@pytest.mark.parametrize(
    ("order", "words"),
    [("half", "closed the connection"), ("noise", "no HTTP"), ("size=27000000", "larger than 26214400")],
)
def test_broken_answers_are_model_errors(client: Any, order: str, words: str) -> None:
    """Half an answer, no HTTP, or too much of it: a ModelError, not a hang, and the next request is served."""
    error = refused(client.invoke_endpoint, EndpointName="one", Body=b"x", CustomAttributes=order)
    assert type(error).__name__ == "ModelError"
    assert words in error.response["OriginalMessage"]
    assert client.invoke_endpoint(EndpointName="one", Body=b"y")["Body"].read() == b"y"


def test_old_model_servers_are_understood(client: Any) -> None:
    """An HTTP/1.0 answer that ends with its connection is whole."""
    answer = client.invoke_endpoint(EndpointName="one", Body=b"old", CustomAttributes="http10")
    assert answer["Body"].read() == b"old"


def test_large_bodies_pass(client: Any) -> None:
    """20 MB go through in both directions, unchanged."""
    body = bytes(range(256)) * 80_000
    answer = client.invoke_endpoint(EndpointName="one", Body=body, ContentType="application/x-npy")
    assert answer["Body"].read() == body


def test_streams_come_in_parts(client: Any) -> None:
    """A streamed answer arrives as payload parts, with type and variant in its headers."""
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="one", Body=b"part", CustomAttributes="stream=5", Accept="text/plain"
    )
    assert answer["ContentType"] == "text/plain"
    assert answer["InvokedProductionVariant"] == "AllTraffic"
    parts = [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    assert b"".join(parts) == b"part0part1part2part3part4"
    assert len(parts) > 1


def test_a_broken_stream_ends_with_an_error(client: Any) -> None:
    """What came before the break arrives, then a ModelStreamError."""
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="one", Body=b"part", CustomAttributes="break=2"
    )
    seen = []
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        seen += [event["PayloadPart"]["Bytes"] for event in answer["Body"]]
    answer["Body"].close()
    error = refused(
        client.invoke_endpoint_with_response_stream,
        EndpointName="one",
        Body=b"x",
        CustomAttributes="status=400",
    )
    assert type(error).__name__ == "ModelError"


def test_a_stream_whose_client_leaves_is_given_up(rig: GatewayRig, client: Any) -> None:
    """A client that hangs up in the middle of a stream costs nothing that stays: the next stream is whole."""
    answer = client.invoke_endpoint_with_response_stream(
        EndpointName="one", Body=b"x", CustomAttributes="stream=1000"
    )
    next(iter(answer["Body"]))
    answer["Body"].close()
    again = client.invoke_endpoint_with_response_stream(
        EndpointName="one", Body=b"y", CustomAttributes="stream=2"
    )
    assert b"".join(event["PayloadPart"]["Bytes"] for event in again["Body"]) == b"y0y1"
    assert "fault" not in rig.log()


def test_the_wrong_key_and_no_key_are_refused(rig: GatewayRig) -> None:
    """Every request but the sign of life needs a signature by the owner's key."""
    error = refused(rig.client(secret="wrong").invoke_endpoint, EndpointName="one", Body=b"x")
    assert error.response["Error"]["Code"] == "InvalidSignatureException"
    error = refused(rig.client(key="PEGBOTHER").invoke_endpoint, EndpointName="one", Body=b"x")
    assert error.response["Error"]["Code"] == "UnrecognizedClientException"
    unsigned = b"POST /endpoints/one/invocations HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert raw(rig, unsigned).startswith(b"HTTP/1.1 403")
    answer = raw(rig, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"version", "home_id"}


@pytest.mark.parametrize(
    "head",
    [
        "Host: evil.example",
        "Host: localhost\r\nHost: localhost",
        "Host: localhost\r\nOrigin: http://evil.example",
        "Host: localhost\r\nSec-Fetch-Site: cross-site",
    ],
)
@pytest.mark.parametrize("target", ["GET /healthz", "POST /endpoints/one/invocations"])
def test_foreign_names_are_refused(rig: GatewayRig, target: str, head: str) -> None:
    """Host and Origin are checked on every path, before anything else."""
    answer = raw(rig, f"{target} HTTP/1.1\r\n{head}\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"AccessDenied" in answer


def test_presigned_urls_work(rig: GatewayRig) -> None:
    """A signature may stand in the URL."""
    from datetime import datetime, timezone

    from pegbox.testing.gateway_rig import KEY, REGION, SECRET

    url = presign_url(
        "POST",
        f"{rig.url}/endpoints/one/invocations",
        access_key_id=KEY,
        secret_access_key=SECRET,
        region=REGION,
        service="sagemaker",
        now=datetime.now(timezone.utc),
        expires=60,
        body=b"x",
    )
    target = url.removeprefix(rig.url)
    host = rig.url.removeprefix("http://")
    head = f"POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx"
    assert raw(rig, head.encode()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 300 + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 80_000, b"431"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", b"400"),
    ],
)  # fmt: skip
def test_bad_http_is_refused(rig: GatewayRig, text: bytes, status: bytes) -> None:
    """What is no request, or too large a one, is told so and cut off."""
    assert raw(rig, text).startswith(b"HTTP/1.1 " + status)


def test_requests_may_follow_each_other_closely(rig: GatewayRig) -> None:
    """Pipelined requests are answered one after the other, in order."""
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = raw(rig, one * 2000 + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 2000
    assert answer.rpartition(b"HTTP/1.1 ")[2].startswith(b"403")


def test_chunked_requests_are_taken(rig: GatewayRig) -> None:
    """A body without a declared length is read, within limits."""
    chunk = b"%x\r\n%b\r\n" % (2**20, b"x" * 2**20)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert raw(rig, head + chunk + b"0\r\n\r\n").startswith(b"HTTP/1.1 403")
    assert raw(rig, head + chunk * 26).startswith(b"HTTP/1.1 413")


def test_expect_continue_is_answered(rig: GatewayRig) -> None:
    """A client that asks before it sends a body is told to go on."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    assert raw(rig, head, b"12345").startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403")


def raw(rig: GatewayRig, *parts: bytes) -> bytes:
    """Send bytes and return what comes until the end."""
    with socket.create_connection(("127.0.0.1", rig.port), timeout=120) as connection:
        received = b""

        def send() -> None:
            for part in parts:
                try:
                    connection.sendall(part)
                except OSError:
                    return

        sender = threading.Thread(target=send)
        sender.start()
        while True:
            try:
                data = connection.recv(65536)
            except ConnectionResetError:
                break
            if not data:
                break
            received += data
        sender.join()
        return received
