"""Signing requests over the standard library alone, for clients that do not want to load boto3."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlsplit, urlunsplit

from pegbox.wire import canonical

_DEFAULT_PORTS = {"http": 80, "https": 443}


def sign_request(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    body: bytes,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    service: str,
    now: datetime,
) -> dict[str, str]:
    """Sign a request with the ``Authorization`` header.

    Args:
        method: For example ``POST``.
        url: The whole address; path and query percent-encoded as they will be sent.
        headers: Headers to be sent and signed.
        body: The bytes to be sent.
        access_key_id: Of the caller.
        secret_access_key: Of the caller.
        region: Any region; the server's is not checked.
        service: Signing name: ``sagemaker``, ``logs``, ``monitoring``.
        now: The current time, aware.

    Returns:
        All headers to send: those given, ``Host``, ``X-Amz-Date`` and ``Authorization``.
    """
    moment = canonical.timestamp(now)
    sent = {"Host": _host(url), **headers, "X-Amz-Date": moment}
    by_name = {name.lower(): [value] for name, value in sent.items()}
    signed = sorted(by_name)
    parts = urlsplit(url)
    request = canonical.canonical_request(
        method,
        canonical.canonical_path(parts.path, service),
        canonical.canonical_query(canonical.query_pairs(parts.query)),
        canonical.canonical_headers(by_name, signed),
        signed,
        canonical.payload_hash(body),
    )
    scope = canonical.credential_scope(moment[:8], region, service)
    key = canonical.signing_key(secret_access_key, moment[:8], region, service)
    signature = canonical.signature(key, canonical.string_to_sign(moment, scope, request))
    sent["Authorization"] = (
        f"{canonical.ALGORITHM} Credential={access_key_id}/{scope}, "
        f"SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    return sent


def presign_url(
    method: str,
    url: str,
    *,
    access_key_id: str,
    secret_access_key: str,
    region: str,
    service: str,
    now: datetime,
    expires: int,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> str:
    """Sign a request into its URL, so that whoever has the URL may send it until it expires.

    Args:
        method: The method it may be sent with.
        url: The address; its query is kept.
        access_key_id: Of the caller.
        secret_access_key: Of the caller.
        region: Any region.
        service: Signing name.
        now: The current time, aware.
        expires: Seconds of life, 1 to 604,800.
        headers: Headers that must be sent with exactly these values.
        body: The body that must be sent.

    Returns:
        The URL to send.

    Raises:
        ValueError: The life is outside its range.
    """
    if not 1 <= expires <= canonical.MAX_EXPIRES:
        raise ValueError(f"expires must be between 1 and {canonical.MAX_EXPIRES} seconds, not {expires}")
    moment = canonical.timestamp(now)
    scope = canonical.credential_scope(moment[:8], region, service)
    by_name = {name.lower(): [value] for name, value in {"Host": _host(url), **(headers or {})}.items()}
    signed = sorted(by_name)
    parts = urlsplit(url)
    added = {
        "X-Amz-Algorithm": canonical.ALGORITHM,
        "X-Amz-Credential": f"{access_key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(expires),
        "X-Amz-SignedHeaders": ";".join(signed),
    }
    query = "&".join(
        [*([parts.query] if parts.query else ()), *(f"{k}={canonical.encode(v)}" for k, v in added.items())]
    )
    request = canonical.canonical_request(
        method,
        canonical.canonical_path(parts.path, service),
        canonical.canonical_query(canonical.query_pairs(query)),
        canonical.canonical_headers(by_name, signed),
        signed,
        canonical.UNSIGNED_PAYLOAD if service == "s3" else canonical.payload_hash(body),
    )
    key = canonical.signing_key(secret_access_key, moment[:8], region, service)
    signature = canonical.signature(key, canonical.string_to_sign(moment, scope, request))
    path = parts.path or "/"
    return urlunsplit((parts.scheme, parts.netloc, path, f"{query}&X-Amz-Signature={signature}", ""))


def _host(url: str) -> str:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if ":" in host:
        host = f"[{host}]"
    return host if parts.port in (None, _DEFAULT_PORTS.get(parts.scheme)) else f"{host}:{parts.port}"
