"""Pipe and FastFile channels through real agents: FIFOs for every epoch, fed by a process that ends with the attempt."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import psutil
import pytest

from pegbox.domain.orders import AttemptOrder, ChannelOrder
from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import LocalRig

READ = """
import os, sys, threading
data = os.environ['SAGEMAKER_BASE_DIR'] + '/input/data/'
def read(name, epoch):
    with open(f'{data}{name}_{epoch}', 'rb') as stream:
        return stream.read()
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two objects, more than a pipe holds."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "1").write_bytes(b"a" * 200_000)
    (folder / "2").write_bytes(b"b" * 200_000)
    return folder


def pipe(name: str, path: Path, **more: Any) -> ChannelOrder:
    """Return a pipe channel."""
    return ChannelOrder(name=name, path=str(path), uri=f"s3://b/{name}", input_mode="Pipe", **more)


def feeders(rig: LocalRig, order: AttemptOrder) -> list[psutil.Process]:
    """Return the living feeders of an attempt."""
    return [item for item in rig.processes(order) if any("feeder.py" in word for word in item.cmdline())]


def test_epochs_of_several_channels(rig: LocalRig, data: Path, tmp_path: Path) -> None:
    """Each epoch has a FIFO with the whole data, the next is there when one was read, and channels are read at once."""
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(b"z" * 100_000))
    program = READ + (
        "import stat\n"
        "assert stat.S_ISFIFO(os.stat(data + 'train_0').st_mode)\n"
        "for epoch in range(3):\n"
        "    found = {}\n"
        "    def take(name):\n        found[name] = read(name, epoch)\n"
        "    threads = [threading.Thread(target=take, args=(name,)) for name in ('train', 'other')]\n"
        "    [t.start() for t in threads]; [t.join() for t in threads]\n"
        "    assert found['train'] == b'a' * 200_000 + b'b' * 200_000\n"
        "    print(epoch, len(found['train']), len(found['other']), os.environ['SM_CHANNELS'])\n"
        "print(sorted(os.listdir(data)))\n"
    )
    order = rig.script(
        {"train.py": program}, channels=(pipe("train", data), pipe("other", packed, compression="Gzip"))
    )
    assert rig.run(order)["outcome"] == "completed", rig.log(order)
    lines = rig.log(order).splitlines()
    assert lines[:3] == [f'{epoch} 400000 100000 ["other","train"]' for epoch in range(3)]
    assert lines[3] == "['other_3', 'train_3']"
    assert feeders(rig, order) == []


def test_a_program_may_stop_reading_or_never_begin(rig: LocalRig, data: Path) -> None:
    """Closing early leads to the next epoch at its beginning; a channel that is never opened keeps nobody."""
    program = READ + (
        "for epoch in range(3):\n"
        "    with open(f'{data}train_{epoch}', 'rb') as stream:\n        print(stream.read(3))\n"
    )
    order = rig.script({"train.py": program}, channels=(pipe("train", data), pipe("never", data)))
    assert rig.run(order)["outcome"] == "completed", rig.log(order)
    assert rig.log(order) == "b'aaa'\n" * 3
    assert rig.processes(order) == []


def test_a_bad_object_is_told(rig: LocalRig, data: Path) -> None:
    """What cannot be fed ends the attempt as the customer's, with the object and the remedy; no process is left."""
    order = rig.script(
        {"train.py": READ + "read('train', 0)\nimport time; time.sleep(600)\n"},
        channels=(pipe("train", data, compression="Gzip"),),
    )
    end = rig.run(order)
    assert (end["outcome"], end["failure"]["class"]) == ("failed", "ClientError")
    assert "is no gzip file" in end["failure"]["message"]
    assert rig.processes(order) == []
    order = rig.script({"train.py": ""}, channels=(pipe("train", data / "none"),))
    assert "no object matches the address s3://b/train" in rig.run(order)["failure"]["message"]


