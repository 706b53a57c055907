"""Hostile calls driven by the service model: nearly valid requests with something wrong, and plain rubbish.

Each call is signed or not by whoever sends it; here is only what is inside. No answer to any of them may be of the
5xx class, and none may be a crash.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Any, Final
from urllib.parse import urlencode

from pegbox.testing.samples import Samples
from pegbox.wire.http import Request
from pegbox.wire.model import Operation, Ref, ServiceModel, Shape
from pegbox.wire.protocols import cbor
from pegbox.wire.protocols.timestamps import to_iso

_HOSTILE_TEXTS: Final = (
    "",
    " ",
    "\x00",
    "\ud800",
    "-",
    "a" * 70,
    "a" * 20_000,
    "-a" * 40 + "!",
    "../../etc/passwd",
    "'; DROP TABLE training_jobs; --",
    "%s%n${jndi:ldap://x}",
    "<a&b>\r\n\x07",
    "İ" * 33,
    "🙂" * 40,
    "NaN",
    "1e999",
    "file:///etc/shadow",
    "s3://",
    "arn:aws:sagemaker:us-east-1:000000000000:training-job/",
)
_HOSTILE_NUMBERS: Final = (0, -1, 1, 2**31, -(2**31) - 1, 2**63, 2**64, 10**30, 0.5, -0.0, 1e308, 5e-324)
_HOSTILE_BODIES: Final = (
    b"",
    b"null",
    b"[]",
    b'"a"',
    b"{",
    b"{}x",
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"a":1,"a":2}',
    b"\xff\xfe{}",
    b'{"a":"\\ud800"}',
    b"[" * 100_000,
    b'{"a":' * 5_000,
    b"1" * 10_000,
    b"\xbf\xbf\xbf",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\xa1\x61a\xc1\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00",
    b"Action=ListMetrics&Version=2010-08-01&Dimensions.member.999999999.Name=a",
    b"Action=ListMetrics&Version=2010-08-01&Dimensions=a&Dimensions.member.1=b",
    b"Action=ListMetrics&Version=2010-08-01&" + b"a." * 3_000 + b"=1",
    b"Action=%ff&Version=2010-08-01",
)


@dataclass(frozen=True, slots=True)
class FuzzedCall:
    """One hostile call, unsigned.

    Attributes:
        service: botocore's name of the service it is meant for.
        signing_name: For whoever signs it.
        what: What was done, to find a failure again.
        request: The request; its Host header is that of a local server and may be replaced.
    """

    service: str
    signing_name: str
    what: str
    request: Request


def fuzzed_calls(models: Mapping[str, ServiceModel], seed: int) -> Iterator[FuzzedCall]:
    """Hostile calls without end.

    Args:
        models: The served models, as ``load_models`` gives them.
        seed: The same seed gives the same calls.
    """
    rng = Random(seed)
    pairs = [(model, name) for model in models.values() for name in sorted(model.operations)]
    while True:
        model, name = rng.choice(pairs)
        yield _call(rng, model, model.operations[name])


def spoilt_call(
    rng: Random, model: ServiceModel, operation: Operation, params: Mapping[str, Any]
) -> FuzzedCall:
    """A call that would work, with something wrong in it, or nothing.

    Args:
        rng: Source of choices.
        model: The operation's service.
        operation: The operation.
        params: Parameters that work; they are left as they are.
    """
    return _call(rng, model, operation, dict(params))


def _call(rng: Random, model: ServiceModel, operation: Operation, given: Any = None) -> FuzzedCall:
    protocol = rng.choice(model.protocols)
    what: list[str] = [protocol, operation.name]
    params = given
    if params is None:
        params = Samples(rng, optional=rng.choice((0.1, 0.4, 0.9))).structure(operation.input)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 5))):
        params = _spoil(rng, params, operation.input, what)
    request = _request(rng, protocol, model, operation, params)
    if rng.random() < 0.25:
        request = _spoil_request(rng, request, what)
    return FuzzedCall(model.name, model.signing_name, ", ".join(what), request)


def _spoil(rng: Random, params: Any, shape: Shape | None, what: list[str]) -> Any:
    """Replace, add or drop one value somewhere below a structure."""
    if shape is None or not isinstance(params, dict):
        return params
    spoilt = dict(params)
    choice = rng.random()
    if choice < 0.1:
        name = rng.choice(("Foo", "", "hyperParameterTuningJobName", "\x00", "\ud800", "a" * 5_000))
        spoilt[name] = _rubbish(rng)
        what.append("unknown member")
    elif choice < 0.2 and spoilt:
        name = rng.choice(sorted(spoilt))
        del spoilt[name]
        what.append(f"without {name}")
    elif shape.members:
        name = rng.choice(sorted(shape.members))
        spoilt[name] = _spoilt_value(rng, spoilt.get(name), shape.members[name], what)
        what.append(f"spoilt {name}")
    return spoilt


def _spoilt_value(rng: Random, value: Any, ref: Ref, what: list[str]) -> Any:
    shape = ref.shape
    if rng.random() < 0.25:
        return _rubbish(rng)
    if shape.type == "structure":
        return _spoil(rng, value if isinstance(value, dict) else Samples(rng).structure(shape), shape, what)
    if shape.type == "list" and shape.member is not None:
        items = list(value) if isinstance(value, list) else [Samples(rng).value(shape.member)]
        if rng.random() < 0.2:
            return items[:1] * rng.choice((0, 31, 1_100))
        return [*items, _spoilt_value(rng, None, shape.member, what)]
    if shape.type == "map" and shape.value is not None:
        entries = dict(value) if isinstance(value, dict) else {}
        entries[rng.choice(_HOSTILE_TEXTS)] = _spoilt_value(rng, None, shape.value, what)
        return entries
    return rng.choice(_HOSTILE_TEXTS) if shape.type == "string" else rng.choice(_HOSTILE_NUMBERS)


def _rubbish(rng: Random) -> Any:
    kinds: tuple[Any, ...] = (
        None,
        True,
        rng.choice(_HOSTILE_NUMBERS),
        rng.choice(_HOSTILE_TEXTS),
        [],
        [None],
        {},
        {"": None},
        [[[[]]]],
        {"Name": {"Name": {"Name": 1}}},
    )
    return rng.choice(kinds)


def _request(rng: Random, protocol: str, model: ServiceModel, operation: Operation, params: Any) -> Request:
    host = ("Host", "127.0.0.1")
    if protocol == "smithy-rpc-v2-cbor":
        target = f"/service/{model.target_prefix}/operation/{operation.name}"
        headers = [host, ("Content-Type", "application/cbor"), ("smithy-protocol", "rpc-v2-cbor")]
        return Request.of("POST", target, headers, _cbor_body(params))
    if protocol == "query":
        fields = {"Action": operation.name, "Version": model.api_version, **_form(params)}
        body = urlencode(fields, errors="replace").encode()
        headers = [host, ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")]
        if rng.random() < 0.1 and len(body) < 4_000:
            return Request.of("GET", f"/?{body.decode()}", [host])
        return Request.of("POST", "/", headers, body)
    headers = [
        host,
        ("Content-Type", f"application/x-amz-json-{model.json_version}"),
        ("X-Amz-Target", f"{model.target_prefix}.{operation.name}"),
    ]
    return Request.of("POST", "/", headers, json.dumps(params, default=_json_scalar).encode())


def _spoil_request(rng: Random, request: Request, what: list[str]) -> Request:
    """Damage bytes, headers, method or path."""
    method, path, headers, body = request.method, request.path, list(request.headers), request.body
    choice = rng.randrange(7)
    if choice == 0:
        body = rng.choice(_HOSTILE_BODIES)
    elif choice == 1 and body:
        at = rng.randrange(len(body))
        body = body[:at] + rng.randbytes(rng.randrange(4)) + body[at + rng.randrange(4) :]
    elif choice == 2:
        body = rng.randbytes(rng.randrange(200))
    elif choice == 3:
        headers.remove(rng.choice([pair for pair in headers if pair[0] != "host"] or headers))
    elif choice == 4:
        name, _ = rng.choice(headers)
        if name != "host":
            bad = rng.choice(
                ("", "application/json", "SageMaker.", ".", "SageMaker.CreateModel", "x" * 4_000)
            )
            headers = [(key, bad if key == name else value) for key, value in headers]
    elif choice == 5:
        method = rng.choice(("GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"))
    else:
        path = rng.choice(
            ("/x", "/service/a/operation/b", "/service//operation/", "/endpoints/a/invocations")
        )
    what.append(f"damage {choice}")
    return Request(method, path, request.query, tuple(headers), body)


def _form(params: Any, prefix: str = "") -> dict[str, str]:
    """Fields of a form for any tree, well-formed or not."""
    fields: dict[str, str] = {}
    if isinstance(params, dict):
        for name, value in params.items():
            fields.update(_form(value, f"{prefix}.{name}" if prefix else str(name)))
    elif isinstance(params, list):
        for i, value in enumerate(params, 1):
            fields.update(_form(value, f"{prefix}.member.{i}"))
        if not params:
            fields[prefix] = ""
    elif isinstance(params, datetime):
        fields[prefix] = to_iso(params)
    else:
        fields[prefix] = str(params).lower() if isinstance(params, bool) else str(params)
    return fields


def _cbor_body(params: Any) -> bytes:
    try:
        return cbor.dumps(_cbor_tree(params))
    except ValueError:
        # Lone surrogates and integers beyond 64 bits cannot be written; their JSON form is hostile enough.
        return json.dumps(params, default=_json_scalar).encode()


def _cbor_tree(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _cbor_tree(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_cbor_tree(item) for item in value]
    return cbor.Epoch(value.timestamp()) if isinstance(value, datetime) else value


def _json_scalar(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else str(value)
