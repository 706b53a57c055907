"""The steps of AWS Signature Version 4, one small function each, shared by signer and verifier.

Names follow the published description of the algorithm::

    canonical request = method \\n path \\n query \\n headers \\n\\n signed headers \\n payload hash
    string to sign    = AWS4-HMAC-SHA256 \\n timestamp \\n scope \\n sha256(canonical request)
    signature         = hmac(signing key(secret, date, region, service), string to sign)

Source: "Signature Version 4 signing process", AWS General Reference. Only the standard library is used.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Final
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"
UNSIGNED_PAYLOAD: Final = "UNSIGNED-PAYLOAD"
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"

#: Longest life of a presigned URL, in seconds.
MAX_EXPIRES: Final = 7 * 86_400

_BLANKS = re.compile(r"[ \t]+")


def timestamp(now: datetime) -> str:
    """A moment as signatures write it: ``20260102T030405Z``. ``now`` is an aware datetime."""
    return now.astimezone(timezone.utc).strftime(TIME_FORMAT)


def payload_hash(body: bytes) -> str:
    """SHA-256 of the body in lower-case hexadecimal."""
    return hashlib.sha256(body).hexdigest()


def normal_path(path: str) -> str:
    """The path without empty and dot segments (RFC 3986, 5.2.4), as every service but S3 signs it."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment and segment != ".":
            kept.append(segment)
    return "/" + "/".join(kept) + ("/" if kept and path.endswith("/") else "")


def canonical_path(path: str, service: str) -> str:
    """The path of the canonical request.

    Args:
        path: As sent, percent-encoded once.
        service: Signing name; only S3 signs the path as it is, every other service encodes it a second time.
    """
    return path or "/" if service == "s3" else quote(normal_path(path), safe="/~")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The query of the canonical request: encoded by one rule, then sorted.

    Args:
        pairs: Names and values as sent, percent-encoded in any way; ``+`` is a blank.
    """
    return "&".join(f"{name}={value}" for name, value in sorted((_recode(k), _recode(v)) for k, v in pairs))


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Cut a query string into names and values without decoding them."""
    return [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


def canonical_headers(headers: Mapping[str, Sequence[str]], signed: Sequence[str]) -> str:
    """The header lines of the canonical request.

    Args:
        headers: Lower-case name -> values in order.
        signed: Names to sign, in lower case, sorted.
    """
    lines = []
    for name in signed:
        values = headers[name]
        value = _trimmed(values[0]) if len(values) == 1 else ",".join([_trimmed(item) for item in values])
        lines.append(f"{name}:{value}\n")
    return "".join(lines)


def _trimmed(value: str) -> str:
    """Return a header's value without outer blanks, inner ones single."""
    if "\t" in value or "  " in value:
        value = _BLANKS.sub(" ", value)
    return value.strip(" ")


def canonical_request(
    method: str, path: str, query: str, headers: str, signed: Sequence[str], payload: str
) -> str:
    """The canonical request from its canonical parts; ``payload`` is the hash of the body."""
    return "\n".join((method, path, query, headers, ";".join(signed), payload))


def credential_scope(date: str, region: str, service: str) -> str:
    """``20260102/us-east-1/sagemaker/aws4_request``."""
    return f"{date}/{region}/{service}/{TERMINATOR}"


def string_to_sign(moment: str, scope: str, request: str) -> str:
    """What is signed; ``request`` is the canonical request."""
    return "\n".join((ALGORITHM, moment, scope, hashlib.sha256(request.encode("utf-8")).hexdigest()))


def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """The key derived for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode("utf-8"), "sha256")
    return key


def signature(key: bytes, text: str) -> str:
    """The signature of a string to sign, in lower-case hexadecimal."""
    return hmac.digest(key, text.encode("utf-8"), "sha256").hex()


def encode(text: str) -> str:
    """Percent-encode a text for a query string: everything but letters, digits and ``-_.~``."""
    return quote(text, safe="-_.~")


def _recode(text: str) -> str:
    return quote_from_bytes(unquote_to_bytes(text.replace("+", " ")), safe="-_.~")
