"""The ``JobStore`` port over a database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from sqlalchemy import Executable

from pegbox.ports.store import Reader, Transaction
from pegbox.store.attempts import AttemptReads, AttemptWrites
from pegbox.store.database import Database, ReaderPool, Work, Writer
from pegbox.store.extras import ExtraReads, ExtraWrites
from pegbox.store.hosting import HostingReads, HostingWrites
from pegbox.store.training_jobs import TrainingJobReads, TrainingJobWrites
from pegbox.store.tuning_jobs import TuningJobReads, TuningJobWrites


class _SqlReader(TuningJobReads, TrainingJobReads, AttemptReads, HostingReads, ExtraReads):
    """Committed state; each statement sees one consistent state."""

    def __init__(self, pool: ReaderPool) -> None:
        self._pool = pool

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        return self._pool.fetch(statement, parameters)


class _SqlTransaction(
    TuningJobWrites,
    TrainingJobWrites,
    AttemptWrites,
    HostingWrites,
    ExtraWrites,
    TuningJobReads,
    TrainingJobReads,
    AttemptReads,
    HostingReads,
    ExtraReads,
):
    """A write transaction; what it reads includes what it wrote."""

    def __init__(self, database: Database, work: Work) -> None:
        self._database = database
        self._work = work

    def _fetch(self, statement: Executable, parameters: Mapping[str, Any]) -> Sequence[Any]:
        return self._work.fetch(statement, parameters)

    def savepoint(self) -> AbstractContextManager[None]:
        """Undo what happens inside when it raises, and only that."""
        return self._work.savepoint()


class SqlStore:
    """A ``JobStore`` over a database whose schema is current."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool = ReaderPool(database)
        self._writer = Writer(database)
        self._reader = _SqlReader(self._pool)

    @property
    def reader(self) -> Reader:
        """Committed state, from any thread."""
        return self._reader

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a write transaction; other threads wait for its end.

        Raises:
            StoreFull: The disk is full or read-only; nothing was written.
            StoreError: The store cannot be written; nothing was written.
        """
        with self._writer.transaction() as work:
            yield _SqlTransaction(self._database, work)

    def close(self) -> None:
        """Release files and connections; the log is merged into the file."""
        self._pool.close()
        self._writer.close()
