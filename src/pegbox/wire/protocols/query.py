"""The query protocol: form fields in, XML out. Spoken by older clients of monitoring (and by iam and sts).

Request, as a form body or as a query string::

    Action=ListMetrics&Version=2010-08-01&Dimensions.member.1.Name=TrainingJobName&Dimensions.member.1.Value=a

A list's elements are numbered from 1 under ``member`` (or the name that the model gives), a map's entries under
``entry`` with ``key`` and ``value``; flattened ones lack the word between. An empty list is a field without value.

Answer::

    <ListMetricsResponse xmlns="...">
      <ListMetricsResult> ... </ListMetricsResult>
      <ResponseMetadata><RequestId>...</RequestId></ResponseMetadata>
    </ListMetricsResponse>

Error::

    <ErrorResponse xmlns="...">
      <Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>...</Message></Error>
      <RequestId>...</RequestId>
    </ErrorResponse>

Timestamps are ISO 8601, blobs base64 text. Characters that XML cannot carry become U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from pegbox.errors import SerializationException
from pegbox.wire.http import Request, Response
from pegbox.wire.model import Operation, Ref, ServiceModel, Shape
from pegbox.wire.protocols import timestamps
from pegbox.wire.protocols.decoder import Decoded, Decoder, element_path, member_path, shown
from pegbox.wire.protocols.encoder import Encoder
from pegbox.wire.protocols.faults import Fault

_MAX_FIELDS = 20_000
_MAX_DEPTH = 32
_INDEX = re.compile(r"[1-9][0-9]{0,8}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

#: A field's path cut at the dots: a text, or fields below it.
Tree = dict[str, Any]


class Query:
    """The protocol.

    Attributes:
        name: ``query``, as in service models.
    """

    name = "query"

    def decode(self, request: Request, model: ServiceModel, operation: Operation) -> Decoded:
        """Read the parameters of a request.

        Raises:
            SerializationException: The form cannot be read, or a value has the wrong type.
        """
        skipped = ("action", "version")
        fields = form_fields(request)
        kept = {
            name: value
            for name, value in fields.items()
            if name.lower() not in skipped and not name.lower().startswith("x-amz-")
        }
        return _QueryDecoder().decode(_tree(kept), operation.input)

    def respond(
        self, result: Mapping[str, Any], model: ServiceModel, operation: Operation, request_id: str
    ) -> Response:
        """Write the answer of an operation.

        Raises:
            InternalFailure: The result does not fit the operation's output shape.
        """
        out = [f'<{operation.name}Response xmlns="{_escape(model.xml_namespace)}">']
        if operation.output is not None:
            tree = _XmlEncoder().encode(result, operation.output)
            wrapper = operation.result_wrapper or f"{operation.name}Result"
            out.append(f"<{wrapper}>")
            _write_members(out, tree, operation.output)
            out.append(f"</{wrapper}>")
        out.append(f"<ResponseMetadata><RequestId>{_escape(request_id)}</RequestId></ResponseMetadata>")
        out.append(f"</{operation.name}Response>")
        return _response(200, out, request_id)

    def respond_fault(self, fault: Fault, model: ServiceModel | None, request_id: str) -> Response:
        """Write an error."""
        namespace = f' xmlns="{_escape(model.xml_namespace)}"' if model else ""
        error = (
            f"<Error><Type>{fault.party}</Type><Code>{_escape(fault.query_code)}</Code>"
            f"<Message>{_escape(fault.message)}</Message></Error>"
        )
        text = (
            f"<ErrorResponse{namespace}>{error}<RequestId>{_escape(request_id)}</RequestId></ErrorResponse>"
        )
        return _response(fault.status, [text], request_id)


def form_fields(request: Request) -> dict[str, str]:
    """The fields of a request: those of its query string and, of a form, those of its body.

    Raises:
        SerializationException: They are not UTF-8, there are too many, or one is there twice.
    """
    content_type = (request.header("content-type") or "").partition(";")[0].strip().lower()
    body = request.body if content_type == "application/x-www-form-urlencoded" else b""
    fields: dict[str, str] = {}
    try:
        for text in (request.query, body.decode("utf-8")):
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
            for name, value in pairs:
                if name in fields:
                    raise SerializationException(f"The field '{shown(name)}' is there twice")
                fields[name] = value
    except ValueError as error:
        raise SerializationException(f"The form cannot be read: {error}") from None
    return fields


def _tree(fields: Mapping[str, str]) -> Tree:
    root: Tree = {}
    for name, value in fields.items():
        *above, last = name.split(".")
        if len(above) >= _MAX_DEPTH:
            raise SerializationException(f"The field '{shown(name)}' is nested too deeply")
        node: Any = root
        for part in above:
            node = node.setdefault(part, {})
            if not isinstance(node, dict):
                break
        if not isinstance(node, dict) or last in node:
            raise SerializationException(f"The field '{shown(name)}' is both a value and a structure")
        node[last] = value
    return root


class _QueryDecoder(Decoder):
    def wire_name(self, name: str, ref: Ref) -> str:
        if ref.shape.type == "list" and ref.flattened and ref.shape.member is not None:
            return ref.shape.member.wire_name or ref.wire_name or name
        return ref.wire_name or name

    def list_(self, tree: Any, ref: Ref, path: str) -> list[Any]:
        element = ref.shape.member
        if tree == "" or element is None:
            return []
        numbered = tree if ref.flattened else self._only(tree, element.wire_name or "member", path)
        return [
            self.value(item, element, element_path(path, i))
            for i, item in enumerate(self._in_order(numbered, path))
        ]

    def map_(self, tree: Any, ref: Ref, path: str) -> dict[str, Any]:
        key, value = ref.shape.key, ref.shape.value
        if tree == "" or key is None or value is None:
            return {}
        numbered = tree if ref.flattened else self._only(tree, "entry", path)
        decoded: dict[str, Any] = {}
        for entry in self._in_order(numbered, path):
            names = (key.wire_name or "key", value.wire_name or "value")
            if not isinstance(entry, dict) or set(entry) != set(names):
                self.wrong(path, f"entries with {names[0]} and {names[1]}", entry)
                continue
            name = self.string(entry[names[0]], key.shape, f"{path}.key")
            decoded[name] = self.value(entry[names[1]], value, f"{path}.{shown(name)}.value")
        return decoded

    def integer(self, tree: Any, shape: Shape, path: str) -> int:
        if isinstance(tree, str) and _INTEGER.fullmatch(tree):
            return super().integer(int(tree), shape, path)
        self.wrong(path, "an integer", tree)
        return 0

    def number(self, tree: Any, shape: Shape, path: str) -> float:
        if isinstance(tree, str) and tree not in ("NaN", "Infinity", "-Infinity"):
            try:
                number = float(tree) if not {"n", "_"} & set(tree.lower()) else None
            except ValueError:
                number = None
            # A literal beyond the range is no infinity.
            return super().number(tree if number is None else _finite(number), shape, path)
        return super().number(tree, shape, path)

    def boolean(self, tree: Any, shape: Shape, path: str) -> bool:
        return super().boolean(
            {"true": True, "false": False}.get(tree, tree) if isinstance(tree, str) else tree, shape, path
        )

    def _only(self, tree: Any, name: str, path: str) -> Any:
        if not isinstance(tree, dict):
            self.wrong(path, "a list", tree)
            return {}
        for other in tree:
            if other != name:
                self.problem(f"'{member_path(path, shown(other))}' is not an element of a list")
        return tree.get(name, {})

    def _in_order(self, numbered: Any, path: str) -> Iterable[Any]:
        if not isinstance(numbered, dict):
            self.wrong(path, "a list", numbered)
            return []
        indexes = [index for index in numbered if _INDEX.fullmatch(index)]
        if len(indexes) != len(numbered):
            self.problem(f"'{path}' has elements that are not numbered from 1")
        return [numbered[index] for index in sorted(indexes, key=int)]


def _finite(number: float) -> float | int:
    return number if number - number == 0 else 10**400


class _XmlEncoder(Encoder):
    def timestamp(self, moment: datetime, ref: Ref) -> Any:
        if (ref.timestamp_format or "").lower() == "unixtimestamp":
            return timestamps.to_epoch(moment)
        return timestamps.to_iso(moment)


def _write_members(out: list[str], tree: Mapping[str, Any], shape: Shape) -> None:
    for name, ref in shape.members.items():
        wire_name = ref.wire_name or name
        if wire_name in tree:
            _write(out, wire_name, tree[wire_name], ref)


def _write(out: list[str], name: str, tree: Any, ref: Ref) -> None:
    shape = ref.shape
    if shape.type == "list" and shape.member is not None:
        element = shape.member
        if not ref.flattened:
            out.append(f"<{name}>")
        for item in tree:
            _write(out, element.wire_name or (name if ref.flattened else "member"), item, element)
        if not ref.flattened:
            out.append(f"</{name}>")
    elif shape.type == "map" and shape.key is not None and shape.value is not None:
        if not ref.flattened:
            out.append(f"<{name}>")
        for key, item in tree.items():
            out.append(f"<{name if ref.flattened else 'entry'}>")
            _write(out, shape.key.wire_name or "key", key, shape.key)
            _write(out, shape.value.wire_name or "value", item, shape.value)
            out.append(f"</{name if ref.flattened else 'entry'}>")
        if not ref.flattened:
            out.append(f"</{name}>")
    elif shape.type == "structure":
        out.append(f"<{name}>")
        _write_members(out, tree, shape)
        out.append(f"</{name}>")
    else:
        text = str(tree).lower() if isinstance(tree, bool) else str(tree)
        out.append(f"<{name}>{_escape(text)}</{name}>")


def _escape(text: str) -> str:
    text = _NOT_XML.sub("\ufffd", text)
    for character, reference in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("\r", "&#13;"),
    ):
        text = text.replace(character, reference)
    return text


def _response(status: int, out: list[str], request_id: str) -> Response:
    headers = (("content-type", "text/xml"), ("x-amzn-requestid", request_id))
    return Response(status, headers, "".join(out).encode("utf-8"))
