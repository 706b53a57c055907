"""One attempt from its order to its ``finished`` event, begun here or taken over from an agent that died."""

from __future__ import annotations

import os
import time

from pegbox.agent import memory, plan, points, processes
from pegbox.agent.durable import read_object, write_object
from pegbox.agent.ending import Ending
from pegbox.agent.layout import Refusal
from pegbox.agent.output import Output
from pegbox.agent.program import Program, spawn
from pegbox.agent.spool import Spool, SpoolBusy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pegbox.agent.pipes import Pipes

    #: Serves the connection for at most some seconds or until a descriptor is readable.
    Wait = Callable[..., object]

#: Events wait at most so long for company in their report.
FLUSH_SECONDS = 0.2
#: Pause between two looks at the log: while it grows, and while it is quiet.
BUSY_POLL, QUIET_POLL = 0.02, 0.05
_BLIND_POLL = 0.01


class StopBeforeStart(Exception):
    """The attempt was told to stop before its program was started."""


class Fenced(Exception):
    """The attempt is no longer the live one: end the program, keep the evidence, report nothing more."""


class Attempt:
    """Drives one attempt.

    Args:
        order: ``AttemptOrder`` as plain data.
        wait: See ``Wait``; it calls :meth:`stop`, :meth:`fence` and the spool as messages arrive.
        send: Sends what the spool has to send.
        server_is_there: Whether the server has welcomed this agent.
        adopting: Whether another agent may have begun: what it left running is ended before anything is started.
    """

    #: Kind of the event that tells of the program's start.
    STARTED = "training"

    def __init__(
        self,
        order: dict[str, Any],
        wait: Wait,
        send: Callable[[Attempt], None],
        server_is_there: Callable[[], bool],
        *,
        adopting: bool,
    ) -> None:
        self.order = order
        self.id: str = order["attempt_id"]
        self.directory: str = order["directory"]
        self.tree = f"{self.directory}/opt/ml"
        self.log = f"{self.directory}/log"
        self._wait = wait
        self._send = send
        self.server_is_there = server_is_there
        self._adopting = adopting
        self.spool: Spool = None  # type: ignore[assignment]
        self.program: Program | None = None
        #: What the program writes.
        self.output: Output = None  # type: ignore[assignment]
        self._pipes: Pipes | None = None
        self._command = ""
        self._to_group = self._wrapped = False
        self._oldest_event = 0.0
        self._deadline: float | None = None
        self.stop_reason: str | None = None
        self._grace = float(order["grace_seconds"])
        self._kill_at: float | None = None
        self._kill_now = False
        self._fenced = False

    # What the server says meanwhile.

    def stop(self, reason: str, grace_seconds: float) -> None:
        """End the program; a second request changes nothing but may shorten the grace."""
        self.stop_reason = self.stop_reason or reason
        self._grace = min(self._grace, grace_seconds) if self._kill_at is not None else grace_seconds

    def kill(self) -> None:
        """End the program at once."""
        self.stop_reason = self.stop_reason or "stopped"
        self._kill_now = True

    def fence(self) -> None:
        """Another attempt took over."""
        self._fenced = True

    # The way of an attempt.

    def drive(self) -> None:
        """Bring the attempt to its ``finished`` event, spooled and sent.

        Raises:
            Fenced: The server no longer wants it; no process of it is left.
        """
        self._open()
        try:
            self._drive()
        except Fenced:
            self.end_everything()
            raise
        finally:
            self.output.close()
            if self.program is not None:
                self.program.close()

    def _open(self) -> None:
        while True:
            try:
                self.spool = Spool(self.directory)
                break
            except SpoolBusy:
                self._serve(0.05)
        self.output = self.make_output()

    def make_output(self) -> Output:
        """Return the reader of what the program writes."""
        return Output(self.directory, self.order, self.spool, self.emit)

    def make_ending(self) -> Ending:
        """Return what concludes the attempt."""
        return Ending(self)

    def make_plan(self, helpers: plan.Helpers) -> plan.Plan:
        """Prepare the directory and return how the program is started."""
        return plan.make(self.order, helpers)

    def _drive(self) -> None:
        points.reach("ordered")
        ending = self.make_ending()
        if ending.was_reached():
            return
        try:
            if not self._take_over():
                self._start()
            self.watch()
            self._settle()
        except Refusal as refusal:
            self.end_everything()
            ending.failed(refusal.failure_class, str(refusal))
            return
        except StopBeforeStart:
            self.end_everything()
            ending.stopped_early()
            return
        except OSError as error:
            self.end_everything()
            ending.failed("InternalServerError", f"the machine refused: {error}")
            return
        ending.of_program(self._command)

    # Beginning.

    def _start(self) -> None:
        self.emit("downloading")
        if self.order.get("refused"):
            raise Refusal("ClientError", self.order["refused"])
        if self.order.get("memory_path"):
            memory.prepare(self.directory, self.order["memory_path"])
        helpers = plan.Helpers(self._tick, self._run_logged, self._run_quiet)
        ready = self.make_plan(helpers)
        for text in ready.notices:
            self.emit("notice", text=text)
        self._tick()
        points.reach("prepared")
        self._command, self._to_group, self._wrapped = ready.shown, ready.to_group, ready.wrapped
        self.spool.fact("starting", boot=processes.boot_id())
        self.spool.write()
        points.reach("starting")
        try:
            self.program = Program.start(ready, self.log)
        except (OSError, ValueError) as error:
            raise Refusal("ClientError", f"the program cannot be started: {ready.shown}: {error}") from None
        points.reach("spawned")
        began = time.monotonic()
        self._note_program(began)
        points.reach("noted")
        self.emit(self.STARTED, pid=self.program.pid, start_time=float(self.program.started))
        self.limit(began)
        self._feed(self.program)

    def _feed(self, program: Program) -> None:
        """Have the program's pipe channels fed; a feeder that an earlier agent started goes on."""
        if not any(item["input_mode"] == "Pipe" for item in self.order.get("channels") or ()):
            return
        from pegbox.agent.pipes import Pipes

        self._pipes = Pipes(self.order)
        if "feeding" not in self.spool.facts:
            self.spool.fact("feeding")
            self.spool.write()
            self._pipes.start(program.pid, program.started)

    def _check_what_was_fed(self) -> None:
        """Whether the program could read its pipe channels to their ends.

        Raises:
            Refusal: It could not, however well it ended.
        """
        if "feeding" in self.spool.facts and "exit" not in self.spool.facts and not self.stop_sent:
            from pegbox.agent.pipes import Pipes

            Pipes(self.order).check(at_end=True)

    def _note_program(self, began: float) -> None:
        assert self.program is not None
        write_object(
            f"{self.directory}/state.json",
            {
                "pid": self.program.pid,
                "start_time": self.program.started,
                "boot_id": processes.boot_id(),
                "monotonic": began,
                "command": self._command,
                "to_group": self._to_group,
                "wrapped": self._wrapped,
                **self.more_state(),
            },
        )

    def more_state(self) -> dict[str, Any]:
        """Return what else an agent that takes over must know."""
        return {}

    def limit(self, began: float) -> None:
        """Note when the program's time is over; it began at a monotonic time."""
        if self.order["max_runtime_seconds"] is not None:
            self._deadline = began + float(self.order["max_runtime_seconds"])

    # Taking over.

    def _take_over(self) -> bool:
        """Find what an earlier agent left; return whether there was a program.

        Raises:
            Refusal: A program may have run and is gone, and nobody knows how it ended.
        """
        state = read_object(f"{self.directory}/state.json")
        if state is None and "starting" not in self.spool.facts:
            if self.spool.torn:
                raise Refusal("InternalServerError", "the record of this attempt was damaged by a power cut")
            if self.spool.seq or self._adopting:
                self.end_everything()
            return False
        self._take_stop()
        state = state or {}
        self._command = str(state.get("command", ""))
        self._to_group, self._wrapped = bool(state.get("to_group")), bool(state.get("wrapped"))
        pid, started = self._survivor(state)
        self.program = Program(pid, started, child=False)
        exited = self.spool.facts.get("exit")
        if exited is not None:
            self.program.known_exit(exited["exit_code"], exited["signal"])
        elif not self.program.check():
            self.emit("notice", text="the agent of this attempt died; another one watches the program now")
            if self.STARTED not in self.spool.kinds:
                self.emit(self.STARTED, pid=pid, start_time=float(self.program.started))
            self.limit(float(state.get("monotonic", time.monotonic())))
            self._feed(self.program)
        return True

    def _survivor(self, state: dict[str, Any]) -> tuple[int, int]:
        """Return process id and start time of the main process, living or not; zeros when nothing of it can live."""
        pid, started = int(state.get("pid", 0)), int(state.get("start_time", 0))
        if pid:
            same = state.get("boot_id") == processes.boot_id()
            # When another process has the id now, the program and its whole session are gone.
            return (pid, started) if same and processes.start_time(pid) in (None, started) else (0, 0)
        survivors = {one: processes.start_time(one) or 0 for one in processes.marked(self.id)}
        if not survivors:
            return 0, 0
        oldest = min(survivors, key=lambda one: (survivors[one], one))
        return oldest, survivors[oldest]

    def _take_stop(self) -> None:
        told = self.spool.facts.get("stop")
        if told is not None:
            self.stop_reason = told["reason"]
            same_boot = told["boot"] == processes.boot_id()
            self._kill_at = told["kill_at"] if same_boot else time.monotonic()

    # Watching.

    def watch(self) -> None:
        """Stay with the program until it has ended."""
        assert self.program is not None
        quiet = 0
        while not self.program.check():
            if self._pipes is not None and not self.stop_sent:
                self._pipes.check()
            moved = self.watch_for(BUSY_POLL if quiet < 25 else QUIET_POLL)
            quiet = 0 if moved else quiet + 1

    def watch_for(self, seconds: float, descriptors: tuple[int, ...] = ()) -> bool:
        """Stay with the program for some seconds, or until it ends, a message comes or a descriptor is readable.

        Returns whether it wrote something.
        """
        program = self.program
        assert program is not None
        self._apply_stop(time.monotonic())
        if program.check():
            return False
        if program.pidfd is None:
            self._serve(min(seconds, _BLIND_POLL), descriptors)
        else:
            self._serve(seconds, (program.pidfd, *descriptors))
        moved = self.output.read()
        self.flush(only_due=True)
        return moved

    def _apply_stop(self, now: float) -> None:
        program = self.program
        assert program is not None
        if self.stop_reason is None and self._deadline is not None and now >= self._deadline:
            self.stop_reason = "max_runtime"
        if self.stop_reason is None:
            return
        if self._kill_at is None:
            self._kill_at = now + self._grace
            self.emit("stopping")
            self.spool.fact("stop", reason=self.stop_reason, kill_at=self._kill_at, boot=processes.boot_id())
            self.flush()
            program.terminate(to_group=self._to_group, wrapped=self._wrapped)
        self._kill_at = min(self._kill_at, now + self._grace)
        if now >= self._kill_at or self._kill_now:
            program.end_all(self.id)

    def _settle(self) -> None:
        """The main process has ended: note how, end what it left behind, read the rest of its output."""
        program = self.program
        assert program is not None
        self._check_what_was_fed()
        if program.status_known and "exit" not in self.spool.facts:
            points.reach("exited")
            self.spool.fact("exit", exit_code=program.exit_code, signal=program.signal)
            self.spool.write()
            points.reach("exit-noted")
        self.end_everything()
        while self.output.read():
            self._serve(0)
            self.flush(only_due=True)
        self.output.finish()

    def end_everything(self) -> None:
        """Kill every process of the attempt."""
        program = self.program or Program(0, 0, child=False)
        told = False
        while stuck := program.end_all(self.id):
            if not told:
                told = True
                names = ", ".join(str(pid) for pid in sorted(stuck))
                self.emit("notice", text=f"these processes do not end although they were killed: {names}")
                self.flush()
            self._wait(1.0)

    @property
    def stop_sent(self) -> bool:
        """Whether the program was told to end."""
        return self._kill_at is not None

    # Reports.

    def emit(self, kind: str, **fields: Any) -> None:
        """Add an event; it is spooled and sent with the next :meth:`flush`."""
        if not self._oldest_event:
            self._oldest_event = time.monotonic()
        self.spool.add({"kind": kind, "at": fields.pop("at", None) or time.time(), **fields})

    def flush(self, *, only_due: bool = False) -> None:
        """Spool what is new, then send it; a disk that refuses is tried again with the next flush."""
        if only_due and not self._due():
            return
        self.output.emit_values()
        if self._oldest_event or self.spool.unwritten or self.spool.unsent:
            self._oldest_event = 0.0
            try:
                self.spool.write()
            except OSError:
                self._oldest_event = time.monotonic()
                return
            if self.spool.finished is not None:
                points.reach("spooled")
            self._send(self)

    def _due(self) -> bool:
        oldest = self._oldest_event or self.output.oldest_value
        return bool(oldest) and time.monotonic() - oldest >= FLUSH_SECONDS

    def spool_is_behind(self) -> bool:
        """Try to write and send everything; return whether the disk refused."""
        self.flush()
        return self.spool.unwritten

    def wait_for_room(self) -> None:
        """The disk is full: serve the connection for a second before the next try."""
        self._serve(1.0)

    @property
    def fenced(self) -> bool:
        """Whether another attempt took over."""
        return self._fenced

    # Time for the server, and helpers that run to their end.

    def _serve(self, seconds: float, descriptors: tuple[int, ...] = ()) -> None:
        self._wait(seconds, descriptors)
        if self._fenced:
            raise Fenced

    def tick(self) -> None:
        """Serve the connection without waiting."""
        self._serve(0)

    def _tick(self) -> None:
        """Serve the connection while the program is being prepared: a stop ends that at once."""
        self._serve(0)
        if self.stop_reason is not None:
            raise StopBeforeStart

    def _run_logged(self, argv: list[str], folder: str) -> int:
        output = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return self._run(argv, folder, output)

    def _run_quiet(self, argv: list[str]) -> int:
        return self._run(argv, "/", os.open("/dev/null", os.O_WRONLY))

    def _run(self, argv: list[str], folder: str, output: int) -> int:
        environment = {**os.environ, processes.MARK: self.id}
        try:
            pid = spawn(argv, environment, folder, output)
        except OSError:
            return 127
        finally:
            os.close(output)
        helper = Program(pid, processes.start_time(pid) or 0, child=True)
        try:
            while not helper.check():
                descriptors = (helper.pidfd,) if helper.pidfd is not None else ()
                self._serve(0.25 if descriptors else _BLIND_POLL, descriptors)
                if self.stop_reason is not None:
                    helper.end_all(self.id)
                    raise StopBeforeStart
                if self.output.read():
                    self.flush(only_due=True)
        finally:
            helper.close()
        return helper.exit_code if helper.exit_code is not None else 128 + (helper.signal or 0)
