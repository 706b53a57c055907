"""The ``JobStore`` port in plain dictionaries: the reference that other backends are compared with, and the simulation's store.

A transaction works on copies of the tables that it writes, made at the first write; committing replaces the tables at once. So
readers see committed state only, and undoing is forgetting. Records are kept as given; what is mutable in them is frozen on the
way in, so that nothing that goes out can change what is kept.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pegbox.domain.names import TRAINING_KIND, TUNING_KIND
from pegbox.domain.records import Attempt, MetricPoint, TrainingJob, TuningJob
from pegbox.domain.statuses import FailureKind, ObjectiveStatus, TrainingStatus, TuningStatus
from pegbox.errors import ResourceInUse, StoreError
from pegbox.ports.store import Counters, Page, Reader, Rows, Transaction
from pegbox.store.rules import (
    TRAINING_SORTS,
    TUNING_SORTS,
    check_changes,
    check_new,
    check_page,
    check_values,
    name_key,
    resource_key,
    resource_of,
    sound_number,
    to_micros,
)
from pegbox.testing.frozen import frozen_changes, frozen_job, frozen_json, one_nan
from pegbox.testing.memory_hosting import HostingMemoryReads, HostingMemoryWrites, HostingTables


@dataclass(slots=True)
class _Tables:
    tuning: dict[int, TuningJob] = field(default_factory=dict)
    tuning_names: dict[str, int] = field(default_factory=dict)
    tuning_live: dict[int, None] = field(default_factory=dict)
    training: dict[int, TrainingJob] = field(default_factory=dict)
    training_names: dict[str, int] = field(default_factory=dict)
    training_live: dict[int, None] = field(default_factory=dict)
    #: (tuning job, number) and (tuning job, place in completion order) to training job.
    numbers: dict[tuple[int, int], int] = field(default_factory=dict)
    places: dict[tuple[int, int], int] = field(default_factory=dict)
    trials: dict[int, tuple[int, ...]] = field(default_factory=dict)
    attempts: dict[str, Attempt] = field(default_factory=dict)
    attempts_of: dict[int, tuple[str, ...]] = field(default_factory=dict)
    points: dict[int, dict[tuple[int, str, int], MetricPoint]] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    images: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    warm_starts: dict[int, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    sequence: dict[str, int] = field(default_factory=dict)
    hosting: HostingTables = field(default_factory=HostingTables)


class _JobReads:
    """Answers about jobs, from whatever tables are current."""

    def _read(self) -> _Tables:
        raise NotImplementedError

    def tuning_job(self, name: str) -> TuningJob | None:
        tables = self._read()
        row_id = tables.tuning_names.get(name_key(name))
        job = None if row_id is None else tables.tuning[row_id]
        return job if job is not None and job.name == name else None

    def tuning_job_by_id(self, row_id: int) -> TuningJob | None:
        return self._read().tuning.get(row_id)

    def training_job(self, name: str) -> TrainingJob | None:
        tables = self._read()
        row_id = tables.training_names.get(name_key(name))
        job = None if row_id is None else tables.training[row_id]
        return job if job is not None and job.name == name else None

    def training_job_by_id(self, row_id: int) -> TrainingJob | None:
        return self._read().training.get(row_id)

    def list_tuning_jobs(self, page: Page) -> Rows:
        check_page(page, TUNING_SORTS, of_trials=False)
        return _page(self._read().tuning.values(), page)

    def list_training_jobs(self, page: Page) -> Rows:
        check_page(page, TRAINING_SORTS, of_trials=True)
        tables = self._read()
        if page.tuning_job_id is None:
            return _page(tables.training.values(), page)
        return _page((tables.training[row_id] for row_id in tables.trials.get(page.tuning_job_id, ())), page)

    def trials(self, tuning_job_id: int) -> Sequence[TrainingJob]:
        tables = self._read()
        jobs = [tables.training[row_id] for row_id in tables.trials.get(tuning_job_id, ())]
        return sorted(jobs, key=lambda job: job.number or 0)

    def counters(self, tuning_job_id: int) -> Counters:
        counts = dict.fromkeys((item.name for item in fields(Counters)), 0)
        for job in self.trials(tuning_job_id):
            for name in _counted(job):
                counts[name] += 1
        return Counters(**counts)

    def best_trial(self, tuning_job_id: int, maximize: bool) -> TrainingJob | None:
        sign = -1.0 if maximize else 1.0
        ranked = [
            (
                job.status is not TrainingStatus.COMPLETED,
                sign * job.objective,
                job.created_at,
                name_key(job.name),
                job,
            )
            for job in self.trials(tuning_job_id)
            if job.objective is not None
            and job.status in (TrainingStatus.COMPLETED, TrainingStatus.STOPPED)
            and job.objective_status is not ObjectiveStatus.FAILED
        ]
        return min(ranked, key=lambda item: item[:4])[4] if ranked else None

    def unfinished_tuning_jobs(self) -> Sequence[TuningJob]:
        tables = self._read()
        return [tables.tuning[row_id] for row_id in sorted(tables.tuning_live)]

    def unfinished_training_jobs(self) -> Sequence[TrainingJob]:
        tables = self._read()
        return [tables.training[row_id] for row_id in sorted(tables.training_live)]


class _Reads(_JobReads, HostingMemoryReads):
    """Answers about the rest."""

    def _hosting(self) -> HostingTables:
        return self._read().hosting

    def attempt(self, attempt_id: str) -> Attempt | None:
        return self._read().attempts.get(attempt_id)

    def attempts(self, training_job_id: int) -> Sequence[Attempt]:
        tables = self._read()
        found = [tables.attempts[row_id] for row_id in tables.attempts_of.get(training_job_id, ())]
        return sorted(found, key=lambda attempt: attempt.number)

    def metric_points(
        self, training_job_id: int, name: str | None = None, attempt: int | None = None
    ) -> Sequence[MetricPoint]:
        points = self._read().points.get(training_job_id, {}).values()
        found = [
            point
            for point in points
            if (name is None or point.name == name) and (attempt is None or point.attempt == attempt)
        ]
        return sorted(found, key=lambda point: point.attempt)

    def tags(self, arn: str) -> Mapping[str, str]:
        return dict(self._read().tags.get(arn, {}))

    def images(self) -> Mapping[str, Mapping[str, Any]]:
        return dict(sorted(self._read().images.items()))

    def warm_start(self, tuning_job_id: int) -> Sequence[Mapping[str, Any]]:
        return self._read().warm_starts.get(tuning_job_id, [])


def _counted(job: TrainingJob) -> tuple[str, ...]:
    """Return the counters that a trial is counted in."""
    status = job.status
    if status is TrainingStatus.DELETING:
        return ()
    if status is TrainingStatus.FAILED:
        family = "retryable_error" if job.failure_kind is FailureKind.INTERNAL else "non_retryable_error"
    else:
        family = {TrainingStatus.COMPLETED: "completed", TrainingStatus.STOPPED: "stopped"}.get(
            status, "in_progress"
        )
    objective = job.objective_status
    if objective is None:
        objective = ObjectiveStatus.FAILED if status.terminal else ObjectiveStatus.PENDING
    return family, f"objective_{objective.value.lower()}"


def _sort_value(job: TuningJob | TrainingJob, sort_by: str) -> Any:
    if sort_by == "Name":
        return name_key(job.name)
    if sort_by == "Status":
        return job.status.value
    if sort_by == "CreationTime":
        return to_micros(job.created_at)
    return job.objective if isinstance(job, TrainingJob) else None


def _wanted(job: TuningJob | TrainingJob, page: Page) -> bool:
    return (
        (page.status is None or job.status.value == page.status)
        and (page.name_contains is None or name_key(page.name_contains) in name_key(job.name))
        and (page.created_after is None or job.created_at > page.created_after)
        and (page.created_before is None or job.created_at < page.created_before)
        and (page.modified_after is None or job.modified_at > page.modified_after)
        and (page.modified_before is None or job.modified_at < page.modified_before)
    )


def _page(jobs: Iterable[TuningJob | TrainingJob], page: Page) -> Rows:
    keyed = [((_sort_value(job, page.sort_by), job.id), job) for job in jobs if _wanted(job, page)]
    keyed = [item for item in keyed if item[0][0] is not None]
    if page.after is not None:
        after = tuple(page.after)
        keyed = [item for item in keyed if (item[0] < after if page.descending else item[0] > after)]
    keyed.sort(key=lambda item: item[0], reverse=page.descending)
    items = [job for _, job in keyed[: page.limit]]
    return Rows(items=items, next_after=keyed[page.limit - 1][0] if len(keyed) > page.limit else None)


class _MemoryReader(_Reads):
    def __init__(self, current: Callable[[], _Tables]) -> None:
        self._current = current

    def _read(self) -> _Tables:
        return self._current()


class _JobWrites(_Reads, HostingMemoryWrites):
    """Working tables of a transaction, copied one by one at their first change."""

    def __init__(self, tables: _Tables) -> None:
        self._tables = replace(tables, hosting=replace(tables.hosting))
        self._owned: set[str] = set()
        self._open = True

    def _read(self) -> _Tables:
        if not self._open:
            raise StoreError("this transaction has ended; open another")
        return self._tables

    def _write(self, *names: str) -> _Tables:
        tables = self._read()
        for name in names:
            if name not in self._owned:
                setattr(tables, name, dict(getattr(tables, name)))
                self._owned.add(name)
        return tables

    def _hosting_copy(self, name: str) -> dict[Any, Any]:
        tables = self._read().hosting
        if f"hosting.{name}" not in self._owned:
            setattr(tables, name, dict(getattr(tables, name)))
            self._owned.add(f"hosting.{name}")
        table: dict[Any, Any] = getattr(tables, name)
        return table

    def _next_id(self, table: str) -> int:
        sequence = self._write("sequence").sequence
        sequence[table] = sequence.get(table, 0) + 1
        return sequence[table]

    def insert_tuning_job(self, job: TuningJob) -> TuningJob:
        check_new(job)
        to_micros(job.created_at), to_micros(job.modified_at)
        key = name_key(job.name)
        if key in self._read().tuning_names:
            raise ResourceInUse(
                f"A tuning job with the name {job.name!r} exists already; choose another name"
            )
        kept = frozen_job(job, self._next_id("tuning"))
        tables = self._write("tuning", "tuning_names", "tuning_live")
        tables.tuning[kept.id] = kept
        tables.tuning_names[key] = kept.id
        self._mark(tables.tuning_live, kept.id, kept.status.terminal)
        return kept

    def update_tuning_job(
        self, row_id: int, allowed: Collection[TuningStatus], changes: Mapping[str, Any]
    ) -> bool:
        check_changes(TuningJob, changes)
        job = self._read().tuning.get(row_id)
        if job is None or job.status not in allowed:
            return False
        changed = replace(job, **frozen_changes(changes))
        tables = self._write("tuning")
        tables.tuning[row_id] = changed
        if changed.status.terminal != job.status.terminal:
            self._mark(self._write("tuning_live").tuning_live, row_id, changed.status.terminal)
        return True

    def delete_tuning_job(self, row_id: int) -> None:
        tables = self._write("tuning", "tuning_names", "tuning_live")
        job = tables.tuning.pop(row_id, None)
        if job is not None:
            del tables.tuning_names[name_key(job.name)]
            tables.tuning_live.pop(row_id, None)
            self._write("warm_starts").warm_starts.pop(row_id, None)
            self._drop_tags(resource_of(TUNING_KIND, job.name))

    def insert_training_job(self, job: TrainingJob) -> TrainingJob:
        check_new(job)
        to_micros(job.created_at), to_micros(job.modified_at)
        key = name_key(job.name)
        if key in self._read().training_names:
            raise ResourceInUse(
                f"A training job with the name {job.name!r} exists already; choose another name"
            )
        if (job.tuning_job_id is None) != (job.number is None):
            raise StoreError(
                "the schema refuses the change: a trial has a tuning job and a number, or neither"
            )
        kept = frozen_job(job, self._read().sequence.get("training", 0) + 1)
        self._claim(None, kept)
        self._next_id("training")
        tables = self._write("training", "training_names", "training_live")
        tables.training[kept.id] = kept
        tables.training_names[key] = kept.id
        self._mark(tables.training_live, kept.id, kept.status.terminal)
        if kept.tuning_job_id is not None:
            trials = self._write("trials").trials
            trials[kept.tuning_job_id] = (*trials.get(kept.tuning_job_id, ()), kept.id)
        return kept

    def update_training_job(
        self, row_id: int, allowed: Collection[TrainingStatus], changes: Mapping[str, Any]
    ) -> bool:
        check_changes(TrainingJob, changes)
        job = self._read().training.get(row_id)
        if job is None or job.status not in allowed:
            return False
        changed = replace(job, **frozen_changes(changes))
        if changed.observed_seq != job.observed_seq:
            self._claim(job, changed)
        self._write("training").training[row_id] = changed
        if changed.status.terminal != job.status.terminal:
            self._mark(self._write("training_live").training_live, row_id, changed.status.terminal)
        return True

    def delete_training_job(self, row_id: int) -> None:
        job = self._read().training.get(row_id)
        if job is None:
            return
        tables = self._write(
            "training", "training_names", "training_live", "trials", "attempts", "attempts_of", "points"
        )
        self._claim(job, None)
        del tables.training[row_id]
        del tables.training_names[name_key(job.name)]
        tables.training_live.pop(row_id, None)
        if job.tuning_job_id is not None:
            rest = tuple(item for item in tables.trials[job.tuning_job_id] if item != row_id)
            tables.trials[job.tuning_job_id] = rest
        for attempt_id in tables.attempts_of.pop(row_id, ()):
            del tables.attempts[attempt_id]
        tables.points.pop(row_id, None)
        self._drop_tags(resource_of(TRAINING_KIND, job.name))

    def _claim(self, before: TrainingJob | None, after: TrainingJob | None) -> None:
        """Keep number and place in completion order unique within a tuning job."""
        for table, attribute in (("numbers", "number"), ("places", "observed_seq")):
            old = (before.tuning_job_id, getattr(before, attribute)) if before else (None, None)
            new = (after.tuning_job_id, getattr(after, attribute)) if after else (None, None)
            if old == new:
                continue
            if None not in new and new in getattr(self._read(), table):
                raise StoreError(
                    f"the schema refuses the change: {attribute} {new[1]} of tuning job {new[0]} is taken"
                )
            keys = getattr(self._write(table), table)
            if None not in old:
                keys.pop(old, None)
            if None not in new and after is not None:
                keys[new] = after.id

    def _mark(self, live: dict[int, None], row_id: int, terminal: bool) -> None:
        if terminal:
            live.pop(row_id, None)
        else:
            live[row_id] = None

    def _drop_tags(self, resource: str) -> None:
        found = [arn for arn in self._read().tags if resource_key(arn) == resource]
        for arn in found:
            del self._write("tags").tags[arn]


class _MemoryTransaction(_JobWrites):
    """The rest of what a transaction can change."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        tables = self._read()
        saved, self._owned = replace(tables, hosting=replace(tables.hosting)), set()
        try:
            yield
        except BaseException:
            self._tables, self._owned = saved, set()
            raise

    def insert_attempt(self, attempt: Attempt) -> None:
        check_values({"state": attempt.state})
        tables = self._read()
        if attempt.training_job_id not in tables.training:
            raise StoreError(f"the schema refuses the change: no training job {attempt.training_job_id}")
        siblings = [tables.attempts[item] for item in tables.attempts_of.get(attempt.training_job_id, ())]
        if attempt.id in tables.attempts or any(item.number == attempt.number for item in siblings):
            raise StoreError(f"the schema refuses the change: attempt {attempt.number} exists already")
        self._refuse_second_live(attempt, siblings)
        tables = self._write("attempts", "attempts_of")
        tables.attempts[attempt.id] = attempt
        others = tables.attempts_of.get(attempt.training_job_id, ())
        tables.attempts_of[attempt.training_job_id] = (*others, attempt.id)

    def update_attempt(
        self, attempt_id: str, allowed_states: Collection[str], changes: Mapping[str, Any]
    ) -> bool:
        check_changes(Attempt, changes)
        tables = self._read()
        attempt = tables.attempts.get(attempt_id)
        if attempt is None or attempt.state not in allowed_states:
            return False
        changed = replace(attempt, **changes)
        others = [item for item in tables.attempts_of[attempt.training_job_id] if item != attempt_id]
        self._refuse_second_live(changed, [tables.attempts[item] for item in others])
        self._write("attempts").attempts[attempt_id] = changed
        return True

    def _refuse_second_live(self, attempt: Attempt, others: Iterable[Attempt]) -> None:
        if attempt.state == "live" and any(item.state == "live" for item in others):
            raise StoreError(
                f"the schema refuses the change: training job {attempt.training_job_id} has a live attempt"
            )

    def add_metric_points(self, points: Iterable[MetricPoint]) -> None:
        batch = [replace(point, value=one_nan(sound_number(point.value))) for point in points]
        for point in batch:
            if point.training_job_id not in self._read().training:
                raise StoreError(f"the schema refuses the change: no training job {point.training_job_id}")
        for row_id in {point.training_job_id for point in batch}:
            table = self._write("points").points
            table[row_id] = dict(table.get(row_id, {}))
        for point in batch:
            kept = self._tables.points[point.training_job_id]
            kept.setdefault((point.attempt, point.name, point.count), point)

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        if tags:
            table = self._write("tags").tags
            table[arn] = {**table.get(arn, {}), **tags}

    def delete_tags(self, arn: str, keys: Collection[str] | None = None) -> None:
        table = self._write("tags").tags
        rest = (
            {}
            if keys is None
            else {key: value for key, value in table.get(arn, {}).items() if key not in keys}
        )
        if rest:
            table[arn] = rest
        else:
            table.pop(arn, None)

    def set_image(self, name: str, runtime: Mapping[str, Any] | None) -> None:
        table = self._write("images").images
        if runtime is None:
            table.pop(name, None)
        else:
            table[name] = frozen_json(runtime)

    def insert_warm_start(self, tuning_job_id: int, parents: Sequence[Mapping[str, Any]]) -> None:
        tables = self._read()
        if tuning_job_id not in tables.tuning or tuning_job_id in tables.warm_starts:
            raise StoreError(
                f"the schema refuses the change: no tuning job {tuning_job_id} without a warm start"
            )
        self._write("warm_starts").warm_starts[tuning_job_id] = frozen_json(list(parents))


class MemoryStore:
    """A ``JobStore`` in memory.

    Args:
        before_commit: Called before each commit; what it raises (``StoreFull``, for instance) is what the commit fails with, and
            nothing is kept.
    """

    def __init__(self, *, before_commit: Callable[[], None] | None = None) -> None:
        self._tables = _Tables()
        self._before_commit = before_commit
        self._lock = threading.Lock()
        self._writer: int | None = None
        self._closed = False
        self._reader = _MemoryReader(self._committed)

    @property
    def reader(self) -> Reader:
        """Committed state."""
        return self._reader

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a write transaction; other threads wait for its end."""
        if self._writer == threading.get_ident():
            raise StoreError("this thread has a transaction open already; end it first, or use a savepoint")
        with self._lock:
            self._writer = threading.get_ident()
            transaction = _MemoryTransaction(self._committed())
            try:
                yield transaction
                if self._before_commit is not None:
                    self._before_commit()
                self._tables = transaction._tables
            finally:
                transaction._open = False
                self._writer = None

    def close(self) -> None:
        """Refuse all further use."""
        self._closed = True

    def _committed(self) -> _Tables:
        if self._closed:
            raise StoreError("the store is closed")
        return self._tables
