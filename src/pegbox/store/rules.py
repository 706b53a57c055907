"""Rules that every backend of the ``JobStore`` port holds, whatever it keeps its rows in."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime, timedelta, timezone
from typing import Any

from pegbox.domain.hosting import Endpoint, EndpointInstance, InstanceState
from pegbox.domain.names import parse_arn
from pegbox.domain.records import Attempt, TrainingJob, TuningJob
from pegbox.ports.store import Page

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)

#: Fields that say which row it is; they never change.
_IDENTITY: dict[type[Any], frozenset[str]] = {
    TuningJob: frozenset({"id", "name"}),
    TrainingJob: frozenset({"id", "name", "tuning_job_id", "number"}),
    Attempt: frozenset({"id", "training_job_id", "number"}),
    Endpoint: frozenset({"id", "name", "created_at"}),
    EndpointInstance: frozenset({"id", "endpoint_id", "endpoint_name", "generation", "variant"}),
}
_CHANGEABLE: dict[type[Any], frozenset[str]] = {
    record: frozenset(item.name for item in fields(record)) - identity
    for record, identity in _IDENTITY.items()
}

#: What a list may be sorted by.
TUNING_SORTS = ("Name", "Status", "CreationTime")
NAMED_SORTS = ("Name", "CreationTime")
TRAINING_SORTS = (*TUNING_SORTS, "FinalObjectiveMetricValue")

#: States of an attempt.
ATTEMPT_STATES = ("live", "ended", "fenced")

#: Integers that every database can hold.
_LARGEST = 2**63 - 1


def name_key(name: str) -> str:
    """Return what names are compared by: names that differ only in case are the same name."""
    return name.lower()


def resource_key(arn: str) -> str:
    """Return what tags are removed by when the resource goes: kind and name of an ARN, whatever its realm."""
    parsed = parse_arn(arn)
    return resource_of(*parsed) if parsed else arn


def resource_of(kind: str, name: str) -> str:
    """Return the :func:`resource_key` of a resource by its kind and name."""
    return f"{kind}/{name_key(name)}"


def to_micros(moment: datetime) -> int:
    """Return microseconds since 1970 in UTC.

    Raises:
        ValueError: The time has no zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"time {moment.isoformat()} has no zone; give an aware datetime in UTC")
    return (moment - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the aware UTC time that :func:`to_micros` was given."""
    return _EPOCH + timedelta(microseconds=micros)


def sound_text(text: str | None) -> str | None:
    """Return text for people with what no encoding can hold (halves of characters in program output) replaced by ``?``."""
    if text is None or text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8")


def sound_number(number: float) -> float:
    """Return a number as a float without the sign of a zero, which SQLite does not keep."""
    return float(number) + 0.0


def check_row_id(row_id: int) -> None:
    """Check the row id of a record that is to be inserted.

    Raises:
        ValueError: It has one already.
    """
    if row_id != 0:
        raise ValueError(f"id = {row_id}: the store gives row ids; insert the record with id 0")


def check_new(record: TuningJob | TrainingJob) -> None:
    """Check a job that is to be inserted.

    Raises:
        ValueError: It has a row id already, or a field that cannot be kept.
    """
    check_row_id(record.id)
    check_values({"seed": record.seed} if isinstance(record, TuningJob) else {"objective": record.objective})


def check_changes(record: type[Any], changes: Mapping[str, Any]) -> None:
    """Check what an update wants to change.

    Raises:
        ValueError: An unknown field, a field that never changes, or a value that cannot be kept; all are named.
    """
    foreign = changes.keys() - _CHANGEABLE[record]
    if foreign:
        raise ValueError(
            f"{record.__name__} has no changeable field {', '.join(sorted(foreign))}; "
            f"these can be changed: {', '.join(sorted(_CHANGEABLE[record]))}"
        )
    check_values(changes)


def check_values(values: Mapping[str, Any]) -> None:
    """Check the values that a database would change or refuse in its own way.

    Raises:
        ValueError: A non-finite objective, a seed of more than 63 bits, or an unknown attempt state.
    """
    objective = values.get("objective")
    if objective is not None and not math.isfinite(objective):
        raise ValueError(f"objective = {objective!r}: only a finite objective is kept; leave it None")
    seed = values.get("seed")
    if seed is not None and not 0 <= seed <= _LARGEST:
        raise ValueError(f"seed = {seed!r}: give an integer from 0 to {_LARGEST}")
    state = values.get("state")
    if state is not None and not isinstance(state, InstanceState) and state not in ATTEMPT_STATES:
        raise ValueError(f"state = {state!r}: an attempt is one of {', '.join(ATTEMPT_STATES)}")


def check_page(page: Page, sorts: tuple[str, ...], *, of_trials: bool) -> None:
    """Check what a list is asked for.

    Raises:
        ValueError: An unknown order, an empty page, or trials of a tuning job asked of a list of tuning jobs.
    """
    problems = []
    if page.sort_by not in sorts:
        problems.append(f"sort_by = {page.sort_by!r}: give one of {', '.join(sorts)}")
    if page.limit < 1:
        problems.append(f"limit = {page.limit}: give at least 1")
    if page.tuning_job_id is not None and not of_trials:
        problems.append(f"tuning_job_id = {page.tuning_job_id}: only lists of training jobs have it")
    if problems:
        raise ValueError("; ".join(problems))
