"""Records to rows and back: the one place that knows both.

``*_row`` returns column values of a new row, ``*_changes`` those of changed fields, ``*_record`` a record from a row whose
columns stand in the table's order.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pegbox.domain.records import Attempt, MetricPoint, SuggestionRecord, TrainingJob, Transition, TuningJob
from pegbox.domain.statuses import (
    FailureKind,
    ObjectiveStatus,
    SecondaryStatus,
    StopReason,
    TrainingStatus,
    TuningStatus,
)
from pegbox.store.rules import from_micros, name_key, resource_key, sound_number, sound_text, to_micros

Row = Sequence[Any]
Encoder = Callable[[Any], Any]

_encode = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode
_decode = json.loads


def write_json(value: Any) -> str:
    """Return JSON text.

    Raises:
        TypeError: Something in it is no JSON data.
        ValueError: A number in it is not finite.
    """
    return _encode(value if type(value) in (dict, list) else _plain(value))


def read_json(text: str) -> Any:
    """Return what :func:`write_json` was given, tuples as lists."""
    return _decode(text)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _micros(moment: Any) -> int | None:
    return None if moment is None else to_micros(moment)


def _moment(micros: int | None) -> Any:
    return None if micros is None else from_micros(micros)


def _word(value: Any) -> str | None:
    return None if value is None else value.value


def _write_number(value: float) -> float | str:
    return float(value) if math.isfinite(value) else repr(float(value))


def _read_number(value: float | str) -> float:
    number = float(value)
    return math.nan if number != number else number


def _write_suggestion(record: SuggestionRecord | None) -> str | None:
    if record is None:
        return None
    return _encode(
        {
            "values": dict(record.values),
            "reason": record.reason,
            "details": {name: _write_number(value) for name, value in record.details.items()},
            "strategy": record.strategy,
            "observed": record.observed,
            "pending": record.pending,
            "seed": record.seed,
            "numerics": record.numerics,
            "ahead": record.ahead,
            "index": record.index,
            "count": record.count,
            "warnings": record.warnings,
            **({"turn": record.turn, "turn_observed": record.turn_observed} if record.turn else {}),
        }
    )


def _read_suggestion(text: str | None) -> SuggestionRecord | None:
    if text is None:
        return None
    data = _decode(text)
    data["details"] = {name: _read_number(value) for name, value in data["details"].items()}
    for name in ("pending", "seed", "warnings"):
        data[name] = tuple(data[name])
    return SuggestionRecord(**data)


def _write_metrics(metrics: Mapping[str, Any]) -> str:
    return _encode({name: (_write_number(value), to_micros(at)) for name, (value, at) in metrics.items()})


def _read_metrics(text: str) -> dict[str, Any]:
    if text == "{}":
        return {}
    return {name: (_read_number(value), from_micros(at)) for name, (value, at) in _decode(text).items()}


def _write_transitions(transitions: Sequence[Transition]) -> str:
    return _encode(
        [
            (item.status.value, to_micros(item.started_at), _micros(item.ended_at), item.message)
            for item in transitions
        ]
    )


def _read_transitions(text: str) -> tuple[Transition, ...]:
    return tuple(
        Transition(
            status=SecondaryStatus(status),
            started_at=from_micros(start),
            ended_at=_moment(end),
            message=message,
        )
        for status, start, end, message in _decode(text)
    )


def _write_texts(texts: Sequence[str]) -> str:
    return _encode(tuple(texts)) if texts else "[]"


def _read_texts(text: str) -> tuple[str, ...]:
    return tuple(_decode(text)) if text != "[]" else ()


def _number(value: float | None) -> float | None:
    return None if value is None else sound_number(value)


#: Fields that are not written as they are.
_ENCODERS: dict[str, Encoder] = {
    "request": write_json,
    "artifacts": write_json,
    "suggestion": _write_suggestion,
    "final_metrics": _write_metrics,
    "transitions": _write_transitions,
    "notices": _write_texts,
    "objective": _number,
    "failure_reason": sound_text,
    "completion_reason": sound_text,
    **dict.fromkeys(("created_at", "modified_at", "started_at", "ended_at", "converged_at"), _micros),
    **dict.fromkeys(("status", "secondary", "stop_reason", "failure_kind", "objective_status"), _word),
}
_TUNING_FIELDS = (
    "name", "request", "status", "created_at", "modified_at", "ended_at", "failure_reason", "seed", "launched", "observed",
    "completion_reason", "converged_at", "notices",
)  # fmt: skip
_TRAINING_FIELDS = (
    "name", "status", "secondary", "created_at", "modified_at", "tuning_job_id", "number", "definition", "request",
    "suggestion", "attempt", "started_at", "ended_at", "stop_reason", "failure_kind", "failure_reason", "exit_code", "signal",
    "final_metrics", "objective", "objective_status", "observed_seq", "artifacts", "transitions", "notices",
)  # fmt: skip
_ATTEMPT_FIELDS = ("id", "training_job_id", "number", "created_at", "state", "reported", "ended_at")


def changed_columns(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return column values of changed fields, in the order of their names."""
    return {
        name: _ENCODERS[name](changes[name]) if name in _ENCODERS else changes[name]
        for name in sorted(changes)
    }


