"""Signed calls of the home's server over the standard library: loading boto3 would take longer than most commands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from http.client import HTTPConnection, HTTPException
from typing import Any

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


class Client:
    """Calls operations of a running server.

    Args:
        home: The home, for the owner's key.
        facts: Its running server.
    """

    def __init__(self, home: Home, facts: ServerFacts) -> None:
        self._credentials = home.credentials()
        self._url = facts.url
        host, _, port = facts.url.removeprefix("http://").rpartition(":")
        self._connection = HTTPConnection(host.strip("[]"), int(port), timeout=CALL_SECONDS)

    def call(self, service: str, operation: str, **params: Any) -> dict[str, Any]:
        """Call an operation and return its output; timestamps are epoch seconds.

        Raises:
            ApiError: The server refused; code and message are the server's.
            ServerError: It does not answer.
        """
        prefix, signing_name = SERVICES[service]
        body = json.dumps({name: value for name, value in params.items() if value is not None}).encode()
        headers = sign_request(
            "POST",
            self._url + "/",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"{prefix}.{operation}",
            },
            body=body,
            access_key_id=self._credentials.access_key_id,
            secret_access_key=self._credentials.secret_access_key,
            region=self._credentials.region,
            service=signing_name,
            now=datetime.now(timezone.utc),
        )
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
