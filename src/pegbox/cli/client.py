"""Signed calls of the home's server over the standard library: loading boto3 would take longer than most commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple
from urllib.parse import quote

from pegbox.bootstrap.home import Home, ServerFacts
from pegbox.errors import ApiError, ServerError
from pegbox.wire import sign_request

#: Target prefix and signing name of each service.
SERVICES = {
    "sagemaker": ("SageMaker", "sagemaker"),
    "logs": ("Logs_20140328", "logs"),
    "pegbox": ("Pegbox", "sagemaker"),
}
#: Seconds a call may take.
CALL_SECONDS = 60.0


#: Seconds a prediction may take; the runtime's own time-out of one minute comes first.
INVOKE_SECONDS = 75.0


class Answer(NamedTuple):
    """An endpoint's answer.

    Attributes:
        content_type: MIME type of the body.
        variant: Variant that answered.
        body: The body.
    """

    content_type: str
    variant: str
    body: bytes


class Client:
    """Calls operations of a running server.

    Args:
        home: The home, for the owner's key.
        facts: Its running server.
    """

    def __init__(self, home: Home, facts: ServerFacts) -> None:
        self._credentials = home.credentials()
        self._url = facts.url
        self._runtime_url = getattr(facts, "runtime_url", None) or facts.url
        self._connection = _connection(facts.url, CALL_SECONDS)

    @property
    def region(self) -> str:
        """Region of the server."""
        return self._credentials.region

    def invocations_url(self, endpoint: str) -> str:
        """Return the address that an endpoint's requests go to."""
        return f"{self._runtime_url}/endpoints/{quote(endpoint, safe='')}/invocations"

    def invoke(self, endpoint: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a request to an endpoint and return its answer.

        Raises:
            ApiError: The endpoint refused or failed.
            ServerError: It does not answer.
        """
        url = self.invocations_url(endpoint)
        signed = self._sign(url, headers, body, "sagemaker")
        connection = _connection(self._runtime_url, INVOKE_SECONDS)
        try:
            connection.request("POST", url.removeprefix(self._runtime_url), body, signed)
            answer = connection.getresponse()
            data = answer.read()
        except (OSError, HTTPException) as error:
            raise ServerError(f"the endpoints at {self._runtime_url} do not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= 300:
            raise _refusal(answer.status, answer.getheader("x-amzn-errortype"), data)
        variant = answer.getheader("x-Amzn-Invoked-Production-Variant") or ""
        return Answer(answer.getheader("Content-Type") or "", variant, data)

    def _sign(self, url: str, headers: Mapping[str, str], body: bytes, signing_name: str) -> dict[str, str]:
        return dict(
            sign_request(
                "POST",
                url,
                headers=dict(headers),
                body=body,
                access_key_id=self._credentials.access_key_id,
                secret_access_key=self._credentials.secret_access_key,
                region=self._credentials.region,
                service=signing_name,
                now=datetime.now(timezone.utc),
            )
        )

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Call an operation and return its output; timestamps are epoch seconds.

        Raises:
            ApiError: The server refused; code and message are the server's.
            ServerError: It does not answer.
        """
        prefix, signing_name = SERVICES[service]
        body = json.dumps({name: value for name, value in params.items() if value is not None}).encode()
        kind = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": f"{prefix}.{operation}"}
        headers = self._sign(self._url + "/", kind, body, signing_name)
        try:
            self._connection.request("POST", "/", body, headers)
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, HTTPException) as error:
            self._connection.close()
            raise ServerError(f"the server at {self._url} does not answer: {error}") from error
        return _members(answer.status, data)

    def pages(self, service: str, operation: str, **params: Any) -> Iterator[dict[str, Any]]:
        """Call an operation again and again, yielding each page."""
        token = "nextToken" if service == "logs" else "NextToken"
        while True:
            page = self.call(service, operation, **params)
            yield page
            if not page.get(token):
                return
            params[token] = page[token]


def _connection(url: str, seconds: float) -> HTTPConnection:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return HTTPConnection(host.strip("[]"), int(port), timeout=seconds)


def _refusal(status: int, code: str | None, data: bytes) -> ApiError:
    """The error that an endpoint's answer tells; a model's own message is passed on with it."""
    try:
        told = json.loads(data)
    except ValueError:
        told = {}
    told = told if isinstance(told, dict) else {}
    words = str(told.get("message") or told.get("Message") or data[:2000].decode("utf-8", "replace"))
    if told.get("OriginalMessage") and str(told["OriginalMessage"]) not in words:
        words = f"{words} (the model answered {told.get('OriginalStatusCode')}: {told['OriginalMessage']})"
    name = (code or str(told.get("__type", f"HTTP {status}"))).partition(":")[0].rpartition("#")[2]
    return ApiError(words, code=name, status=status)


def _members(status: int, data: bytes) -> dict[str, Any]:
    try:
        members = json.loads(data) if data else {}
    except ValueError:
        members = {"message": data[:500].decode("utf-8", "replace")}
    if status >= 300:
        text: Mapping[str, Any] = members
        code = str(text.get("__type", f"HTTP {status}")).rpartition("#")[2]
        raise ApiError(str(text.get("message") or text.get("Message") or ""), code=code, status=status)
    return dict(members)
