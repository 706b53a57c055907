"""The durable store: jobs, attempts, metrics, tags and the image table, in SQLite behind the ``JobStore`` port.

Everything that must survive ``kill -9`` and power loss is written here and nowhere else. This room decides nothing about jobs:
it keeps what it is given, refuses what the schema forbids, and tells whether a guarded change happened. No other room sees SQL,
a row or an error of the database driver. Importing the room loads no database library; ``open_store`` does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegbox.store.filesystem import check_home_filesystem
from pegbox.store.lock import HomeLock

if TYPE_CHECKING:
    from pegbox.store.opening import check_store, open_store

__all__ = ["HomeLock", "check_home_filesystem", "check_store", "open_store"]

_LAZY = ("check_store", "open_store")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from pegbox.store import opening

        return getattr(opening, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
