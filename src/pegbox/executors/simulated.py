"""A machine that is not there: programs with seeded fates on a clock that tests move.

:class:`SimulatedMachine` is what outlives the server: programs, agents, spools. :class:`SimulatedExecutor` is the server's
side of it and keeps the ``Executor`` contract; throw it away and open another on the same machine, and a server has crashed.
Reports come late, twice, in pieces or out of order as the seed says, but every event comes again until it is acknowledged.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pegbox.domain.orders import AttemptOrder, Order, ServingOrder
from pegbox.domain.statuses import StopReason
from pegbox.ports.clock import Clock
from pegbox.ports.executor import Report, ReportSink


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """How often things go wrong: probabilities between 0 and 1."""

    fail: float = 0.1
    internal: float = 0.05
    lost: float = 0.05
    #: A lost attempt reports its success after all.
    undead: float = 0.5
    silent: float = 0.03
    not_finite: float = 0.03
    #: A delivery is repeated, comes out of order, or is late.
    repeated: float = 0.2
    shuffled: float = 0.1
    delayed: float = 0.2


@dataclass(slots=True)
class SimulatedAttempt:
    """One program with its agent's spool."""

    order: Order
    #: ``(monotonic time, event)``, event number i + 1 at index i.
    script: list[tuple[float, dict[str, Any]]]
    starts: int = 1
    acknowledged: int = 0
    fenced: bool = False
    discarded: bool = False
    #: When the next delivery is tried.
    deliver_at: float = 0.0
    finished: bool = False

    def due(self, time: float) -> list[dict[str, Any]]:
        """Return the events that happened and are not acknowledged."""
        happened = sum(at <= time for at, _ in self.script)
        return [event for _, event in self.script[self.acknowledged : happened]]

    def alive(self, time: float) -> bool:
        """Return whether the program runs."""
        ends = (at for at, event in self.script if event["kind"] == "finished")
        return not self.fenced and time < next(ends, math.inf)

    def next_time(self, time: float) -> float | None:
        """Return when this attempt has something to deliver, or None when all is told."""
        if self.acknowledged >= len(self.script) or self.fenced:
            return None
        return max(self.deliver_at, self.script[self.acknowledged][0])


#: Makes the values that a program emits for its objective: (hyperparameters, random generator) -> values in order.
Program = Callable[[Mapping[str, str], random.Random], list[float]]


def _some_values(hyperparameters: Mapping[str, str], rng: random.Random) -> list[float]:
    epochs = int(hyperparameters.get("epochs", 0)) or rng.choice((1, 2))
    return [rng.uniform(-1, 1) for _ in range(epochs)]


#: Decides what becomes of a model server.
Server = Callable[[ServingOrder, random.Random], str]


def _serves(order: ServingOrder, rng: random.Random) -> str:
    return "serves"


