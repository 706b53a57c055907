"""How an error is named to a client: by its shape, by its older query code, and whose fault it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pegbox.errors import ApiError
from pegbox.wire.model import Operation, ServiceModel

#: Codes of errors that no service models, as the query protocol spells them.
_QUERY_CODES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "AccessDenied",
    "IncompleteSignatureException": "IncompleteSignature",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "SerializationException": "MalformedInput",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
    "ValidationException": "ValidationError",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the protocols write it.

    Attributes:
        code: Name of the error in the JSON and CBOR protocols.
        query_code: Its code in the query protocol.
        message: The text for people.
        message_member: The name under which the text travels.
        status: HTTP status.
        query_compatible: Whether the query code is told in other protocols too.
    """

    code: str
    query_code: str
    message: str
    message_member: str
    status: int
    query_compatible: bool

    @property
    def party(self) -> str:
        """``Sender`` for a client's mistake, ``Receiver`` for the server's."""
        return "Sender" if self.status < 500 else "Receiver"


def describe(error: ApiError, model: ServiceModel | None, operation: Operation | None) -> Fault:
    """Find out how a service calls an error.

    A :class:`~pegbox.errors.ValidationException` becomes ``InvalidParameterException`` where that is the
    operation's own name for it (the logs service). A modelled HTTP status wins over the error's.

    Args:
        error: What happened.
        model: The service, or None if the request named none that is served.
        operation: The operation, or None.
    """
    code = error.code
    # The text may quote what a client sent, lone surrogates included; no protocol can carry those.
    message = error.message.encode("utf-8", "replace").decode("utf-8")
    if code == "ValidationException" and operation and "InvalidParameterException" in operation.errors:
        code = "InvalidParameterException"
    shape = model.exception(code) if model else None
    compatible = model is not None and model.query_compatible
    if shape is None:
        query_code = _QUERY_CODES.get(code, code)
        return Fault(code, query_code, message, "message", error.status, compatible)
    status = shape.error_status or error.status
    return Fault(shape.name, shape.error_code, message, shape.message_member, status, compatible)
