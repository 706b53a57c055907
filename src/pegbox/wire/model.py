"""Service models: what AWS's published descriptions say about the operations that are served.

A :class:`ServiceModel` holds the shapes that the served operations can reach, and the names of all operations of
the service. It is read from botocore's ``service-2`` data by :mod:`pegbox.wire.modelfile`; here are only the
types, and how a description becomes linked shapes.

::

    ServiceModel ── operations ──> Operation ── input, output, errors ──> Shape
                                                                            │ members, member, key, value
                                                                            └──> Ref ── shape ──> Shape

A :class:`Ref` is the use of a shape at one place; its wire name and flattening belong to the place, the
constraints belong to the shape.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any


class Shape:
    """A type of the service model with its constraints.

    Attributes:
        name: Name in the service model.
        type: One of structure, list, map, string, integer, long, float, double, boolean, timestamp, blob.
        members: Of a structure: member name -> use of the member's shape.
        required: Of a structure: names that must be present.
        member: Of a list: use of the element's shape.
        key: Of a map: use of the key's shape.
        value: Of a map: use of the value's shape.
        minimum: Least length, size or value, or None.
        maximum: Greatest length, size or value, or None.
        pattern: Regular expression that the whole string must match, or None.
        enum: Values that a string may take; empty for any.
        sensitive: Whether values must not be shown.
        union: Whether exactly one member of the structure is to be set.
        document: Whether any JSON value is meant.
        exception: Whether this structure is an error.
        fault: Whether the error is the server's.
        error_code: Of an error: its code in the query protocol.
        error_status: Of an error: its HTTP status, or None.
    """

    __slots__ = (
        "document",
        "enum",
        "error_code",
        "error_status",
        "exception",
        "fault",
        "flattened",
        "key",
        "maximum",
        "member",
        "members",
        "minimum",
        "name",
        "pattern",
        "required",
        "sensitive",
        "timestamp_format",
        "type",
        "union",
        "value",
    )

    def __init__(self, name: str, data: Mapping[str, Any]) -> None:
        error = data.get("error", {})
        self.name = name
        self.type: str = data["type"]
        self.members: dict[str, Ref] = {}
        self.required: tuple[str, ...] = tuple(data.get("required", ()))
        self.member: Ref | None = None
        self.key: Ref | None = None
        self.value: Ref | None = None
        self.minimum: float | None = data.get("min")
        self.maximum: float | None = data.get("max")
        self.pattern: str | None = data.get("pattern")
        self.enum: tuple[str, ...] = tuple(data.get("enum", ()))
        self.sensitive: bool = data.get("sensitive", False)
        self.union: bool = data.get("union", False)
        self.document: bool = data.get("document", False)
        self.flattened: bool = data.get("flattened", False)
        self.timestamp_format: str | None = data.get("timestampFormat")
        self.exception: bool = data.get("exception", False)
        self.fault: bool = data.get("fault", False)
        self.error_code: str = error.get("code", name)
        self.error_status: int | None = error.get("httpStatusCode")

    def __repr__(self) -> str:
        return f"Shape({self.name}: {self.type})"

    @property
    def message_member(self) -> str:
        """Of an error: the name under which its text travels, ``message`` where the model names none."""
        return next((name for name in self.members if name.lower() == "message"), "message")


class Ref:
    """The use of a shape at one place.

    Attributes:
        shape: What is used.
        wire_name: Its name on the wire where that differs from the member's, or None.
        flattened: Whether a list or map is written without a wrapping element.
        timestamp_format: ``iso8601``, ``rfc822``, ``unixTimestamp`` or None for the protocol's default.
    """

    __slots__ = ("flattened", "shape", "timestamp_format", "wire_name")

    def __init__(self, shape: Shape, data: Mapping[str, Any]) -> None:
        self.shape = shape
        self.wire_name: str | None = data.get("locationName")
        self.flattened: bool = data.get("flattened", shape.flattened)
        self.timestamp_format: str | None = data.get("timestampFormat", shape.timestamp_format)

    def __repr__(self) -> str:
        return f"Ref({self.shape!r})"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a service.

    Attributes:
        name: As in the service model.
        input: Shape of the request, or None.
        output: Shape of the answer; None for operations that answer with an empty body.
        errors: Names of the errors that the model lists.
        result_wrapper: Element around the answer in the query protocol, or None.
    """

    name: str
    input: Shape | None
    output: Shape | None
    errors: tuple[str, ...]
    result_wrapper: str | None


@dataclass(frozen=True, slots=True)
class ServiceModel:
    """The served part of one AWS service.

    Attributes:
        name: botocore's name of the service.
        api_version: For example ``2017-07-24``.
        protocols: Protocols that clients may speak, the newest first.
        json_version: ``1.0`` or ``1.1``, or None.
        target_prefix: What stands before the dot in ``X-Amz-Target``, or None.
        signing_name: Service name in a signature's credential scope.
        xml_namespace: Namespace of XML answers.
        query_compatible: Whether errors carry their code of the query protocol in other protocols too.
        operations: Operations served, by name.
        known_operations: Names of all operations that AWS documents.
        undescribed: Operations to be served that the installed botocore is too old to describe.
        exceptions: All errors of the service by shape name.
    """

    name: str
    api_version: str
    protocols: tuple[str, ...]
    json_version: str | None
    target_prefix: str | None
    signing_name: str
    xml_namespace: str
    query_compatible: bool
    operations: Mapping[str, Operation]
    known_operations: frozenset[str]
    undescribed: frozenset[str]
    exceptions: Mapping[str, Shape] = field(repr=False)

    def exception(self, code: str) -> Shape | None:
        """The error shape for ``code``, which may be a shape name or a code of the query protocol."""
        found = self.exceptions.get(code)
        if found is not None:
            return found
        return next((shape for shape in self.exceptions.values() if shape.error_code == code), None)


