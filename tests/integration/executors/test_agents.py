"""Agents as processes: who may be one, how long they live, what the server's absence does."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

from pegbox.agent.codec import FrameBuffer, encode_frame
from pegbox.agent.processes import boot_id, start_time
from pegbox.executors.local import LocalLogs
from pegbox.testing.local_rig import COUNT_START, LocalRig


def test_a_stranger_is_refused(rig: LocalRig) -> None:
    """Whoever does not know an agent's secret is refused, and what it reports goes nowhere."""
    order = rig.order("runs")
    with socket.socket(socket.AF_UNIX) as channel:
        channel.connect(str(rig.home / "run" / "agents.sock"))
        pid = os.getpid()
        hello = {
            "type": "hello",
            "protocol": 1,
            "agent": "x",
            "secret": "0" * 64,
            "pid": pid,
            "start_time": start_time(pid),
            "boot_id": boot_id(),
            "attempts": [],
        }
        report = {
            "type": "report",
            "protocol": 1,
            "attempt": order.attempt_id,
            "token": order.token,
            "first_seq": 1,
            "events": [{"kind": "finished", "at": 1.0}],
        }
        channel.sendall(encode_frame(hello) + encode_frame(report))
        answers = FrameBuffer().feed(channel.recv(4096))
        assert [answer["type"] for answer in answers] == ["refuse"]
        assert channel.recv(4096) == b""
    assert not rig.reported(order.attempt_id)


def test_rubbish_drops_the_connection_only(rig: LocalRig) -> None:
    """Bytes that are no frames end their connection; the listener goes on."""
    for rubbish in (b"\xff" * 100, b"GET / HTTP/1.1\r\n\r\n", encode_frame({"type": "report"})):
        with socket.socket(socket.AF_UNIX) as channel:
            channel.connect(str(rig.home / "run" / "agents.sock"))
            channel.sendall(rubbish)
            assert channel.recv(4096) == b""
    assert rig.run(rig.order("completes"))["outcome"] == "completed"


def test_files_are_private(rig: LocalRig) -> None:
    """Everything of an attempt, the key and the socket are for their owner only."""
    order = rig.order("runs")
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "metric"))
    for root, folders, files in os.walk(rig.home / "jobs"):
        for name in [*folders, *files]:
            path = Path(root, name)
            if not path.is_symlink():
                assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    for name in ("agents.key", "agents.sock"):
        assert not stat.S_IMODE((rig.home / "run" / name).stat().st_mode) & 0o077


def test_the_token_and_the_secret_do_not_reach_the_program(rig: LocalRig) -> None:
    """Neither the environment nor the command line of agent or program holds a secret."""
    order = rig.order("runs")
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "training"))
    secret = rig.executor._secrets.of(next(iter(rig.executor._table.agents)))
    for process in [*rig.agents(), *rig.processes(order)]:
        words = " ".join([*process.cmdline(), *process.environ().values()])
        assert order.token not in words
        assert secret not in words


def test_agents_are_replaced(rig: LocalRig) -> None:
    """An agent serves so many attempts and no more."""
    rig.executor.close()
    rig._options["max_attempts"] = 2
    rig.open()
    seen = set()
    for _ in range(4):
        order = rig.order("completes")
        rig.run(order)
        rig.executor.discard(order.attempt_id)
        seen |= {process.pid for process in rig.agents()}
    assert len(seen) >= 2
    rig.settle(lambda: len(rig.agents()) <= 1)


def test_idle_agents_retire(rig: LocalRig) -> None:
    """Agents end without work, and nothing of them is left."""
    rig.executor.close()
    rig._options["idle_seconds"] = 0.5
    rig.open()
    rig.executor.prewarm(2)
    rig.run(rig.order("completes"))
    rig.settle(lambda: not rig.agents())
    rig.settle(lambda: not list((rig.home / "logs").iterdir()))


def test_prewarmed_agents_are_used(rig: LocalRig) -> None:
    """Agents started ahead of need take the next launches."""
    rig.executor.close()
    rig._options["idle_seconds"] = 600.0
    rig.open()
    rig.executor.prewarm(2)
    rig.executor.prewarm(2)
    rig.settle(lambda: len(rig.agents()) == 2)
    pids = {process.pid for process in rig.agents()}
    orders = [rig.order("completes") for _ in range(2)]
    for order in orders:
        rig.executor.launch(order)
    for order in orders:
        rig.settle(lambda order=order: rig.finished(order))  # type: ignore[misc]
    assert {process.pid for process in rig.agents()} == pids


def test_close_ends_idle_agents_and_no_others(rig: LocalRig) -> None:
    """After close nothing idle is left; a running program and its agent go on and are found again."""
    idle, busy = rig.order("completes"), rig.order("runs")
    rig.executor.launch(busy)
    rig.run(idle)
    rig.settle(lambda: rig.of_kind(busy, "training"))
    rig.executor.discard(idle.attempt_id)
    rig.executor.close()
    rig.settle(lambda: len(rig.agents()) == 1)
    assert rig.processes(busy)
    rig.open()
    rig.executor.resume(busy)
    assert rig.executor.busy()


def test_a_fenced_attempt_is_ended_without_a_word(rig: LocalRig) -> None:
    """When the server says that an attempt is not the live one, its program is ended and its evidence stays."""
    order = rig.order("runs")
    fenced = []

    def fence(report: object) -> None:
        fenced.append(report)
        report.fence()  # type: ignore[attr-defined]

    rig.executor._sink = fence
    rig.executor.launch(order)
    rig.settle(lambda: fenced)
    rig.settle(lambda: not rig.processes(order))
    assert Path(order.directory, "log").exists()
    assert not Path(order.directory, "result.json").exists()
    rig.executor._sink = rig.committed.take
    rig.settle(lambda: not rig.executor.busy())
    assert rig.run(rig.order("completes"))["outcome"] == "completed"


def test_logs_can_be_read_while_they_grow(rig: LocalRig) -> None:
    """Lines are served with stable times, forwards and backwards, as soon as the agent has seen them."""
    logs = LocalLogs(rig.home / "jobs")
    order = rig.script(
        {
            "train.py": COUNT_START
            + "import time\nprint('one', flush=True)\n"
            + f"while not os.path.exists({str(rig.home / 'go')!r}): time.sleep(0.01)\n"
            + "time.sleep(0.3)\nprint('two', end='')\n"
        }
    )
    job = order.training_job_id
    assert logs.size(job, 1) == 0
    rig.executor.launch(order)
    rig.settle(lambda: logs.size(job, 1))
    first = logs.forward(job, 1, 0, 10)
    assert [line.text for line in first] == ["one"]
    (rig.home / "go").touch()
    rig.settle(lambda: rig.finished(order))
    lines = logs.forward(job, 1, 0, 10)
    assert [line.text for line in lines] == ["one", "two"]
    assert lines[0] == first[0]
    assert lines[1].at_ms >= lines[0].at_ms + 200
    assert logs.backward(job, 1, logs.size(job, 1), 1) == lines[1:]
    logs.delete(job)
    assert logs.size(job, 1) == 0


def test_a_directory_that_cannot_be_made(rig: LocalRig) -> None:
    """A launch that the disk refuses ends as an internal error, not as silence."""
    blocker = rig.home / "file"
    blocker.write_text("")
    order = rig.order("completes", directory=str(blocker / "1"))
    end = rig.run(order)
    assert (end["outcome"], end["failure"]["class"]) == ("lost", "InternalServerError")
    rig.executor.discard(order.attempt_id)
    assert not rig.executor.busy()