def test_cut_data_never_pass_for_the_whole(rig: LocalRig, data: Path) -> None:
    """A writer that dies looks like the end of the data; a program that is happy with that has failed all the same."""
    (data / "3").write_bytes(b"no gzip at all")
    for name in "12":
        (data / name).write_bytes(gzip.compress(b"x" * 10))
    order = rig.script(
        {"train.py": READ + "print(len(read('train', 0)))\n"},
        channels=(pipe("train", data, compression="Gzip"),),
    )
    end = rig.run(order)
    assert (end["outcome"], end["failure"]["class"]) == ("failed", "ClientError")
    assert "3 is no gzip file" in end["failure"]["message"]
    program = READ + (
        "import glob, signal\n"
        "stream = open(data + 'train_0', 'rb')\n"
        "stream.read(1)\n"
        "for path in glob.glob('/proc/[0-9]*/cmdline'):\n"
        "    try:\n        words = open(path).read()\n    except OSError:\n        continue\n"
        "    if 'feeder.py' in words and os.environ['SAGEMAKER_BASE_DIR'].removesuffix('/opt/ml') in words:\n"
        "        os.kill(int(path.split('/')[2]), signal.SIGKILL)\n"
        "stream.read()\n"
    )
    (data / "1").write_bytes(b"x" * 1_000_000)
    order = rig.script({"train.py": program}, channels=(pipe("train", data),))
    assert rig.run(order)["outcome"] == "lost"


def test_stopping_is_no_failure(rig: LocalRig, data: Path) -> None:
    """A stopped program's feeder goes with it."""
    order = rig.script(
        {
            "train.py": READ + "read('train', 0)\nprint('loss=1', flush=True)\nread('train', 1)\n"
            "import signal; signal.pause()\n"
        },
        channels=(pipe("train", data),),
    )
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "metric"))
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 2.0)
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "stopped"
    assert rig.processes(order) == []


SLOW = READ + (
    "import time\n"
    "with open(data + 'train_0', 'rb') as stream:\n"
    "    print(stream.read(1), flush=True)\n"
    "    while not os.path.exists(os.environ['GO']): time.sleep(0.01)\n"
    "    print(len(stream.read()), flush=True)\n"
    "print(len(read('train', 1)), flush=True)\n"
    "open(os.environ['SM_OUTPUT_DIR'] + '/success', 'w').close()\n"
)


def test_the_feeder_outlives_its_agent(rig: LocalRig, data: Path) -> None:
    """Killed in the middle of an epoch, the agent is replaced; the data goes on without a gap and ends with the program."""
    go = rig.home / "go"
    order = rig.script({"train.py": SLOW}, channels=(pipe("train", data),), environment={"GO": str(go)})
    rig.executor.launch(order)
    rig.settle(lambda: feeders(rig, order) and Path(order.directory, "log").exists() and rig.log(order))
    (feeder,) = feeders(rig, order)
    for agent in rig.agents():
        agent.kill()
    rig.settle(
        lambda: [item for item in rig.of_kind(order, "notice") if "another one watches" in item["text"]]
    )
    assert feeders(rig, order) == [feeder]
    go.touch()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "completed", rig.log(order)
    assert rig.log(order).splitlines() == ["b'a'", "399999", "400000"]
    assert rig.processes(order) == []


def test_a_dead_feeder_loses_the_attempt(rig: LocalRig, data: Path) -> None:
    """Nobody knows how much was read: the program is ended and the attempt lost, so that a retry starts afresh."""
    order = rig.script(
        {"train.py": SLOW}, channels=(pipe("train", data),), environment={"GO": str(rig.home / "go")}
    )
    rig.executor.launch(order)
    rig.settle(lambda: feeders(rig, order) and Path(order.directory, "log").exists() and rig.log(order))
    feeders(rig, order)[0].kill()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["failure"]["class"]) == ("lost", "InternalServerError")
    assert "feeder" in end["failure"]["message"]
    assert rig.processes(order) == []


def test_the_feeder_ends_with_the_program_without_any_agent(rig: LocalRig, data: Path) -> None:
    """With agent and server gone, it leaves with the program that it feeds."""
    order = rig.script(
        {"train.py": SLOW}, channels=(pipe("train", data),), environment={"GO": str(rig.home / "go")}
    )
    rig.executor.launch(order)
    rig.settle(lambda: feeders(rig, order) and Path(order.directory, "log").exists() and rig.log(order))
    rig.executor.close()
    for agent in rig.agents():
        agent.kill()
    (program,) = [item for item in rig.processes(order) if item not in feeders(rig, order)]
    program.kill()
    rig.settle(lambda: not rig.processes(order))
    rig.open()


def test_fast_file_is_a_view_without_copies(rig: LocalRig, data: Path) -> None:
    """FastFile shows the files themselves."""
    channel = ChannelOrder(name="train", path=str(data), uri="s3://b/train", input_mode="FastFile")
    program = READ + "print(os.path.realpath(data + 'train/1'))\n"
    order = rig.script({"train.py": program}, channels=(channel,))
    assert rig.run(order)["outcome"] == "completed"
    assert rig.log(order).strip() == os.path.realpath(data / "1")
