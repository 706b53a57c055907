"""The engine's front door: what the API, the CLI's calls and the bootstrap hold."""

from __future__ import annotations

from pegbox.domain.names import Realm
from pegbox.engine.commands import Commands
from pegbox.engine.policy import EnginePolicy
from pegbox.engine.queries import Queries
from pegbox.ports.artifacts import ArtifactStore
from pegbox.ports.clock import Clock
from pegbox.ports.executor import Executor
from pegbox.ports.logs import LogReader
from pegbox.ports.store import JobStore
from pegbox.ports.suggester import Suggester


class Engine:
    """Runs tuning jobs and training jobs over the ports it is given.

    Args:
        store: Durable state; the engine is its only writer.
        executor: Where programs run; the engine opens it at :meth:`start` and closes it at :meth:`close`.
        artifacts: Inputs and outputs.
        suggester: Where suggestions are computed; closed at :meth:`close`.
        logs: Program output.
        clock: Time.
        secret: Key of attempt ids and tokens; at least 32 bytes, the same after a restart.
        realm: Region and account of ARNs.
        policy: Behaviour and folders.

    Attributes:
        commands: Everything that changes state; calls return after the commit.
        queries: Everything that reads committed state; usable from any thread.
    """

    commands: Commands
    queries: Queries

    def __init__(
        self,
        store: JobStore,
        executor: Executor,
        artifacts: ArtifactStore,
        suggester: Suggester,
        logs: LogReader,
        clock: Clock,
        *,
        secret: bytes,
        realm: Realm,
        policy: EnginePolicy,
    ) -> None:
        raise NotImplementedError

    def start(self) -> None:
        """Recover what an earlier server left, then run the controller's thread."""

    def close(self) -> None:
        """Stop deciding. Programs that run go on; the next engine on this store continues."""

    def busy(self) -> bool:
        """Return whether a job is active, an attempt lives, or commands wait."""
        raise NotImplementedError

    def idle_since(self) -> float | None:
        """Return the monotonic time since when nothing was to do, or None while busy."""
        raise NotImplementedError
