"""Readers and the writer do not disturb each other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from pegbox.domain.statuses import ObjectiveStatus, TrainingStatus, TuningStatus
from pegbox.ports.store import Page
from pegbox.store import open_store
from pegbox.testing.sample_records import RUNNING, training, tuning

_TRIALS = 60
_READERS = 4


def test_readers_see_whole_states_while_writing_goes_on(tmp_path: Path) -> None:
    """Four threads read while one writes: every answer is a committed state, later answers are never older, none fails.

    Each transaction ends a trial and starts the next one, so that counters always add up to one more than those completed.
    """
    store = open_store(tmp_path / "pegbox.db")
    with store.transaction() as work:
        search = work.insert_tuning_job(tuning("search"))
        row = work.insert_training_job(training("t1", tuning_job_id=search.id, number=1))
    done, faults, answers = threading.Event(), [], [0] * _READERS

    def guarded(read: Callable[[], None]) -> None:
        try:
            read()
        except BaseException as error:  # any failure of a reader fails the test
            faults.append(repr(error))

    def read(index: int) -> None:
        last = 0
        while not done.is_set():
            counters = store.reader.counters(search.id)
            assert counters.in_progress == 1
            assert counters.completed >= last
            assert counters.completed == counters.objective_succeeded
            best = store.reader.best_trial(search.id, maximize=True)
            assert best is None or best.objective >= counters.completed
            page = Page(sort_by="CreationTime", tuning_job_id=search.id, limit=500)
            listed = store.reader.list_training_jobs(page).items
            assert [job.status is TrainingStatus.COMPLETED for job in listed] == [True] * (
                len(listed) - 1
            ) + [False]
            last = counters.completed
            answers[index] += 1

    readers = [
        threading.Thread(target=guarded, args=(lambda index=index: read(index),)) for index in range(_READERS)
    ]
    for reader in readers:
        reader.start()
    for number in range(2, _TRIALS):
        with store.transaction() as work:
            ended = {
                "status": TrainingStatus.COMPLETED,
                "objective": float(number - 1),
                "objective_status": ObjectiveStatus.SUCCEEDED,
                "observed_seq": number - 1,
            }
            assert work.update_training_job(row.id, RUNNING, ended)
            row = work.insert_training_job(training(f"t{number}", tuning_job_id=search.id, number=number))
            work.update_tuning_job(search.id, {TuningStatus.IN_PROGRESS}, {"launched": number})
    while not (all(answers) or faults):
        time.sleep(0.001)
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert store.reader.counters(search.id).completed == _TRIALS - 2
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["pegbox.db"]


def test_closing_while_others_read_is_clean(tmp_path: Path) -> None:
    """Threads that read while the store is closed get answers or the clear error, and no connection is left open."""
    store = open_store(tmp_path / "pegbox.db")
    with store.transaction() as work:
        work.insert_tuning_job(tuning("search"))
    started, odd = threading.Barrier(5), []

    def read() -> None:
        started.wait()
        try:
            while True:
                store.reader.unfinished_tuning_jobs()
        except Exception as error:  # what it is, is the question
            if "the store is closed" not in str(error):
                odd.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    started.wait()
    store.close()
    for reader in readers:
        reader.join()
    assert odd == []
    assert [file.name for file in tmp_path.iterdir()] == ["pegbox.db"]
