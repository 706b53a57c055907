"""A bounded cache of fitted values. It may be empty at any time: everything in it can be computed again."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


class Memory:
    """The last fitted values, by the exact data they were fitted to.

    Keys hold a digest of all inputs of a fit, so one memory may serve many jobs, and using it never changes an answer.

    Args:
        limit: How many entries are kept; the least recently used goes first.
    """

    def __init__(self, limit: int = 256) -> None:
        self._limit = limit
        self._entries: OrderedDict[bytes, Any] = OrderedDict()

    def get(self, key: bytes) -> Any | None:
        """The entry, or None."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: bytes, value: Any) -> None:
        """Keep ``value`` under ``key``."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        while len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    def __len__(self) -> int:
        return len(self._entries)