def _row(record: Any, names: Sequence[str]) -> dict[str, Any]:
    row = {}
    for name in names:
        value = getattr(record, name)
        encoder = _ENCODERS.get(name)
        row[name] = value if encoder is None else encoder(value)
    return row


def tuning_row(job: TuningJob) -> dict[str, Any]:
    """Return the columns of a new tuning job."""
    return {"name_key": name_key(job.name), **_row(job, _TUNING_FIELDS)}


def training_row(job: TrainingJob) -> dict[str, Any]:
    """Return the columns of a new training job."""
    return {"name_key": name_key(job.name), **_row(job, _TRAINING_FIELDS)}


def attempt_row(attempt: Attempt) -> dict[str, Any]:
    """Return the columns of a new attempt."""
    return _row(attempt, _ATTEMPT_FIELDS)


def point_row(point: MetricPoint) -> dict[str, Any]:
    """Return the columns of an emitted value."""
    return {
        "training_job_id": point.training_job_id,
        "attempt": point.attempt,
        "name": point.name,
        "count": point.count,
        "value": None if math.isnan(point.value) else sound_number(point.value),
        "at": to_micros(point.at),
        "step": point.step,
    }


def tag_row(arn: str, key: str, value: str) -> dict[str, Any]:
    """Return the columns of a tag."""
    return {"arn": arn, "resource": resource_key(arn), "key": key, "value": value}


def tuning_record(row: Row) -> TuningJob:
    """Return the tuning job of a row."""
    (row_id, name, _, status, created, modified, ended, seed, launched, observed, converged, completion, failure, notices,
     request) = row  # fmt: skip
    return TuningJob(
        id=row_id,
        name=name,
        request=_decode(request),
        status=TuningStatus(status),
        created_at=from_micros(created),
        modified_at=from_micros(modified),
        ended_at=_moment(ended),
        failure_reason=failure,
        seed=seed,
        launched=launched,
        observed=observed,
        completion_reason=completion,
        converged_at=_moment(converged),
        notices=_read_texts(notices),
    )


def training_record(row: Row) -> TrainingJob:
    """Return the training job of a row."""
    (row_id, name, _, status, secondary, created, modified, tuning_id, number, place, objective, objective_status, failure_kind,
     stop_reason, attempt, started, ended, exit_code, signal, definition, failure, notices, metrics, transitions, artifacts,
     suggestion, request) = row  # fmt: skip
    return TrainingJob(
        id=row_id,
        name=name,
        status=TrainingStatus(status),
        secondary=SecondaryStatus(secondary),
        created_at=from_micros(created),
        modified_at=from_micros(modified),
        tuning_job_id=tuning_id,
        number=number,
        definition=definition,
        request=_decode(request),
        suggestion=_read_suggestion(suggestion),
        attempt=attempt,
        started_at=_moment(started),
        ended_at=_moment(ended),
        stop_reason=None if stop_reason is None else StopReason(stop_reason),
        failure_kind=None if failure_kind is None else FailureKind(failure_kind),
        failure_reason=failure,
        exit_code=exit_code,
        signal=signal,
        final_metrics=_read_metrics(metrics),
        objective=objective,
        objective_status=None if objective_status is None else ObjectiveStatus(objective_status),
        observed_seq=place,
        artifacts=_decode(artifacts),
        transitions=_read_transitions(transitions),
        notices=_read_texts(notices),
    )


def attempt_record(row: Row) -> Attempt:
    """Return the attempt of a row."""
    row_id, training_job_id, number, created, state, reported, ended = row
    return Attempt(
        id=row_id,
        training_job_id=training_job_id,
        number=number,
        created_at=from_micros(created),
        state=state,
        reported=reported,
        ended_at=_moment(ended),
    )


def point_record(row: Row) -> MetricPoint:
    """Return the emitted value of a row."""
    _, training_job_id, attempt, name, count, value, at, step = row
    return MetricPoint(
        training_job_id=training_job_id,
        attempt=attempt,
        name=name,
        count=count,
        value=math.nan if value is None else value,
        at=from_micros(at),
        step=step,
    )
