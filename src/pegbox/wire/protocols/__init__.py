"""The AWS protocols, seen from the server: request to parameters, result or error to response.

::

    bytes ──(json, cbor, form)──> tree ──Decoder + Shape──> parameters
    result ──Encoder + Shape──> tree ──(json, cbor, xml)──> bytes

Each protocol is an object with three methods: ``decode(request, model, operation)`` gives the parameters,
``respond(result, model, operation, request_id)`` and ``respond_fault(fault, model, request_id)`` give a
:class:`~pegbox.wire.http.Response`. None of them knows an HTTP library, a socket or a handler.
"""

from __future__ import annotations

from pegbox.wire.protocols.awsjson import AwsJson
from pegbox.wire.protocols.query import Query
from pegbox.wire.protocols.rpcv2cbor import RpcV2Cbor

#: Any of the protocols.
WireProtocol = AwsJson | Query | RpcV2Cbor

__all__ = ["AwsJson", "Query", "RpcV2Cbor", "WireProtocol"]
