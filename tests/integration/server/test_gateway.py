"""The server's side of the gateway: it is started, found again, replaced, and told what changed; one address serves all."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pegbox.artifacts.keyring import Keyring
from pegbox.bootstrap.gateway import GatewayPolicy, GatewayRoutes, living_gateway
from pegbox.bootstrap.home import Home, process_start
from pegbox.gateway.delivery import spooled
from pegbox.ports.routes import Drained
from pegbox.sealing import read_records_header
from pegbox.testing.gateway_rig import ModelServer, endpoint, eventually
from pegbox.testing.plaintext import holders


class Beside:
    """A home with the server's side of a gateway, and model servers."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.home.prepare()
        self.home.make_credentials("us-east-1")
        self.keyring = Keyring(folder / "keyring.json")
        self.drained: list[Drained] = []
        self.models: list[ModelServer] = []
        self.version = 0
        self.routes = self.open()
        self.host, self.port = "127.0.0.1", int((self.home.path / "runtime-port").read_text())

    def open(self, **policy: Any) -> GatewayRoutes:
        """Return what a server that starts would have."""
        self.routes = GatewayRoutes(self.home, GatewayPolicy(**policy), self.keyring)
        self.routes.open(self.drained.append)
        return self.routes

    def model(self) -> ModelServer:
        """Start a model server."""
        self.models.append(ModelServer(f"unix:{self.home.path}/m{len(self.models)}.sock"))
        return self.models[-1]

    def publish(self, endpoints: dict[str, Any]) -> None:
        """Publish a snapshot."""
        self.version += 1
        head = {"version": self.version, "written_at": 0.0, "region": "us-east-1", "account": "000000000000"}
        self.routes.publish({**head, "endpoints": endpoints})

    def invoke(self) -> bytes:
        """Call endpoint ``e``; a gateway that is being started is waited for by the client's retries."""
        key = self.home.credentials()
        client = boto3.client(
            "sagemaker-runtime",
            endpoint_url=self.routes.url,
            region_name=key.region,
            aws_access_key_id=key.access_key_id,
            aws_secret_access_key=key.secret_access_key,
            config=Config(retries={"mode": "standard", "max_attempts": 12}),
        )
        return bytes(client.invoke_endpoint(EndpointName="e", Body=b"x")["Body"].read())

    def refuses(self) -> bool:
        """Whether nobody listens at the gateway's port."""
        try:
            socket.create_connection((self.host, self.port), 30).close()
        except ConnectionRefusedError:
            return True
        return False

    def pid(self) -> int:
        """Return the gateway's process id, once there is one."""
        return int(eventually(lambda: living_gateway(self.home), "a gateway runs")["pid"])

    def close(self) -> None:
        """End everything."""
        self.routes.close()
        facts = living_gateway(self.home)
        if facts is not None:
            os.kill(facts["pid"], signal.SIGKILL)
        for model in self.models:
            model.close()


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[Beside]:
    """A home with the server's side of a gateway."""
    beside = Beside(tmp_path)
    yield beside
    beside.close()


def test_a_gateway_comes_with_the_first_endpoint_and_again_after_a_crash(beside: Beside) -> None:
    """None runs without endpoints; one is started when they come, and again when it was killed."""
    time.sleep(0.2)
    assert living_gateway(beside.home) is None
    beside.publish({"e": endpoint(beside.model())})
    first = beside.pid()
    assert psutil.Process(first).cmdline()[1:3] == ["-m", "pegbox.gateway"]
    assert os.getsid(first) == first
    assert not any(
        beside.home.credentials().secret_access_key in word for word in psutil.Process(first).cmdline()
    )
    assert beside.invoke() == b"x"
    os.kill(first, signal.SIGKILL)
    assert beside.invoke() == b"x"
    assert beside.pid() != first
    assert beside.routes.describe()["state"] == "running"


def test_connections_wait_while_a_killed_gateway_is_started_again(beside: Beside) -> None:
    """kill -9 of the gateway refuses nobody who connects, be it of this server or an earlier one's; without endpoints all are."""
    beside.publish({"e": endpoint(beside.model())})
    beside.pid()
    beside.invoke()
    refused: list[OSError] = []
    connected = 0
    ended = threading.Event()

    def knock() -> None:
        nonlocal connected
        while not ended.is_set():
            try:
                socket.create_connection((beside.host, beside.port), 30).close()
                connected += 1
            except OSError as error:
                refused.append(error)
            time.sleep(0.005)

    knocking = threading.Thread(target=knock)
    knocking.start()
    try:
        for own in (True, True, False):
            if not own:
                beside.routes.close()
                beside.open()
                eventually(lambda: beside.routes.status()["version"], "the next server has spoken to it")
            pid = beside.pid()
            os.kill(pid, signal.SIGKILL)
            eventually(lambda pid=pid: beside.pid() != pid, "another gateway runs")
            assert beside.invoke() == b"x"
    finally:
        ended.set()
        knocking.join()
    assert refused == []
    assert connected > 10
    beside.publish({})
    os.kill(beside.pid(), signal.SIGKILL)
    eventually(beside.refuses, "nobody waits for a gateway that is not needed")


def test_nobody_waits_for_a_gateway_that_does_not_start(beside: Beside) -> None:
    """While a gateway fails at its start again and again, clients are refused; once it starts they are served."""
    metrics = beside.home.path / "gateway" / "metrics"
    metrics.write_text("in the way")
    beside.publish({"e": endpoint(beside.model())})
    eventually(beside.refuses, "clients are refused", 60)
    metrics.unlink()
    eventually(lambda: not beside.refuses(), "it has started", 60)
    assert beside.invoke() == b"x"


