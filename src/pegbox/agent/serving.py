"""One instance of an endpoint: its model server from the order to its end, healthy all the while."""

from __future__ import annotations

import os
import time

from pegbox.agent import health, outcome, serving_plan
from pegbox.agent.attempt import Attempt
from pegbox.agent.durable import read_object
from pegbox.agent.ending import Ending
from pegbox.agent.served_log import ServedLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pegbox.agent.attempt import Wait
    from pegbox.agent.plan import Helpers, Plan
    from pegbox.agent.program import Program

#: Each look may take so long.
PING_SECONDS = 2.0
#: Pauses between two looks: first and longest until the server is ready, and after that.
FIRST_PAUSE, LONGEST_PAUSE, READY_PAUSE = 0.05, 1.0, 5.0
#: After so many looks in a row that failed the server is ended.
MOST_FAILURES = 3
#: How often the log is looked at.
LOG_PAUSE = 0.5

_UNSEEN = (
    "the agent of this instance was killed while its model server ran, and the model server has ended since"
)


class Instance(Attempt):
    """Drives one instance.

    Args:
        order: ``ServingOrder`` as plain data.
        wait: See :class:`Attempt`.
        send: See :class:`Attempt`.
        server_is_there: See :class:`Attempt`.
        adopting: See :class:`Attempt`.
        sockets: Folder for the model server's socket.
    """

    STARTED = "starting"

    def __init__(
        self,
        order: dict[str, Any],
        wait: Wait,
        send: Callable[[Attempt], None],
        server_is_there: Callable[[], bool],
        *,
        adopting: bool,
        sockets: str,
    ) -> None:
        super().__init__(order, wait, send, server_is_there, adopting=adopting)
        self._sockets = sockets
        #: Where the model server is reached.
        self.address = ""
        #: Why it was ended although nobody asked for that.
        self.fault: str | None = None
        self._ready = False
        self._ready_before = 0.0

    def make_output(self) -> Any:
        """Return what looks after the log."""
        self.address = str((read_object(f"{self.directory}/state.json") or {}).get("address", ""))
        return ServedLog(self.directory, lambda text: self.emit("notice", text=text))

    def make_ending(self) -> Ending:
        """Return what concludes the instance."""
        return InstanceEnding(self)

    def make_plan(self, helpers: Helpers) -> Plan:
        """Unpack the model and return how its server is started."""
        ready = serving_plan.make(self.order, helpers, self._sockets)
        self.address = ready.address
        return ready

    def more_state(self) -> dict[str, Any]:
        """Return the address."""
        return {"address": self.address}

    def limit(self, began: float) -> None:
        """Note until when the server must have answered."""
        self._ready_before = began + float(self.order["startup_seconds"])

    def watch(self) -> None:
        """Stay with the server: report it ready, look after its health, until it has ended."""
        assert self.program is not None
        failures = 0
        pause = FIRST_PAUSE
        next_look = time.monotonic()
        while not self.program.check():
            now = time.monotonic()
            if self._is_ending() or now < next_look:
                self.watch_for(LOG_PAUSE if self._is_ending() else min(LOG_PAUSE, next_look - now))
                continue
            healthy = health.is_healthy(self.address, PING_SECONDS, self.watch_for, self._is_ending)
            if self._is_ending():
                continue
            if healthy:
                failures = 0
                self._tell_ready()
                pause = READY_PAUSE
            elif self.was_ready():
                failures += 1
                pause = READY_PAUSE
            else:
                pause = min(pause * 1.5, LONGEST_PAUSE)
            self._judge(failures)
            next_look = time.monotonic() + pause

    def _is_ending(self) -> bool:
        assert self.program is not None
        return self.program.ended or self.stop_reason is not None

    def _tell_ready(self) -> None:
        if not self._ready:
            self._ready = True
            self.emit("ready", address=self.address)
            self.flush()

    def _judge(self, failures: int) -> None:
        if failures >= MOST_FAILURES:
            self.fault = f"the model server stopped answering /ping ({MOST_FAILURES} times within {PING_SECONDS:g} s each)"
        elif not self.was_ready() and time.monotonic() >= self._ready_before:
            self.fault = (
                f"the model server did not answer /ping within {float(self.order['startup_seconds']):g} s"
            )
        if self.fault is not None:
            self.end_everything()

    def was_ready(self) -> bool:
        """Whether it ever was."""
        return self._ready or "ready" in self.spool.kinds


class InstanceEnding(Ending):
    """Concludes one instance: nothing is packed, its log says the rest."""

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._instance = instance

    def of_program(self, command: str) -> None:
        """The server ran and no process of it is left."""
        instance = self._instance
        program = instance.program
        assert program is not None
        word, failure = self._verdict(program)
        self.conclude(
            word,
            failure,
            stop_reason=instance.stop_reason if word == "stopped" else None,
            exit_code=program.exit_code,
            signal=program.signal,
        )

    def _verdict(self, program: Program) -> tuple[str, dict[str, Any] | None]:
        instance = self._instance
        if instance.fault is None and instance.stop_sent:
            return "stopped", None
        if instance.fault is not None:
            return "failed", self._failure(instance.fault)
        if not program.status_known:
            return "lost", outcome.failure("InternalServerError", self._with_log(_UNSEEN))
        if program.signal is not None:
            text = f"the model server was killed by {outcome.signal_name(program.signal)} (signal {program.signal})"
            if program.signal == 9:
                text += ", which usually means that the machine ran out of memory"
            return "failed", self._failure(text)
        if program.exit_code == 0 and instance.was_ready():
            return "completed", self._failure("the model server ended by itself (exit code 0)")
        return "failed", self._failure(f"the model server ended (exit code {program.exit_code})")

    def _failure(self, text: str) -> dict[str, Any]:
        return outcome.failure("AlgorithmError", self._with_log(text))

    def _with_log(self, text: str) -> str:
        lines = outcome.last_lines(self._instance.log, outcome.MAX_MESSAGE - len(text) - 40)
        return f"{text}; the last lines of its log:\n{lines}" if lines else f"{text}; its log is empty"

    def clear_up(self) -> None:
        """Remove what is unpacked, and the socket."""
        kind, _, path = self._instance.address.partition(":")
        if kind == "unix":
            try:  # noqa: SIM105 - contextlib is slow to import
                os.unlink(path)
            except OSError:
                pass
        super().clear_up()
