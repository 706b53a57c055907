"""Routing snapshots: what the server says about endpoints, read from ``gateway/routes.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pegbox.errors import PegboxError


class SnapshotError(PegboxError):
    """A snapshot that is not in the agreed form; the gateway keeps the one it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRoute:
    """One model server: its row id, where it answers, where its log is."""

    id: int
    #: ``unix:/path`` or ``http://127.0.0.1:PORT``.
    address: str
    log_stream_arn: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantRoute:
    """A production variant and its instances that are ready."""

    name: str
    weight: float
    #: ``LEAST_OUTSTANDING_REQUESTS`` or ``RANDOM``.
    routing: str
    timeout_seconds: float
    max_payload_bytes: int
    instances: tuple[InstanceRoute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureTarget:
    """What is captured, and where it goes."""

    sampling: int
    input: bool
    output: bool
    destination: str
    #: Local folder of the destination.
    path: str
    csv_types: frozenset[str]
    json_types: frozenset[str]
    #: Name of the master key that seals it; None where it lies in the clear.
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AsyncTarget:
    """Where results of asynchronous invocations go; paths are the local folders of the addresses."""

    output_uri: str
    output_path: str
    failure_uri: str | None
    failure_path: str | None
    #: Invocations that an instance is sent at a time.
    max_concurrent: int
    #: Name of the master key that seals what waits and what is answered; None where it lies in the clear.
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointRoute:
    """An endpoint as the gateway needs to know it."""

    name: str
    id: int
    arn: str
    status: str
    variants: tuple[VariantRoute, ...]
    capture: CaptureTarget | None = None
    asynchronous: AsyncTarget | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """All endpoints at one moment."""

    version: int
    region: str
    account: str
    endpoints: Mapping[str, EndpointRoute] = field(default_factory=dict)


#: What holds before the first snapshot.
NOTHING = Snapshot(version=0, region="us-east-1", account="000000000000")


def parse_snapshot(text: bytes) -> Snapshot:
    """Return the snapshot in a file.

    Raises:
        SnapshotError: The file does not hold one.
    """
    try:
        data = json.loads(text)
        return Snapshot(
            version=int(data["version"]),
            region=str(data["region"]),
            account=str(data["account"]),
            endpoints={name: _endpoint(name, item) for name, item in data["endpoints"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SnapshotError(f"this is no routing snapshot: {type(error).__name__}: {error}") from error


def _endpoint(name: str, data: Mapping[str, Any]) -> EndpointRoute:
    capture = data.get("capture")
    asynchronous = data.get("async")
    return EndpointRoute(
        name=name,
        id=int(data["id"]),
        arn=str(data["arn"]),
        status=str(data["status"]),
        variants=tuple(_variant(item) for item in data["variants"]),
        capture=_capture(capture) if capture else None,
        asynchronous=_asynchronous(asynchronous)
        if asynchronous and asynchronous.get("output_path")
        else None,
    )


def _variant(data: Mapping[str, Any]) -> VariantRoute:
    return VariantRoute(
        name=str(data["name"]),
        weight=float(data["weight"]),
        routing=str(data.get("routing") or "LEAST_OUTSTANDING_REQUESTS"),
        timeout_seconds=float(data.get("timeout_seconds") or 60),
        max_payload_bytes=int(data["max_payload_bytes"]),
        instances=tuple(
            InstanceRoute(
                id=int(item["id"]),
                address=_address(str(item["address"])),
                log_stream_arn=str(item.get("log_stream_arn") or ""),
            )
            for item in data["instances"]
        ),
    )


def _address(text: str) -> str:
    if text.startswith(("unix:/", "http://")):
        return text
    raise ValueError(f"address {text!r} begins neither with unix:/ nor with http://")


def _capture(data: Mapping[str, Any]) -> CaptureTarget:
    return CaptureTarget(
        sampling=int(data["sampling"]),
        input=bool(data["input"]),
        output=bool(data["output"]),
        destination=str(data["destination"]),
        path=str(data["path"]),
        csv_types=frozenset(str(item).lower() for item in data.get("csv_types") or ()),
        json_types=frozenset(str(item).lower() for item in data.get("json_types") or ()),
        key=str(data["key"]) if data.get("key") else None,
    )


def _asynchronous(data: Mapping[str, Any]) -> AsyncTarget:
    failure = data.get("failure_uri")
    return AsyncTarget(
        output_uri=str(data["output_uri"]),
        output_path=str(data["output_path"]),
        failure_uri=str(failure) if failure else None,
        failure_path=str(data["failure_path"]) if failure else None,
        max_concurrent=max(1, int(data.get("max_concurrent") or 1)),
        key=str(data["key"]) if data.get("key") else None,
    )
