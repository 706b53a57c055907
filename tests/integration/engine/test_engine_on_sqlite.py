"""The engine's thread over the real store: many clients, restarts, and the simulation's schedules on SQLite."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pegbox.domain.names import Realm
from pegbox.domain.statuses import TuningStatus
from pegbox.engine import Engine
from pegbox.engine.replay import replay_request
from pegbox.errors import ResourceInUse
from pegbox.executors.simulated import SimulatedExecutor, SimulatedMachine
from pegbox.store import open_store
from pegbox.testing import simulation
from pegbox.testing.simulated_ports import (
    SimulatedArtifacts,
    SimulatedLogs,
    SimulatedSuggester,
    real_strategy,
)
from pegbox.testing.simulation import IMAGE, NO_FAULTS, SECRET, simulated_policy, tuning_request


class RealClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Return wall time."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return monotonic time."""
        return time.monotonic()


class Ground:
    """A machine that lasts, and engines on one database that come and go."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "pegbox.db"
        self.clock = RealClock()
        self.machine = SimulatedMachine(self.clock, random.Random(1), NO_FAULTS, seconds=(0.01, 0.03))
        self.artifacts = SimulatedArtifacts(self.machine)

    @contextmanager
    def engine(self) -> Iterator[Engine]:
        """Run an engine with threads that play the network and the suggester."""
        store = open_store(self.path)
        executor = SimulatedExecutor(self.machine)
        suggester = SimulatedSuggester(self.clock, random.Random(2), real_strategy, delay=0.0, faults=0.0)
        parts: tuple[Any, ...] = (store, executor, self.artifacts, suggester, SimulatedLogs(), self.clock)
        engine = Engine(*parts, secret=SECRET, realm=Realm(), policy=simulated_policy())
        over = threading.Event()

        def play() -> None:
            while not over.wait(0.002):
                suggester.deliver()
                executor.deliver()

        engine.start()
        player = threading.Thread(target=play)
        player.start()
        try:
            engine.commands.set_image(IMAGE, {"kind": "command", "command": ["/bin/true"]})
            yield engine
        finally:
            over.set()
            player.join()
            engine.close()
            store.close()


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A ground of this test's own."""
    return Ground(tmp_path)


def _request(name: str, strategy: str = "Random", jobs: int = 6) -> dict[str, Any]:
    request = tuning_request(random.Random(1), name)
    request["HyperParameterTuningJobConfig"] |= {
        "Strategy": strategy,
        "ResourceLimits": {"MaxNumberOfTrainingJobs": jobs, "MaxParallelTrainingJobs": 2},
        "ParameterRanges": {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]},
        "TuningJobCompletionCriteria": {},
    }
    return request


def _status(engine: Engine, name: str) -> str:
    described = engine.queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": name})
    return str(described["HyperParameterTuningJobStatus"])


def _wait(engine: Engine, *names: str) -> None:
    deadline = time.monotonic() + 200
    while any(_status(engine, name) not in ("Completed", "Failed", "Stopped") for name in names):
        assert time.monotonic() < deadline, [_status(engine, name) for name in names]
        time.sleep(0.01)


def test_many_clients_and_one_writer(ground: Ground) -> None:
    """Eight threads create and stop jobs; of those that race for a name one wins; all come to their end."""
    with ground.engine() as engine:

        def create(name: str) -> str:
            try:
                return str(
                    engine.commands.create_hyper_parameter_tuning_job(_request(name))[
                        "HyperParameterTuningJobArn"
                    ]
                )
            except ResourceInUse:
                return "taken"

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(create, [f"job{i % 8}" for i in range(32)]))
        assert answers.count("taken") == 24
        names = [f"job{i}" for i in range(8)]
        engine.commands.stop_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "job0"})
        assert _status(engine, "job0") == "Stopping"
        _wait(engine, *names)
        assert _status(engine, "job0") == "Stopped"
        assert {_status(engine, name) for name in names[1:]} == {"Completed"}
        deadline = time.monotonic() + 200
        while engine.idle_since() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_new_engine_goes_on_where_the_last_one_ended(ground: Ground) -> None:
    """Closed in the middle of a job; the next one finishes it, and every program ran once."""
    with ground.engine() as engine:
        engine.commands.create_hyper_parameter_tuning_job(_request("job", jobs=40))
        time.sleep(0.15)
    with ground.engine() as engine:
        assert engine.busy()
        _wait(engine, "job")
        counters = engine.queries.describe_hyper_parameter_tuning_job({"HyperParameterTuningJobName": "job"})
        assert counters["TrainingJobStatusCounters"]["Completed"] == 40
    assert ground.machine.started_twice == []
    assert len(ground.machine.attempts) == 40


def test_suggestions_are_recomputed_bit_equal_after_a_restart(ground: Ground) -> None:
    """Promise P8 over the real store: stored inputs give the stored values for every trial."""
    with ground.engine() as engine:
        for strategy in ("Bayesian", "Random"):
            engine.commands.create_hyper_parameter_tuning_job(_request(strategy, strategy, jobs=8))
        _wait(engine, "Bayesian", "Random")
    store = open_store(ground.path)
    try:
        for name in ("Bayesian", "Random"):
            job = store.reader.tuning_job(name)
            assert job is not None
            assert job.status is TuningStatus.COMPLETED
            for trial in store.reader.trials(job.id):
                assert trial.suggestion is not None
                answer = real_strategy(replay_request(store.reader, trial))
                values = answer.suggestions[trial.suggestion.index]["values"]
                assert {"x": repr(values["x"])} == dict(trial.suggestion.values)
    finally:
        store.close()


def test_schedules_of_the_simulation_hold_on_sqlite(tmp_path: Path) -> None:
    """Faults and crashes at labelled points over the real schema: its guards and unique indexes agree."""
    logging.disable(logging.CRITICAL)
    try:
        for seed in (1, 2):
            store = open_store(tmp_path / f"{seed}.db")
            world = simulation.World(seed, store=store)
            client = simulation.Client(world)
            while client.plans or not world.quiet():
                client.act()
                world.step()
                assert world.outcome.steps < simulation.MAX_STEPS
            assert world.watcher.checks > 10
            store.close()
    finally:
        logging.disable(logging.NOTSET)
