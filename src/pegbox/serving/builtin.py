"""Models of the built-in algorithms, with the request and response formats that AWS documents for each.

This runs in Pegbox's own interpreter, which has ``pegbox.algorithms``.
"""

from __future__ import annotations

import json
import struct

from . import formats, models
from .messages import Answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .messages import Request

RECORDIO = "application/x-recordio-protobuf"
#: What the list of answers is called, where that is not "predictions".
_LISTS = {"pca": "projections", "randomcutforest": "scores"}
#: Fields that are answered only when asked for (``application/json; verbose=true``).
_VERBOSE = {"knn": ("distances", "labels")}
_ACCEPTS = {"xgboost": formats.CSV}
_READABLE = (formats.JSON, formats.JSON_LINES, formats.CSV, RECORDIO, formats.LIBSVM)
_WRITABLE = (formats.JSON, formats.JSON_LINES, formats.CSV, RECORDIO)
_MAGIC = 0xCED7230A


class Refused(Exception):
    """A request that the algorithm's container would refuse.

    Args:
        status: Its status.
        text: What is wrong.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status_code = status


class Algorithm:
    """Serves a model of a built-in algorithm.

    Args:
        name: The algorithm.
        model_dir: Folder of the model.
        default_accept: Type of the answer where the request names none, or nothing for the algorithm's own.
    """

    def __init__(self, name: str, model_dir: str, default_accept: str) -> None:
        self._name = name
        self._model_dir = model_dir
        self._accept = default_accept or _ACCEPTS.get(name, formats.JSON)
        self._model: Any = None
        self._width = 0
        self._is_classifier = False

    def load(self) -> None:
        """Load the model.

        Raises:
            CustomerError: The folder holds no model of the algorithm, or a library is missing.
        """
        from pegbox.algorithms import registry
        from pegbox.algorithms.errors import CustomerError

        self._registry = registry
        try:
            self._model = registry.load_model(self._name, self._model_dir)
        except CustomerError:
            # A model from elsewhere has the file name of the container that trained it.
            if self._name not in ("xgboost", "lightgbm"):
                raise
            self._model = models.load(self._model_dir, "")
        self._width = registry.width(self._name, self._model)
        if self._name == "lightgbm":
            objective = str(self._model.dump_model(num_iteration=1).get("objective", ""))
            self._is_classifier = objective.startswith(("binary", "multiclass", "cross_entropy"))

    def answer(self, request: Request) -> Answer:
        """Return the answer to an invocation.

        Raises:
            Refused: The body or a type is not taken.
        """
        accept = request.headers.get("accept", "").strip()
        if not accept or accept == formats.ANY:
            accept = self._accept
        kind, verbose = self._chosen(accept)
        features = self._fitting(read(request.body, request.headers.get("content-type") or formats.CSV))
        try:
            columns = self._registry.predict(self._name, self._model, features)
        except Exception as error:
            if isinstance(error, ValueError) or type(error).__name__ in ("XGBoostError", "LightGBMError"):
                raise Refused(400, f"the features do not fit the model: {str(error)[:300]}") from None
            raise
        return Answer(200, kind, self._written(columns, kind, verbose))

    def _chosen(self, accept: str) -> tuple[str, bool]:
        """Return the type of the answer, the first of those asked for that is given, and whether all fields are wanted."""
        for choice in formats.choices(accept):
            kind = formats.plain(choice)
            kind = self._accept if kind == formats.ANY else kind
            if kind in _WRITABLE:
                return kind, "verbose" in choice
        raise Refused(406, f"Accept {accept!r} is not given; use one of {', '.join(_WRITABLE)}")

    def _fitting(self, features: Any) -> Any:
        """Return rows as wide as the model: sparse ones end at the last column that occurs in them."""
        count, width = features.shape
        if not count:
            raise Refused(400, "the body has no rows")
        if hasattr(features, "tocsr") and width < self._width:
            features.resize((count, self._width))
        elif width != self._width and self._name != "xgboost":
            raise Refused(
                400, f"the rows have {width} features, and the model was trained with {self._width}"
            )
        return features

    def _written(self, columns: dict[str, Any], kind: str, verbose: bool) -> bytes:
        if not verbose:
            columns = {
                name: column for name, column in columns.items() if name not in _VERBOSE.get(self._name, ())
            }
        if kind == formats.CSV:
            return _csv(columns)
        if kind == RECORDIO:
            return _recordio(columns)
        if self._name == "lightgbm" and kind == formats.JSON:
            return json.dumps(self._lightgbm(columns, verbose)).encode()
        lists = {name: column.tolist() for name, column in columns.items()}
        rows = [dict(zip(lists, cells)) for cells in zip(*lists.values())]
        if kind == formats.JSON_LINES:
            return "".join(json.dumps(row) + "\n" for row in rows).encode()
        return json.dumps({_LISTS.get(self._name, "predictions"): rows}).encode()

    def _lightgbm(self, columns: dict[str, Any], verbose: bool) -> dict[str, Any]:
        score = columns["score"].tolist()
        if not self._is_classifier:
            return {"prediction": score}
        found = score if columns["score"].ndim == 2 else [[1.0 - value, value] for value in score]
        if not verbose:
            return {"probabilities": found}
        best = [max(range(len(row)), key=row.__getitem__) for row in found]
        return {
            "probabilities": found,
            "labels": list(range(len(found[0]))) if found else [],
            "predicted_label": best,
        }


# Bodies to features.


def read(body: bytes, content_type: str) -> Any:
    """Return the features of a body, ``(n, d)``.

    Raises:
        Refused: The type is not taken, or the body is not of it.
    """
    kind = formats.plain(content_type)
    if kind == "application/x-recordio":
        kind = RECORDIO
    if kind not in _READABLE:
        raise Refused(415, f"Content-Type {content_type!r} is not taken; use one of {', '.join(_READABLE)}")
    try:
        if kind == RECORDIO:
            return _from_recordio(body)
        if kind in (formats.JSON, formats.JSON_LINES):
            return _from_json(body, kind)
        features = formats.decode(body, kind)
    except formats.BadContent as error:
        raise Refused(400, str(error)) from None
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        words = f"{'' if isinstance(error, ValueError) else type(error).__name__ + ': '}{str(error)[:200]}"
        raise Refused(400, f"the body is no {kind}: {words}") from None
    return _numbers(features)


def _numbers(features: Any) -> Any:
    import numpy

    if hasattr(features, "tocsr"):
        return features
    try:
        table = numpy.asarray(features, dtype=numpy.float64)
    except (ValueError, TypeError):
        raise Refused(400, "the features are not numbers in rows of one length") from None
    if table.ndim == 1:
        table = table.reshape(1, -1) if table.size else table.reshape(0, 0)
    if table.ndim != 2:
        raise Refused(400, f"the features have {table.ndim} dimensions; give rows of numbers")
    return table


def _from_json(body: bytes, kind: str) -> Any:
    rows: Any = None
    if kind == formats.JSON_LINES:
        rows = formats.json_lines(body)
    else:
        value = json.loads(body)
        rows = value.get("instances") if isinstance(value, dict) else value
        if not isinstance(rows, list):
            raise ValueError('it is not {"instances": [{"features": [...]}, ...]}')
        if rows and not isinstance(rows[0], (dict, list)):
            rows = [rows]
    found = [_row(row) for row in rows]
    if any(keys is not None for _, keys, _ in found):
        return _sparse(found)
    return _numbers([values for values, _, _ in found])


def _row(row: Any) -> tuple[list[float], list[int] | None, int | None]:
    """Return values, columns and width of a row; columns and width are None where it is dense."""
    if isinstance(row, dict):
        row = row.get("data", row)
        row = row["features"] if isinstance(row, dict) else row
    if isinstance(row, dict):
        keys = row.get("keys")
        shape = row.get("shape")
        return row["values"], keys, int(shape[-1]) if shape else None
    if not isinstance(row, list):
        raise TypeError("a row has no features")
    return row, None, None


def _sparse(found: list[tuple[list[float], list[int] | None, int | None]]) -> Any:
    import numpy
    from scipy.sparse import csr_array

    values: list[float] = []
    columns: list[int] = []
    ends = [0]
    width = 0
    for row, keys, stated in found:
        keys = list(range(len(row))) if keys is None else [int(key) for key in keys]
        if len(keys) != len(row) or any(not 0 <= key < 100_000_000 for key in keys):
            raise ValueError("keys and values of a row do not fit together")
        values += row
        columns += keys
        ends.append(len(values))
        width = max(width, stated or 0, max(keys, default=-1) + 1)
    data = numpy.asarray(values, dtype=numpy.float64)
    return csr_array((data, numpy.asarray(columns, dtype=numpy.int64), ends), shape=(len(found), width))


def _from_recordio(body: bytes) -> Any:
    from pegbox.algorithms import data, errors

    try:
        return data.read_records(body, "the body").features
    except errors.CustomerError as error:
        raise Refused(400, str(error)) from None


# Answers to bodies.


def _csv(columns: dict[str, Any]) -> bytes:
    """Return scores as AWS's containers do: numbers with commas between them; rows of several on lines of their own."""
    first = columns.get("score")
    if first is None:
        first = next(iter(columns.values()))
    if first.ndim == 1:
        return ",".join(map(str, first.tolist())).encode()
    return "\n".join(",".join(map(str, row)) for row in first.tolist()).encode()


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _field(number: int, content: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _recordio(columns: dict[str, Any]) -> bytes:
    """Return one record for each row, with its answers as labels; see ``pegbox.algorithms.recordio`` for the format."""
    import numpy

    parts = []
    count = len(next(iter(columns.values())))
    for row in range(count):
        body = b""
        for name, column in columns.items():
            numbers = numpy.atleast_1d(column[row]).astype("<f4").tobytes()
            tensor = _field(1, numbers)
            body += _field(2, _field(1, name.encode()) + _field(2, _field(2, tensor)))
        parts.append(struct.pack("<II", _MAGIC, len(body)) + body + bytes(-len(body) % 4))
    return b"".join(parts)
