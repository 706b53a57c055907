"""Verifying AWS Signature Version 4, in its header form and in its presigned form.

The verifier reads what the client claims, checks that the claim is whole and of now, computes the signature that
the request as received should have, and compares. It is stricter than the algorithm where a second meaning of the
same signed bytes would be possible: a header that decides something may be there only once, the path must be in
normal form, every ``x-amz-`` header and the content type must be signed, and the two forms cannot be mixed.

==============================  ======  =====================================================================
error                           status  when
==============================  ======  =====================================================================
MissingAuthenticationToken      403     there is no signature
IncompleteSignature             400     a part of it is missing, malformed or there twice
UnrecognizedClient              403     no such access key
InvalidSignature                403     wrong signature, scope, time or payload, or something is not signed
==============================  ======  =====================================================================

Each code ends in ``Exception`` on the wire. Secrets and signatures never stand in a message.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, TypeVar
from urllib.parse import unquote

from pegbox.errors import (
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)
from pegbox.wire import canonical
from pegbox.wire.http import Request

_T = TypeVar("_T")

#: How far a client's clock may be off, in seconds, in either direction.
WINDOW_SECONDS: Final = 15 * 60
_WINDOW: Final = timedelta(seconds=WINDOW_SECONDS)
#: Parts of requests that are remembered with what they mean, because a client's requests share them; and how long they may be.
_REMEMBERED: Final = 128
_REMEMBERED_CHARS: Final = 512
#: Derived keys that a verifier remembers; more begin anew.
_DERIVED_KEYS: Final = 64

#: Headers that decide something; a second one would be a second meaning.
_SINGLE_HEADERS: Final = (
    "authorization",
    "content-length",
    "content-type",
    "date",
    "host",
    "smithy-protocol",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-target",
)
_QUERY_FIELDS: Final = (
    "X-Amz-Algorithm",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-SignedHeaders",
    "X-Amz-Signature",
)
_CREDENTIAL = re.compile(r"([A-Za-z0-9_]{1,128})/([0-9]{8})/([a-z0-9-]{1,64})/([a-z0-9-]{1,64})/aws4_request")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")
_HEADER_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,128}")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_HTTP_DATE = re.compile(
    r"[A-Z][a-z]{2}, ([0-9]{2}) ([A-Z][a-z]{2}) ([0-9]{4}) ([0-9]{2}):([0-9]{2}):([0-9]{2}) (?:GMT|-0000)"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who signed a request.

    Attributes:
        access_key_id: The key whose secret made the signature.
        region: Of the credential scope.
        service: Signing name of the credential scope.
        presigned: Whether the signature stood in the URL.
    """

    access_key_id: str
    region: str
    service: str
    presigned: bool


@dataclass(frozen=True, slots=True)
class _Claim:
    access_key_id: str
    date: str
    region: str
    service: str
    signed: tuple[str, ...]
    signature: str
    moment: str
    expires: int | None

    @property
    def presigned(self) -> bool:
        return self.expires is not None


class Verifier:
    """Verifies signatures against the secrets of known keys."""

    def __init__(self, secret_of: Callable[[str], str | None]) -> None:
        """Make a verifier.

        Args:
            secret_of: Gives the secret of an access key id, or None if there is no such key.
        """
        self._secret_of = secret_of
        # Deriving a key costs as much as all the rest; a client's requests of one day share it.
        self._derived: dict[tuple[str, str, str, str], bytes] = {}

    def verify(self, request: Request, now: datetime, services: Collection[str]) -> Identity:
        """Verify a request.

        Args:
            request: As received: path and query not decoded, repeated headers repeated.
            now: The current time, aware.
            services: Signing names that the scope may have.

        Returns:
            Who signed it.

        Raises:
            MissingAuthenticationToken: It is not signed.
            IncompleteSignature: The signature's parts are not whole.
            UnrecognizedClient: No such access key.
            InvalidSignature: Anything else that does not fit.
        """
        headers = _by_name(request)
        _check_unambiguous(request, headers)
        claim = _claim(request, headers)
        _check_scope(claim, services)
        _check_time(claim, now)
        _check_signed_headers(claim, request, headers)
        secret = self._secret_of(claim.access_key_id)
        if secret is None:
            raise UnrecognizedClient(
                "The access key id is not one of this server's. `pegbox env` prints the right one."
            )
        payload = _payload(claim, request, headers)
        expected = canonical.signature(
            self._key(secret, claim), _string_to_sign(claim, request, headers, payload)
        )
        if not hmac.compare_digest(expected, claim.signature):
            raise InvalidSignature(
                "The signature does not fit the request. Check the secret access key, and that nothing between "
                "client and server changes the request."
            )
        return Identity(claim.access_key_id, claim.region, claim.service, claim.presigned)

    def _key(self, secret: str, claim: _Claim) -> bytes:
        scope = (secret, claim.date, claim.region, claim.service)
        key = self._derived.get(scope)
        if key is None:
            key = canonical.signing_key(secret, claim.date, claim.region, claim.service)
            if len(self._derived) >= _DERIVED_KEYS:
                self._derived.clear()
            self._derived[scope] = key
        return key


