"""A channel's files as one table: CSV, libsvm, Parquet and recordIO-protobuf."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pegbox.algorithms import recordio
from pegbox.algorithms.errors import CustomerError, MissingLibrary

CSV, LIBSVM, PARQUET, RECORDIO = "csv", "libsvm", "parquet", "recordio"

#: Content type without its parameters -> form.
CONTENT_TYPES = {
    "text/csv": CSV,
    "csv": CSV,
    "text/libsvm": LIBSVM,
    "text/x-libsvm": LIBSVM,
    "libsvm": LIBSVM,
    "application/x-parquet": PARQUET,
    "parquet": PARQUET,
    "application/x-recordio-protobuf": RECORDIO,
    "application/x-recordio": RECORDIO,
}
_LIBSVM_LINE = re.compile(rb"\s*[-+0-9.eE]+(:[-+0-9.eE]+)?(\s+\d+:[-+0-9.eEnainf]+)+\s*(#.*)?$")


@dataclass(slots=True)
class Table:
    """Rows of a channel.

    Attributes:
        features: ``(n, d)`` float array, or a ``csr_array`` where the data are sparse.
        labels: ``(n,)`` floats, or None.
        weights: ``(n,)`` floats, or None.
    """

    features: Any
    labels: np.ndarray | None = None
    weights: np.ndarray | None = None

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.features.shape[0])

    @property
    def width(self) -> int:
        """Number of features."""
        return int(self.features.shape[1])

    def dense(self) -> np.ndarray:
        """Features as an array of 64-bit floats."""
        found = self.features.toarray() if hasattr(self.features, "toarray") else self.features
        return np.asarray(found, dtype=np.float64)

    def need_labels(self, channel: str) -> np.ndarray:
        """Return the labels.

        Raises:
            CustomerError: There are none.
        """
        if self.labels is None:
            raise CustomerError(
                f"channel {channel!r} has no labels; give them as first column of CSV (text/csv;label_size=1) or as label "
                "of the records (record_set(train, labels))"
            )
        return self.labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a channel is read."""

    #: Forms that the algorithm takes.
    forms: tuple[str, ...]
    #: Number of label columns of CSV and Parquet where ContentType does not say: 0 or 1.
    label_size: int = 0
    #: Number of features that the hyperparameters promise, or None.
    width: int | None = None
    #: Whether empty fields are missing values (NaN) or errors.
    missing: bool = False
    #: Whether the column after the label holds weights.
    weights: bool = False


def read_channel(folder: str, channel: str, content_type: str, how: Reading) -> Table:
    """Return a channel's rows.

    Args:
        folder: Its folder.
        channel: Its name, for messages.
        content_type: What the request says the data are; may be empty, then the first bytes tell.
        how: What the algorithm takes.

    Raises:
        CustomerError: Nothing is there, or something cannot be read; with file and line or record.
    """
    paths = list(_files(folder))
    if not paths:
        raise CustomerError(f"channel {channel!r} holds no file; upload the data under its address")
    form, parameters = _form(content_type, paths[0], channel, how)
    if form == RECORDIO:
        table = _recordio(paths, channel, how.width)
    elif form == LIBSVM:
        table = _libsvm(paths, how.width)
    else:
        columns = _joined([_csv(path, how.missing) for path in paths]) if form == CSV else _parquet(paths)
        table = _split(columns, channel, parameters, how)
    if table.rows == 0:
        raise CustomerError(f"channel {channel!r} has no rows; upload data with at least one")
    if how.width is not None and table.width != how.width:
        raise CustomerError(
            f"channel {channel!r} has {table.width} features, but feature_dim is {how.width}; correct feature_dim or the data"
        )
    return table


def _files(folder: str) -> Iterator[str]:
    """Files of a channel in order; hidden ones and markers such as ``_SUCCESS`` are no data."""
    if os.path.isfile(folder):
        yield folder
        return
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "_")))
        for name in sorted(names):
            path = os.path.join(parent, name)
            if not name.startswith((".", "_")) and os.path.getsize(path):
                yield path


def _form(content_type: str, first: str, channel: str, how: Reading) -> tuple[str, dict[str, str]]:
    kind, *rest = (part.strip() for part in content_type.split(";"))
    parameters = dict(part.split("=", 1) for part in rest if "=" in part)
    form = CONTENT_TYPES.get(kind.lower()) if kind else _sniff(first)
    accepted = ", ".join(name for name, item in CONTENT_TYPES.items() if item in how.forms and "/" in name)
    if form is None or form not in how.forms:
        given = f"ContentType {content_type!r}" if kind else f"data that look like {form}"
        raise CustomerError(f"channel {channel!r}: {given} is not taken by this algorithm; give {accepted}")
    return form, parameters


