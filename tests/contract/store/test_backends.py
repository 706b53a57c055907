"""Both backends keep the store's contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pegbox.ports.store import JobStore
from pegbox.store import open_store
from pegbox.testing.memory_store import MemoryStore
from pegbox.testing.store_contract import StoreContract


class TestSqlite(StoreContract):
    """SQLite in a file, as the server opens it."""

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[JobStore]:
        """Yield an empty store in a file."""
        store = open_store(tmp_path / "pegbox.db")
        yield store
        store.close()


class TestMemory(StoreContract):
    """The reference in memory."""

    @pytest.fixture
    def store(self) -> JobStore:
        """Return an empty store in memory."""
        return MemoryStore()
