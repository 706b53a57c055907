"""Signed requests with something changed, none of which may be accepted.

A mutation is only made where it changes what the request says: other blanks inside a header, another order of
headers or of query fields, and other spellings of the same percent-encoding are not mutations. Every mutation comes
with its name and with the moment at which it is to be judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final
from urllib.parse import urlsplit

from pegbox.wire import canonical
from pegbox.wire.http import Request
from pegbox.wire.signing import presign_url, sign_request

_HEX: Final = "0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Key:
    """A credential that the verifier knows.

    Attributes:
        access_key_id: The key.
        secret_access_key: Its secret.
        region: Any region.
    """

    access_key_id: str
    secret_access_key: str
    region: str = "us-east-1"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A request that must be refused.

    Attributes:
        what: Name of the mutation.
        request: The changed request.
        now: When it is to be judged; a minute later will do as well.
    """

    what: str
    request: Request
    now: datetime


def signed_request(rng: Random, key: Key, now: datetime, host: str = "127.0.0.1:8000") -> Request:
    """A correctly signed call, in header form or presigned, of one of the services.

    Args:
        rng: Source of choices.
        key: Who signs.
        now: When it is signed.
        host: Host and port of the server.
    """
    body = b'{"NameContains":"%d","MaxResults":%d}' % (rng.randrange(10**6), rng.randrange(1, 100))
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListTrainingJobs"}
    target, service = "/", "sagemaker"
    if rng.random() < 0.3:
        body = b"Action=ListMetrics&Version=2010-08-01&MetricName=m%d" % rng.randrange(10**6)
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        target, service = rng.choice(("/", "/?Namespace=a%20b&RecentlyActive=PT3H")), "monitoring"
    if rng.random() < 0.3:
        headers["X-Amz-User-Agent"] = "aws sdk"
    return _signed(rng, key, now, host, target, headers, body, service)


def mutants(
    key: Key,
    now: datetime,
    seed: int,
    *,
    host: str = "127.0.0.1:8000",
    fresh: Callable[[], datetime] | None = None,
) -> Iterator[Mutant]:
    """Changed requests without end.

    Args:
        key: Who signed the originals.
        now: When the originals are signed.
        seed: The same seed gives the same mutants.
        host: Host and port of the server.
        fresh: For a live server, gives the moment of signing for each original; then ``now`` is not used.
    """
    rng = Random(seed)
    while True:
        signed_at = fresh() if fresh else now
        original = signed_request(rng, key, signed_at, host)
        if rng.random() < 0.1:
            yield Mutant("clock", _at_another_time(rng, key, signed_at, host), signed_at)
            continue
        presigned = original.header("authorization") is None
        what, mutate = rng.choice(_GENERAL + (_PRESIGNED if presigned else _HEADER))
        changed = mutate(rng, original, key, host, signed_at)
        if changed is not None and changed != original:
            yield Mutant(what, changed, signed_at)