def _sniff(path: str) -> str:
    with open(path, "rb") as stream:
        head = stream.read(4096)
    if head[:4] == b"PAR1":
        return PARQUET
    if head[:4] == recordio.MAGIC.to_bytes(4, "little") or b"\0" in head:
        # No text has zero bytes; records are the only other form, and their reader says what is wrong.
        return RECORDIO
    return LIBSVM if _LIBSVM_LINE.match(head.split(b"\n", 1)[0]) else CSV


def _split(columns: np.ndarray, channel: str, parameters: dict[str, str], how: Reading) -> Table:
    labels = how.label_size
    if "label_size" in parameters:
        if parameters["label_size"] not in ("0", "1"):
            raise CustomerError(
                f"channel {channel!r}: label_size={parameters['label_size']} is not taken; give label_size=0 or label_size=1"
            )
        labels = int(parameters["label_size"])
    elif how.width is not None and columns.shape[1] - how.width in (0, 1) and not how.weights:
        labels = columns.shape[1] - how.width
    first = labels + (1 if how.weights and labels else 0)
    if columns.shape[1] <= first:
        raise CustomerError(
            f"channel {channel!r} has {columns.shape[1]} columns, of which {first} are label and weight; no feature is left"
        )
    return Table(
        columns[:, first:],
        columns[:, 0] if labels else None,
        columns[:, 1] if labels and how.weights else None,
    )


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    """The rows of several files."""
    parts = [part for part in parts if part.size] or list(parts[:1])
    widths = sorted({part.shape[1] for part in parts})
    if len(widths) > 1:
        raise CustomerError(f"the files have {widths} columns; give all the same number")
    return np.concatenate(parts)


def _csv(path: str, missing: bool) -> np.ndarray:
    try:
        with warnings.catch_warnings():
            # A file without rows is found out later.
            warnings.simplefilter("ignore", UserWarning)
            return np.loadtxt(path, delimiter=",", ndmin=2, comments=None, dtype=np.float64)
    except (ValueError, UnicodeDecodeError):
        # Slow, but it knows missing values and can say what is wrong.
        return _csv_by_line(path, missing)


def _csv_by_line(path: str, missing: bool) -> np.ndarray:
    rows: list[list[float]] = []
    name = os.path.basename(path)
    with open(path, encoding="utf-8", errors="replace") as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            cells = line.rstrip("\r\n").split(",")
            rows.append([_cell(cell, name, number, place, missing) for place, cell in enumerate(cells, 1)])
            if len(cells) != len(rows[0]):
                raise CustomerError(
                    f"{name}, line {number}: {len(cells)} columns where the first line has {len(rows[0])}; "
                    "give all lines the same"
                )
    return np.array(rows, dtype=np.float64).reshape(len(rows), -1)


def _cell(cell: str, name: str, number: int, place: int, missing: bool) -> float:
    text = cell.strip().strip('"')
    if not text and missing:
        return float("nan")
    try:
        return float(text)
    except ValueError:
        header = "; CSV data have no header line" if number == 1 else ""
        raise CustomerError(
            f"{name}, line {number}, column {place}: {cell!r} is no number{header}; remove or correct it"
        ) from None


def _libsvm(paths: Sequence[str], width: int | None) -> Table:
    from scipy.sparse import csr_array

    labels: list[float] = []
    weights: list[float] = []
    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for path in paths:
        name = os.path.basename(path)
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, line in enumerate(stream, 1):
                words = line.partition("#")[0].split()
                if not words:
                    continue
                try:
                    label, _, weight = words[0].partition(":")
                    labels.append(float(label))
                    if weight:
                        weights.append(float(weight))
                    for word in words[1:]:
                        column, _, value = word.partition(":")
                        if column == "qid":
                            raise ValueError("query groups (qid) are not offered")
                        columns.append(int(column))
                        values.append(float(value))
                        if columns[-1] < 0:
                            raise ValueError("a column is negative")
                except ValueError as problem:
                    raise CustomerError(
                        f"{name}, line {number}: {line.strip()[:60]!r} is no libsvm line ({problem}); "
                        "give 'label column:value ...'"
                    ) from None
                ends.append(len(values))
    if weights and len(weights) != len(labels):
        raise CustomerError(
            "some libsvm lines have a weight (label:weight) and some have none; give all or none"
        )
    needed = max(columns, default=-1) + 1
    shape = (len(labels), max(needed, width or 0))
    features = csr_array((np.array(values), np.array(columns, np.int64), np.array(ends)), shape=shape)
    return Table(features, np.array(labels), np.array(weights) if weights else None)


