"""The server is killed while it starts and while it answers; what was promised is kept."""

from __future__ import annotations

import contextlib
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from pegbox.testing.lab import tuning_request

RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


def test_kill_9_during_a_start_leaves_a_home_that_starts(
    unstarted: Any, processes_of: Callable[[Path], list[psutil.Process]]
) -> None:
    """Killed at eight random instants of its first starts, a home is never half-made: the next start works, keys whole."""
    dice = random.Random(5)
    keys: dict[str, str] | None = None
    for _ in range(8):
        process = subprocess.Popen(
            [sys.executable, "-m", "pegbox.bootstrap"],
            env=unstarted.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(dice.uniform(0.05, 1.5))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if (unstarted.home / "credentials.json").exists():
            assert keys in (None, unstarted.keys)
            keys = unstarted.keys
    state = unstarted.start()
    assert unstarted.client().list_training_jobs()["TrainingJobSummaries"] == []
    assert keys in (None, unstarted.keys)
    assert [item.pid for item in processes_of(unstarted.home) if "pegbox.bootstrap" in item.cmdline()] == [
        state["pid"]
    ]


def test_the_starter_may_die_before_the_server_answers(
    unstarted: Any, wait_until: Callable[..., Any]
) -> None:
    """A start command killed half-way leaves no lock behind: the next one finds or starts the server."""
    for pause in (0.2, 0.5, 0.8):
        starter = subprocess.Popen(
            [sys.executable, "-m", "pegbox.cli", "server", "start"],
            env=unstarted.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(pause)
        starter.send_signal(signal.SIGKILL)
        starter.wait()
    assert unstarted.start()["state"] == "running"


def test_every_acknowledged_create_survives_kill_9(make_server: Callable[..., Any]) -> None:
    """While two clients create jobs, the server is killed three times; each name that was answered is there afterwards."""
    server = make_server()
    code = server.upload_code("print('objective=1')")
    clients = [server.client() for _ in range(2)]
    answered: list[str] = []
    ended = threading.Event()

    def create(worker: int) -> None:
        number, client = 0, clients[worker]
        while not ended.is_set():
            number += 1
            request = tuning_request(f"w{worker}-{number}", code, max_jobs=1, parallel=1, ranges=RANGES)
            with contextlib.suppress(BotoCoreError, ClientError):
                client.create_hyper_parameter_tuning_job(**request)
                answered.append(f"w{worker}-{number}")
            time.sleep(0.1)

    workers = [threading.Thread(target=create, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    try:
        for _ in range(3):
            before = len(answered)
            deadline = time.monotonic() + 200
            while len(answered) < before + 5:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            server.kill()
            server.start()
    finally:
        ended.set()
        for worker in workers:
            worker.join()
    pages = (
        clients[0]
        .get_paginator("list_hyper_parameter_tuning_jobs")
        .paginate(PaginationConfig={"PageSize": 100})
    )
    there = {
        item["HyperParameterTuningJobName"]
        for page in pages
        for item in page["HyperParameterTuningJobSummaries"]
    }
    assert len(answered) == len(set(answered)) >= 15
    assert set(answered) <= there
