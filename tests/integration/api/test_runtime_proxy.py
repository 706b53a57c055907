"""Invocations through the server's own address: bodies, streams and errors pass unchanged, in both directions."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from botocore.exceptions import ClientError, EventStreamError

from pegbox.api import GuardedConnection
from pegbox.api.runtime_proxy import RuntimeProxy
from pegbox.errors import ServerError
from pegbox.testing.gateway_rig import GatewayRig, endpoint, eventually


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayRig]:
    """A gateway that is started by the first request."""
    rig = GatewayRig(tmp_path_factory.mktemp("proxy") / "home")
    rig.publish({"e": endpoint(rig.model())})
    yield rig
    rig.close()


@pytest.fixture(scope="module")
def address(rig: GatewayRig) -> Iterator[str]:
    """The address of a server that hands everything to the gateway."""
    threads = ThreadPoolExecutor(2)
    with serving(RuntimeProxy(rig.url, rig.start, threads)) as url:
        yield url
    threads.shutdown()


class serving:
    """Serves an ASGI application in a thread, with the server's own connections."""

    def __init__(self, app: Any) -> None:
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        http = GuardedConnection.within(30)
        config = uvicorn.Config(app, http=http, ws="none", lifespan="off", log_config=None)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listener]})

    def __enter__(self) -> str:
        self._thread.start()
        eventually(lambda: self._server.started, "it serves")
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()


def test_the_gateway_is_started_and_bodies_pass(rig: GatewayRig, address: str) -> None:
    """The first request starts the gateway; 10 MB go through in both directions, with the signature intact."""
    body = bytes(range(256)) * 40_000
    answer = rig.client(endpoint_url=address).invoke_endpoint(
        EndpointName="e", Body=body, ContentType="application/x-npy"
    )
    assert answer["Body"].read() == body
    assert answer["ContentType"] == "application/x-npy"
    assert answer["InvokedProductionVariant"] == "AllTraffic"


def test_errors_and_streams_pass(rig: GatewayRig, address: str) -> None:
    """A ModelError keeps its members; a stream comes in parts and may end with its error."""
    client = rig.client(endpoint_url=address)
    with pytest.raises(ClientError) as caught:
        client.invoke_endpoint(EndpointName="e", Body=b"bad", CustomAttributes="status=418")
    assert caught.value.response["OriginalStatusCode"] == 418
    stream = client.invoke_endpoint_with_response_stream(
        EndpointName="e", Body=b"p", CustomAttributes="stream=5"
    )
    parts = [event["PayloadPart"]["Bytes"] for event in stream["Body"]]
    assert b"".join(parts) == b"p0p1p2p3p4"
    assert len(parts) > 1
    broken = client.invoke_endpoint_with_response_stream(
        EndpointName="e", Body=b"p", CustomAttributes="break=2"
    )
    with pytest.raises(EventStreamError, match="ModelStreamError"):
        list(broken["Body"])
    broken["Body"].close()
    stream["Body"].close()


def test_a_gateway_that_cannot_be_started_is_told(tmp_path: Path) -> None:
    """Without a gateway the client is told ServiceUnavailable and why, not left with a closed connection."""
    rig = GatewayRig(tmp_path / "home")

    def ensure() -> None:
        raise ServerError("the gateway does not answer")

    with ThreadPoolExecutor(1) as threads, serving(RuntimeProxy(rig.url, ensure, threads)) as url:
        with pytest.raises(ClientError) as caught:
            rig.client(endpoint_url=url).invoke_endpoint(EndpointName="e", Body=b"x")
        assert caught.value.response["Error"]["Code"] == "ServiceUnavailable"
        assert "the gateway does not answer" in str(caught.value)
    rig.close()
