"""More than can be served: the gateway sends requests away and keeps its memory, and serves the others."""

from __future__ import annotations

import contextlib
import http.client
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pegbox.gateway.connection import BODIES_BYTES
from pegbox.testing.gateway_rig import KEY, PATIENCE_SECONDS, REGION, SECRET, GatewayRig, endpoint, eventually
from pegbox.wire import sign_request


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GatewayRig]:
    """A gateway with one model server."""
    rig = GatewayRig(tmp_path / "home")
    rig.publish({"e": endpoint(rig.model())})
    rig.start()
    yield rig
    rig.close()


def peak_memory(rig: GatewayRig) -> int:
    """Return the most memory that the gateway ever had, in bytes."""
    assert rig.process is not None
    for line in Path(f"/proc/{rig.process.pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the system does not tell")


def test_large_bodies_of_many_clients_are_bounded(rig: GatewayRig, tmp_path: Path) -> None:
    """40 clients send 10 MB each to a model that takes its time: what is over the budget is told so before its body is read."""
    body = b"x" * 10_000_000
    path, go = "/endpoints/e/invocations", tmp_path / "go"
    headers = sign_request(
        "POST", f"{rig.url}{path}", headers={"X-Amzn-SageMaker-Custom-Attributes": f"hold={go};size=2"}, body=body,
        access_key_id=KEY, secret_access_key=SECRET, region=REGION, service="sagemaker", now=datetime.now(timezone.utc),
    )  # fmt: skip
    seen: Counter[str] = Counter()

    def call() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", rig.port, timeout=PATIENCE_SECONDS)
        # One that is sent away while it is still sending has its answer all the same.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
        seen[f"{answer.status} {answer.getheader('x-amzn-errortype') or ''}".strip()] += 1
        if answer.status == 503:
            assert answer.getheader("Retry-After") == "1"
        connection.close()

    threads = [threading.Thread(target=call) for _ in range(40)]
    for thread in threads:
        thread.start()
    # Whoever is not sent away fits into the budget, and waits.
    eventually(
        lambda: seen["503 ServiceUnavailable"] == 40 - BODIES_BYTES // len(body), "the others are sent away"
    )
    go.touch()
    for thread in threads:
        thread.join()
    assert seen == {
        "200": BODIES_BYTES // len(body),
        "503 ServiceUnavailable": 40 - BODIES_BYTES // len(body),
    }
    assert peak_memory(rig) < 3 * BODIES_BYTES
    status, _, answer = rig.post(path, b"small")
    assert (status, answer) == (200, b"small")
