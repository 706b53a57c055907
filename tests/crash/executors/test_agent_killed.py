"""Agents are killed with SIGKILL: at every labelled point, and at random instants."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from pathlib import Path

import psutil
import pytest

from pegbox.agent.points import LABELS
from pegbox.domain.orders import AttemptOrder, RuntimeOrder
from pegbox.domain.statuses import StopReason
from pegbox.testing.local_rig import COUNT_START, FATES, LocalRig

#: What becomes of a short program when its agent dies at a point, and how often the program was started.
OUTCOMES = {
    "ordered": ("completed", 1),
    "prepared": ("completed", 1),
    "starting": ("lost", 0),
    "spawned": ("lost", 1),
    "noted": ("lost", 1),
    "exited": ("lost", 1),
    "exit-noted": ("completed", 1),
    "packed": ("completed", 1),
    "result": ("completed", 1),
    "spooled": ("completed", 1),
    "sent": ("completed", 1),
}

LINGERING = COUNT_START + (
    "import time\nprint('loss=0.25', flush=True)\ntime.sleep(1.0)\n"
    "open(os.environ['SM_OUTPUT_DIR'] + '/success', 'w').close()\nprint('loss=0.125', flush=True)\n"
)

STUBBORN = (
    COUNT_START
    + """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(os.environ['STARTS'] + '.' + str(os.getpid()), 'w').close()
        while True:
            time.sleep(0.05)
    os._exit(0)
os.wait()
print('loss=1', flush=True)
while True:
    time.sleep(0.05)
"""
)


def test_every_point_has_its_outcome() -> None:
    """No labelled point is left out of the table."""
    assert tuple(OUTCOMES) == LABELS


@pytest.mark.parametrize("label", LABELS)
def test_killed_at_a_point(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rig: LocalRig
) -> None:
    """At whatever point its agent dies, an attempt ends once, as documented, and its program started at most once."""
    died = tmp_path / "died"
    monkeypatch.setenv("PEGBOX_AGENT_DIE_AT", f"{label}:{died}")
    order = rig.order("completes")
    end = rig.run(order)
    rig.settle(died.exists)
    assert (end["outcome"], rig.starts(order.attempt_id)) == OUTCOMES[label]
    assert len(rig.of_kind(order, "finished")) == 1
    if end["outcome"] == "lost":
        assert end["failure"]["class"] == "InternalServerError"
    else:
        assert [event["value"] for event in rig.of_kind(order, "metric")] == [0.25]
        assert Path(end["artifacts"]["model"]["staged"]).stat().st_size == end["artifacts"]["model"]["size"]
    assert not rig.processes(order)


@pytest.mark.parametrize("label", ["spawned", "noted"])
def test_a_program_that_outlives_its_agent(
    label: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rig: LocalRig
) -> None:
    """A surviving program is watched to its end by the next agent; its own success marker counts, its metrics too."""
    monkeypatch.setenv("PEGBOX_AGENT_DIE_AT", f"{label}:{tmp_path / 'died'}")
    order = rig.script({"train.py": LINGERING})
    end = rig.run(order)
    assert end["outcome"] == "completed"
    assert end["exit_code"] is None
    assert [event["value"] for event in rig.of_kind(order, "metric")] == [0.25, 0.125]
    assert [event["count"] for event in rig.of_kind(order, "metric")] == [1, 2]
    assert rig.starts(order.attempt_id) == 1
    assert any("another one watches" in event["text"] for event in rig.of_kind(order, "notice"))


def test_killed_at_random_instants(rig: LocalRig) -> None:
    """Agents killed at random: every attempt ends exactly once, no program starts twice, no process is left."""
    rng = random.Random(20)
    program = COUNT_START + "import time\nprint('loss=0.25', flush=True)\ntime.sleep(0.15)\n"
    orders: list[AttemptOrder] = []
    killed = 0
    while killed < 16 or not all(rig.finished(order) for order in orders):
        while killed < 16 and sum(not rig.finished(order) for order in orders) < 3:
            orders.append(rig.script({"train.py": program}))
            rig.executor.launch(orders[-1])
        agents = rig.agents()
        if killed < 16 and agents and rng.random() < 0.5:
            with contextlib.suppress(psutil.Error):
                rng.choice(agents).kill()
                killed += 1
        time.sleep(rng.uniform(0.0, 0.12))
        for order in orders:
            if rig.finished(order):
                rig.executor.discard(order.attempt_id)
    for order in orders:
        assert len(rig.of_kind(order, "finished")) == 1
        end = rig.finished(order)
        assert end is not None
        starts = rig.starts(order.attempt_id)
        assert starts == 1 if end["outcome"] == "completed" else starts <= 1
        assert end["outcome"] in ("completed", "lost")
        assert not rig.processes(order)


def test_program_killed(rig: LocalRig) -> None:
    """A program killed by a signal fails with the signal's name, and the agent goes on to the next attempt."""
    order = rig.order("runs")
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "training"))
    psutil.Process(rig.of_kind(order, "training")[0]["pid"]).kill()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["signal"], end["exit_code"]) == ("failed", 9, None)
    assert "SIGKILL" in end["failure"]["message"]
    assert end["failure"]["class"] == "AlgorithmError"
    assert rig.run(rig.order("completes"))["outcome"] == "completed"
    assert len(rig.agents()) == 1