def to_http(request: Request) -> bytes:
    """The request as HTTP/1.1 bytes, exactly as it stands, with a length and ``Connection: close``."""
    target = request.path + (f"?{request.query}" if request.query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in request.headers]
    lines += [f"content-length: {len(request.body)}", "connection: close", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + request.body


def _signed(
    rng: Random,
    key: Key,
    now: datetime,
    host: str,
    target: str,
    headers: dict[str, str],
    body: bytes,
    service: str,
) -> Request:
    url = f"http://{host}{target}"
    if rng.random() < 0.35:
        signed = presign_url(
            "POST",
            url,
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
            region=key.region,
            service=service,
            now=now,
            expires=rng.choice((300, 600, 3600, canonical.MAX_EXPIRES)),
            headers=headers,
            body=body,
        )
        parts = urlsplit(signed)
        sent = {"Host": host, **headers}
        return Request.of("POST", f"{parts.path}?{parts.query}", sent.items(), body)
    sent = sign_request(
        "POST",
        url,
        headers=headers,
        body=body,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        region=key.region,
        service=service,
        now=now,
    )
    return Request.of("POST", target, sent.items(), body)


def _at_another_time(rng: Random, key: Key, now: datetime, host: str) -> Request:
    """Correctly signed, but longer ago than any URL lives, or further ahead than any clock may be."""
    off = timedelta(minutes=17, seconds=rng.randrange(10**6))
    return signed_request(rng, key, rng.choice((now - timedelta(days=7) - off, now + off)), host)


# Each mutation takes (rng, request, key, host, signed at) and gives a changed request, or None where it does not apply.
_Mutation = Callable[[Random, Request, Key, str, datetime], Request | None]


def _other_character(rng: Random, text: str, alphabet: str) -> str:
    if not text:
        return rng.choice(alphabet)
    at = rng.randrange(len(text))
    return text[:at] + rng.choice([c for c in alphabet if c != text[at]]) + text[at + 1 :]


def _with_header(request: Request, name: str, change: Callable[[str], str]) -> Request | None:
    if request.header(name) is None:
        return None
    headers = tuple((key, change(value) if key == name else value) for key, value in request.headers)
    return replace(request, headers=headers)


def _body(rng: Random, request: Request, *_: object) -> Request:
    at = rng.randrange(len(request.body))
    kind = rng.randrange(4)
    byte = bytes([request.body[at] ^ (1 << rng.randrange(8))])
    bodies = (
        request.body[:at] + byte + request.body[at + 1 :],
        request.body[:at] + request.body[at + 1 :],
        request.body + rng.randbytes(1 + rng.randrange(3)),
        b"",
    )
    return replace(request, body=bodies[kind])


def _method(rng: Random, request: Request, *_: object) -> Request:
    return replace(request, method=rng.choice(("GET", "PUT", "DELETE", "HEAD", "PATCH", "post")))


def _path(rng: Random, request: Request, *_: object) -> Request:
    paths = ("/x", "//", "/./", "/a/../", "/%2F", "/%2e", "/service/a/operation/b", "/\xe9")
    return replace(request, path=rng.choice(paths))


def _query(rng: Random, request: Request, *_: object) -> Request:
    field = rng.choice(("x=1", "Action=DeleteAlarms", "a", "X-Amz-Foo=1", "%00=", "NextToken=1"))
    return replace(request, query=f"{request.query}&{field}" if request.query else field)


def _query_byte(rng: Random, request: Request, *_: object) -> Request | None:
    kept, mark, signature = request.query.partition("&X-Amz-Signature=")
    if not kept:
        return None
    pairs = canonical.query_pairs(kept)
    at = rng.randrange(len(pairs))
    name, value = pairs[at]
    pairs[at] = rng.choice(((name, _other_character(rng, value, _HEX)), (f"{name}x", value), (name, "")))
    query = "&".join(f"{k}={v}" for k, v in pairs)
    if canonical.canonical_query(pairs) == canonical.canonical_query(canonical.query_pairs(kept)):
        return None
    return replace(request, query=f"{query}{mark}{signature}")


def _drop_header(rng: Random, request: Request, *_: object) -> Request:
    name, _value = rng.choice(request.headers)
    return replace(request, headers=tuple(pair for pair in request.headers if pair[0] != name))


def _header_value(rng: Random, request: Request, *_: object) -> Request | None:
    name, value = rng.choice([pair for pair in request.headers if pair[0] != "authorization"])
    changed = rng.choice(
        (_other_character(rng, value, _HEX), f"{value}x", f"{value},{value}", f"{value}\xa0", "")
    )
    return _with_header(request, name, lambda old: changed)


def _double_header(rng: Random, request: Request, *_: object) -> Request:
    name, value = rng.choice(request.headers)
    extra = (name, rng.choice((value, "x")))
    return replace(
        request, headers=(*request.headers, extra) if rng.random() < 0.5 else (extra, *request.headers)
    )


def _extra_header(rng: Random, request: Request, *_: object) -> Request:
    name = rng.choice(("x-amz-security-token", "x-amz-foo", "x-amz-content-sha256", "x-amz-acl"))
    value = rng.choice(("1", canonical.UNSIGNED_PAYLOAD, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"))
    return replace(request, headers=(*request.headers, (name, value)))


def _other_secret(rng: Random, request: Request, key: Key, host: str, now: datetime) -> Request:
    secret = rng.choice((key.secret_access_key[:-1], key.secret_access_key + "x", "", "x" * 40))
    return signed_request(rng, replace(key, secret_access_key=secret), now, host)


def _other_key(rng: Random, request: Request, key: Key, host: str, now: datetime) -> Request:
    key_id = rng.choice((key.access_key_id[:-1], key.access_key_id + "X", key.access_key_id.swapcase(), "A"))
    return signed_request(rng, replace(key, access_key_id=key_id), now, host)


def _other_service(rng: Random, request: Request, key: Key, host: str, now: datetime) -> Request:
    return _signed(
        rng, key, now, host, "/", {}, request.body, rng.choice(("s3", "iam", "execute-api", "sts"))
    )


def _authorization_part(rng: Random, request: Request, *_: object) -> Request | None:
    part = rng.choice(("Credential", "SignedHeaders", "Signature"))

    def change(value: str) -> str:
        head, mark, rest = value.partition(f"{part}=")
        found, comma, tail = rest.partition(",")
        alphabet = _HEX if part == "Signature" else "abcxyzABC0123/;-"
        changed = rng.choice(
            (
                _other_character(rng, found, alphabet),
                found[:-1],
                "",
                found.upper() if found.upper() != found else f"{found}0",
                f"{found}\u0660".encode().decode("latin-1"),
                f"{found},{part}={found}",
            )
        )
        return f"{head}{mark}{changed}{comma}{tail}"

    return _with_header(request, "authorization", change)


def _authorization_form(rng: Random, request: Request, *_: object) -> Request | None:
    def change(value: str) -> str:
        return rng.choice(
            (
                value.replace("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1"),
                value.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"),
                value.replace("AWS4-HMAC-SHA256", "Bearer"),
                value.replace("Signature=", "Signatur="),
                value.replace("aws4_request", "aws5_request"),
                value.replace("us-east-1", rng.choice(("us-east-2", "", "US-EAST-1", "x" * 100))),
                value.replace("SignedHeaders=", "SignedHeaders=a;"),
                value.replace("host", "hosts"),
                value.replace(";host", ""),
                "AWS4-HMAC-SHA256",
                "",
                value + value,
            )
        )

    return _with_header(request, "authorization", change)


def _date(rng: Random, request: Request, *_: object) -> Request | None:
    def change(value: str) -> str:
        return rng.choice(
            (_other_character(rng, value, "0123456789"), value[:-1], value.lower(), "", f"{value} GMT")
        )

    return _with_header(request, "x-amz-date", change)


def _both_forms(rng: Random, request: Request, key: Key, host: str, now: datetime) -> Request:
    scope = canonical.credential_scope(canonical.timestamp(now)[:8], key.region, "sagemaker")
    field = rng.choice((f"X-Amz-Credential={key.access_key_id}/{scope}", "X-Amz-Signature=" + "0" * 64))
    return replace(request, query=f"{request.query}&{field}" if request.query else field)


def _query_signature(rng: Random, request: Request, *_: object) -> Request:
    kept, mark, signature = request.query.partition("&X-Amz-Signature=")
    changed = rng.choice(
        (_other_character(rng, signature, _HEX), signature[:-1], "", signature.upper() + "0")
    )
    return replace(request, query=f"{kept}{mark}{changed}")


def _query_life(rng: Random, request: Request, *_: object) -> Request:
    pairs = canonical.query_pairs(request.query)
    expires = rng.choice(("604801", "-1", "0", "1e3", "", "99999999999", "7200", "%2060", "+60"))
    query = "&".join(f"{k}={expires if k == 'X-Amz-Expires' else v}" for k, v in pairs)
    return replace(request, query=query)


def _without_field(rng: Random, request: Request, *_: object) -> Request:
    pairs = canonical.query_pairs(request.query)
    del pairs[rng.randrange(len(pairs))]
    return replace(request, query="&".join(f"{k}={v}" for k, v in pairs))


_GENERAL: Final[tuple[tuple[str, _Mutation], ...]] = (
    ("body", _body),
    ("method", _method),
    ("path", _path),
    ("query", _query),
    ("query byte", _query_byte),
    ("header dropped", _drop_header),
    ("header value", _header_value),
    ("header doubled", _double_header),
    ("header added", _extra_header),
    ("other secret", _other_secret),
    ("other key", _other_key),
    ("other service", _other_service),
)
_HEADER: Final[tuple[tuple[str, _Mutation], ...]] = (
    ("authorization part", _authorization_part),
    ("authorization form", _authorization_form),
    ("date", _date),
    ("both forms", _both_forms),
)
_PRESIGNED: Final[tuple[tuple[str, _Mutation], ...]] = (
    ("query signature", _query_signature),
    ("expiry", _query_life),
    ("field dropped", _without_field),
)
