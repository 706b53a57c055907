"""Built-in algorithms read pipe channels, whose first epoch has the whole data."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from pegbox.algorithms.data import CSV, PARQUET, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.program import Job
from pegbox.testing.algorithm_runs import records


def piped(base: Path, data: bytes, content_type: str = "") -> Job:
    """Return a job whose channel ``train`` is a pipe with these bytes."""
    (base / "input" / "config").mkdir(parents=True)
    (base / "input" / "data").mkdir()
    config = {"train": {"TrainingInputMode": "Pipe", "ContentType": content_type}}
    (base / "input" / "config" / "inputdataconfig.json").write_text(json.dumps(config))
    fifo = base / "input" / "data" / "train_0"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_bytes, args=(data,), daemon=True).start()
    return Job(str(base))


def test_records_and_lines_of_several_objects(tmp_path: Path) -> None:
    """Objects follow one another without a gap: records do, and lines."""
    rows = np.arange(12.0).reshape(4, 3)
    how = Reading(forms=(RECORDIO, CSV))
    job = piped(tmp_path / "a", records(rows[:2]) + records(rows[2:]))
    assert job.table("train", how).features.tolist() == rows.tolist()
    job = piped(tmp_path / "b", b"0,1,2\n3,4,5\n6,7,8\n9,10,11\n", "text/csv;label_size=0")
    assert job.table("train", how).features.tolist() == rows.tolist()


@pytest.mark.parametrize(("data", "content_type"), [(b"PAR1....", ""), (b"1,2", "application/x-parquet")])
def test_parquet_needs_files(tmp_path: Path, data: bytes, content_type: str) -> None:
    """Parquet cannot be read from a pipe; the message says which mode can."""
    job = piped(tmp_path / "a", data, content_type)
    with pytest.raises(CustomerError, match="use InputMode File or FastFile"):
        job.table("train", Reading(forms=(PARQUET,)))
