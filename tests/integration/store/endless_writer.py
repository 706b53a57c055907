"""Writes transactions until it is killed and tells each acknowledged one: ``python endless_writer.py STORE EVIDENCE``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pegbox.domain.statuses import TuningStatus
from pegbox.store import open_store
from pegbox.testing.sample_records import attempt, training, tuning


def main(path: Path, evidence: Path) -> None:
    """Go on from what is there; after each commit append its number to the evidence."""
    told = os.open(evidence, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    store = open_store(path)
    search = store.reader.tuning_job("search")
    if search is None:
        with store.transaction() as work:
            search = work.insert_tuning_job(tuning("search"))
    number = search.launched
    while True:
        number += 1
        with store.transaction() as work:
            row = work.insert_training_job(
                training(f"trial-{number}", tuning_job_id=search.id, number=number, request={"x": "y" * 3000})
            )
            work.insert_attempt(attempt(row.id))
            work.update_tuning_job(search.id, {TuningStatus.IN_PROGRESS}, {"launched": number})
        os.write(told, f"{number}\n".encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
