"""The engine's front door: what the API, the CLI's calls and the bootstrap hold."""

from __future__ import annotations

import threading
from typing import Final

from pegbox.domain.names import Realm
from pegbox.engine.commands import Commands
from pegbox.engine.controller import Controller
from pegbox.engine.faultpoints import faultpoint
from pegbox.engine.hosting.commands import HostingCommands
from pegbox.engine.hosting.queries import HostingQueries
from pegbox.engine.hosting.unrouted import NoRoutes
from pegbox.engine.keyless import NoKeys
from pegbox.engine.parts import Parts
from pegbox.engine.policy import EnginePolicy
from pegbox.engine.queries import Queries
from pegbox.ports.artifacts import ArtifactStore
from pegbox.ports.clock import Clock
from pegbox.ports.executor import Executor
from pegbox.ports.keys import Keys
from pegbox.ports.logs import LogReader
from pegbox.ports.routes import Routes
from pegbox.ports.serving_metrics import ServingMetrics
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
        routes: The way to the gateway, opened and closed like the executor; without one nothing is routed.
        serving_logs: Output of model servers: (endpoint's row id, instance's row id) in place of (training job, attempt).
        serving_metrics: What the gateway counted.
        secret: Key of attempt ids and tokens; at least 32 bytes, the same after a restart.
        realm: Region and account of ARNs.
        policy: Behaviour and folders.
        keys: Master keys; without them every request that names one is refused.

    Attributes:
        commands: Everything that changes state; calls return after the commit.
        queries: Everything that reads committed state; usable from any thread.
        hosting_commands, hosting_queries: The same for models, endpoint configurations and endpoints.
    """

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
        routes: Routes | None = None,
        keys: Keys | None = None,
        serving_logs: LogReader | None = None,
        serving_metrics: ServingMetrics | None = None,
    ) -> None:
        if len(secret) < 32:
            raise ValueError(f"secret has {len(secret)} bytes; give at least 32 random ones")
        parts = Parts(
            store=store,
            artifacts=artifacts,
            clock=clock,
            secret=secret,
            realm=realm,
            policy=policy,
            keys=keys or NoKeys(),
        )
        self._clock = clock
        self._executor = executor
        self._suggester = suggester
        self._routes = routes or NoRoutes()
        self._controller = Controller(
            parts, executor, suggester, logs, serving_logs=serving_logs, routes=self._routes
        )
        self._thread: threading.Thread | None = None
        self._busy_until = clock.monotonic()
        self.commands: Final = Commands(parts, self._controller.post)
        self.hosting_commands: Final = HostingCommands(parts, self._controller.post)
        self.hosting_queries: Final = HostingQueries(parts, self._routes.status)
        self.queries: Final = Queries(
            parts,
            logs,
            self._controller.not_improving,
            serving_logs=serving_logs,
            serving_metrics=serving_metrics,
        )

    def start(self) -> None:
        """Recover what an earlier server left, then run the controller's thread."""
        self._executor.open(self._controller.report)
        self._routes.open(self._controller.drained)
        self._controller.step()
        faultpoint("after-recovery")
        self._thread = threading.Thread(target=self._controller.run, name="engine", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop deciding. Programs that run go on; the next engine on this store continues."""
        self._controller.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._executor.close()
        self._routes.close()
        self._suggester.close()

    def busy(self) -> bool:
        """Return whether a job is active, an endpoint or an attempt lives, or commands wait."""
        return not self._controller.idle() or self._executor.busy()

    def idle_since(self) -> float | None:
        """Return the monotonic time since when nothing was to do, or None while busy.

        Exact to the interval in which it is called: what began and ended between two calls goes unseen.
        """
        if self.busy():
            self._busy_until = self._clock.monotonic()
            return None
        return max(self._busy_until, self._controller.last_item_at)
