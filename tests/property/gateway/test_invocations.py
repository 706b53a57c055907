"""Whatever a request looks like: header rules hold, and event streams are read back by the AWS SDK's own parser."""

from __future__ import annotations

import string

from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from pegbox.errors import UnknownOperationException, ValidationError
from pegbox.gateway.eventstream import exception, message, payload_part
from pegbox.gateway.invocation import Operation, model_request, read_invocation
from pegbox.wire.http import Request

PREFIX = "x-amzn-sagemaker-"
NAMES = (
    "custom-attributes", "target-variant", "inference-id", "target-model", "session-id", "accept", "content-type",
    "enable-explanations", "inputlocation", "requestttlseconds", "something-new",
)  # fmt: skip
header_text = st.text(
    st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=80
)
headers = st.lists(
    st.tuples(
        st.one_of(
            st.sampled_from(NAMES).map(lambda name: PREFIX + name),
            st.sampled_from(("accept", "content-type", "cookie", "x-other", "host")),
        ),
        header_text,
    ),
    max_size=8,
)
paths = st.one_of(
    st.sampled_from([f"/endpoints/e/{item.value}" for item in Operation]),
    st.text(string.ascii_letters + "/%.-_0", max_size=60).map(lambda text: f"/endpoints/{text}"),
)


@given(paths, headers, st.binary(max_size=20))
def test_a_request_is_read_or_refused(path: str, given_headers: list[tuple[str, str]], body: bytes) -> None:
    """Every request is an invocation that keeps the rules, or an error of the client's; nothing else is raised."""
    try:
        invocation = read_invocation(Request.of("POST", path, given_headers, body))
    except (ValidationError, UnknownOperationException):
        return
    present = {name for name, _ in given_headers}
    assert not present & {PREFIX + name for name in ("target-model", "session-id", "enable-explanations")}
    assert invocation.endpoint.replace("-", "").isalnum()
    assert len(invocation.endpoint) <= 63
    for value in (invocation.accept, invocation.content_type, invocation.custom_attributes):
        assert value is None or (value.isascii() and len(value) <= 1024)


@given(headers, st.binary(max_size=50))
def test_the_model_server_sees_one_request(given_headers: list[tuple[str, str]], body: bytes) -> None:
    """The head that goes to the model server has known headers only, each once, and cannot hold a second request."""
    try:
        invocation = read_invocation(Request.of("POST", "/endpoints/e/invocations", given_headers, body))
    except ValidationError:
        return
    head = model_request(invocation, "localhost")
    assert head.count(b"\r\n\r\n") == 1
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    assert lines[0] == b"POST /invocations HTTP/1.1"
    names = [line.partition(b":")[0].lower() for line in lines[1:]]
    assert len(names) == len(set(names))
    assert set(names) <= {
        b"host", b"content-length", b"user-agent", b"content-type", b"accept",
        b"x-amzn-sagemaker-custom-attributes", b"x-amzn-sagemaker-inference-id",
    }  # fmt: skip
    assert f"Content-Length: {len(body)}".encode() in lines


names = st.text(string.ascii_letters + ":-", min_size=1, max_size=40)


@given(st.dictionaries(names, st.text(max_size=60), max_size=5), st.binary(max_size=500), st.integers(1, 40))
def test_messages_are_read_back(message_headers: dict[str, str], payload: bytes, step: int) -> None:
    """The SDK's parser finds the same headers and payload, however the bytes are cut, and accepts both checksums."""
    data = message(message_headers, payload) + payload_part(b"second")
    buffer = EventStreamBuffer()
    found = []
    for place in range(0, len(data), step):
        buffer.add_data(data[place : place + step])
        found += list(buffer)
    assert [item.payload for item in found] == [payload, b"second"]
    assert found[0].headers == message_headers


def test_exceptions_name_themselves() -> None:
    """A stream's error carries its type, its words and its code."""
    buffer = EventStreamBuffer()
    buffer.add_data(exception("ModelStreamError", "broken", "StreamBroken"))
    (found,) = list(buffer)
    assert found.headers[":message-type"] == "exception"
    assert found.headers[":exception-type"] == "ModelStreamError"
    assert found.payload == b'{"Message": "broken", "ErrorCode": "StreamBroken"}'
