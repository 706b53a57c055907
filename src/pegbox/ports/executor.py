"""Where programs run, as the engine sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pegbox.domain.orders import Order
from pegbox.domain.statuses import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A batch of events of one attempt (or instance), in order, numbered from ``first_seq``.

    ``acknowledge`` is called with the last committed sequence number after the commit, never before; ``fence`` is called
    instead when the attempt is not the live one any more. Both may be called from any thread and never raise.
    Event forms stand in ``docs/agent-protocol.md``.
    """

    attempt_id: str
    token: str
    first_seq: int
    events: Sequence[Mapping[str, Any]]
    acknowledge: Callable[[int], None]
    fence: Callable[[], None]


#: How an executor hands reports to the engine; it must not block.
ReportSink = Callable[[Report], None]


class Executor(Protocol):
    """Runs attempts of training jobs, and instances of endpoints in the same way, and reports what becomes of them.

    Contract: after ``launch`` or ``resume`` exactly one ``finished`` event of that attempt is reported in the end, whatever
    is killed meanwhile (a restart of the executor itself apart, after which the engine calls ``resume`` again). No program of
    an attempt is started twice. No method blocks on a program; none raises for a fault of the program or of the agent.
    """

    def open(self, sink: ReportSink) -> None:
        """Start serving; reports go to ``sink`` from any thread."""
        ...

    def launch(self, order: Order) -> None:
        """Start an attempt whose row is committed. Faults become a ``finished`` event with class InternalServerError."""
        ...

    def resume(self, order: Order) -> None:
        """Go on with an attempt that may or may not have been started before a crash of the server.

        Reports what its directory, its agent or its surviving program say; launches it if, and only if, it never started.
        """
        ...

    def stop(self, attempt_id: str, reason: StopReason, grace_seconds: float) -> None:
        """Ask the program to end (SIGTERM, grace, SIGKILL until no descendant is left); idempotent."""
        ...

    def discard(self, attempt_id: str) -> None:
        """The attempt's ``finished`` event is committed: its slot is free, its scratch data may go. Idempotent.

        Called after the acknowledgement of that event, and before the launch that takes the slot.
        """
        ...

    def busy(self) -> bool:
        """Return whether any agent drives an attempt or holds unread spools."""
        ...

    def close(self) -> None:
        """Stop serving. Programs that run go on without us."""
        ...
