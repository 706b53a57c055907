"""Writes transactions to a store and marks each in the log of file operations when it is acknowledged.

Run by the power-loss test with the recording library preloaded: ``python power_loss_writer.py STORE TRANSACTIONS``.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

from pegbox.domain.statuses import TuningStatus
from pegbox.store import open_store
from pegbox.testing.sample_records import attempt, point, training, tuning


def main(path: Path, transactions: int) -> None:
    """Make a store and write to it, closing and opening it once on the way."""
    library = ctypes.CDLL(None)
    store = open_store(path)
    with store.transaction() as work:
        owner = work.insert_tuning_job(tuning("search"))
    library.filelog_mark(ctypes.c_long(1))
    for number in range(1, transactions):
        with store.transaction() as work:
            trial = training(
                f"trial-{number}",
                tuning_job_id=owner.id,
                number=number,
                request={"x": "y" * (number % 50) * 100},
            )
            row = work.insert_training_job(trial)
            work.insert_attempt(attempt(row.id))
            work.add_metric_points([point(row.id, count) for count in range(1, 1 + number % 5)])
            work.update_tuning_job(owner.id, {TuningStatus.IN_PROGRESS}, {"launched": number})
        library.filelog_mark(ctypes.c_long(number + 1))
        if number == transactions // 2:
            store.close()
            store = open_store(path)
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
