"""AWS JSON 1.0 and 1.1: spoken by sagemaker, logs and newer clients of monitoring.

Request::

    POST /
    Content-Type: application/x-amz-json-1.1
    X-Amz-Target: SageMaker.DescribeTrainingJob

    {"TrainingJobName": "a"}

Answer: 200 and a JSON object, or an empty body where the operation has no output shape. Timestamps are seconds
since 1970 as numbers, blobs are base64 text. Error::

    HTTP/1.1 400
    x-amzn-errortype: ResourceNotFound

    {"__type": "ResourceNotFound", "Message": "..."}

The text of a modelled error stands under the member that the model names, else under ``message``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from pegbox.errors import SerializationException
from pegbox.wire.http import Request, Response
from pegbox.wire.model import Operation, ServiceModel, Shape
from pegbox.wire.protocols.decoder import Decoded, Decoder
from pegbox.wire.protocols.encoder import Encoder
from pegbox.wire.protocols.faults import Fault

_ENCODER = Encoder()


class AwsJson:
    """The protocol in one version.

    Attributes:
        name: ``json``, as in service models.
        content_type: Of requests and answers.
    """

    name = "json"

    def __init__(self, version: str) -> None:
        self.content_type = f"application/x-amz-json-{version}"

    def decode(self, request: Request, model: ServiceModel, operation: Operation) -> Decoded:
        """Read the parameters of a request.

        Raises:
            SerializationException: The body is not a JSON object in UTF-8, or a value has the wrong type.
        """
        return _JsonDecoder().decode(_load(request.body), operation.input)

    def respond(
        self, result: Mapping[str, Any], model: ServiceModel, operation: Operation, request_id: str
    ) -> Response:
        """Write the answer of an operation.

        Raises:
            InternalFailure: The result does not fit the operation's output shape.
        """
        body = b""
        if operation.output is not None:
            body = _dump(_ENCODER.encode(result, operation.output))
        return Response(200, self._headers(request_id), body)

    def respond_fault(self, fault: Fault, model: ServiceModel | None, request_id: str) -> Response:
        """Write an error."""
        headers = (*self._headers(request_id), ("x-amzn-errortype", fault.code))
        if fault.query_compatible:
            headers += (("x-amzn-query-error", f"{fault.query_code};{fault.party}"),)
        return Response(
            fault.status, headers, _dump({"__type": fault.code, fault.message_member: fault.message})
        )

    def _headers(self, request_id: str) -> tuple[tuple[str, str], ...]:
        return (("content-type", self.content_type), ("x-amzn-requestid", request_id))


class _JsonDecoder(Decoder):
    def number(self, tree: Any, shape: Shape, path: str) -> float:
        if isinstance(tree, float) and math.isinf(tree):
            # JSON has no infinity: this was a literal such as 1e999.
            self.problem(f"'{path or 'input'}' is outside the range of a 64-bit number")
            return 0.0
        return super().number(tree, shape, path)


def _load(body: bytes) -> Any:
    if not body:
        return {}
    try:
        return json.loads(body.decode("utf-8"), parse_constant=_refuse, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SerializationException(f"The body is not a JSON object: {reason}") from None


def _refuse(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        # Which of two values counts would be a guess.
        raise ValueError("an object has the same key twice")
    return members


def _dump(tree: Any) -> bytes:
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode("utf-8")