@dataclass(slots=True)
class SimulatedMachine:
    """Everything that survives the server."""

    clock: Clock
    rng: random.Random
    faults: Faults = field(default_factory=Faults)
    program: Program = _some_values
    #: Decides what becomes of a model server: ``serves``, ``fails``, ``is refused``, ``never answers``, ``crashes``, ``is lost``.
    server: Server = _serves
    #: Shortest and longest run of a program in seconds.
    seconds: tuple[float, float] = (0.05, 5.0)
    #: Whether agents end programs at their MaxRuntimeInSeconds, as they should.
    obeys_max_runtime: bool = True
    attempts: dict[str, SimulatedAttempt] = field(default_factory=dict)
    #: What agents say of metrics that were never found: name to nearest log lines.
    unmatched: dict[str, list[str]] = field(default_factory=dict)
    #: Staged artifacts by path: the sha256 that the agent recorded.
    staged: dict[str, str] = field(default_factory=dict)
    #: Attempt ids whose program was started more than once: must stay empty.
    started_twice: list[str] = field(default_factory=list)

    def start(self, order: Order) -> None:
        """Start a program."""
        if order.attempt_id in self.attempts:
            self.started_twice.append(order.attempt_id)
            return
        script = self._served(order) if isinstance(order, ServingOrder) else self._script(order)
        self.attempts[order.attempt_id] = SimulatedAttempt(order, script)

    def running(self) -> list[SimulatedAttempt]:
        """Return attempts whose program runs now."""
        time = self.clock.monotonic()
        return [attempt for attempt in self.attempts.values() if attempt.alive(time)]

    def next_time(self) -> float | None:
        """Return when the next delivery is due, or None when all is told."""
        time = self.clock.monotonic()
        times = (attempt.next_time(time) for attempt in self.attempts.values())
        return min((at for at in times if at is not None), default=None)

    def stop(self, attempt_id: str, reason: StopReason) -> None:
        """Let a program end soon; one that has ended is not touched."""
        attempt = self.attempts.get(attempt_id)
        time = self.clock.monotonic()
        if attempt is None or not attempt.alive(time):
            return
        told = [item for item in attempt.script if item[0] <= time]
        end = time + self.rng.uniform(0.0, 0.5)
        finished = self._event(
            "finished", end, outcome="stopped", stop_reason=reason.value, exit_code=None, signal=15
        )
        if isinstance(attempt.order, AttemptOrder):
            finished["artifacts"] = self._artifacts(attempt.order)
        stopping = self._event("stopping", time, reason=reason.value)
        attempt.script = [*told, (time, stopping), (end, finished)]

    def servers(self) -> list[ServingOrder]:
        """Return the orders of model servers that run now."""
        return [item.order for item in self.running() if isinstance(item.order, ServingOrder)]

    def kill(self, attempt_id: str) -> None:
        """Kill a program from outside; one that has ended is not touched."""
        attempt, time = self.attempts[attempt_id], self.clock.monotonic()
        if attempt.alive(time):
            told = [item for item in attempt.script if item[0] <= time]
            attempt.script = [*told, (time, self._unserved(time, signal=9, message="killed by SIGKILL"))]

    def _served(self, order: ServingOrder) -> list[tuple[float, dict[str, Any]]]:
        """Return what becomes of a model server until somebody ends it."""
        start, fate = self.clock.monotonic(), self.server(order, self.rng)
        ready = start + self.rng.uniform(0.02, 1.0)
        script = [
            (start, self._event("downloading", start)),
            (start, self._event("starting", start, pid=1, start_time=start)),
        ]
        if fate == "fails":
            return [*script, (ready, self._unserved(ready, message="no model_fn"))]
        if fate == "is refused":
            end = self._unserved(ready, message="no such archive", kind="ClientError")
            return [*script, (ready, end)]
        if fate == "never answers":
            at = start + order.startup_seconds
            return [*script, (at, self._unserved(at, message="did not answer /ping"))]
        script.append((ready, self._event("ready", ready, address=f"unix:/run/{order.instance_id}.sock")))
        if fate == "crashes":
            at = ready + self.rng.uniform(0.5, 30.0)
            script.append((at, self._unserved(at, signal=11, message="killed by SIGSEGV")))
        elif fate == "is lost":
            at = ready + self.rng.uniform(0.5, 30.0)
            script.append((at, self._event("finished", at, outcome="lost")))
        return script

    def _unserved(self, at: float, *, kind: str = "AlgorithmError", **more: Any) -> dict[str, Any]:
        message = f"{more.pop('message')}; the last lines of its log: simulated"
        failure = {"class": kind, "message": message}
        return self._event("finished", at, outcome="failed", exit_code=1, failure=failure, **more)

    def _script(self, order: AttemptOrder) -> list[tuple[float, dict[str, Any]]]:
        rng, faults = self.rng, self.faults
        start = self.clock.monotonic()
        end = start + rng.uniform(*self.seconds)
        longest = order.max_runtime_seconds if self.obeys_max_runtime else None
        if longest is not None and end - start > longest:
            end = start + longest
            outcome = "max_runtime"
        else:
            outcome = self._fate()
        kinds: list[dict[str, Any]] = [
            {"kind": "downloading"},
            {"kind": "training", "pid": 1, "start_time": start},
        ]
        if rng.random() >= faults.silent:
            kinds += self._values(order)
        if outcome == "completed":
            kinds.append({"kind": "uploading"})
        span = (end - start) / (len(kinds) + 1)
        script = [
            (start + span * i, self._event(item.pop("kind"), start + span * i, **item))
            for i, item in enumerate(kinds)
        ]
        script.append((end, self._end(order, outcome, end)))
        if outcome == "lost" and rng.random() < faults.undead:
            script.append((end + rng.uniform(0.1, 3.0), self._end(order, "completed", end)))
        return script

    def _fate(self) -> str:
        roll = self.rng.random()
        for outcome, share in (
            ("failed", self.faults.fail),
            ("internal", self.faults.internal),
            ("lost", self.faults.lost),
        ):
            if roll < share:
                return outcome
            roll -= share
        return "completed"

    def _values(self, order: AttemptOrder) -> list[dict[str, Any]]:
        name = order.objective_metric or "metric"
        values: list[float | str] = list(self.program(order.hyperparameters, self.rng))
        if self.rng.random() < self.faults.not_finite:
            values[-1] = self.rng.choice(("nan", "inf", "-inf"))
        return [
            {"kind": "metric", "name": name, "value": value, "step": None, "count": i + 1}
            for i, value in enumerate(values)
        ]

    def _end(self, order: AttemptOrder, outcome: str, at: float) -> dict[str, Any]:
        if outcome == "completed":
            more = {"artifacts": self._artifacts(order), "unmatched": dict(self.unmatched)}
            return self._event("finished", at, outcome="completed", exit_code=0, **more)
        if outcome == "max_runtime":
            return self._event("finished", at, outcome="stopped", stop_reason="max_runtime", signal=15)
        if outcome == "lost":
            return self._event("finished", at, outcome="lost")
        kind = "InternalServerError" if outcome == "internal" else "AlgorithmError"
        failure = {"class": kind, "message": "simulated"}
        return self._event("finished", at, outcome="failed", exit_code=1, failure=failure)

    def _artifacts(self, order: AttemptOrder) -> dict[str, Any]:
        path = f"{order.directory}/model.tar.gz"
        self.staged[path] = order.attempt_id
        return {"model": {"staged": path, "sha256": order.attempt_id, "size": 1}, "output": None}

    def _event(self, kind: str, at: float, **more: Any) -> dict[str, Any]:
        wall = self.clock.now().timestamp() + (at - self.clock.monotonic())
        return {"kind": kind, "at": wall, **more}