def _by_name(request: Request) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in request.headers:
        headers.setdefault(name, []).append(value)
    return headers


def _first(headers: Mapping[str, Sequence[str]], name: str) -> str | None:
    values = headers.get(name)
    return values[0] if values else None


def _check_unambiguous(request: Request, headers: Mapping[str, Sequence[str]]) -> None:
    for name in _SINGLE_HEADERS:
        if name in headers and len(headers[name]) > 1:
            raise IncompleteSignature(f"The header {name} is there more than once.")
    if not (request.path + request.query).isascii():
        raise IncompleteSignature("Path and query must be percent-encoded.")
    if "x-amz-security-token" in headers or "X-Amz-Security-Token" in request.query:
        raise UnrecognizedClient(
            "The request carries a session token, which this server's keys do not have. Unset AWS_SESSION_TOKEN."
        )


def _claim(request: Request, headers: Mapping[str, Sequence[str]]) -> _Claim:
    authorization = _first(headers, "authorization")
    in_query = bool(request.query) and any(
        name in _QUERY_FIELDS for name, _ in canonical.query_pairs(request.query)
    )
    if authorization is None and not in_query:
        raise MissingAuthenticationToken(
            "The request is not signed. Sign it with AWS Signature Version 4; `pegbox env` prints key and secret."
        )
    if authorization is not None and in_query:
        raise IncompleteSignature("The request is signed both in a header and in its query.")
    return _header_claim(headers, authorization) if authorization is not None else _query_claim(request)


def _header_claim(headers: Mapping[str, Sequence[str]], authorization: str) -> _Claim:
    algorithm, _, rest = authorization.strip().partition(" ")
    if algorithm != canonical.ALGORITHM:
        raise IncompleteSignature(f"The Authorization header must begin with {canonical.ALGORITHM}.")
    fields: dict[str, str] = {}
    for part in rest.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals or name in fields:
            raise IncompleteSignature("The Authorization header must be a list of single name=value parts.")
        fields[name] = value
    if set(fields) != {"Credential", "SignedHeaders", "Signature"}:
        raise IncompleteSignature("The Authorization header needs Credential, SignedHeaders and Signature.")
    moment = _first(headers, "x-amz-date")
    if moment is None:
        moment = _moment_of_date_header(_first(headers, "date") or "")
    return _checked_claim(
        fields["Credential"], fields["SignedHeaders"], fields["Signature"], moment, expires=None
    )


def _query_claim(request: Request) -> _Claim:
    fields: dict[str, str] = {}
    for name, value in canonical.query_pairs(request.query):
        if name in _QUERY_FIELDS:
            if name in fields:
                raise IncompleteSignature(f"The query field {name} is there more than once.")
            fields[name] = unquote(value)
    missing = [name for name in _QUERY_FIELDS if name not in fields]
    if missing:
        raise IncompleteSignature(f"The query lacks {', '.join(missing)}.")
    if fields["X-Amz-Algorithm"] != canonical.ALGORITHM:
        raise IncompleteSignature(f"X-Amz-Algorithm must be {canonical.ALGORITHM}.")
    expires = fields["X-Amz-Expires"]
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= canonical.MAX_EXPIRES:
        raise IncompleteSignature(f"X-Amz-Expires must be between 1 and {canonical.MAX_EXPIRES} seconds.")
    return _checked_claim(
        fields["X-Amz-Credential"],
        fields["X-Amz-SignedHeaders"],
        fields["X-Amz-Signature"],
        fields["X-Amz-Date"],
        expires=int(expires),
    )


def _checked_claim(credential: str, signed: str, signature: str, moment: str, expires: int | None) -> _Claim:
    access_key_id, date, region, service = _cached(_scope, credential)
    names = _cached(_signed_names, signed)
    if not _SIGNATURE.fullmatch(signature):
        raise IncompleteSignature("Signature must be 64 lower-case hexadecimal digits.")
    return _Claim(access_key_id, date, region, service, names, signature, moment, expires)


@lru_cache(maxsize=_REMEMBERED)
def _scope(credential: str) -> tuple[str, str, str, str]:
    """The access key id, date, region and service of a credential."""
    found = _CREDENTIAL.fullmatch(credential)
    if found is None:
        raise IncompleteSignature("Credential must be KEY/YYYYMMDD/region/service/aws4_request.")
    access_key_id, date, region, service = found.groups()
    return access_key_id, date, region, service


@lru_cache(maxsize=_REMEMBERED)
def _signed_names(signed: str) -> tuple[str, ...]:
    """The header names that are signed."""
    names = tuple(signed.split(";"))
    if list(names) != sorted(set(names)) or not all(_HEADER_NAME.fullmatch(name) for name in names):
        raise IncompleteSignature("SignedHeaders must be lower-case header names, sorted, each once.")
    return names


