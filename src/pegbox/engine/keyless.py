"""Keys for an engine without a keyring: none."""

from __future__ import annotations

from typing import Any

from pegbox.errors import PegboxError


class NoKeys:
    """For an engine without a keyring."""

    def check(self, key: str) -> str | None:
        """Refuse every key."""
        return "this server keeps no keys; leave it out"

    def new_data_key(self, key: str) -> Any:
        """Refuse.

        Raises:
            PegboxError: Always.
        """
        raise PegboxError(f"key {key!r}: {self.check(key)}")

    def unwrap(self, key_id: str, wrapped: bytes) -> Any:
        """Refuse.

        Raises:
            PegboxError: Always.
        """
        raise PegboxError(f"key {key_id!r}: {self.check(key_id)}")
