"""Makes every n-th file operation of a store fail and prints what went wrong as JSON, an empty list if nothing did.

Run with the recording library preloaded: ``python failing_disk.py STORE``. For each kind of fault and n = 1, 2, ... the n-th
writing (or synchronising) call of a transaction and all later ones fail, until a transaction works without meeting the fault.
"""

from __future__ import annotations

import ctypes
import errno
import json
import sys
from pathlib import Path

from pegbox.domain.statuses import TrainingStatus, TuningStatus
from pegbox.errors import StoreError, StoreFull
from pegbox.ports.store import JobStore, Transaction
from pegbox.store import check_store, open_store
from pegbox.testing.sample_records import attempt, training, tuning

_library = ctypes.CDLL(None)


def _fail(error: int, *, syncs: bool = False, after: int = 0) -> None:
    _library.filelog_fail(ctypes.c_int(error), ctypes.c_int(syncs), ctypes.c_long(after))


def _write(work: Transaction, owner: int, number: int) -> None:
    with work.savepoint():
        row = work.insert_training_job(
            training(f"trial-{owner}-{number}", tuning_job_id=owner, number=number, request={"x": "y" * 6000})
        )
    work.insert_attempt(attempt(row.id))
    work.update_tuning_job(owner, {TuningStatus.IN_PROGRESS}, {"launched": number})


def _wrong(store: JobStore, owner: int, whole: int) -> str | None:
    search = store.reader.tuning_job_by_id(owner)
    trials = store.reader.trials(owner)
    attempts = sum(len(store.reader.attempts(trial.id)) for trial in trials)
    launched = search.launched if search else -1
    if (launched, len(trials), attempts) != (whole, whole, whole):
        return f"{whole} transactions, but {launched} launched, {len(trials)} trials, {attempts} attempts"
    return None


def run(store: JobStore, error: int, *, syncs: bool) -> tuple[list[str], int]:
    """Return what went wrong with one kind of fault, and how many transactions met it."""
    problems: list[str] = []
    with store.transaction() as work:
        owner = work.insert_tuning_job(tuning(f"search-{error}-{syncs}")).id
        work.update_tuning_job(owner, {TuningStatus.IN_PROGRESS}, {"launched": 0})
    whole, after, met = 0, 0, True
    while met and after < 200:
        what, met = f"errno {error}, syncs {syncs}, call {after + 1}", False
        _fail(error, syncs=syncs, after=after)
        try:
            with store.transaction() as work:
                _write(work, owner, whole + 1)
            whole += 1
        except StoreError as fault:
            met = True
            if not syncs and not isinstance(fault, StoreFull):
                problems.append(f"{what}: {type(fault).__name__} {fault}")
        _fail(0)
        wrong = _wrong(store, owner, whole)
        if wrong:
            problems.append(f"{what}: {wrong}")
        with store.transaction() as work:
            _write(work, owner, whole + 1)
        whole += 1
        after += 1
    return problems, after - 1


def swallowed(store: JobStore) -> list[str]:
    """Return what went wrong when somebody catches the error of a full disk inside a transaction and goes on."""
    with store.transaction() as work:
        owner = work.insert_tuning_job(tuning("swallowed")).id
        work.update_tuning_job(owner, {TuningStatus.IN_PROGRESS}, {"launched": 0})
    caught = 0
    try:
        with store.transaction() as work:
            work.insert_training_job(training("before", tuning_job_id=owner, number=1))
            _fail(errno.ENOSPC)
            for number in range(2, 600):
                try:
                    with work.savepoint():
                        name = f"big-{number}"
                        work.insert_training_job(
                            training(name, tuning_job_id=owner, number=number, request={"x": "y" * 40000})
                        )
                except StoreFull:
                    caught += 1
                    _fail(0)
            work.update_tuning_job(owner, {TuningStatus.IN_PROGRESS}, {"launched": 1})
    except StoreFull:
        wrong = _wrong(store, owner, 0)
        return ([wrong] if wrong else []) + (
            [] if caught else ["the disk was not full inside the transaction"]
        )
    finally:
        _fail(0)
    return ["a transaction that lost a part was committed"]


def main(path: Path) -> None:
    """Run every fault on one store and print the problems."""
    problems, after, made = [], 0, False
    while not made:
        _fail(errno.ENOSPC, after=after)
        try:
            open_store(path).close()
            made = True
        except StoreError as fault:
            # SQLite does not say why it could not make its log.
            if not isinstance(fault, StoreFull) and "unable to open" not in str(fault):
                problems.append(f"making a store, call {after + 1}: {type(fault).__name__} {fault}")
        _fail(0)
        if path.exists():
            check_store(path)
        after += 1
    store = open_store(path)
    counts = {"making": after - 1}
    for error, syncs in (
        (errno.ENOSPC, False),
        (errno.EROFS, False),
        (errno.EDQUOT, False),
        (errno.EIO, True),
    ):
        found, counts[f"{error} {syncs}"] = run(store, error, syncs=syncs)
        problems += found
    problems += swallowed(store)
    problems += [
        f"{job.name} is odd"
        for job in store.reader.unfinished_training_jobs()
        if job.status is not TrainingStatus.IN_PROGRESS
    ]
    store.close()
    check_store(path)
    print(json.dumps({"problems": problems, "met": counts}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
