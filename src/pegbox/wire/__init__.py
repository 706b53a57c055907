"""AWS protocols without sockets: bytes and headers to plain data and back, signatures, limits and page tokens.

Nothing in here opens a socket, knows an HTTP library, reads a clock or holds state of a job; the time and keys
come in as arguments. Files are read in one place, :mod:`pegbox.wire.modelfile`. A server uses the room so::

    service = Service.load(cache=home / "cache" / "model", mode="extended")
    verifier = Verifier(lambda access_key_id: secret_or_none)

    request = Request.of(method, raw_path_and_query, headers, body)
    call = service.open(request)  # never raises; knows how to answer
    try:
        verifier.verify(request, now, {call.signing_name} if call.signing_name else service.signing_names)
        params = call.params()  # parsed and validated, all problems in one error
        result = handlers[call.service, call.operation](params)
        response = call.respond(result, request_id)  # (status, headers, body)
    except ApiError as error:
        response = call.respond_error(error, request_id)

A client signs with :func:`sign_request` or :func:`presign_url`, over the standard library alone. Names are loaded
on first use, so that a client that only signs does not load the protocols.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegbox.wire.http import Request, Response
    from pegbox.wire.limits import Quotas, quotas
    from pegbox.wire.model import ServiceModel, Shape, float32
    from pegbox.wire.modelfile import load_models
    from pegbox.wire.paging import PageTokens
    from pegbox.wire.served import SERVED
    from pegbox.wire.service import Call, Service
    from pegbox.wire.signing import presign_url, sign_request
    from pegbox.wire.sigv4 import Identity, Verifier
    from pegbox.wire.validation import constraint, message_for

_HOMES = {
    "SERVED": "served",
    "Call": "service",
    "Identity": "sigv4",
    "PageTokens": "paging",
    "Quotas": "limits",
    "Request": "http",
    "Response": "http",
    "Service": "service",
    "ServiceModel": "model",
    "Shape": "model",
    "Verifier": "sigv4",
    "constraint": "validation",
    "float32": "model",
    "load_models": "modelfile",
    "message_for": "validation",
    "presign_url": "signing",
    "quotas": "limits",
    "sign_request": "signing",
}

__all__ = [
    "SERVED",
    "Call",
    "Identity",
    "PageTokens",
    "Quotas",
    "Request",
    "Response",
    "Service",
    "ServiceModel",
    "Shape",
    "Verifier",
    "constraint",
    "float32",
    "load_models",
    "message_for",
    "presign_url",
    "quotas",
    "sign_request",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
