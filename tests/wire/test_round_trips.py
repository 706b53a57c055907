"""Both directions of every protocol, with botocore's serializers and parsers as the other side."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from botocore.awsrequest import AWSRequest
from botocore.model import ServiceModel as BotocoreModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.errors import ApiError
from pegbox.testing.samples import Samples
from pegbox.wire import SERVED, Request, Service

PROTOCOLS = {
    "sagemaker": ("json",),
    "logs": ("json",),
    "cloudwatch": ("json", "query", "smithy-rpc-v2-cbor"),
    "iam": ("query",),
    "sts": ("query",),
}
CASES = [
    pytest.param(name, protocol, operation, id=f"{operation}-{protocol}")
    for name, operations in SERVED.items()
    for protocol in PROTOCOLS[name]
    for operation in operations
]
ERROR_CASES = [(name, protocol) for name, protocols in PROTOCOLS.items() for protocol in protocols]
SEEDS = st.integers(0, 2**32)


def _sent(model: BotocoreModel, protocol: str, operation: str, params: dict[str, Any]) -> Request:
    """What a client that speaks the protocol would send."""
    serializer = create_serializer(protocol, include_validation=False)
    sent = serializer.serialize_to_request(params, model.operation_model(operation))
    request = AWSRequest(
        method=sent["method"],
        url=f"http://127.0.0.1{sent['url_path']}",
        headers=sent["headers"],
        data=sent["body"],
    ).prepare()
    body = request.body.encode() if isinstance(request.body, str) else request.body or b""
    return Request.of(sent["method"], sent["url_path"], list(request.headers.items()), body)


def _received(model: BotocoreModel, protocol: str, operation: str, response: Any) -> dict[str, Any]:
    """What a client that speaks the protocol would make of an answer."""
    parsed: dict[str, Any] = create_parser(protocol).parse(
        {"status_code": response.status, "headers": dict(response.headers), "body": response.body},
        model.operation_model(operation).output_shape,
    )
    return parsed


@pytest.mark.parametrize(("name", "protocol", "operation"), CASES)
def test_what_a_client_sends_is_what_a_handler_gets(
    service: Service, botocore_models: dict[str, BotocoreModel], name: str, protocol: str, operation: str
) -> None:
    """Any valid parameters survive the client's serializer and our parser, and are found valid."""
    shape = service.models[name].operations[operation].input

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(SEEDS)
    def check(seed: int) -> None:
        params = Samples(Random(seed), empty=protocol != "query").structure(shape)
        call = service.open(_sent(botocore_models[name], protocol, operation, params))
        assert (call.service, call.operation, call.protocol.name) == (name, operation, protocol)
        assert call.params() == params

    check()


@pytest.mark.parametrize(("name", "protocol", "operation"), CASES)
def test_what_a_handler_answers_is_what_a_client_gets(
    service: Service, botocore_models: dict[str, BotocoreModel], name: str, protocol: str, operation: str
) -> None:
    """Any valid result survives our serializer and the client's parser, milliseconds included."""
    shape = service.models[name].operations[operation].output
    model = botocore_models[name]
    call = service.open(_sent(model, protocol, operation, {}))

    @settings(max_examples=25, deadline=None, derandomize=True, database=None)
    @given(SEEDS)
    def check(seed: int) -> None:
        result = Samples(Random(seed), sub_second=True).structure(shape)
        received = _received(model, protocol, operation, call.respond(result, "id"))
        metadata = received.pop("ResponseMetadata", {})
        assert received == result
        assert metadata.get("RequestId", "id") == "id"

    check()


@pytest.mark.parametrize(("name", "protocol"), ERROR_CASES)
@pytest.mark.parametrize("message", ["plain", 'marks <&>" and é🙂', "control \x07"])
def test_errors_carry_code_text_and_request_id(
    service: Service, botocore_models: dict[str, BotocoreModel], name: str, protocol: str, message: str
) -> None:
    """A client of any protocol reads our error's code and text."""
    operation = SERVED[name][0]
    model = botocore_models[name]
    call = service.open(_sent(model, protocol, operation, {}))
    response = call.respond_error(ApiError(message, code="ThrottlingException"), "the-id")
    parsed = _received(model, protocol, operation, response)
    expected = "Throttling" if name in ("cloudwatch", "iam", "sts") else "ThrottlingException"
    assert parsed["Error"]["Code"] == expected
    assert parsed["Error"]["Message"] == (
        message.replace("\x07", "\ufffd") if protocol == "query" else message
    )
    assert parsed["ResponseMetadata"]["RequestId"] == "the-id"
    assert parsed["ResponseMetadata"]["HTTPStatusCode"] == 400


@pytest.mark.parametrize("protocol", PROTOCOLS["cloudwatch"])
def test_modelled_errors_of_monitoring_have_their_older_code_in_every_protocol(
    service: Service, botocore_models: dict[str, BotocoreModel], protocol: str
) -> None:
    """Old and new clients branch on the same code, and 5xx faults are the receiver's."""
    model = botocore_models["cloudwatch"]
    call = service.open(_sent(model, protocol, "GetMetricData", {}))
    for code, expected, party, status in (
        ("InvalidNextToken", "InvalidNextToken", "Sender", 400),
        ("InvalidParameterValueException", "InvalidParameterValue", "Sender", 400),
        ("InternalServiceFault", "InternalServiceError", "Receiver", 500),
        ("ValidationException", "ValidationError", "Sender", 400),
    ):
        response = call.respond_error(ApiError("text", code=code), "id")
        error = _received(model, protocol, "GetMetricData", response)["Error"]
        assert (error["Code"], error["Type"]) == (expected, party)
        assert response.status == status
