"""Durable state, as the engine sees it.

One thread writes (the engine's), in transactions that hold many commands and events: that is the group commit. Any number of
threads read committed state. Records go in and come out frozen; nothing returned is shared with the store.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from pegbox.domain.records import Attempt, MetricPoint, TrainingJob, TuningJob
from pegbox.domain.statuses import TrainingStatus, TuningStatus
from pegbox.ports.hosting_store import HostingReader, HostingWriter


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Which rows of a list are wanted, in which order (keyset paging: stable while rows are added).

    ``after`` is the (sort value, row id) of the last row of the previous page, as the store returned it.
    """

    sort_by: str = "Name"
    descending: bool = False
    limit: int = 10
    after: tuple[Any, int] | None = None
    name_contains: str | None = None
    status: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    modified_after: datetime | None = None
    modified_before: datetime | None = None
    #: Only trials of this tuning job.
    tuning_job_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A page of rows and where the next one starts (None at the end)."""

    items: Sequence[Any]
    next_after: tuple[Any, int] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Both counter families of a tuning job, counted from its trials."""

    completed: int = 0
    in_progress: int = 0
    retryable_error: int = 0
    non_retryable_error: int = 0
    stopped: int = 0
    objective_succeeded: int = 0
    objective_pending: int = 0
    objective_failed: int = 0


class JobReader(Protocol):
    """Tuning jobs and training jobs. Methods may be called from any thread."""

    def tuning_job(self, name: str) -> TuningJob | None:
        """Return the tuning job of this name (names are unique without regard to case, found as written)."""
        ...

    def tuning_job_by_id(self, row_id: int) -> TuningJob | None:
        """Return a tuning job by row id."""
        ...

    def training_job(self, name: str) -> TrainingJob | None:
        """Return the training job of this name."""
        ...

    def training_job_by_id(self, row_id: int) -> TrainingJob | None:
        """Return a training job by row id."""
        ...

    def list_tuning_jobs(self, page: Page) -> Rows:
        """Return a page of tuning jobs. ``sort_by``: Name, Status, CreationTime."""
        ...

    def list_training_jobs(self, page: Page) -> Rows:
        """Return a page of training jobs. ``sort_by``: Name, Status, CreationTime, FinalObjectiveMetricValue.

        Sorting by the metric leaves out jobs that have no objective value.
        """
        ...

    def trials(self, tuning_job_id: int) -> Sequence[TrainingJob]:
        """Return all trials of a tuning job by number."""
        ...

    def counters(self, tuning_job_id: int) -> Counters:
        """Return both counter families of a tuning job."""
        ...

    def best_trial(self, tuning_job_id: int, maximize: bool) -> TrainingJob | None:
        """Return the best trial by promise P7: finite objective, Completed before stopped ones, then earliest, then by name."""
        ...

    def unfinished_tuning_jobs(self) -> Sequence[TuningJob]:
        """Return tuning jobs that are not terminal."""
        ...

    def unfinished_training_jobs(self) -> Sequence[TrainingJob]:
        """Return training jobs that are not terminal, trials included."""
        ...


class Reader(JobReader, HostingReader, Protocol):
    """Committed state. Methods may be called from any thread."""

    def attempt(self, attempt_id: str) -> Attempt | None:
        """Return an attempt."""
        ...

    def attempts(self, training_job_id: int) -> Sequence[Attempt]:
        """Return the attempts of a training job by number."""
        ...

    def metric_points(
        self, training_job_id: int, name: str | None = None, attempt: int | None = None
    ) -> Sequence[MetricPoint]:
        """Return emitted values in order of emission."""
        ...

    def tags(self, arn: str) -> Mapping[str, str]:
        """Return the tags of a resource in the order they were added."""
        ...

    def images(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the user's entries of the image table by name."""
        ...

    def warm_start(self, tuning_job_id: int) -> Sequence[Mapping[str, Any]]:
        """Return what a tuning job took over from its parents, as it was inserted; empty without any."""
        ...


class Transaction(Reader, HostingWriter, Protocol):
    """Reads its own writes; everything is committed together or not at all."""

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happens inside when it raises, and only that."""
        ...

    def insert_tuning_job(self, job: TuningJob) -> TuningJob:
        """Insert and return the job with its row id.

        Raises:
            ResourceInUse: The name is taken, regardless of case.
        """
        ...

    def update_tuning_job(
        self, row_id: int, allowed: Collection[TuningStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields (named as in the record) if the status is one of ``allowed``; return whether it was."""
        ...

    def delete_tuning_job(self, row_id: int) -> None:
        """Remove the record and its tags; its training jobs stay (they keep the id, which is never reused)."""
        ...

    def insert_training_job(self, job: TrainingJob) -> TrainingJob:
        """Insert and return the job with its row id.

        Raises:
            ResourceInUse: The name is taken.
        """
        ...

    def update_training_job(
        self, row_id: int, allowed: Collection[TrainingStatus], changes: Mapping[str, Any]
    ) -> bool:
        """Change fields (named as in the record) if the status is one of ``allowed``; return whether it was."""
        ...

    def delete_training_job(self, row_id: int) -> None:
        """Remove a training job, its attempts, metrics and tags."""
        ...

    def insert_attempt(self, attempt: Attempt) -> None:
        """Insert an attempt; the schema refuses a second live one of the same job."""
        ...

    def update_attempt(
        self, attempt_id: str, allowed_states: Collection[str], changes: Mapping[str, Any]
    ) -> bool:
        """Change an attempt if its state is one of ``allowed_states``; return whether it was."""
        ...

    def add_metric_points(self, points: Iterable[MetricPoint]) -> None:
        """Append emitted values; a point that is there already (job, attempt, name, count) is left as it is."""
        ...

    def set_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        """Add or overwrite tags."""
        ...

    def delete_tags(self, arn: str, keys: Collection[str] | None = None) -> None:
        """Remove some tags, or all."""
        ...

    def set_image(self, name: str, runtime: Mapping[str, Any] | None) -> None:
        """Add, replace or (None) remove a user's entry of the image table."""
        ...

    def insert_warm_start(self, tuning_job_id: int, parents: Sequence[Mapping[str, Any]]) -> None:
        """Keep what a tuning job takes over from its parents (JSON data); it goes with the job's record."""
        ...


class JobStore(Protocol):
    """The store. ``transaction`` is for one thread; ``reader`` for all."""

    @property
    def reader(self) -> Reader:
        """Committed state."""
        ...

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open a write transaction; leaving it commits durably, an exception undoes it whole.

        Raises:
            StoreFull: The disk is full or read-only; nothing was written.
            StoreError: The store cannot be written; nothing was written.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
