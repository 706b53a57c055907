"""Agents of attempts with pipe channels are killed around the moment in which the feeder is started."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from pegbox.domain.orders import AttemptOrder, ChannelOrder
from pegbox.testing.local_rig import COUNT_START, LocalRig

READ = (
    COUNT_START
    + """
data = os.environ['SAGEMAKER_BASE_DIR'] + '/input/data/train_'
for epoch in range(3):
    print(f'loss={len(open(data + str(epoch), "rb").read())}', flush=True)
open(os.environ['SM_OUTPUT_DIR'] + '/success', 'w').close()
"""
)


def order_of(rig: LocalRig, data: Path) -> AttemptOrder:
    """Return an order whose program reads three epochs of a pipe."""
    data.write_bytes(b"x" * 150_000)
    channel = ChannelOrder(name="train", path=str(data), uri="s3://b/train", input_mode="Pipe")
    return rig.script({"train.py": READ}, channels=(channel,))


@pytest.mark.parametrize("label", ["prepared", "spawned", "noted"])
def test_killed_before_the_feeder_is_there(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rig: LocalRig
) -> None:
    """The agent that takes over starts the feeder that the first one could not start; the program reads everything."""
    monkeypatch.setenv("PEGBOX_AGENT_DIE_AT", f"{label}:{tmp_path / 'died'}")
    order = order_of(rig, tmp_path / "data")
    end = rig.run(order)
    assert (tmp_path / "died").exists()
    assert end["outcome"] == "completed", rig.log(order)
    assert [event["value"] for event in rig.of_kind(order, "metric")] == [150_000.0] * 3
    assert rig.starts(order.attempt_id) == 1
    assert not rig.processes(order)


def test_killed_at_random_instants(tmp_path: Path, rig: LocalRig) -> None:
    """Whenever agents die: an attempt completes with every epoch read whole, or is lost; nothing hangs, nothing is left."""
    rng = random.Random(4)
    for number in range(6):
        order = order_of(rig, tmp_path / f"data{number}")
        rig.executor.launch(order)
        time.sleep(rng.uniform(0.0, 0.25))
        for agent in rig.agents():
            agent.kill()
        rig.settle(lambda order=order: rig.finished(order))  # type: ignore[misc]
        end = rig.finished(order)
        assert end is not None
        assert end["outcome"] in ("completed", "lost"), rig.log(order)
        if end["outcome"] == "completed":
            assert [event["value"] for event in rig.of_kind(order, "metric")] == [150_000.0] * 3
        assert rig.starts(order.attempt_id) <= 1
        assert not rig.processes(order)