def _parquet(paths: Sequence[str]) -> np.ndarray:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        raise MissingLibrary("pyarrow", "parquet") from None
    parts = []
    for path in paths:
        name = os.path.basename(path)
        try:
            table = parquet.read_table(path)
            parts.append(np.column_stack([np.asarray(column, dtype=np.float64) for column in table.columns]))
        except (OSError, ValueError, TypeError) as problem:
            raise CustomerError(
                f"{name} cannot be read as Parquet with columns of numbers: {str(problem)[:200]}; correct the file"
            ) from None
    return _joined(parts)


def _recordio(paths: Sequence[str], channel: str, width: int | None) -> Table:
    tables = [_recordio_file(path, width) for path in paths]
    tables = [table for table in tables if table.rows]
    if not tables:
        return Table(np.empty((0, width or 0)))
    widths = sorted({table.width for table in tables})
    if len(widths) > 1 and not all(hasattr(table.features, "toarray") for table in tables):
        raise CustomerError(
            f"channel {channel!r}: its files have {widths} features; give all the same number"
        )
    labelled = [table.labels for table in tables if table.labels is not None]
    if labelled and len(labelled) != len(tables):
        raise CustomerError(
            f"channel {channel!r}: some files have labels and some have none; give all or none"
        )
    labels = np.concatenate(labelled) if labelled else None
    if any(hasattr(table.features, "toarray") for table in tables):
        from scipy.sparse import csr_array, vstack

        for table in tables:
            table.features = csr_array(table.features)
            table.features.resize((table.rows, widths[-1]))
        return Table(csr_array(vstack([table.features for table in tables])), labels)
    return Table(np.concatenate([table.features for table in tables]), labels)


def _recordio_file(path: str, width: int | None) -> Table:
    with open(path, "rb") as stream:
        return read_records(stream.read(), os.path.basename(path), width)


def read_records(data: bytes, name: str, width: int | None = None) -> Table:
    """Return the rows of recordIO-protobuf bytes.

    Args:
        data: The bytes.
        name: What they are, for messages.
        width: Number of features that is expected, or None.

    Raises:
        CustomerError: Something cannot be read; with its record.
    """
    records = [recordio.parse(body, name, number) for number, body in enumerate(recordio.frames(data, name))]
    tensors = [_only(record.features, name, number) for number, record in enumerate(records)]
    labels = _labels(records, name)
    if any(tensor.keys is not None for tensor in tensors):
        return Table(_sparse(tensors, name, width), labels)
    for number, tensor in enumerate(tensors):
        expected = width or tensors[0].values.size
        if tensor.values.size != expected:
            raise CustomerError(
                f"{name}: record {number} has {tensor.values.size} features where {expected} are expected; "
                "give all records the same, and the same as feature_dim"
            )
    dense = np.stack([tensor.values for tensor in tensors]) if tensors else np.empty((0, width or 0))
    return Table(dense.astype(np.float64), labels)


def _only(features: dict[str, recordio.Tensor], name: str, number: int) -> recordio.Tensor:
    found = features.get("values") or (next(iter(features.values())) if len(features) == 1 else None)
    if found is None:
        raise CustomerError(
            f"{name}: record {number} has no feature 'values' (it has {', '.join(sorted(features)) or 'none'}); "
            "name the features 'values'"
        )
    return found


def _labels(records: Sequence[recordio.Record], name: str) -> np.ndarray | None:
    found = [record.label.get("values") for record in records]
    if not any(found):
        return None
    labels = np.empty(len(records))
    for number, tensor in enumerate(found):
        if tensor is None or tensor.values.size != 1:
            raise CustomerError(
                f"{name}: record {number} has no single label while others have one; give each a label"
            )
        labels[number] = tensor.values[0]
    return labels


def _sparse(tensors: Sequence[recordio.Tensor], name: str, width: int | None) -> Any:
    from scipy.sparse import csr_array

    columns = [np.arange(tensor.values.size) if tensor.keys is None else tensor.keys for tensor in tensors]
    needed = max((int(keys.max()) + 1 for keys in columns if keys.size), default=0)
    stated = max((tensor.width or 0 for tensor in tensors), default=0)
    total = max(stated, width or 0) or needed
    for number, keys in enumerate(columns):
        if keys.size and int(keys.max()) >= total:
            raise CustomerError(
                f"{name}: record {number} has a value in column {int(keys.max())}, but its shape (or feature_dim) says "
                f"{total} columns; correct the shape"
            )
    ends = np.concatenate([[0], np.cumsum([keys.size for keys in columns])])
    values = np.concatenate([tensor.values.astype(np.float64) for tensor in tensors])
    return csr_array((values, np.concatenate(columns), ends), shape=(len(tensors), total))
