"""The way to the gateway, as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Drained:
    """The gateway has applied a snapshot of at least ``version`` and sends nothing to ``instances`` any more.

    Attributes:
        version: Version of the snapshot that no longer names them.
        instances: Row ids of instances without a request in flight.
    """

    version: int
    instances: tuple[int, ...]


class Routes(Protocol):
    """Hands routing snapshots to the gateway, which goes on with its last one while the server is away."""

    def open(self, sink: Callable[[Drained], None]) -> None:
        """Start; ``sink`` is called from any thread and must not block."""
        ...

    def publish(self, snapshot: Mapping[str, Any]) -> None:
        """Make a snapshot the current one: durable file first, then word to the gateway, which is started when endpoints need it.

        Never blocks on the gateway and never raises for its faults. Snapshots carry growing ``version`` numbers; publishing the
        same one again is fine. Its form stands in ``docs/gateway.md``.
        """
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what the gateway last said of itself, or nothing.

        ``{"captures": {"<endpoint>": {"status", "reason"}}, "version": number of the snapshot that it routes by}``.
        """
        ...

    def close(self) -> None:
        """End the connection; the gateway itself goes on."""
        ...