def test_drained_instances_are_told(beside: Beside) -> None:
    """What leaves a snapshot is told to be drained by the gateway, or at once where there is none."""
    beside.publish({"e": endpoint(beside.model(), first=7)})
    beside.pid()
    beside.publish({"e": endpoint(beside.models[0], first=8)})
    eventually(lambda: any(7 in told.instances for told in beside.drained), "7 is drained")
    assert all(8 not in told.instances for told in beside.drained)
    beside.publish({})
    eventually(lambda: any(8 in told.instances for told in beside.drained), "8 is drained")
    os.kill(beside.pid(), signal.SIGKILL)
    eventually(lambda: living_gateway(beside.home) is None, "it has ended")
    beside.publish({"x": endpoint("unix:/nothing", first=9, status="Failed")})
    beside.publish({})
    eventually(lambda: any(9 in told.instances for told in beside.drained), "9 is drained")


def test_the_gateway_outlives_the_server_and_is_found_again(beside: Beside) -> None:
    """It serves while no server is there; the next server speaks to the same process."""
    beside.publish({"e": endpoint(beside.model(), first=1)})
    first = beside.pid()
    beside.routes.close()
    assert beside.invoke() == b"x"
    beside.open()
    beside.publish({"e": endpoint(beside.models[0], first=2)})
    eventually(lambda: any(1 in told.instances for told in beside.drained), "1 is drained")
    assert beside.pid() == first
    assert beside.invoke() == b"x"


def test_a_gateway_of_another_version_is_replaced(beside: Beside) -> None:
    """A gateway of another version ends in order and a new one takes its port."""
    beside.publish({"e": endpoint(beside.model())})
    first = beside.pid()
    url = beside.routes.url
    beside.routes.close()
    file = beside.home.path / "gateway.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": "0.0.1"}))
    beside.open()
    eventually(lambda: beside.pid() != first, "another gateway runs")
    assert beside.routes.url == url
    assert beside.invoke() == b"x"
    eventually(lambda: process_start(first) is None, "the old one has ended")


def test_a_hung_gateway_is_replaced(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that lives but says nothing is killed and another one started."""
    beside.publish({"e": endpoint(beside.model())})
    first = beside.pid()
    beside.routes.close()
    os.kill(first, signal.SIGSTOP)
    monkeypatch.setattr("pegbox.bootstrap.gateway.WORD_SECONDS", 2.0)
    beside.open()
    eventually(lambda: beside.pid() != first, "another gateway runs")
    assert beside.invoke() == b"x"


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    """A stranger on the gateway's port is named in its log, with the remedy; the server lives on."""
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", 0))
        stranger.listen()
        port = stranger.getsockname()[1]
        beside = Beside(tmp_path)
        try:
            beside.routes.close()
            beside.open(port=port)
            beside.publish({"e": endpoint("unix:/none")})
            log = beside.home.path / "logs" / "gateway.log"
            eventually(
                lambda: (
                    log.exists()
                    and f"port {port} of this home's gateway is used by another" in log.read_text()
                ),
                "the log names the port",
            )
        finally:
            beside.close()


def test_keys_come_with_the_process_and_follow_the_keyring(beside: Beside) -> None:
    """A gateway seals its first request, is told of a key that is disabled and enabled; no file of the home holds a data key."""
    out, spool = beside.home.path / "out", beside.home.path / "gateway" / "capture"
    capture = {
        "sampling": 100, "input": True, "output": False, "destination": "s3://b/c", "path": str(out),
        "csv_types": [], "json_types": [], "key": "alias/k",
    }  # fmt: skip
    beside.keyring.create("k", datetime.now(timezone.utc))

    def status() -> Any:
        return beside.routes.status()["captures"].get("e", {})

    beside.publish({"e": endpoint(beside.model(), capture=capture)})
    beside.invoke()
    eventually(lambda: spooled(spool) or spooled(out), "the first request is captured")
    first = beside.pid()
    eventually(lambda: status().get("status") == "Started", "capture is on")
    beside.keyring.enable("k", False)
    beside.routes.keys_changed()
    eventually(lambda: "the key is disabled" in status()["reason"], "capture pauses")
    beside.keyring.enable("k", True)
    beside.routes.keys_changed()
    eventually(lambda: status()["status"] == "Started", "capture goes on")
    os.kill(first, signal.SIGKILL)
    beside.invoke()
    assert beside.pid() != first
    eventually(
        lambda: len(spooled(out)) == 2, "the first request of the next gateway is captured, and delivered"
    )
    for file in spooled(out):
        with file.open("rb") as stream:
            header = read_records_header(stream)
        plain = beside.keyring.unwrap(header.key_id, header.wrapped).plain
        words = (plain, plain.hex().encode())
        assert not holders(beside.home.path, lambda _, data, words=words: any(word in data for word in words))


def test_one_address_serves_invocations_too(server: Any) -> None:
    """The server's own address hands invocations to the gateway, signature intact, and starts it when it is not there."""
    facts = json.loads((server.home / "server.json").read_text())
    assert living_gateway(Home(server.home)) is None
    runtime = server.client("sagemaker-runtime")
    assert runtime.meta.endpoint_url == facts["url"]
    for body in (b"x", b"y" * 3_000_000):
        with pytest.raises(ClientError) as caught:
            runtime.invoke_endpoint(EndpointName="none", Body=body)
        assert type(caught.value).__name__ == "ValidationError"
        assert "Endpoint none of account" in str(caught.value)
    assert living_gateway(Home(server.home)) is not None