class SimulatedExecutor:
    """The ``Executor`` port on a simulated machine; :meth:`deliver` plays the network."""

    def __init__(self, machine: SimulatedMachine) -> None:
        self._machine = machine
        self._sink: ReportSink | None = None

    def open(self, sink: ReportSink) -> None:
        """Start serving."""
        self._sink = sink

    def launch(self, order: Order) -> None:
        """Start an attempt."""
        self._machine.start(order)

    def resume(self, order: Order) -> None:
        """Go on with an attempt; start it only if it never was."""
        attempt = self._machine.attempts.get(order.attempt_id)
        if attempt is None:
            self._machine.start(order)
        else:
            attempt.deliver_at = 0.0

    def stop(self, attempt_id: str, reason: StopReason, grace_seconds: float) -> None:
        """Let a program end."""
        self._machine.stop(attempt_id, reason)

    def discard(self, attempt_id: str) -> None:
        """Note that an attempt's end is committed."""
        if attempt_id in self._machine.attempts:
            self._machine.attempts[attempt_id].discarded = True

    def busy(self) -> bool:
        """Return whether a program runs or something is untold."""
        return self._machine.next_time() is not None or bool(self._machine.running())

    def close(self) -> None:
        """Stop serving; programs go on."""
        self._sink = None

    def deliver(self) -> int:
        """Hand over what is due, as faultily as the seed says; return the number of reports."""
        machine, sink = self._machine, self._sink
        if sink is None:
            return 0
        time, count = machine.clock.monotonic(), 0
        for attempt in list(machine.attempts.values()):
            at = attempt.next_time(time)
            # Agents come back by themselves and tell what is on their spools, also of attempts that nobody asks after.
            if at is None or at > time:
                continue
            for first, events in self._pieces(attempt.acknowledged + 1, attempt.due(time)):
                sink(self._report(attempt, first, events))
                count += 1
            attempt.deliver_at = time + machine.rng.uniform(0.05, 1.0)
        return count

    def _pieces(self, first: int, events: list[dict[str, Any]]) -> list[tuple[int, list[dict[str, Any]]]]:
        rng, faults = self._machine.rng, self._machine.faults
        if rng.random() < faults.delayed:
            return []
        cut = rng.randint(0, len(events)) if rng.random() < 0.3 else 0
        pieces = [(first, events[:cut]), (first + cut, events[cut:])] if cut else [(first, events)]
        if rng.random() < faults.repeated:
            pieces.append(rng.choice(pieces))
        if rng.random() < faults.shuffled:
            rng.shuffle(pieces)
        return [piece for piece in pieces if piece[1]]

    def _report(self, attempt: SimulatedAttempt, first: int, events: list[dict[str, Any]]) -> Report:
        def acknowledge(up_to: int) -> None:
            attempt.acknowledged = max(attempt.acknowledged, min(up_to, len(attempt.script)))

        def fence() -> None:
            attempt.fenced = True

        return Report(
            attempt_id=attempt.order.attempt_id,
            token=attempt.order.token,
            first_seq=first,
            events=[dict(event) for event in events],
            acknowledge=acknowledge,
            fence=fence,
        )
