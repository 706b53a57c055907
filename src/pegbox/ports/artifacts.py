"""Where inputs lie and outputs go, as the engine sees it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class ArtifactStore(Protocol):
    """Addresses (``s3://`` of the server's own buckets, ``file://``, plain paths where allowed) and the bytes behind them."""

    def check_input(self, uri: str) -> str | None:
        """Return why an input address cannot be used (in words, with the remedy), or None when it can."""
        ...

    def check_output(self, uri: str) -> str | None:
        """Return why an output address cannot be used, or None when it can."""
        ...

    def locate(self, uri: str) -> str:
        """Return the local path (file or folder, existing or not) of an address that passed its check."""
        ...

    def publish(self, staged_path: str, uri: str, artifact: Mapping[str, Any]) -> None:
        """Move a staged file to its published address, once, by atomic rename, durably.

        Idempotent: when the staged file is gone and the published one has the recorded ``sha256`` and ``size``, it is done.

        Raises:
            PegboxError: The address holds something else, or the disk refuses.
        """
        ...

    def discard(self, uri: str) -> None:
        """Remove what was published at an address; nothing there is fine."""
        ...
