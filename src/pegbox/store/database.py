"""Connections and statements: runs what the query modules wrote, and turns every driver error into a ``StoreError``."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine, Executable, Table
from sqlalchemy.exc import DBAPIError

from pegbox.errors import StoreError

Parameters = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """One database as the rest of the room needs it, whatever its dialect."""

    #: Gives connections whose statements each see the last committed state.
    reading: Engine
    #: Gives connections whose transactions hold the write lock from their first moment.
    writing: Engine
    #: Says what a driver error means.
    explain: Callable[[BaseException], StoreError]
    #: Whether an error refused one statement only and left the transaction as it was.
    harmless: Callable[[BaseException], bool]
    #: An INSERT that can say ON CONFLICT.
    insert: Callable[[Table], Any]


class ReaderPool:
    """Connections for reading, as many as threads read at once; each serves one statement at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._idle: deque[Connection] = deque()
        self._closed = False

    def fetch(self, statement: Executable, parameters: Parameters) -> Sequence[Any]:
        """Return all rows of a statement, as committed when it ran.

        Raises:
            StoreError: The database cannot be read.
        """
        if self._closed:
            raise StoreError("the store is closed")
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        try:
            rows = connection.execute(statement, parameters).all()
        except DBAPIError as error:
            connection.invalidate()
            connection.close()
            raise self._database.explain(error) from error
        self._give_back(connection)
        return rows

    def close(self) -> None:
        """Close what is idle; what is in use is closed when its statement ends."""
        self._closed = True
        while self._idle:
            try:
                self._idle.pop().close()
            except IndexError:
                return

    def _give_back(self, connection: Connection) -> None:
        self._idle.append(connection)
        if self._closed:
            self.close()

    def _connect(self) -> Connection:
        try:
            return self._database.reading.connect()
        except DBAPIError as error:
            raise self._database.explain(error) from error


class Work:
    """An open write transaction.

    Once an error may have touched more than its own statement the transaction is lost: nothing can be added, and leaving it
    fails with that error even if somebody caught it. SQLite undoes everything by itself when the disk is full, and statements
    after that would be committed one by one.
    """

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._fault: StoreError | None = None
        self._open = True

    def fetch(self, statement: Executable, parameters: Parameters) -> Sequence[Any]:
        """Return all rows of a statement."""
        return self._run(statement, parameters).all()

    def change(self, statement: Executable, parameters: Parameters) -> int:
        """Run a statement and return how many rows it changed."""
        return self._run(statement, parameters).rowcount

    def change_many(self, statement: Executable, parameters: Sequence[Parameters]) -> None:
        """Run a statement once for each of several sets of values."""
        if parameters:
            self._run(statement, parameters)

    def insert(self, statement: Executable, parameters: Parameters) -> int:
        """Insert a row and return its id."""
        key = self._run(statement, parameters).inserted_primary_key
        return int(key[0]) if key else 0

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what happens inside when it raises, and only that."""
        self.check()
        with self._guard():
            nested = self._connection.begin_nested()
        try:
            yield
        except BaseException:
            if self._fault is None and self._open:
                with self._guard():
                    nested.rollback()
            raise
        self.check()
        with self._guard():
            nested.commit()

    def check(self) -> None:
        """Refuse further use of a transaction that has ended or is lost.

        Raises:
            StoreError: It has ended, or the fault that lost it.
        """
        if self._fault is not None:
            raise self._fault
        if not self._open:
            raise StoreError("this transaction has ended; open another")

    def end(self) -> None:
        """Refuse further use."""
        self._open = False

    def _run(self, statement: Executable, parameters: Any) -> CursorResult[Any]:
        self.check()
        try:
            return self._connection.execute(statement, parameters)
        except DBAPIError as error:
            raise self._explained(error) from error

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise self._explained(error) from error

    def _explained(self, error: DBAPIError) -> StoreError:
        fault = self._database.explain(error)
        if not self._database.harmless(error):
            self._fault = fault
        return fault


class Writer:
    """The one connection that writes; threads take turns.

    Raises:
        StoreError: The database cannot be opened for writing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._turn = threading.Lock()
        self._owner: int | None = None
        self._closed = False
        try:
            self._connection: Connection | None = database.writing.connect()
        except DBAPIError as error:
            raise database.explain(error) from error

    @contextmanager
    def transaction(self) -> Iterator[Work]:
        """Run a transaction: committed durably at the end, undone whole by an exception.

        Raises:
            StoreFull: The disk is full or read-only.
            StoreError: Any other fault, or a transaction inside a transaction.
        """
        if self._owner == threading.get_ident():
            raise StoreError("this thread has a transaction open already; end it first, or use a savepoint")
        with self._turn:
            self._owner = threading.get_ident()
            try:
                yield from self._transaction()
            finally:
                self._owner = None

    def _transaction(self) -> Iterator[Work]:
        if self._closed:
            raise StoreError("the store is closed")
        try:
            connection = self._connection = self._connection or self._database.writing.connect()
            transaction = connection.begin()
        except DBAPIError as error:
            self._drop()
            raise self._database.explain(error) from error
        work = Work(self._database, connection)
        done = False
        try:
            yield work
            work.check()
            transaction.commit()
            done = True
        except DBAPIError as error:
            raise self._database.explain(error) from error
        finally:
            work.end()
            if not done:
                self._drop()

    def _drop(self) -> None:
        """Close the connection, which undoes what is not committed whatever state an error left it in."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Wait for the running transaction, then close."""
        with self._turn:
            self._closed = True
            self._drop()
