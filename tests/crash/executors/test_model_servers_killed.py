"""Model servers and their agents are killed with SIGKILL."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from pegbox.domain.orders import ServingOrder
from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import LocalRig
from pegbox.testing.model_servers import ask


def _start(rig: LocalRig, order: ServingOrder) -> str:
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "ready"))
    address: str = rig.of_kind(order, "ready")[0]["address"]
    return address.removeprefix("unix:")


def test_a_killed_model_server(rig: LocalRig) -> None:
    """A model server that is killed has failed, with the signal in the message, at once."""
    order = rig.server("serves")
    _start(rig, order)
    os.kill(rig.of_kind(order, "starting")[0]["pid"], 9)
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["signal"]) == ("failed", 9)
    assert "SIGKILL" in end["failure"]["message"]
    assert not rig.processes(order)


def test_an_agent_killed_beside_a_model_server(rig: LocalRig) -> None:
    """The next agent adopts the server, which was never away, and reports it ready again at the same address."""
    order = rig.server("serves")
    path = _start(rig, order)
    for round_ in (2, 3):
        rig.agents()[0].kill()
        rig.settle(lambda count=round_: len(rig.of_kind(order, "ready")) == count)
        assert ask(path, b"hello")[:2] == (200, b"hello")
    assert {event["address"] for event in rig.of_kind(order, "ready")} == {f"unix:{path}"}
    assert rig.starts(order.attempt_id) == 1
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "stopped"
    assert not rig.processes(order)


def test_an_agent_killed_beside_a_busy_model_server(rig: LocalRig) -> None:
    """A server that was ready long ago and misses one look of the next agent is not taken for one that never came up."""
    order = rig.server("serves")
    path = _start(rig, order)
    pid = rig.of_kind(order, "starting")[0]["pid"]
    agent = rig.agents()[0]
    agent.suspend()
    file = Path(order.directory, "state.json")
    state = json.loads(file.read_text())
    file.write_text(json.dumps({**state, "monotonic": state["monotonic"] - order.startup_seconds - 1}))
    os.kill(pid, 19)
    agent.kill()
    rig.settle(lambda: rig.of_kind(order, "notice"))
    time.sleep(2.5)
    os.kill(pid, 18)
    rig.settle(lambda: len(rig.of_kind(order, "ready")) == 2)
    assert ask(path, b"hello")[:2] == (200, b"hello")


def test_both_killed(rig: LocalRig) -> None:
    """When agent and model server are killed together the instance is lost, and not started again."""
    order = rig.server("serves")
    _start(rig, order)
    agent = rig.agents()[0]
    agent.suspend()
    os.kill(rig.of_kind(order, "starting")[0]["pid"], 9)
    agent.kill()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["failure"]["class"]) == ("lost", "InternalServerError")
    assert rig.starts(order.attempt_id) == 1


@pytest.mark.parametrize("label", ["prepared", "starting", "spawned", "noted"])
def test_an_agent_dies_on_the_way(rig: LocalRig, label: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever an agent dies on the way to a started server, the server is started at most once, and the story ends."""
    monkeypatch.setenv("PEGBOX_AGENT_DIE_AT", f"{label}:{rig.home}/died")
    order = rig.server("serves")
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "ready") or rig.finished(order))
    assert (rig.home / "died").exists()
    if rig.finished(order) is None:
        rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
        rig.settle(lambda: rig.finished(order))
    assert rig.starts(order.attempt_id) <= 1
    assert not rig.processes(order)
    assert [event["kind"] for event in rig.events(order.attempt_id)].count("finished") == 1


def test_a_stop_while_the_server_is_away(rig: LocalRig) -> None:
    """An instance that was told to stop before the server crashed is reported stopped to the next one."""
    order = rig.server("serves")
    _start(rig, order)
    rig.committing = False
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 5.0)
    rig.settle(lambda: not rig.processes(order))
    rig.crash()
    rig.committing = True
    rig.executor.resume(order)
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "stopped"
    assert rig.starts(order.attempt_id) == 1
