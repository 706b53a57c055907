"""Channels as tables: forms, labels, and every kind of mistake with its place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from pegbox.algorithms.data import CSV, LIBSVM, PARQUET, RECORDIO, Reading, Table, read_channel
from pegbox.algorithms.errors import CustomerError

ALL = (CSV, LIBSVM, PARQUET, RECORDIO)


def _read(folder: Path, content_type: str = "", **how: object) -> Table:
    return read_channel(str(folder), "train", content_type, Reading(forms=ALL, **how))  # type: ignore[arg-type]


def test_csv_takes_its_label_from_the_first_column(tmp_path: Path) -> None:
    """label_size of ContentType counts, then feature_dim, then the algorithm's own habit; files are read in order."""
    (tmp_path / "b.csv").write_text("3,30,31\n")
    (tmp_path / "a.csv").write_text("1,10,11\n2,20,21\n")
    (tmp_path / ".hidden").write_text("no data")
    (tmp_path / "_SUCCESS").write_text("no data")
    labelled = _read(tmp_path, "text/csv;label_size=1")
    assert labelled.labels is not None
    assert labelled.labels.tolist() == [1, 2, 3]
    assert labelled.features.tolist() == [[10, 11], [20, 21], [30, 31]]
    assert _read(tmp_path, "text/csv; label_size=0", label_size=1).labels is None
    assert _read(tmp_path, "text/csv", width=3).width == 3
    assert _read(tmp_path, "text/csv", width=2).labels is not None
    assert _read(tmp_path, label_size=1).width == 2
    weighted = _read(tmp_path, "csv", label_size=1, weights=True)
    assert weighted.weights is not None
    assert (weighted.weights.tolist(), weighted.width) == ([10, 20, 30], 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1,2\n3\n", "line 2: 1 columns where the first line has 2"),
        ("label,x\n1,2\n", "line 1, column 1: 'label' is no number; CSV data have no header line"),
        ("1,2\n3,x\n", "line 2, column 2: 'x' is no number"),
        ("1,2\n3,\n", "line 2, column 2: '' is no number"),
    ],
)
def test_mistakes_in_csv_are_told_with_line_and_column(tmp_path: Path, text: str, words: str) -> None:
    """The message names the file, the line, the column and what is there."""
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(CustomerError, match=f"a.csv, {words}"):
        _read(tmp_path, "text/csv")


def test_empty_fields_are_missing_values_where_the_algorithm_takes_them(tmp_path: Path) -> None:
    """Trees take NaN."""
    (tmp_path / "a.csv").write_text("1,2,\n0,,5\n")
    table = _read(tmp_path, "text/csv", label_size=1, missing=True)
    np.testing.assert_array_equal(table.features, [[2, np.nan], [np.nan, 5]])


def test_libsvm(tmp_path: Path) -> None:
    """Columns as they are numbered, weights, comments; a bad line is shown."""
    (tmp_path / "a").write_text("1:0.5 0:2 3:4 # note\n0:1.0 1:7\n\n")
    table = _read(tmp_path)
    assert table.labels is not None
    assert table.weights is not None
    assert table.features.toarray().tolist() == [[2, 0, 0, 4], [0, 7, 0, 0]]
    assert (table.labels.tolist(), table.weights.tolist()) == ([1, 0], [0.5, 1.0])
    for text, words in (
        ("1 a:2\n", "line 1: '1 a:2' is no libsvm line"),
        ("1 0:1\n1:2 0:1\n", "some have none"),
    ):
        (tmp_path / "a").write_text(text)
        with pytest.raises(CustomerError, match=words):
            _read(tmp_path, "text/libsvm")


def test_parquet(tmp_path: Path) -> None:
    """Label first; columns of texts and broken files are refused."""
    parquet.write_table(pa.table({"y": [1, 0], "a": [0.5, None], "b": [2, 3]}), tmp_path / "a.parquet")
    table = _read(tmp_path, label_size=1, missing=True)
    assert table.labels is not None
    assert table.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(table.features, [[0.5, 2], [np.nan, 3]])
    parquet.write_table(pa.table({"y": ["a"], "x": [1]}), tmp_path / "a.parquet")
    with pytest.raises(CustomerError, match=r"a\.parquet cannot be read as Parquet"):
        _read(tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"PAR1 broken")
    with pytest.raises(CustomerError, match=r"a\.parquet cannot be read"):
        _read(tmp_path, "application/x-parquet")


def test_channels_that_cannot_be_right_are_refused(tmp_path: Path) -> None:
    """Nothing there, a form that is not taken, a strange label_size, no feature, another number of features."""
    with pytest.raises(CustomerError, match="channel 'train' holds no file"):
        _read(tmp_path)
    (tmp_path / "a.csv").write_text("1,2\n")
    for content_type, how, words in (
        (
            "application/jsonlines",
            {},
            "'application/jsonlines' is not taken by this algorithm; give text/csv",
        ),
        ("text/csv;label_size=2", {}, "label_size=2 is not taken"),
        ("text/csv;label_size=1", {"weights": True}, "no feature is left"),
        ("text/csv;label_size=1", {"width": 5}, "has 1 features, but feature_dim is 5"),
    ):
        with pytest.raises(CustomerError, match=words):
            _read(tmp_path, content_type, **how)
    with pytest.raises(CustomerError, match="data that look like csv"):
        read_channel(str(tmp_path), "train", "", Reading(forms=(RECORDIO,)))
