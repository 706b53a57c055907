"""The local executor: gives attempts to warm agents and passes on what they report."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

from pegbox.agent import processes
from pegbox.agent.codec import PROTOCOL
from pegbox.domain.orders import AttemptOrder, Order
from pegbox.domain.statuses import StopReason
from pegbox.executors.local import directories
from pegbox.executors.local.directories import Assignment
from pegbox.executors.local.hub import Connection, Hub
from pegbox.executors.local.process import AgentStarter, ProcessIdentity
from pegbox.executors.local.secrets import AgentSecrets
from pegbox.executors.local.table import AgentEntry, LiveAttempt, Table
from pegbox.ports.executor import Report, ReportSink

_log = logging.getLogger(__name__)

#: After so many agents have died on one attempt it is given up.
MAX_DEATHS = 5


class LocalExecutor:
    """Runs attempts on this machine; see :class:`pegbox.ports.executor.Executor` for the contract.

    Args:
        run_dir: Folder for the agents' key.
        logs_dir: Folder for agents' own messages; made when missing.
        socket_path: Where agents connect to, at most about 100 bytes long.
        home: Folder whose disappearance ends idle agents.
        idle_seconds: An agent without work ends after so long.
        max_attempts: An agent is replaced after so many attempts.
    """

    def __init__(
        self,
        *,
        run_dir: Path,
        logs_dir: Path,
        socket_path: Path,
        home: Path,
        idle_seconds: float = 60.0,
        max_attempts: int = 200,
    ) -> None:
        for folder in (run_dir, logs_dir):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secrets = AgentSecrets(run_dir / "agents.key")
        self._max_attempts = max_attempts
        self._starter = AgentStarter(
            home=home,
            socket_path=socket_path,
            logs_dir=logs_dir,
            secrets=self._secrets,
            idle_seconds=idle_seconds,
            max_attempts=max_attempts,
        )
        self._lock = threading.RLock()
        self._table = Table()
        self._hub = Hub(socket_path, self)
        self._sink: ReportSink | None = None
        self._closed = False

    # The port.

    def open(self, sink: ReportSink) -> None:
        """Start serving agents; reports go to ``sink`` from the listener's thread.

        Raises:
            HomeError: The agents' socket cannot be made.
        """
        self._sink = sink
        self._hub.open()

    def launch(self, order: Order) -> None:
        """Start an attempt; a fault becomes its ``finished`` event."""
        with self._lock:
            if order.attempt_id not in self._table.attempts and not self._closed:
                attempt = self._table.attempts[order.attempt_id] = LiveAttempt(order)
                self._assign(attempt)

    def resume(self, order: Order) -> None:
        """Go on with an attempt after a restart: wait for its living agent, have another take over, or launch it."""
        with self._lock:
            if order.attempt_id in self._table.attempts or self._closed:
                return
            directory = Path(order.directory)
            attempt = self._table.attempts[order.attempt_id] = LiveAttempt(order)
            if not directories.has_traces(directory):
                self._assign(attempt)
                return
            attempt.verb = "adopt"
            agent = self._table.holder(order.attempt_id)
            if agent is not None:
                attempt.agent_id = agent.agent_id
                return
            was = directories.read_assignment(directory)
            if was is None or not was.identity.alive():
                self._assign(attempt)
                return
            self._expect(attempt, was)

    def stop(self, attempt_id: str, reason: StopReason, grace_seconds: float) -> None:
        """Have the program ended; idempotent, unknown attempts are fine."""
        with self._lock:
            attempt = self._table.attempts.get(attempt_id)
            if attempt is not None:
                attempt.stop = (reason, grace_seconds)
                self._send_stop(attempt)

    def discard(self, attempt_id: str) -> None:
        """The attempt's end is committed: forget it and remove its scratch data, soon."""
        with self._lock:
            attempt = self._table.attempts.pop(attempt_id, None)
            if attempt is None:
                return
            directory = Path(attempt.order.directory)
            agent = self._table.holder(attempt_id)
            if agent is None:
                self._hub.call(lambda: self._clean(directory))
                return
            agent.leaves = directory
            if attempt.finished_seq is not None:
                # Discarded is more than acknowledged, whichever is told first: the agent waits for no other word.
                self._send_ack(agent, attempt_id, attempt.finished_seq)
                self._release(agent)
            # Else it still ends the program, and lets go when it has.

    def busy(self) -> bool:
        """Whether an attempt's end is not committed yet or an agent holds one."""
        with self._lock:
            return bool(self._table.attempts) or any(
                agent.attempt_id is not None for agent in self._table.agents.values()
            )

    def close(self) -> None:
        """Stop serving; waiting agents end, working ones go on without us."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            for agent in self._table.agents.values():
                if agent.attempt_id is None and agent.connection is not None:
                    agent.connection.send({"type": "retire"})
        self._hub.close()
        self._starter.forget_children()

    def prewarm(self, count: int) -> None:
        """Have at least ``count`` agents waiting or starting, so that the next launches find them warm."""
        with self._lock:
            for _ in range(count - self._table.spare()):
                if not self._closed:
                    try:
                        self._start_agent()
                    except OSError as error:
                        _log.warning("no agent could be started ahead of need: %s", error)
                        return

    # Giving attempts to agents; with the lock held.

    def _assign(self, attempt: LiveAttempt) -> None:
        try:
            agent = self._table.idle(self._max_attempts) or self._starting() or self._start_agent()
            self._give(attempt, agent)
        except OSError as error:
            self._give_up(attempt, f"the attempt could not be started on this machine: {error}")

    def _starting(self) -> AgentEntry | None:
        """Return an agent that was started ahead of need and has not said hello yet."""
        return next(
            (
                agent
                for agent in self._table.agents.values()
                if agent.attempt_id is None
                and agent.connection is None
                and agent.served == 0
                and not agent.retired
            ),
            None,
        )

    def _give(self, attempt: LiveAttempt, agent: AgentEntry) -> None:
        order = attempt.order
        directories.write_order(order, Assignment(agent_id=agent.agent_id, identity=agent.identity))
        attempt.agent_id = agent.agent_id
        agent.attempt_id = order.attempt_id
        agent.served += 1
        self._send_order(attempt, agent)

    def _send_order(self, attempt: LiveAttempt, agent: AgentEntry) -> None:
        if agent.connection is not None:
            agent.connection.send({"type": attempt.verb, "order": attempt.order.to_json()})
            attempt.verb = "adopt"
            if attempt.stop is not None:
                self._send_stop(attempt)

    def _send_stop(self, attempt: LiveAttempt) -> None:
        agent = self._table.agents.get(attempt.agent_id or "")
        if agent is not None and agent.connection is not None and attempt.stop is not None:
            reason, grace = attempt.stop
            agent.connection.send(
                {
                    "type": "stop",
                    "attempt": attempt.order.attempt_id,
                    "reason": reason.value,
                    "grace_seconds": grace,
                }
            )

    def _start_agent(self) -> AgentEntry:
        agent_id, identity = self._starter.start()
        return self._enter(agent_id, identity)

    def _enter(self, agent_id: str, identity: ProcessIdentity) -> AgentEntry:
        agent = self._table.agents[agent_id] = AgentEntry(agent_id, identity)
        self._hub.watch(identity, lambda: self._agent_died(agent))
        return agent

    def _expect(self, attempt: LiveAttempt, was: Assignment) -> None:
        """The agent that had the attempt lives: wait for its hello, or have it adopt when it says it has nothing."""
        agent = self._table.agents.get(was.agent_id)
        if agent is None:
            agent = self._enter(was.agent_id, was.identity)
        attempt.agent_id = agent.agent_id
        agent.attempt_id = attempt.order.attempt_id
        if agent.connection is not None:
            self._send_order(attempt, agent)

    def _release(self, agent: AgentEntry) -> None:
        agent.attempt_id = None
        self._clean_after(agent)
        if agent.served >= self._max_attempts and agent.connection is not None:
            agent.retired = True
            agent.connection.send({"type": "retire"})

    def _give_up(self, attempt: LiveAttempt, message: str) -> None:
        """Report the end of an attempt that no agent can drive; nothing of it is left running."""
        order = attempt.order
        _log.error("%s is given up: %s", _called(order), message)

        def conclude() -> None:
            mark = order.attempt_id
            processes.end_all(lambda: processes.attempt_processes(mark, None), lambda: None)
            # The engine may know none of the spooled events, or all: they come again, and it takes what is new.
            events = directories.spooled_events(Path(order.directory))
            if not events or events[-1]["kind"] != "finished":
                events.append(_lost(message))
            attempt.finished_seq = len(events)
            self._report(order.attempt_id, order.token, 1, events)

        self._hub.call(conclude)

    # What arrives; in the hub's thread.

    def received(self, connection: Connection, message: dict[str, Any]) -> None:
        """An agent sent a message."""
        kind = message["type"]
        if kind == "hello":
            self._hello(connection, message)
            return
        with self._lock:
            agent = self._table.of_connection(connection)
        if agent is None:
            self._hub.drop(connection)
        elif kind == "report":
            self._take_report(message)
        elif kind == "idle":
            self._idle(agent, message)

    def disconnected(self, connection: Connection) -> None:
        """A connection is gone; the agent's death, if it died, is told by its process."""
        with self._lock:
            agent = self._table.of_connection(connection)
            if agent is not None:
                agent.connection = None

    def _hello(self, connection: Connection, message: dict[str, Any]) -> None:
        agent_id, identity = message.get("agent"), ProcessIdentity.from_json(message)
        refusal = None
        if not self._secrets.verify(agent_id, message.get("secret")):
            refusal = "this agent is not of this home"
        elif message.get("protocol") not in (PROTOCOL, PROTOCOL - 1):
            refusal = f"protocol {message.get('protocol')} is not spoken here; this is protocol {PROTOCOL}"
        elif identity is None or identity.pid != connection.pid:
            refusal = "the agent does not say who it is"
        if refusal is not None:
            _log.warning("an agent was refused: %s", refusal)
            connection.send({"type": "refuse", "reason": refusal})
            return
        assert identity is not None
        with self._lock:
            agent = self._table.agents.get(str(agent_id)) or self._enter(str(agent_id), identity)
            agent.connection = connection
            connection.send({"type": "welcome", "protocol": PROTOCOL})
            held = [str(item) for item in message.get("attempts", ())]
            self._reconcile(agent, held)

    def _reconcile(self, agent: AgentEntry, held: list[str]) -> None:
        """Make our view and the agent's the same: it knows what it holds, we know what it should hold."""
        if held:
            agent.attempt_id = held[0]
            attempt = self._table.attempts.get(held[0])
            if attempt is not None:
                attempt.agent_id = agent.agent_id
                attempt.verb = "adopt"
                self._send_stop(attempt)
        elif agent.attempt_id is not None:
            attempt = self._table.attempts.get(agent.attempt_id)
            if attempt is None or attempt.agent_id != agent.agent_id:
                agent.attempt_id = None
            else:
                self._send_order(attempt, agent)

    def _take_report(self, message: dict[str, Any]) -> None:
        events = message["events"]
        first = int(message["first_seq"])
        attempt_id = str(message["attempt"])
        if events and events[-1].get("kind") == "finished":
            with self._lock:
                attempt = self._table.attempts.get(attempt_id)
                if attempt is not None:
                    attempt.finished_seq = first + len(events) - 1
        self._report(attempt_id, str(message["token"]), first, events)

    def _report(self, attempt_id: str, token: str, first: int, events: list[dict[str, Any]]) -> None:
        if self._sink is not None and not self._closed:
            self._sink(
                Report(
                    attempt_id=attempt_id,
                    token=token,
                    first_seq=first,
                    events=events,
                    acknowledge=lambda up_to: self._acknowledge(attempt_id, up_to),
                    fence=lambda: self._fence(attempt_id),
                )
            )

    def _acknowledge(self, attempt_id: str, up_to: int) -> None:
        with self._lock:
            agent = self._table.holder(attempt_id)
            if agent is None:
                return
            self._send_ack(agent, attempt_id, up_to)
            attempt = self._table.attempts.get(attempt_id)
            if attempt is not None and attempt.finished_seq is not None and up_to >= attempt.finished_seq:
                # The agent is free as soon as it reads this: the next order may follow in the same stream.
                attempt.agent_id = None
                self._release(agent)

    @staticmethod
    def _send_ack(agent: AgentEntry, attempt_id: str, up_to: int) -> None:
        if agent.connection is not None:
            agent.connection.send({"type": "ack", "attempt": attempt_id, "up_to": up_to})

    def _fence(self, attempt_id: str) -> None:
        with self._lock:
            self._table.attempts.pop(attempt_id, None)
            agent = self._table.holder(attempt_id)
            if agent is not None and agent.connection is not None:
                agent.connection.send({"type": "fenced", "attempt": attempt_id})

    def _idle(self, agent: AgentEntry, message: dict[str, Any]) -> None:
        with self._lock:
            if agent.attempt_id is not None and agent.attempt_id == message.get("attempt"):
                attempt = self._table.attempts.get(agent.attempt_id)
                if attempt is not None:
                    attempt.agent_id = None
                self._release(agent)

    def _agent_died(self, agent: AgentEntry) -> None:
        if agent.connection is not None:
            # What it still said is taken first, so that its last report is not asked for twice.
            self._hub.read_rest(agent.connection)
        with self._lock:
            self._table.agents.pop(agent.agent_id, None)
            self._clean_after(agent)
            attempt = self._table.attempts.get(agent.attempt_id or "")
            ours = attempt is not None and attempt.agent_id == agent.agent_id
        self._starter.ended(agent.agent_id, agent.identity.pid)
        if attempt is not None and ours and not self._closed:
            self._replace_agent(attempt)

    def _replace_agent(self, attempt: LiveAttempt) -> None:
        with self._lock:
            attempt.agent_id = None
            attempt.verb = "adopt"
            attempt.deaths += 1
            if attempt.finished_seq is not None:
                return  # Its end is reported; only the commit is awaited.
            if attempt.deaths >= MAX_DEATHS:
                self._give_up(attempt, f"{MAX_DEATHS} agents died on it, one after another")
            else:
                self._assign(attempt)

    def _clean_after(self, agent: AgentEntry) -> None:
        directory, agent.leaves = agent.leaves, None
        if directory is not None:
            self._hub.call(lambda: self._clean(directory))

    def _clean(self, directory: Path) -> None:
        try:
            directories.remove_scratch(directory)
        except OSError as error:
            _log.warning("%s could not be cleaned: %s", directory, error)


def _called(order: Order) -> str:
    if isinstance(order, AttemptOrder):
        return f"attempt {order.attempt} of training job {order.training_job_name}"
    return f"instance {order.instance_id} of endpoint {order.endpoint_name}"


def _lost(message: str) -> dict[str, Any]:
    return {
        "kind": "finished",
        "at": time.time(),
        "outcome": "lost",
        "stop_reason": None,
        "exit_code": None,
        "signal": None,
        "failure": {"class": "InternalServerError", "message": message[:1000]},
        "artifacts": {"model": None, "output": None},
        "unmatched": None,
    }
