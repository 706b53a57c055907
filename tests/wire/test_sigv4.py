"""Signatures, with botocore's signer as the other side."""

from __future__ import annotations

import datetime as dt
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.errors import (
    ApiError,
    IncompleteSignature,
    InvalidSignature,
    MissingAuthenticationToken,
    UnrecognizedClient,
)
from pegbox.wire import Request, Verifier, presign_url, sign_request

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
KEY, SECRET = "PEGBOXTESTKEY", "secret/with+signs="
SERVICES = frozenset({"sagemaker", "logs", "monitoring"})
VERIFIER = Verifier({KEY: SECRET}.get)
HEADERS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListTrainingJobs"}

_TEXT = st.text("abcXYZ019 -_.~%+/?&=#:é🙂,;", max_size=12)


@pytest.fixture(autouse=True)
def _fixed_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore signs at NOW."""
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: NOW.replace(tzinfo=None))


def _botocore_signed(
    signer: type[SigV4Auth], method: str, url: str, headers: dict[str, str], body: bytes, **options: Any
) -> Request:
    request = AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    signer(Credentials(KEY, SECRET), "sagemaker", "eu-central-1", **options).add_auth(request)
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    sent = [("host", parts.netloc)]
    sent += [(k, v.decode("latin-1") if isinstance(v, bytes) else v) for k, v in prepared.headers.items()]
    sent = [(k, v) for k, v in sent if k.lower() != "content-length"]
    return Request.of(method, parts.path + (f"?{parts.query}" if parts.query else ""), sent, body)


def _url(path: str, pairs: list[tuple[str, str]]) -> str:
    query = "&".join(f"{quote(k, safe='-_.~')}={quote(v, safe='-_.~')}" for k, v in pairs)
    return f"http://127.0.0.1:8000{quote(path, safe='/-_.~')}" + (f"?{query}" if query else "")


_PATHS = st.sampled_from(["/", "/a", "/a/b/", "/a b", "/ä/é", "/a+b", "/a%2Fb", "/~x-_.y"])
_CASE = {
    "path": _PATHS,
    "pairs": st.lists(st.tuples(_TEXT.filter(bool), _TEXT), max_size=4),
    "value": st.text("abc XYZ\t,;=", max_size=20),
    "body": st.binary(max_size=50),
    "method": st.sampled_from(["GET", "POST", "PUT"]),
}


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(**_CASE)
def test_what_botocore_signs_is_accepted(
    path: str, pairs: list[tuple[str, str]], value: str, body: bytes, method: str
) -> None:
    """Any method, path, query, header blanks and body that botocore signs is verified, and names its signer."""
    request = _botocore_signed(SigV4Auth, method, _url(path, pairs), {"X-Amz-Foo": value, **HEADERS}, body)
    identity = VERIFIER.verify(request, NOW, SERVICES)
    assert (identity.access_key_id, identity.region, identity.service) == (KEY, "eu-central-1", "sagemaker")
    assert not identity.presigned


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    path=_PATHS,
    pairs=st.lists(st.tuples(_TEXT.filter(bool), _TEXT), max_size=4, unique_by=lambda p: p[0]),
    expires=st.integers(1, 604_800),
    age=st.integers(0, 604_800),
)
def test_what_botocore_presigns_is_accepted_until_it_expires(
    path: str, pairs: list[tuple[str, str]], expires: int, age: int
) -> None:
    """A presigned URL is accepted during its life and not a second longer."""
    request = _botocore_signed(SigV4QueryAuth, "GET", _url(path, pairs), {}, b"", expires=expires)
    now = NOW + timedelta(seconds=age)
    if age <= expires:
        assert VERIFIER.verify(request, now, SERVICES).presigned
    else:
        with pytest.raises(InvalidSignature, match="expired"):
            VERIFIER.verify(request, now, SERVICES)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(**_CASE)
def test_our_signer_signs_as_botocore_does(
    path: str, pairs: list[tuple[str, str]], value: str, body: bytes, method: str
) -> None:
    """The light signer gives the very Authorization header that botocore gives."""
    url = _url(path, pairs)
    headers = {"X-Amz-Foo": value, **HEADERS}
    theirs = _botocore_signed(SigV4Auth, method, url, headers, body)
    # botocore keeps a sent query's spelling; encoding it by the rule gives the same.
    ours = sign_request(
        method,
        url,
        headers=headers,
        body=body,
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="eu-central-1",
        service="sagemaker",
        now=NOW,
    )
    assert ours["Authorization"] == theirs.header("authorization")
    assert ours["Host"] == "127.0.0.1:8000"


@pytest.mark.parametrize(("service", "path"), [("sagemaker", "/a/b"), ("s3", "/a//b%20c")])
def test_our_presigned_urls_are_accepted(service: str, path: str) -> None:
    """The presigner and the verifier agree, with the path and payload rules of each service."""
    options: dict[str, Any] = {
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": "us-east-1",
        "service": service,
        "now": NOW,
    }
    url = presign_url("GET", f"http://h:8000{path}?x=1", expires=60, **options)
    request = Request.of("GET", url.removeprefix("http://h:8000"), [("Host", "h:8000")])
    assert VERIFIER.verify(request, NOW, {service}).presigned
    for expires in (0, 604_801):
        with pytest.raises(ValueError, match="604800"):
            presign_url("GET", "http://h/", expires=expires, **options)


def _signed(headers: dict[str, str] | None = None, body: bytes = b"{}", **changes: Any) -> Request:
    options: dict[str, Any] = {
        "access_key_id": KEY,
        "secret_access_key": SECRET,
        "region": "us-east-1",
        "service": "sagemaker",
        "now": NOW,
        **changes,
    }
    sent = sign_request("POST", "http://127.0.0.1:8000/", headers=headers or HEADERS, body=body, **options)
    return Request.of("POST", "/", sent.items(), body)


def _refusal(request: Request, now: datetime = NOW) -> ApiError:
    with pytest.raises(ApiError) as caught:
        VERIFIER.verify(request, now, SERVICES)
    return caught.value


@pytest.mark.parametrize("seconds", [-900, -1, 0, 1, 900])
def test_the_clock_may_be_off_by_a_quarter_of_an_hour(seconds: int) -> None:
    """Within fifteen minutes either way the request is accepted."""
    VERIFIER.verify(_signed(), NOW + timedelta(seconds=seconds), SERVICES)


@pytest.mark.parametrize(("seconds", "text"), [(901, "expired"), (-901, "not yet current")])
def test_beyond_the_window_the_clock_is_named(seconds: int, text: str) -> None:
    """A second more is refused with the reason."""
    error = _refusal(_signed(), NOW + timedelta(seconds=seconds))
    assert (error.code, error.status) == ("InvalidSignatureException", 403)
    assert text in error.message
    assert "clock" in error.message


def test_the_date_header_will_do() -> None:
    """Where there is no X-Amz-Date, a signed Date is the time."""
    request = AWSRequest(
        method="POST", url="http://127.0.0.1:8000/", headers={"Date": "x", **HEADERS}, data=b"{}"
    )
    SigV4Auth(Credentials(KEY, SECRET), "sagemaker", "us-east-1").add_auth(request)
    sent = [("host", "127.0.0.1:8000"), *request.headers.items()]
    signed = Request.of("POST", "/", sent, b"{}")
    assert signed.header("x-amz-date") is None
    date = signed.header("date")
    assert date == "Fri, 02 Jan 2026 03:04:05 -0000"
    VERIFIER.verify(signed, NOW, SERVICES)


def test_without_a_signature_the_way_is_told() -> None:
    """An unsigned request learns how to sign."""
    error = _refusal(Request.of("POST", "/", [("host", "h")], b""))
    assert isinstance(error, MissingAuthenticationToken)
    assert "pegbox env" in error.message


def test_an_unknown_key_and_a_session_token_are_unrecognized() -> None:
    """No such key, and a token that no key of ours has; the latter names its remedy."""
    assert isinstance(_refusal(_signed(access_key_id="OTHER")), UnrecognizedClient)
    error = _refusal(_signed({**HEADERS, "X-Amz-Security-Token": "t"}))
    assert isinstance(error, UnrecognizedClient)
    assert "AWS_SESSION_TOKEN" in error.message


@pytest.mark.parametrize("service", ["s3", "iam", "sagemaker2"])
def test_the_scope_must_be_of_an_accepted_service(service: str) -> None:
    """A signature for another service is no signature for this one."""
    assert "scoped" in _refusal(_signed(service=service)).message


@pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64])
def test_the_payload_must_be_signed_and_true(declared: str) -> None:
    """In the header form neither an unsigned payload nor another's hash is accepted, though signed."""
    error = _refusal(_signed({**HEADERS, "X-Amz-Content-Sha256": declared}))
    assert isinstance(error, InvalidSignature)
    assert "Sha256" in error.message