@lru_cache(maxsize=_REMEMBERED)
def _paths(path: str) -> tuple[str, str]:
    """The path in normal form, and as every service but S3 signs it."""
    return canonical.normal_path(path), canonical.canonical_path(path, "")


def _cached(function: Callable[[str], _T], text: str) -> _T:
    """Call a function that remembers its answers; what is long is not worth remembering."""
    return function(text) if len(text) <= _REMEMBERED_CHARS else function.__wrapped__(text)  # type: ignore[attr-defined]


def _moment_of_date_header(date: str) -> str:
    found = _HTTP_DATE.fullmatch(date)
    if found is None or found.group(2) not in _MONTHS:
        raise IncompleteSignature("The request needs a header X-Amz-Date (YYYYMMDDTHHMMSSZ) or Date.")
    day, month, year, hour, minute, second = found.groups()
    return f"{year}{_MONTHS.index(month) + 1:02d}{day}T{hour}{minute}{second}Z"


def _check_scope(claim: _Claim, services: Collection[str]) -> None:
    if claim.service not in services:
        wanted = " or ".join(f"'{name}'" for name in sorted(services))
        raise InvalidSignature(f"Credential should be scoped to correct service: {wanted}.")
    if claim.date != claim.moment[:8]:
        raise InvalidSignature("The date of the credential scope is not that of the request.")


@lru_cache(maxsize=64)
def _moment(text: str) -> datetime | None:
    """The moment that a timestamp in its one allowed form names."""
    try:
        moment = datetime.strptime(text, canonical.TIME_FORMAT).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
    return moment if canonical.timestamp(moment) == text else None


def _check_time(claim: _Claim, now: datetime) -> None:
    signed_at = _moment(claim.moment)
    if signed_at is None:
        raise IncompleteSignature("The request's time must be written YYYYMMDDTHHMMSSZ.")
    window = _WINDOW
    life = timedelta(seconds=claim.expires) if claim.expires is not None else window
    if now > signed_at + life:
        raise InvalidSignature(
            f"Signature expired: {claim.moment} is now earlier than {canonical.timestamp(now - life)}. "
            "Check the client's clock."
        )
    if now < signed_at - window:
        raise InvalidSignature(
            f"Signature not yet current: {claim.moment} is still later than {canonical.timestamp(now + window)}. "
            "Check the client's clock."
        )


def _check_signed_headers(claim: _Claim, request: Request, headers: Mapping[str, Sequence[str]]) -> None:
    present = headers.keys()
    absent = [name for name in claim.signed if name not in present]
    if absent:
        raise InvalidSignature(f"Signed headers are not there: {', '.join(absent)}.")
    unsigned = sorted(name for name in present if name not in claim.signed and _must_be_signed(name, claim))
    if not claim.presigned and "x-amz-date" not in present and "date" not in claim.signed:
        unsigned = sorted({*unsigned, "date"})
    if "host" not in claim.signed:
        unsigned = sorted({*unsigned, "host"})
    if unsigned:
        raise InvalidSignature(f"Headers must be signed: {', '.join(unsigned)}.")
    if claim.service != "s3" and request.path != _cached(_paths, request.path)[0]:
        raise InvalidSignature("The path has empty or dot segments.")


def _must_be_signed(name: str, claim: _Claim) -> bool:
    return name.startswith("x-amz-") or (name == "content-type" and not claim.presigned)


def _payload(claim: _Claim, request: Request, headers: Mapping[str, Sequence[str]]) -> str:
    """The payload hash of the canonical request; what the client declared must be true of the body."""
    actual = canonical.payload_hash(request.body)
    declared = _first(headers, "x-amz-content-sha256")
    if claim.presigned:
        if declared is None:
            fields = dict(canonical.query_pairs(request.query))
            declared = fields.get("X-Amz-Content-Sha256")
        if declared == canonical.UNSIGNED_PAYLOAD or (declared is None and claim.service == "s3"):
            return canonical.UNSIGNED_PAYLOAD
    if declared is not None and not hmac.compare_digest(declared.encode(), actual.encode()):
        raise InvalidSignature(
            "X-Amz-Content-Sha256 must be the SHA-256 of the body, in lower-case hexadecimal."
        )
    return actual


def _string_to_sign(
    claim: _Claim, request: Request, headers: Mapping[str, Sequence[str]], payload: str
) -> str:
    pairs = [
        (name, value)
        for name, value in canonical.query_pairs(request.query)
        if not (claim.presigned and name == "X-Amz-Signature")
    ]
    path = request.path
    text = canonical.canonical_request(
        request.method,
        canonical.canonical_path(path, "s3") if claim.service == "s3" else _cached(_paths, path)[1],
        canonical.canonical_query(pairs),
        canonical.canonical_headers(headers, claim.signed),
        claim.signed,
        payload,
    )
    scope = canonical.credential_scope(claim.date, claim.region, claim.service)
    return canonical.string_to_sign(claim.moment, scope, text)
