"""The user's program as a process: started once, watched, told to end, ended."""

from __future__ import annotations

import os

from pegbox.agent import processes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pegbox.agent.plan import Plan

SIGTERM = 15
_SIGPIPE, _SIGXFSZ = 13, 25


def spawn(argv: list[str], environment: dict[str, str], folder: str, output: int) -> int:
    """Start a command in its own session with its output going to a descriptor; return its process id.

    Uses ``posix_spawn``, so that the agent is not copied. The agent has one thread: changing its folder for a moment is safe.

    Raises:
        OSError, ValueError: It cannot be started.
    """
    os.chdir(folder)
    try:
        return os.posix_spawn(
            argv[0],
            argv,
            environment,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, output, 1),
                (os.POSIX_SPAWN_DUP2, output, 2),
            ],
            setsid=True,
            setsigmask=(),
            setsigdef=(_SIGPIPE, _SIGXFSZ),
        )
    finally:
        os.chdir("/")


class Program:
    """The main process of an attempt.

    Attributes:
        pid: Process id; it is also the id of the session it was started in.
        started: Start time in clock ticks since boot.
        ended: Whether it has ended.
        exit_code: Its exit code, or None (unknown, or ended by a signal).
        signal: The signal that ended it, or None.
    """

    def __init__(self, pid: int, started: int, *, child: bool) -> None:
        self.pid = pid
        self.started = started
        self.ended = False
        self.exit_code: int | None = None
        self.signal: int | None = None
        self._child = child
        self.pidfd = processes.open_pidfd(pid)

    @classmethod
    def start(cls, plan: Plan, log: str) -> Program:
        """Start a plan's command; its output is appended to ``log``, whose descriptor it owns.

        Raises:
            OSError, ValueError: It cannot be started.
        """
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            pid = spawn(plan.argv, plan.environment, plan.folder, output)
        finally:
            os.close(output)
        return cls(pid, processes.start_time(pid) or 0, child=True)

    @property
    def status_known(self) -> bool:
        """Whether it is known how it ended."""
        return self.exit_code is not None or self.signal is not None

    def check(self) -> bool:
        """Return whether it has ended, and find out how if we are its parent."""
        if self._child:
            self.collect()
        elif not self.ended:
            self.ended = processes.start_time(self.pid) != self.started
        return self.ended

    def collect(self) -> bool:
        """Reap ended children, this program among them; return whether any child is left."""
        return processes.reap(self._note)

    def _note(self, pid: int, status: int) -> None:
        if pid == self.pid and self._child:
            self.ended = True
            code = os.waitstatus_to_exitcode(status)
            if code >= 0:
                self.exit_code = code
            else:
                self.signal = -code

    def known_exit(self, exit_code: int | None, signal: int | None) -> None:
        """An earlier agent saw how it ended."""
        self.ended = True
        self.exit_code = exit_code
        self.signal = signal

    def all_processes(self, attempt: str) -> set[int]:
        """Return every living process of the attempt, other children of this agent included."""
        if self._child and self.ended and not self.collect():
            # We are the subreaper and have no child left: nothing of it can be anywhere.
            return set()
        found = processes.descendants([os.getpid()])
        ours = self.pid and processes.start_time(self.pid) in (None, self.started)
        return found | processes.attempt_processes(attempt, self.pid if ours else None)

    def terminate(self, *, to_group: bool, wrapped: bool) -> None:
        """Send SIGTERM: to the main process as a container runtime does, or to its group where a shell stands before it."""
        if wrapped:
            # bubblewrap does not pass signals on.
            for pid in processes.descendants([self.pid]):
                processes.send(pid, SIGTERM)
        elif to_group:
            try:  # noqa: SIM105 - contextlib is slow to import
                os.killpg(self.pid, SIGTERM)
            except (ProcessLookupError, PermissionError):
                pass
        else:
            processes.send(self.pid, SIGTERM)

    def end_all(self, attempt: str) -> set[int]:
        """Kill every process of the attempt; return what could not be killed."""
        return processes.end_all(lambda: self.all_processes(attempt), self.check)

    def close(self) -> None:
        """Let go of the process."""
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