@pytest.mark.parametrize("agent_dies", [False, True])
def test_nothing_is_left_after_stopped(agent_dies: bool, rig: LocalRig) -> None:
    """A program that double-forks, calls setsid and ignores SIGTERM is gone when Stopped is told, its agent killed or not."""
    order = rig.script({"train.py": STUBBORN})
    rig.executor.launch(order)
    rig.settle(lambda: len(rig.processes(order)) == 2 and rig.of_kind(order, "metric"))
    if agent_dies:
        rig.agents()[0].kill()
    rig.executor.stop(order.attempt_id, StopReason.STOPPED, 0.3)
    rig.settle(lambda: rig.finished(order))
    assert rig.processes(order) == []
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["stop_reason"]) == ("stopped", "stopped")
    assert rig.starts(order.attempt_id) == 1


def test_daemons_left_by_a_program_that_ended(rig: LocalRig) -> None:
    """What a program leaves behind when it exits is ended before its attempt is told to be finished."""
    mark = 600 + random.random()
    left_behind = COUNT_START + (
        "import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep({mark})'], start_new_session=True, env={{}})\n"
        "print('loss=1')\n"
    )
    order = rig.script({"train.py": left_behind})
    assert rig.run(order)["outcome"] == "completed"
    # What cannot be read any more has ended: its command line is None.
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert [line for line in lines if f"time.sleep({mark})" in " ".join(line)] == []


def test_stop_survives_the_agent(rig: LocalRig) -> None:
    """A stop whose agent dies during the grace period is carried on by the next agent, not begun again."""
    order = rig.script({"train.py": STUBBORN.replace(FATES["runs"], "")})
    rig.executor.launch(order)
    rig.settle(lambda: rig.of_kind(order, "metric"))
    rig.executor.stop(order.attempt_id, StopReason.EARLY_STOP, 1.0)
    rig.settle(lambda: rig.of_kind(order, "stopping"))
    rig.agents()[0].kill()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["stop_reason"]) == ("stopped", "early_stop")
    assert len(rig.of_kind(order, "stopping")) == 1
    assert rig.processes(order) == []


def test_an_attempt_whose_agents_all_die_is_given_up(rig: LocalRig) -> None:
    """After five agents have died on it an attempt ends as lost, with what was spooled and nothing left running."""
    order = rig.script({"train.py": STUBBORN})
    rig.executor.launch(order)
    rig.settle(lambda: len(rig.processes(order)) == 2 and rig.of_kind(order, "metric"))
    while not rig.finished(order):
        for agent in rig.agents():
            with contextlib.suppress(psutil.Error):
                agent.kill()
    end = rig.finished(order)
    assert end is not None
    assert (end["outcome"], end["failure"]["class"]) == ("lost", "InternalServerError")
    assert "agents died" in end["failure"]["message"]
    assert rig.processes(order) == []
    assert rig.starts(order.attempt_id) == 1


def test_killed_while_a_helper_runs(rig: LocalRig) -> None:
    """What a dead agent had running to prepare the program (a probe, an installer) is ended before the next one prepares it."""
    launcher = rig.home / "python"
    launcher.write_text(
        f'#!/bin/sh\ncase "$*" in *find_spec*) if [ ! -e {rig.home}/once ]; then touch {rig.home}/once; sleep 600; fi;; esac\n'
        f'exec {sys.executable} "$@"\n'
    )
    launcher.chmod(0o700)
    order = rig.script(
        {"train.py": COUNT_START + "print('loss=1')\n"},
        runtime=RuntimeOrder(kind="script", python=str(launcher)),
    )
    rig.executor.launch(order)
    rig.settle(lambda: Path(rig.home, "once").exists() and rig.processes(order))
    rig.agents()[0].kill()
    rig.settle(lambda: rig.finished(order))
    end = rig.finished(order)
    assert end is not None
    assert end["outcome"] == "completed"
    assert rig.processes(order) == []
    assert rig.starts(order.attempt_id) == 1
