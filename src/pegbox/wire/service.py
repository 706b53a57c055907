"""The front of the room: which service, operation and protocol a request speaks, and how to answer it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pegbox.errors import ApiError, NotImplementedHere, SerializationException, UnknownOperationException
from pegbox.wire.http import Request, Response
from pegbox.wire.model import Operation, ServiceModel
from pegbox.wire.modelfile import load_models
from pegbox.wire.protocols import AwsJson, Query, RpcV2Cbor, WireProtocol
from pegbox.wire.protocols.decoder import shown
from pegbox.wire.protocols.faults import describe
from pegbox.wire.protocols.query import form_fields
from pegbox.wire.served import SERVED
from pegbox.wire.validation import validate

_JSON = {"1.0": AwsJson("1.0"), "1.1": AwsJson("1.1")}
_QUERY = Query()
_CBOR = RpcV2Cbor()
_CBOR_PATH = re.compile(r"/service/([A-Za-z0-9_.]+)/operation/([A-Za-z0-9_]+)")
_NAME = re.compile(r"[A-Za-z0-9_]{1,128}")


class Call:
    """One request, recognised: whom it speaks to, and how to answer it.

    Attributes:
        service: botocore's name of the service; None if the request names none that is served.
        operation: Name of the operation as the client gave it; None if it gave none.
        protocol: How the client speaks and is answered.
    """

    __slots__ = ("_model", "_refusal", "_request", "operation", "protocol")

    def __init__(
        self,
        request: Request,
        protocol: WireProtocol,
        model: ServiceModel | None,
        operation: str | None,
        refusal: ApiError | None = None,
    ) -> None:
        self._request = request
        self._model = model
        self._refusal = refusal
        self.protocol = protocol
        self.operation = operation

    @property
    def service(self) -> str | None:
        """botocore's name of the service, or None."""
        return self._model.name if self._model else None

    @property
    def signing_name(self) -> str | None:
        """The service name that the signature's credential scope must have; None if no service is known."""
        return self._model.signing_name if self._model else None

    def params(self) -> dict[str, Any]:
        """Read and check the parameters. Meant to be called after the signature was verified.

        Returns:
            Members by name: dict, list, str, int, float, bool, bytes, aware datetime. Absent ones are absent.

        Raises:
            UnknownOperationException: AWS has no such operation.
            NotImplementedHere: AWS has it, this version does not.
            SerializationException: The body is not what the protocol says, or a value has the wrong type.
            ValidationException: A constraint of the service model is broken; all are named.
        """
        model, operation = self._resolve()
        decoded = self.protocol.decode(self._request, model, operation)
        validate(decoded, operation.input)
        return decoded.params

    def respond(self, result: Mapping[str, Any] | None, request_id: str) -> Response:
        """Write the answer.

        Args:
            result: Members of the operation's output by name; None and members that are None are left out.
            request_id: Told to the client, to be found in the log.

        Raises:
            InternalFailure: The result does not fit the operation's output.
        """
        model, operation = self._resolve()
        return self.protocol.respond(result or {}, model, operation, request_id)

    def respond_error(self, error: ApiError, request_id: str) -> Response:
        """Write an error, in the client's protocol and under the service's own name for it."""
        operation = self._model.operations.get(self.operation or "") if self._model else None
        fault = describe(error, self._model, operation)
        return self.protocol.respond_fault(fault, self._model, request_id)

    def _resolve(self) -> tuple[ServiceModel, Operation]:
        if self._refusal is not None:
            raise self._refusal
        if self._model is None:
            raise UnknownOperationException(
                "The request names no service of this server. It is told by X-Amz-Target, by a path "
                "/service/.../operation/..., or by the fields Action and Version."
            )
        name = self.operation or ""
        operation = self._model.operations.get(name)
        if operation is not None:
            return self._model, operation
        if name in self._model.undescribed:
            raise NotImplementedHere(
                f"{name} is served, but the botocore that the server runs with is too old to describe it. "
                "Update botocore in the server's environment."
            )
        if name in self._model.known_operations:
            raise NotImplementedHere(
                f"{name} exists at AWS but not in this version of Pegbox. Available for {self._model.name}: "
                f"{', '.join(sorted(self._model.operations))}."
            )
        raise UnknownOperationException(f"The service {self._model.name} has no operation '{name}'.")


