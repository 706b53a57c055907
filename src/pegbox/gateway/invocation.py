"""What a client asks of an endpoint: paths, headers and their rules, without a socket.

Headers that are not in the table below do not reach the model server. Those that ask for something this version does not have
are refused, never ignored, because their sender expects another answer than it would get.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

from pegbox.errors import UnknownOperationException, ValidationError
from pegbox.wire.http import Request

_PREFIX: Final = "x-amzn-sagemaker-"
#: Header -> what its sender is to do instead.
REFUSED: Final = {
    f"{_PREFIX}target-model": "endpoints with several models in one container are not offered; "
    "create a variant for each model and use TargetVariant",
    f"{_PREFIX}target-container-hostname": "endpoints with several containers called directly are not offered; "
    "create a variant for each container and use TargetVariant",
    f"{_PREFIX}inference-component": "inference components are not offered; use TargetVariant",
    f"{_PREFIX}enable-explanations": "online explanations are not offered; leave EnableExplanations out",
    f"{_PREFIX}session-id": "stateful sessions are not offered; leave SessionId out",
    f"{_PREFIX}prefix-aware-id": "routing by prefix is not offered; leave PrefixAwareId out",
}
_ENDPOINT: Final = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9])*")
_INFERENCE_ID: Final = re.compile(r"[!-~][ -~]*")
_FILENAME: Final = re.compile(r"(?!.*\..*\.)[a-zA-Z0-9][a-zA-Z0-9_.-]*")
_EXTENSION: Final = re.compile(r"(?!s3:|https:)[a-zA-Z0-9!_.*'()/-]+")
_PATH: Final = re.compile(r"/endpoints/([^/]+)/(invocations|async-invocations|invocations-response-stream)")
#: Longest value of most headers.
HEADER_BYTES: Final = 1024
#: Longest name of an endpoint or variant.
NAME_CHARS: Final = 63
#: Longest inline input of an asynchronous invocation, in bytes.
ASYNC_BODY_BYTES: Final = 128_000
#: Seconds an asynchronous invocation may take, and may wait, if it does not say.
ASYNC_TIMEOUT_SECONDS: Final = 900
ASYNC_TTL_SECONDS: Final = 21_600


class Operation(Enum):
    """The operations of the runtime service."""

    INVOKE = "invocations"
    ASYNC = "async-invocations"
    STREAM = "invocations-response-stream"


@dataclass(slots=True, kw_only=True)
class Invocation:
    """One call of an endpoint, its headers checked."""

    operation: Operation
    endpoint: str
    body: bytes
    content_type: str | None = None
    accept: str | None = None
    custom_attributes: str | None = None
    target_variant: str | None = None
    inference_id: str | None = None
    #: Of an asynchronous invocation.
    input_location: str | None = None
    timeout_seconds: int = ASYNC_TIMEOUT_SECONDS
    ttl_seconds: int = ASYNC_TTL_SECONDS
    output_extension: str | None = None
    filename: str | None = None


def operation_of(method: str, path: str) -> tuple[Operation, str]:
    """Return the operation and the endpoint's name that a request line means.

    Args:
        method: HTTP method.
        path: As sent, percent-encoded.

    Raises:
        UnknownOperationException: There is no such operation.
    """
    # A client's requests share their path; what is long is not worth remembering.
    found = (_known if len(path) <= 128 else _known.__wrapped__)(path) if method == "POST" else None
    if found is None:
        raise UnknownOperationException(
            f"{method} {path[:200]} is no operation of the runtime service; it has POST /endpoints/NAME/invocations, "
            "/async-invocations and /invocations-response-stream."
        )
    return found


@lru_cache(maxsize=128)
def _known(path: str) -> tuple[Operation, str] | None:
    found = _PATH.fullmatch(path)
    return (Operation(found.group(2)), unquote(found.group(1))) if found is not None else None


def read_invocation(request: Request) -> Invocation:
    """Return what a request asks for.

    Raises:
        UnknownOperationException: There is no such operation.
        ValidationError: Something in it is against the rules; all problems are told.
    """
    operation, endpoint = operation_of(request.method, request.path)
    headers = _Headers(request)
    if len(endpoint) > NAME_CHARS or not _ENDPOINT.fullmatch(endpoint):
        headers.problems.append(
            f"EndpointName = {endpoint[:100]!r}: must be 1 to {NAME_CHARS} letters, digits and inner hyphens"
        )
    prefixed = operation is not Operation.INVOKE
    content = f"{_PREFIX}content-type" if operation is Operation.ASYNC else "content-type"
    invocation = Invocation(
        operation=operation,
        endpoint=endpoint,
        body=request.body,
        content_type=headers.text(content, "ContentType"),
        accept=headers.text(f"{_PREFIX}accept" if prefixed else "accept", "Accept"),
        custom_attributes=headers.text(f"{_PREFIX}custom-attributes", "CustomAttributes"),
        target_variant=headers.matching(f"{_PREFIX}target-variant", "TargetVariant", _ENDPOINT, NAME_CHARS),
        inference_id=headers.matching(f"{_PREFIX}inference-id", "InferenceId", _INFERENCE_ID, 64),
        **(_async_fields(headers, request.body) if operation is Operation.ASYNC else {}),
    )
    headers.refuse()
    return invocation


def _async_fields(headers: _Headers, body: bytes) -> dict[str, Any]:
    location = headers.text(f"{_PREFIX}inputlocation", "InputLocation")
    if (location is None) == (not body):
        headers.problems.append("InputLocation: give either it or a Body, not both and not neither")
    if len(body) > ASYNC_BODY_BYTES:
        headers.problems.append(
            f"Body: has {len(body)} bytes; at most {ASYNC_BODY_BYTES} may be sent inline, put more into a bucket"
        )
    return {
        "input_location": location,
        "timeout_seconds": headers.number(
            f"{_PREFIX}invocationtimeoutseconds", "InvocationTimeoutSeconds", 1, 3600, ASYNC_TIMEOUT_SECONDS
        ),
        "ttl_seconds": headers.number(
            f"{_PREFIX}requestttlseconds", "RequestTTLSeconds", 60, 21_600, ASYNC_TTL_SECONDS
        ),
        "output_extension": headers.matching(
            f"{_PREFIX}s3outputpathextension", "S3OutputPathExtension", _EXTENSION, 512
        ),
        "filename": headers.matching(f"{_PREFIX}filename", "Filename", _FILENAME, 32),
    }


class _Headers:
    """Reads the headers of one request and collects what is wrong with them."""

    def __init__(self, request: Request) -> None:
        self.problems: list[str] = []
        self._values: dict[str, str] = {}
        for name, value in request.headers:
            if name.startswith(_PREFIX):
                if name in REFUSED:
                    self.problems.append(f"{name} = {value[:100]!r}: {REFUSED[name]}")
                elif name in self._values:
                    self.problems.append(f"{name}: is there more than once")
            elif name == "accept" and name in self._values:
                value = f"{self._values[name]}, {value}"
            self._values[name] = value

    def text(self, name: str, field: str) -> str | None:
        """Return a header of at most 1,024 ASCII characters."""
        value = self._values.get(name)
        if value is None:
            return None
        if len(value) > HEADER_BYTES or not value.isascii():
            self.problems.append(f"{field}: must be at most {HEADER_BYTES} ASCII characters")
        return value

    def matching(self, name: str, field: str, pattern: re.Pattern[str], longest: int) -> str | None:
        """Return a header that has a form."""
        value = self._values.get(name)
        if value is not None and (len(value) > longest or not pattern.fullmatch(value)):
            self.problems.append(
                f"{field} = {value[:100]!r}: must have 1 to {longest} characters and match {pattern.pattern}"
            )
        return value

    def number(self, name: str, field: str, least: int, greatest: int, default: int) -> int:
        """Return a header that is a whole number."""
        value = self._values.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= greatest:
            self.problems.append(
                f"{field} = {value[:100]!r}: must be a whole number from {least} to {greatest}"
            )
            return default
        return int(value)

    def refuse(self) -> None:
        """Raise what was collected.

        Raises:
            ValidationError: There was something.
        """
        if self.problems:
            count = len(self.problems)
            words = "validation error" if count == 1 else "validation errors"
            raise ValidationError(f"{count} {words} detected: {'; '.join(self.problems)}")


def model_request(invocation: Invocation, host: str) -> bytes:
    """Return the head of the request to the model server."""
    lines = [
        "POST /invocations HTTP/1.1",
        f"Host: {host}",
        f"Content-Length: {len(invocation.body)}",
        "User-Agent: pegbox-gateway",
    ]
    if invocation.content_type:
        lines.append(f"Content-Type: {invocation.content_type}")
    if invocation.accept:
        lines.append(f"Accept: {invocation.accept}")
    if invocation.custom_attributes is not None:
        lines.append(f"X-Amzn-SageMaker-Custom-Attributes: {invocation.custom_attributes}")
    if invocation.inference_id is not None:
        lines.append(f"X-Amzn-SageMaker-Inference-Id: {invocation.inference_id}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")
