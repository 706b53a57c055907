"""Agents and attempts as the local executor knows them. Plain state: no I/O, guarded by the executor's lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pegbox.domain.orders import Order
from pegbox.domain.statuses import StopReason
from pegbox.executors.local.hub import Connection
from pegbox.executors.local.process import ProcessIdentity


@dataclass(slots=True)
class LiveAttempt:
    """An attempt whose end is not committed yet."""

    order: Order
    #: ``run`` the first time, ``adopt`` for every agent after the first.
    verb: str = "run"
    agent_id: str | None = None
    stop: tuple[StopReason, float] | None = None
    #: Number of its ``finished`` event, once reported.
    finished_seq: int | None = None
    #: How many agents have died on it.
    deaths: int = 0


@dataclass(slots=True)
class AgentEntry:
    """An agent process that is not known to be dead."""

    agent_id: str
    identity: ProcessIdentity
    connection: Connection | None = None
    #: The attempt it drives or was given.
    attempt_id: str | None = None
    served: int = 0
    #: Directory of a discarded attempt that it still holds.
    leaves: Path | None = None
    retired: bool = False


class Table:
    """All live attempts and agents."""

    def __init__(self) -> None:
        self.attempts: dict[str, LiveAttempt] = {}
        self.agents: dict[str, AgentEntry] = {}

    def holder(self, attempt_id: str) -> AgentEntry | None:
        """Return the agent that drives an attempt."""
        return next((agent for agent in self.agents.values() if agent.attempt_id == attempt_id), None)

    def idle(self, max_attempts: int) -> AgentEntry | None:
        """Return an agent that waits for work, the longest served first: its caches are the warmest."""
        free = [
            agent
            for agent in self.agents.values()
            if agent.attempt_id is None
            and agent.connection is not None
            and not agent.retired
            and agent.served < max_attempts
        ]
        return max(free, key=lambda agent: agent.served, default=None)

    def spare(self) -> int:
        """Return how many agents have no attempt, those that are still starting included."""
        return sum(1 for agent in self.agents.values() if agent.attempt_id is None and not agent.retired)

    def of_connection(self, connection: Connection) -> AgentEntry | None:
        """Return the agent on a connection."""
        return next((agent for agent in self.agents.values() if agent.connection is connection), None)
