"""Master keys, as the engine sees them."""

from __future__ import annotations

from typing import Protocol

from pegbox.sealing import DataKey


class Keys(Protocol):
    """Master keys by id, ARN, ``alias/NAME`` or alias ARN; the material itself never leaves the implementation."""

    def check(self, key: str) -> str | None:
        """Return why a key cannot be used (unknown, disabled, damaged; in words, with the remedy), or None."""
        ...

    def new_data_key(self, key: str) -> DataKey:
        """Return a new data key for one file, wrapped by a key that passed its check.

        Raises:
            PegboxError: The key cannot be used (any more).
        """
        ...

    def unwrap(self, key_id: str, wrapped: bytes) -> DataKey:
        """Return the data key of a sealed file.

        Raises:
            PegboxError: The master key is unknown or disabled, or wrapped another.
        """
        ...