class Service:
    """Everything that is served behind one address, over all its services and protocols."""

    def __init__(self, models: Mapping[str, ServiceModel]) -> None:
        """Serve some models.

        Args:
            models: As :func:`pegbox.wire.modelfile.load_models` gives them.
        """
        self.models = dict(models)
        self._by_prefix = {m.target_prefix: m for m in models.values() if m.target_prefix}
        self._by_version = {m.api_version: m for m in models.values() if "query" in m.protocols}

    @classmethod
    def load(
        cls,
        served: Mapping[str, Iterable[str]] = SERVED,
        *,
        cache: Path | None = None,
        mode: str = "extended",
    ) -> Service:
        """Load the models of some operations and serve them; arguments as of ``load_models``."""
        return cls(load_models(served, cache=cache, mode=mode))

    @property
    def signing_names(self) -> frozenset[str]:
        """Service names that a signature's credential scope may have."""
        return frozenset(model.signing_name for model in self.models.values())

    def open(self, request: Request) -> Call:
        """Recognise a request. Never raises: what is wrong with it is told by ``Call.params``.

        A path of the CBOR protocol is looked at first, then ``X-Amz-Target``, then the fields of a form.
        """
        path = _CBOR_PATH.fullmatch(request.path)
        if path is not None or request.header("smithy-protocol") is not None:
            return self._open_cbor(request, path)
        target = request.header("x-amz-target")
        if target is not None:
            return self._open_json(request, target)
        return self._open_query(request)

    def parse(self, method: str, target: str, headers: Iterable[tuple[str, str]], body: bytes) -> Call:
        """Recognise a request given in parts; see :meth:`open`."""
        return self.open(Request.of(method, target, headers, body))

    def _open_cbor(self, request: Request, path: re.Match[str] | None) -> Call:
        model = self._by_prefix.get(path.group(1)) if path else None
        operation = path.group(2) if path else None
        refusal: ApiError | None = None
        if model is not None and _CBOR.name not in model.protocols:
            refusal = UnknownOperationException(f"The service {model.name} does not speak {_CBOR.name}.")
        elif request.header("smithy-protocol") != "rpc-v2-cbor":
            refusal = SerializationException("This path needs the header smithy-protocol: rpc-v2-cbor.")
        elif request.body and _content_type(request) != "application/cbor":
            refusal = SerializationException("The content type must be application/cbor.")
        return Call(request, _CBOR, model, operation, refusal or _only_post(request))

    def _open_json(self, request: Request, target: str) -> Call:
        prefix, _, name = target.partition(".")
        content_type = _content_type(request)
        version = content_type.removeprefix("application/x-amz-json-")
        model = self._by_prefix.get(prefix)
        protocol = _JSON.get(version) or _JSON[model.json_version if model and model.json_version else "1.1"]
        refusal: ApiError | None = None
        if version not in _JSON:
            refusal = SerializationException(
                f"The content type must be {protocol.content_type}, not '{shown(content_type)}'."
            )
        elif model is not None and protocol.name not in model.protocols:
            refusal = UnknownOperationException(f"The service {model.name} does not speak AWS JSON.")
        operation = name if _NAME.fullmatch(name) else None
        return Call(request, protocol, model, operation, refusal or _only_post(request))

    def _open_query(self, request: Request) -> Call:
        try:
            fields = form_fields(request)
        except SerializationException as error:
            return Call(request, _QUERY, None, None, error)
        action = fields.get("Action")
        if action is None:
            return Call(request, _JSON["1.1"], None, None)
        model = self._by_version.get(fields.get("Version", ""))
        refusal = None if request.method == "GET" else _only_post(request)
        return Call(request, _QUERY, model, action if _NAME.fullmatch(action) else None, refusal)


def _content_type(request: Request) -> str:
    return (request.header("content-type") or "").partition(";")[0].strip().lower()


def _only_post(request: Request) -> ApiError | None:
    if request.method == "POST":
        return None
    return UnknownOperationException("This protocol is spoken with POST.", status=405)