@pytest.mark.parametrize("name", ["host", "content-type", "x-amz-target", "x-amz-date"])
def test_what_decides_must_be_signed(name: str) -> None:
    """Taking a deciding header out of SignedHeaders is refused before any comparison."""
    request = _signed()
    headers = tuple(
        (k, v.replace(f"{name};", "").replace(f";{name}", "") if k == "authorization" else v)
        for k, v in request.headers
    )
    error = _refusal(Request("POST", "/", "", headers, b"{}"))
    assert name in error.message


def test_a_second_deciding_header_is_ambiguous() -> None:
    """Two targets, two hosts or two content types are refused whatever was signed."""
    request = _signed()
    for name in ("host", "x-amz-target", "content-type", "x-amz-date", "authorization"):
        doubled = Request("POST", "/", "", (*request.headers, (name, request.header(name) or "")), b"{}")
        assert isinstance(_refusal(doubled), IncompleteSignature)


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Basic YTpi",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=a",
        "AWS4-HMAC-SHA256 Credential=a/b/c/d/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        f"AWS4-HMAC-SHA256 Credential={KEY}/20260102/us-east-1/sagemaker/aws4_request, SignedHeaders=host, Signature=0",
        f"AWS4-HMAC-SHA256 Credential={KEY}/20260102/us-east-1/sagemaker/aws4_request, SignedHeaders=Host, Signature="
        + "0" * 64,
        f"AWS4-HMAC-SHA256 Credential={KEY}/20260102/us-east-1/sagemaker/aws4_request, SignedHeaders=host;a, Signature="
        + "0" * 64,
    ],
)
def test_malformed_authorization_is_incomplete(authorization: str) -> None:
    """What cannot be read as a signature is told so, with 400."""
    headers = [("host", "h"), ("x-amz-date", "20260102T030405Z"), ("authorization", authorization)]
    error = _refusal(Request.of("POST", "/", headers, b""))
    assert (error.code, error.status) == ("IncompleteSignatureException", 400)


