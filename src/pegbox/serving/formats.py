"""Bodies to values and back: what the default ``input_fn`` and ``output_fn`` take and give."""

from __future__ import annotations

import csv
import io
import json
import zipfile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

JSON, JSON_LINES, CSV = "application/json", "application/jsonlines", "text/csv"
NPY, NPZ, PARQUET, LIBSVM = (
    "application/x-npy",
    "application/x-npz",
    "application/x-parquet",
    "text/libsvm",
)
ANY = "*/*"
#: Other names of the same types.
ALIASES = {
    "application/x-jsonlines": JSON_LINES,
    "application/json-lines": JSON_LINES,
    "text/x-libsvm": LIBSVM,
    "application/vnd.apache.parquet": PARQUET,
    "text/*": CSV,
    "application/*": JSON,
}
_MOST_COLUMNS = 10_000_000
#: An archive of arrays may inflate to so many bytes: a few megabytes of zeros could else fill the memory.
_MOST_INFLATED = 1 << 30
#: Bodies of these types reach the script's functions as text.
TEXT = (JSON, CSV)


class UnsupportedFormat(Exception):
    """A type that nobody here understands.

    Args:
        what: ``Content-Type`` or ``Accept``.
        given: Its value.
        known: Types that are understood.
        function: What a script can define to understand it.
    """

    def __init__(self, what: str, given: str, known: tuple[str, ...], function: str) -> None:
        super().__init__(
            f"{what} {given!r} is not understood; use one of {', '.join(known)}, or define {function} in the script"
        )


class BadContent(ValueError):
    """A body is not what its type says."""


def plain(media_type: str) -> str:
    """Return a media type without parameters, in lower case, under its first name."""
    kind = media_type.partition(";")[0].strip().lower()
    return ALIASES.get(kind, kind)


# Bodies to values.


def decode(body: Any, content_type: str) -> Any:
    """Return the value of a body.

    Tables (CSV, JSON arrays, JSON lines, libsvm) become NumPy arrays, two-dimensional for CSV and libsvm; Parquet becomes a
    pandas ``DataFrame``; JSON objects stay as they are, except that ``instances`` or ``inputs`` is taken out.

    Raises:
        UnsupportedFormat: The type is not known.
        BadContent: The body is not of it.
    """
    reader = _READERS.get(plain(content_type))
    if reader is None:
        raise UnsupportedFormat("Content-Type", content_type, tuple(_READERS), "input_fn")
    if isinstance(body, str):
        body = body.encode()
    try:
        return reader(body)
    except ImportError:
        raise
    except Exception as error:  # Whatever a parser makes of bytes that are not meant for it.
        raise BadContent(f"the body is no {plain(content_type)}: {_short(error)}") from None


