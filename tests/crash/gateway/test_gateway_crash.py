"""Crashes: of the gateway with capture on, of model servers with requests in flight; snapshots that change under load."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from pegbox.testing.gateway_rig import PATIENCE_SECONDS, GatewayRig, endpoint, eventually


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GatewayRig]:
    """A gateway that is not started yet."""
    rig = GatewayRig(tmp_path / "home")
    yield rig
    rig.close()


class Load:
    """Clients that call an endpoint again and again, and note every answer.

    Args:
        rig: The gateway.
        clients: How many.
        attributes: Custom attributes of each call.
    """

    def __init__(self, rig: GatewayRig, clients: int, attributes: str = "pid") -> None:
        self.answers: list[str] = []
        self.errors: list[str] = []
        self.ids: list[str] = []
        self._attributes = attributes
        self._stopped = threading.Event()
        self._threads = [threading.Thread(target=self._call, args=(rig.client(),)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _call(self, client: Any) -> None:
        while not self._stopped.is_set():
            try:
                answer = client.invoke_endpoint(
                    EndpointName="e", Body=b"x", CustomAttributes=self._attributes
                )
                self.answers.append(answer["Body"].read().decode())
                self.ids.append(answer["ResponseMetadata"]["RequestId"])
            except ClientError as error:
                self.errors.append(str(error))
            except BotoCoreError as error:
                self.errors.append(str(error))
                time.sleep(0.05)

    def wait_for(self, more: int) -> None:
        """Wait for so many further answers."""
        target = len(self.answers) + more
        eventually(lambda: len(self.answers) >= target, f"{more} more answers (errors: {self.errors[-3:]})")

    def stop(self) -> None:
        """Let the clients finish."""
        self._stopped.set()
        for thread in self._threads:
            thread.join(PATIENCE_SECONDS)
            assert not thread.is_alive(), "a request was left hanging"


def captured_ids(*folders: Path) -> set[str]:
    """Return the event ids of all records below some folders."""
    return {
        json.loads(line)["eventMetadata"]["eventId"]
        for folder in folders
        for file in folder.rglob("*.jsonl")
        for line in file.read_text().splitlines()
    }


def test_no_answered_request_is_missing_from_capture(rig: GatewayRig, tmp_path: Path) -> None:
    """kill -9 of the gateway under load, three times: each request that was answered has its record, in the end delivered."""
    out = tmp_path / "out"
    capture = {
        "sampling": 100, "input": True, "output": True, "destination": "s3://b/c", "path": str(out),
        "csv_types": [], "json_types": [], "key": None,
    }  # fmt: skip
    rig.publish({"e": endpoint(rig.model(), capture=capture)})
    rig.start()
    load = Load(rig, 4)
    for _ in range(3):
        load.wait_for(30)
        rig.kill()
        rig.start()
    load.wait_for(10)
    load.stop()
    rig.kill()
    answered = set(load.ids)
    assert len(answered) >= 100
    assert answered <= captured_ids(out, rig.home / "gateway" / "capture")
    rig.start()
    eventually(lambda: answered <= captured_ids(out), "all records are delivered")


def test_a_record_cut_in_the_middle_is_cut_off(rig: GatewayRig, tmp_path: Path) -> None:
    """What a crash left half-written does not reach the destination; whole records before it do."""
    folder = rig.home / "gateway" / "capture" / "1-abc"
    folder.mkdir(parents=True)
    (folder / "target.json").write_text(
        json.dumps({"path": str(tmp_path / "out"), "endpoint": "e", "variant": "v"})
    )
    whole = json.dumps({"eventMetadata": {"eventId": "1"}})
    name = "2026-01-02-03-04-05-006-01234567-0123-4123-a123-0123456789ab.jsonl"
    (folder / name).write_text(f"{whole}\n{whole[:20]}")
    rig.publish({})
    (rig.home / "keep").touch()
    rig.start()
    delivered = tmp_path / "out/e/v/2026/01/02/03/04-05-006-01234567-0123-4123-a123-0123456789ab.jsonl"
    eventually(delivered.exists, "the file is delivered")
    assert delivered.read_text() == f"{whole}\n"


def test_a_killed_instance_costs_no_request(rig: GatewayRig) -> None:
    """kill -9 of one of two instances under load: what it had is answered by the other one."""
    first, second = rig.model(), rig.model(tcp=True)
    rig.publish({"e": endpoint(first, second)})
    rig.start()
    load = Load(rig, 8, "pid;sleep=0.02")
    load.wait_for(30)
    first.kill()
    load.wait_for(60)
    load.stop()
    assert load.errors == []
    assert {str(first.process.pid), str(second.process.pid)} == set(load.answers)
    assert set(load.answers[-20:]) == {str(second.process.pid)}


def test_a_lost_single_instance_is_waited_for(rig: GatewayRig) -> None:
    """With one instance, requests wait for its replacement instead of failing."""
    first, second = rig.model(), rig.model()
    rig.publish({"e": endpoint(first)})
    rig.start()
    load = Load(rig, 4)
    load.wait_for(10)
    first.kill()
    rig.publish({"e": endpoint()})
    time.sleep(0.3)
    rig.publish({"e": endpoint(second, first=2)})
    load.wait_for(10)
    load.stop()
    assert load.errors == []


@pytest.mark.parametrize("before", [0, 20])
def test_a_request_that_kills_its_server_is_given_up(rig: GatewayRig, before: int) -> None:
    """A request whose every model server dies of it ends with a ModelError after three, over new connections and kept ones."""
    models = [rig.model() for _ in range(4)]
    rig.publish({"e": endpoint(*models)})
    rig.start()
    for _ in range(before):
        rig.client().invoke_endpoint(EndpointName="e", Body=b"x")
    with pytest.raises(ClientError) as caught:
        rig.client().invoke_endpoint(EndpointName="e", Body=b"x", CustomAttributes="die")
    assert caught.value.response["Error"]["Code"] == "ModelError"
    eventually(lambda: sum(model.process.poll() is None for model in models) == 1, "three have ended")
    time.sleep(0.2)
    assert sum(model.process.poll() is None for model in models) == 1


def test_a_hung_instance_answers_by_error_and_its_end_frees_requests(rig: GatewayRig) -> None:
    """A hung model server holds its requests until it is killed; then the other instance answers them."""
    first, second = rig.model(), rig.model()
    rig.publish({"e": endpoint(first, second)})
    rig.start()
    first.stop()
    load = Load(rig, 6)
    load.wait_for(20)
    time.sleep(0.3)
    first.kill()
    load.wait_for(20)
    load.stop()
    assert load.errors == []
    assert set(load.answers) == {str(second.process.pid)}


def test_snapshots_change_without_a_lost_request(rig: GatewayRig) -> None:
    """Under load instances are exchanged ten times; each one is told to be drained only when it has nothing in flight."""
    rig.publish({"e": endpoint(rig.model())})
    rig.start()
    load = Load(rig, 8, "pid;sleep=0.01")
    with rig.word() as word:
        for number in range(10):
            load.wait_for(5)
            old = rig.models[-1]
            rig.publish({"e": endpoint(rig.model(), first=number + 2)})
            gone = number + 1
            word.wait(
                lambda message, gone=gone: message["type"] == "drained" and gone in message["instances"]
            )
            old.kill()
    load.wait_for(5)
    load.stop()
    assert load.errors == []
    assert len(set(load.answers)) == 11


def test_a_snapshot_that_is_none_changes_nothing(rig: GatewayRig) -> None:
    """A damaged snapshot is passed over; the gateway serves with its last one and says so."""
    rig.publish({"e": endpoint(rig.model())})
    rig.start()
    (rig.home / "gateway" / "routes.json").write_text('{"version": 7')
    with rig.word() as word:
        word.tell({"type": "routes", "version": 7})
        word.tell({"type": "nothing"})
    eventually(lambda: "the last snapshot stays" in rig.log(), "the gateway says so")
    assert rig.client().invoke_endpoint(EndpointName="e", Body=b"y")["Body"].read() == b"y"


def test_a_gateway_ends_with_its_home(rig: GatewayRig) -> None:
    """When the home vanishes the process does not stay."""
    rig.publish({"e": endpoint(rig.model())})
    rig.start()
    assert rig.process is not None
    rig.home.rename(rig.home.with_name("gone"))
    assert rig.process.wait(PATIENCE_SECONDS) in (0, 1)
    rig.process = None


def test_a_gateway_without_endpoints_ends(tmp_path: Path) -> None:
    """Nobody needs it: it ends by itself in order, and leaves neither facts nor socket."""
    rig = GatewayRig(tmp_path / "home", "--idle-seconds", "0.5")
    try:
        rig.publish({})
        (rig.home / "keep").touch()
        rig.start()
        assert json.loads((rig.home / "gateway.json").read_text())["url"] == rig.url
        (rig.home / "keep").unlink()
        assert rig.process is not None
        assert rig.process.wait(PATIENCE_SECONDS) == 0
        rig.process = None
        assert not (rig.home / "gateway.json").exists()
        assert not rig.control.exists()
    finally:
        rig.close()


def test_what_is_in_flight_is_finished_at_the_end(rig: GatewayRig, tmp_path: Path) -> None:
    """SIGTERM: the request in flight is answered; only then does the process end."""
    rig.publish({"e": endpoint(rig.model())})
    rig.start()
    go = tmp_path / "go"
    load = Load(rig, 1, f"pid;hold={go}")
    eventually((tmp_path / "go.held").exists, "the model has the request")
    assert rig.process is not None
    rig.process.terminate()
    eventually(lambda: not _listens(rig.port), "no more are taken")
    assert rig.process.poll() is None
    go.touch()
    assert rig.end() == 0
    load.stop()
    assert len(load.answers) == 1


def _listens(port: int) -> bool:
    with socket.socket() as channel:
        return channel.connect_ex(("127.0.0.1", port)) == 0