def test_an_unsigned_payload_may_only_be_presigned() -> None:
    """A URL presigned for any body, by its signer's word, is accepted with any body."""
    url = presign_url(
        "POST",
        "http://h/",
        access_key_id=KEY,
        secret_access_key=SECRET,
        region="us-east-1",
        service="sagemaker",
        now=NOW,
        expires=60,
        headers={"X-Amz-Target": "SageMaker.ListTrainingJobs"},
        body=b"{}",
    )
    headers = [("Host", "h"), ("X-Amz-Target", "SageMaker.ListTrainingJobs")]
    target = url.removeprefix("http://h")
    VERIFIER.verify(Request.of("POST", target, headers, b"{}"), NOW, SERVICES)
    with pytest.raises(InvalidSignature):
        VERIFIER.verify(Request.of("POST", target, headers, b"[]"), NOW, SERVICES)


def test_no_message_shows_a_secret_or_a_signature() -> None:
    """What is refused is explained without what would help a stranger."""
    request = _signed(secret_access_key="other-secret")
    message = _refusal(request).message
    signature = (request.header("authorization") or "").rpartition("=")[2]
    assert signature not in message
    assert SECRET not in message


def test_the_moment_of_signing_is_ours_to_give() -> None:
    """The signer writes the time it is given, in UTC."""
    zone = dt.timezone(timedelta(hours=5))
    assert dict(_signed(now=NOW.astimezone(zone)).headers)["x-amz-date"] == "20260102T030405Z"