def prune(data: Mapping[str, Any], operations: Collection[str]) -> dict[str, Any]:
    """Cut a service description down to what some operations can reach.

    Args:
        data: A whole ``service-2`` document.
        operations: Names of the operations to keep.

    Returns:
        A document of the same form without documentation, with only the shapes that the operations or any error
        of the service reach; with ``knownOperations``, the names of all operations, and ``undescribed``, those
        wanted that are not there.
    """
    wanted = sorted(set(operations) & set(data["operations"]))
    shapes = data["shapes"]
    roots = [name for name, shape in shapes.items() if shape.get("exception")]
    for name in wanted:
        operation = data["operations"][name]
        roots += [operation[side]["shape"] for side in ("input", "output") if side in operation]
    kept: dict[str, Any] = {}
    while roots:
        name = roots.pop()
        if name not in kept:
            kept[name] = _without_prose(shapes[name])
            roots += [ref["shape"] for ref in _refs(kept[name])]
    return {
        "metadata": dict(data["metadata"]),
        "operations": {name: _without_prose(data["operations"][name]) for name in wanted},
        "shapes": {name: kept[name] for name in sorted(kept)},
        "knownOperations": sorted(data["operations"]),
        "undescribed": sorted(set(operations) - set(wanted)),
    }


def build(
    name: str,
    data: Mapping[str, Any],
    *,
    defaults: Mapping[str, Any] | None = None,
    changes: Mapping[str, Mapping[str, Any]] | None = None,
) -> ServiceModel:
    """Make a service model from a pruned description.

    Args:
        name: botocore's name of the service.
        data: What :func:`prune` returned.
        defaults: Metadata that the description may lack.
        changes: Shape name -> constraints that replace the described ones (``min``, ``max``, ``pattern``;
            an ``enum`` is added to the described one); shapes that are not there are passed over.

    Returns:
        The model, all its shapes linked.
    """
    metadata = {**(defaults or {}), **data["metadata"]}
    if defaults and "protocols" in defaults:
        metadata["protocols"] = list(dict.fromkeys([*metadata["protocols"], *defaults["protocols"]]))
    changed = changes or {}
    raw = {key: _changed(shape, changed.get(key, {})) for key, shape in data["shapes"].items()}
    shapes = {key: Shape(key, shape) for key, shape in raw.items()}
    for key, shape in shapes.items():
        _link(shape, raw[key], shapes)
    return ServiceModel(
        name=name,
        api_version=metadata["apiVersion"],
        protocols=tuple(metadata.get("protocols") or (metadata["protocol"],)),
        json_version=metadata.get("jsonVersion"),
        target_prefix=metadata.get("targetPrefix"),
        signing_name=metadata.get("signingName", metadata["endpointPrefix"]),
        xml_namespace=metadata.get("xmlNamespace", ""),
        query_compatible="awsQueryCompatible" in metadata,
        operations={key: _operation(key, value, shapes) for key, value in data["operations"].items()},
        known_operations=frozenset(data["knownOperations"]),
        undescribed=frozenset(data["undescribed"]),
        exceptions={key: shape for key, shape in shapes.items() if shape.exception},
    )


def float32(value: float) -> float:
    """The nearest single-precision number, as the service keeps what its model calls ``float``.

    Args:
        value: Any number; beyond single precision it becomes infinite, NaN stays NaN.
    """
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _operation(name: str, data: Mapping[str, Any], shapes: Mapping[str, Shape]) -> Operation:
    output = data.get("output", {})
    return Operation(
        name=name,
        input=shapes[data["input"]["shape"]] if "input" in data else None,
        output=shapes[output["shape"]] if output else None,
        errors=tuple(error["shape"] for error in data.get("errors", ())),
        result_wrapper=output.get("resultWrapper"),
    )


def _changed(shape: Mapping[str, Any], change: Mapping[str, Any]) -> Mapping[str, Any]:
    if not change:
        return shape
    changed = {**shape, **change}
    if "enum" in change:
        changed["enum"] = [*shape.get("enum", ()), *change["enum"]] if change["enum"] else []
    return changed


def _link(shape: Shape, data: Mapping[str, Any], shapes: Mapping[str, Shape]) -> None:
    for name, ref in data.get("members", {}).items():
        shape.members[name] = Ref(shapes[ref["shape"]], ref)
    for side in ("member", "key", "value"):
        if side in data:
            setattr(shape, side, Ref(shapes[data[side]["shape"]], data[side]))


def _refs(shape: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    refs = list(shape.get("members", {}).values())
    return refs + [shape[side] for side in ("member", "key", "value") if side in shape]


_PROSE = frozenset(
    {"documentation", "documentationUrl", "deprecated", "deprecatedMessage", "deprecatedSince"}
)


def _without_prose(data: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what only people read, in a shape or operation and in its members."""
    kept = {key: value for key, value in data.items() if key not in _PROSE}
    if "members" in kept:
        kept["members"] = {
            name: {key: value for key, value in ref.items() if key not in _PROSE}
            for name, ref in kept["members"].items()
        }
    for side in ("member", "key", "value"):
        if side in kept:
            kept[side] = {key: value for key, value in kept[side].items() if key not in _PROSE}
    return kept