def _short(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."


def _numpy() -> Any:
    import numpy

    return numpy


def _json(body: bytes) -> Any:
    value = json.loads(body)
    if isinstance(value, dict):
        for name in ("instances", "inputs"):
            if isinstance(value.get(name), list):
                value = value[name]
                break
        else:
            return value
    return _table(value)


def _table(value: Any) -> Any:
    """Return rows as an array; rows that are objects stay a list."""
    if isinstance(value, list):
        if value and isinstance(value[0], dict):
            features = [row.get("features") for row in value if isinstance(row, dict)]
            if len(features) == len(value) and all(isinstance(row, list) for row in features):
                return _numpy().array(features)
            return value
        return _numpy().array(value)
    return value


def _json_lines(body: bytes) -> Any:
    return _table(json_lines(body))


def json_lines(body: bytes) -> list[Any]:
    """Return the values of JSON lines; only a line feed ends a line, JSON texts may hold what else Python takes for an end."""
    return [json.loads(line) for line in body.decode().split("\n") if line.strip()]


def _csv(body: bytes) -> Any:
    text = body.decode("utf-8-sig")
    numpy = _numpy()
    lines = text.splitlines()
    try:
        rows = [[float(cell) for cell in line.split(",")] for line in lines if line]
    except ValueError:
        return _mixed_csv(text)
    if not rows:
        raise ValueError("it has no rows")
    try:
        return numpy.array(rows, dtype=numpy.float64).reshape(len(rows), -1)
    except ValueError:
        return _mixed_csv(text)


def _mixed_csv(text: str) -> Any:
    """Return rows with empty cells (NaN) or words; columns of numbers are numbers."""
    numpy = _numpy()
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    widths = {len(row) for row in rows}
    if len(widths) > 1:
        raise ValueError(f"lines have {min(widths)} to {max(widths)} columns")
    columns = [_column(list(cells)) for cells in zip(*rows)]
    if all(isinstance(cell, float) for column in columns for cell in column):
        return numpy.array(columns, dtype=numpy.float64).T.reshape(len(rows), -1)
    table = numpy.empty((len(rows), len(columns)), dtype=object)
    for number, column in enumerate(columns):
        table[:, number] = column
    return table


def _column(cells: list[str]) -> list[Any]:
    try:
        return [float(cell) if cell.strip() else float("nan") for cell in cells]
    except ValueError:
        return list(cells)


def _npy(body: bytes) -> Any:
    array = _numpy().load(io.BytesIO(body), allow_pickle=False)
    if hasattr(array, "files"):
        raise ValueError("it is an archive of arrays, not one array")
    return array


def _npz(body: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        inflated = sum(entry.file_size for entry in archive.infolist())
    if inflated > _MOST_INFLATED:
        raise ValueError(f"its arrays inflate to {inflated} bytes; at most {_MOST_INFLATED} are taken")
    with _numpy().load(io.BytesIO(body), allow_pickle=False) as arrays:
        if not hasattr(arrays, "files"):
            raise ValueError("it is one array, not an archive of arrays")
        values = {name: arrays[name] for name in arrays.files}
    if {"format", "shape", "data"} <= set(values):
        # A sparse matrix as SciPy saves it.
        from scipy import sparse

        return sparse.load_npz(io.BytesIO(body))
    return next(iter(values.values())) if len(values) == 1 else values


def _parquet(body: bytes) -> Any:
    import pandas

    return pandas.read_parquet(io.BytesIO(body))


def _libsvm(body: bytes) -> Any:
    """Return rows as a sparse array (dense without SciPy); columns are counted from 0, a label before them is left out."""
    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    for line in body.decode().splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        for word in words if ":" in words[0] else words[1:]:
            column, _, value = word.partition(":")
            columns.append(int(column))
            values.append(float(value))
            if not 0 <= columns[-1] <= _MOST_COLUMNS:
                raise ValueError(f"column {column} is negative or beyond {_MOST_COLUMNS}")
        ends.append(len(values))
    shape = (len(ends) - 1, max(columns, default=-1) + 1)
    try:
        from scipy.sparse import csr_matrix
    except ImportError:
        table = _numpy().zeros(shape)
        for row, (start, end) in enumerate(zip(ends, ends[1:])):
            table[row, columns[start:end]] = values[start:end]
        return table
    return csr_matrix((values, columns, ends), shape=shape)


_READERS: dict[str, Callable[[bytes], Any]] = {
    JSON: _json,
    CSV: _csv,
    NPY: _npy,
    NPZ: _npz,
    JSON_LINES: _json_lines,
    PARQUET: _parquet,
    LIBSVM: _libsvm,
}


# Values to bodies.


def encode(value: Any, accept: str) -> tuple[bytes, str]:
    """Return a body in the first type of an ``Accept`` header that is known, and that type.

    Raises:
        UnsupportedFormat: None is known.
    """
    for choice in choices(accept):
        kind = plain(choice)
        if kind in _WRITERS:
            return _WRITERS[kind](value), kind
    raise UnsupportedFormat("Accept", accept, tuple(_WRITERS), "output_fn")


def choices(accept: str) -> list[str]:
    """Return the types of an ``Accept`` header with their parameters, those with more weight first."""
    if "," not in accept:
        return [accept]
    weighted = []
    for place, part in enumerate(accept.split(",")):
        weight = 1.0
        for parameter in part.split(";")[1:]:
            name, _, text = parameter.partition("=")
            if name.strip() == "q":
                try:
                    weight = float(text)
                except ValueError:
                    weight = 0.0
        weighted.append((-weight, place, part))
    return [part for _, _, part in sorted(weighted)]


def _listed(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "to_dict"):
        return value.to_dict(orient="records")
    if hasattr(value, "toarray"):
        return value.toarray().tolist()
    if hasattr(value, "detach"):
        return value.detach().cpu().tolist()
    if isinstance(value, (set, frozenset, range)):
        return list(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if hasattr(value, "__next__"):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no JSON form; define output_fn in the script")


def _to_json(value: Any) -> bytes:
    if hasattr(value, "tolist"):
        value = value.tolist()
    return _json_text(value).encode()


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, default=_listed)
    except TypeError:
        return json.dumps(_with_plain_keys(value), default=_listed)


def _with_plain_keys(value: Any) -> Any:
    """Return a value whose dicts have plain keys: NumPy's numbers are none for JSON."""
    if isinstance(value, dict):
        return {
            key.tolist() if hasattr(key, "tolist") else key: _with_plain_keys(item)
            for key, item in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_with_plain_keys(item) for item in value]
    return value


def _rows(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, (list, tuple, str, bytes, dict, int, float)):
        value = value.values.tolist() if hasattr(value, "columns") else _listed(value)
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _to_json_lines(value: Any) -> bytes:
    return "".join(_json_text(row) + "\n" for row in _rows(value)).encode()


def _to_csv(value: Any) -> bytes:
    lines = []
    for row in _rows(value):
        if isinstance(row, dict):
            row = list(row.values())
        lines.append(",".join(map(_cell, row)) if isinstance(row, (list, tuple)) else _cell(row))
    return ("\n".join(lines) + "\n").encode()


def _cell(value: Any) -> str:
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    text = "" if value is None else str(value)
    if isinstance(value, str) and any(mark in text for mark in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def _to_npy(value: Any) -> bytes:
    numpy = _numpy()
    stream = io.BytesIO()
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    array = numpy.asarray(value)
    if array.dtype == object:
        if not array.ndim:
            raise TypeError(
                f"{type(value).__name__} has no NPY form; ask for JSON, or define output_fn in the script"
            )
        array = array.astype(str)
    numpy.save(stream, array, allow_pickle=False)
    return stream.getvalue()


_WRITERS: dict[str, Callable[[Any], bytes]] = {
    JSON: _to_json,
    CSV: _to_csv,
    NPY: _to_npy,
    JSON_LINES: _to_json_lines,
}
