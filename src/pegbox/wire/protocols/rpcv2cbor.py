"""Smithy RPC v2 CBOR: what newer clients of monitoring speak.

Request::

    POST /service/GraniteServiceVersion20100801/operation/ListMetrics
    smithy-protocol: rpc-v2-cbor
    Content-Type: application/cbor

    <a CBOR map>

Answer: 200, the header ``smithy-protocol``, and a CBOR map; an empty body where the operation has no output
shape. Timestamps stand under tag 1, blobs are byte strings. An error is a CBOR map with ``__type`` and the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pegbox.errors import SerializationException
from pegbox.wire.http import Request, Response
from pegbox.wire.model import Operation, Ref, ServiceModel, Shape, float32
from pegbox.wire.protocols import cbor, timestamps
from pegbox.wire.protocols.decoder import Decoded, Decoder
from pegbox.wire.protocols.encoder import Encoder
from pegbox.wire.protocols.faults import Fault


class RpcV2Cbor:
    """The protocol.

    Attributes:
        name: ``smithy-rpc-v2-cbor``, as in service models.
    """

    name = "smithy-rpc-v2-cbor"

    def decode(self, request: Request, model: ServiceModel, operation: Operation) -> Decoded:
        """Read the parameters of a request.

        Raises:
            SerializationException: The body is not a CBOR map, or a value has the wrong type.
        """
        tree: Any = {}
        if request.body:
            try:
                tree = cbor.loads(request.body)
            except ValueError as error:
                raise SerializationException(f"The body is not a CBOR map: {error}") from None
        return _CborDecoder().decode(tree, operation.input)

    def respond(
        self, result: Mapping[str, Any], model: ServiceModel, operation: Operation, request_id: str
    ) -> Response:
        """Write the answer of an operation.

        Raises:
            InternalFailure: The result does not fit the operation's output shape.
        """
        if operation.output is None:
            return Response(200, _headers(request_id), b"")
        body = cbor.dumps(_CborEncoder().encode(result, operation.output))
        return Response(200, (*_headers(request_id), ("content-type", "application/cbor")), body)

    def respond_fault(self, fault: Fault, model: ServiceModel | None, request_id: str) -> Response:
        """Write an error."""
        headers = (*_headers(request_id), ("content-type", "application/cbor"))
        if fault.query_compatible:
            headers += (("x-amzn-query-error", f"{fault.query_code};{fault.party}"),)
        body = cbor.dumps({"__type": fault.code, fault.message_member: fault.message})
        return Response(fault.status, headers, body)


def _headers(request_id: str) -> tuple[tuple[str, str], ...]:
    return (("smithy-protocol", "rpc-v2-cbor"), ("x-amzn-requestid", request_id))


class _CborDecoder(Decoder):
    def blob(self, tree: Any, shape: Shape, path: str) -> bytes:
        if not isinstance(tree, bytes):
            self.wrong(path, "bytes", tree)
            return b""
        return tree


class _CborEncoder(Encoder):
    def timestamp(self, moment: datetime, ref: Ref) -> Any:
        return cbor.Epoch(timestamps.to_epoch(moment))

    def number(self, value: float, shape: Shape) -> Any:
        return cbor.Single(float32(value)) if shape.type == "float" else float(value)

    def blob(self, value: bytes) -> Any:
        return value
