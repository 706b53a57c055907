"""The other side of the wire: botocore's own clients, serializers and parsers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from botocore.model import ServiceModel as BotocoreModel
from botocore.session import get_session

from pegbox.errors import ApiError
from pegbox.wire import SERVED, Request, Response, Service, Verifier

KEY, SECRET = "PEGBOXTESTKEY", "secret/with+signs"
REQUEST_ID = "6c1f0d1e-0000-4000-8000-00000000abcd"

Handler = Callable[[str, dict[str, Any]], dict[str, Any] | None]


@pytest.fixture(scope="session")
def service() -> Service:
    """Everything that is served, read from botocore without a cache."""
    return Service.load()


@pytest.fixture(scope="session")
def botocore_models() -> dict[str, BotocoreModel]:
    """The client's view of the same services."""
    session = get_session()
    return {name: session.get_service_model(name) for name in SERVED}


class _Body:
    """The little of urllib3's response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._body


class Wired:
    """Real boto3 clients whose sent bytes go straight through the room and back."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.handler: Handler = lambda operation, params: {}
        self.calls: list[tuple[str | None, str | None, dict[str, Any]]] = []
        self.responses: list[Response] = []

    def client(self, name: str) -> Any:
        """A client of a service, with everything but the socket."""
        client = boto3.client(
            name,
            region_name="us-east-1",
            endpoint_url="http://127.0.0.1:8000",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=Config(retries={"max_attempts": 0}),
        )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        headers = [
            (name, value.decode("latin-1") if isinstance(value, bytes) else value)
            for name, value in request.headers.items()
        ]
        if request.headers.get("Host") is None:
            headers.append(("Host", "127.0.0.1:8000"))
        target = request.url.removeprefix("http://127.0.0.1:8000")
        body = request.body.encode() if isinstance(request.body, str) else bytes(request.body or b"")
        response = self.answer(Request.of(request.method, target, headers, body))
        self.responses.append(response)
        return AWSResponse(request.url, response.status, dict(response.headers), _Body(response.body))

    def answer(self, request: Request) -> Response:
        """What the API does with a request."""
        call = self.service.open(request)
        try:
            names = {call.signing_name} if call.signing_name else self.service.signing_names
            Verifier({KEY: SECRET}.get).verify(request, datetime.now(timezone.utc), names)
            params = call.params()
            self.calls.append((call.service, call.operation, params))
            return call.respond(self.handler(call.operation or "", params), REQUEST_ID)
        except ApiError as error:
            return call.respond_error(error, REQUEST_ID)


@pytest.fixture
def wired(service: Service) -> Wired:
    """Fresh clients against the served models."""
    return Wired(service)
