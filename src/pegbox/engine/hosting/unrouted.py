"""Routes that lead nowhere: an engine without a gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pegbox.ports.routes import Drained


def instances_of(snapshot: Mapping[str, Any]) -> frozenset[int]:
    """Return the row ids of all instances that a snapshot names."""
    return frozenset(
        item["id"]
        for endpoint in snapshot.get("endpoints", {}).values()
        for variant in endpoint["variants"]
        for item in variant["instances"]
    )


class NoRoutes:
    """The ``Routes`` port where nothing is routed: what leaves a snapshot has nothing in flight."""

    def __init__(self) -> None:
        self._sink: Callable[[Drained], None] | None = None
        self._routed: frozenset[int] = frozenset()

    def open(self, sink: Callable[[Drained], None]) -> None:
        """Start."""
        self._sink = sink

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Remember whom the snapshot names and tell who left."""
        now = instances_of(snapshot)
        gone, self._routed = self._routed - now, now
        if gone and self._sink is not None:
            self._sink(Drained(int(snapshot["version"]), tuple(sorted(gone))))

    def status(self) -> Mapping[str, Any]:
        """Return nothing."""
        return {}

    def close(self) -> None:
        """End."""
        self._sink = None
