"""Records that cannot be changed, down to the JSON data in them, equal to what a database gives back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from enum import Enum
from typing import Any, TypeVar, cast

from pegbox.domain.records import SuggestionRecord, TrainingJob, TuningJob
from pegbox.store.rules import sound_number, sound_text

_Job = TypeVar("_Job", TuningJob, TrainingJob)


class FrozenDict(dict[str, Any]):
    """A dictionary that refuses to be changed; ``copy.deepcopy`` gives a plain one."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("records are frozen; copy before you change")

    __setitem__ = __delitem__ = clear = pop = popitem = setdefault = update = __ior__ = _refuse

    def __deepcopy__(self, memo: Any) -> dict[str, Any]:
        return cast("dict[str, Any]", _thaw(self))

    def __reduce__(self) -> Any:
        return _thaw, (dict(self),)


class FrozenList(list[Any]):
    """A list that refuses to be changed; ``copy.deepcopy`` gives a plain one."""

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("records are frozen; copy before you change")

    __setitem__ = __delitem__ = append = clear = extend = insert = pop = remove = reverse = sort = _refuse
    __iadd__ = __imul__ = _refuse

    def __deepcopy__(self, memo: Any) -> list[Any]:
        return cast("list[Any]", _thaw(self))

    def __reduce__(self) -> Any:
        return _thaw, (list(self),)


def _thaw(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_thaw(item) for item in value]
    return value


def frozen_json(value: Any) -> Any:
    """Return JSON data as it would come back from text, unchangeable."""
    kind = type(value)
    if (
        kind is str
        or kind is int
        or kind is bool
        or value is None
        or kind is FrozenDict
        or kind is FrozenList
    ):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value!r} has no place in JSON; write it as text")
        return float(value)
    if isinstance(value, Enum):
        return frozen_json(value.value)
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"key {key!r} is no text; JSON has text keys only")
        return FrozenDict({key: frozen_json(item) for key, item in value.items()})
    if isinstance(value, list | tuple):
        return FrozenList(frozen_json(item) for item in value)
    raise TypeError(f"Object of type {kind.__name__} is not JSON serializable")


def _freeze_suggestion(record: SuggestionRecord | None) -> SuggestionRecord | None:
    if record is None:
        return None
    return replace(
        record,
        values=frozen_json(record.values),
        details=FrozenDict({key: one_nan(value) for key, value in record.details.items()}),
        pending=tuple(record.pending),
        seed=tuple(record.seed),
        warnings=tuple(record.warnings),
    )


def one_nan(value: float) -> float:
    """Return a number as a float, with one object for all NaN, so that equal records compare equal."""
    return math.nan if value != value else float(value)


def _freeze_metrics(metrics: Mapping[str, Any]) -> FrozenDict:
    return FrozenDict({name: (one_nan(value), at) for name, (value, at) in metrics.items()})


def _optional_number(value: float | None) -> float | None:
    return None if value is None else sound_number(value)


_FREEZERS: dict[str, Callable[[Any], Any]] = {
    "request": frozen_json,
    "artifacts": frozen_json,
    "notices": tuple,
    "transitions": tuple,
    "suggestion": _freeze_suggestion,
    "final_metrics": _freeze_metrics,
    "objective": _optional_number,
    "failure_reason": sound_text,
    "completion_reason": sound_text,
}
_TUNING_FREEZERS = tuple(item.name for item in fields(TuningJob) if item.name in _FREEZERS)
_TRAINING_FREEZERS = tuple(item.name for item in fields(TrainingJob) if item.name in _FREEZERS)


def frozen_job(job: _Job, row_id: int) -> _Job:
    """Return a job with a row id and nothing in it that can be changed."""
    names = _TUNING_FREEZERS if isinstance(job, TuningJob) else _TRAINING_FREEZERS
    return replace(job, id=row_id, **{name: _FREEZERS[name](getattr(job, name)) for name in names})


def frozen_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return changed fields of a job, frozen like the job."""
    return {name: _FREEZERS[name](value) if name in _FREEZERS else value for name, value in changes.items()}
