"""Pipe channels as the agent sees them: the first FIFOs, and the feeder that writes into them.

The feeder is a process of its own, so that an agent that dies takes no data from a program that lives: whoever takes over finds
it by its lock. It carries the attempt's mark and ends with the attempt like every other process of it. A feeder that dies while
the program runs cannot be replaced, because nobody knows how much of a FIFO was read: the attempt is lost, and tried again where
the job allows retries.
"""

from __future__ import annotations

import fcntl
import os
import sys
import time

from pegbox.agent import feeder
from pegbox.agent.durable import read_object, write_object
from pegbox.agent.layout import Refusal
from pegbox.agent.processes import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Seconds between two looks at whether the feeder lives.
LOOK_SECONDS = 0.25
_DIED = "the feeder of the job's pipe channels died while the program ran, and nobody knows how much of them was read"


class Pipes:
    """The pipe channels of one attempt.

    Args:
        order: ``AttemptOrder`` as plain data.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self._order = order
        self._directory: str = order["directory"]
        self._channels = [channel for channel in order["channels"] if channel["input_mode"] == "Pipe"]
        self._next_look = 0.0

    def start(self, pid: int, started: int) -> None:
        """Start the feeder of a program, unless one lives.

        Args:
            pid: Process id of the program.
            started: Its start time in clock ticks since boot.

        Raises:
            OSError: It cannot be started.
        """
        lock = self._lock()
        if lock is None:
            return
        try:
            write_object(f"{self._directory}/{feeder.PLAN}", self._plan(pid, started))
            os.set_inheritable(lock, True)
            program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "feeder.py")
            os.posix_spawn(
                sys.executable,
                [sys.executable, "-I", "-S", program, self._directory],
                {MARK: self._order["attempt_id"], "LC_ALL": "C.UTF-8"},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        finally:
            os.close(lock)

    def check(self, *, at_end: bool = False) -> None:
        """Look now and then whether the feeder lives, or at the program's end whether it did until then.

        What the program read is the whole only if the feeder ended after it: a pipe whose writer died looks as if the data
        had come to their end.

        Args:
            at_end: Look in any case.

        Raises:
            Refusal: It died while the program ran.
        """
        now = time.monotonic()
        if now < self._next_look and not at_end:
            return
        self._next_look = now + LOOK_SECONDS
        lock = self._lock()
        if lock is None:
            return
        os.close(lock)
        if not os.path.exists(f"{self._directory}/{feeder.PLAN}"):
            return
        told = read_object(f"{self._directory}/{feeder.FAILURE}")
        if told is None:
            raise Refusal("InternalServerError", _DIED)
        raise Refusal(told["class"], told["message"])

    def _lock(self) -> int | None:
        """Return the feeder's lock, or None while a feeder holds it."""
        descriptor = os.open(f"{self._directory}/{feeder.LOCK}", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor

    def _plan(self, pid: int, started: int) -> dict[str, Any]:
        data = f"{self._directory}/opt/ml/input/data"
        channels = [{"channel": item, "place": f"{data}/{item['name']}"} for item in self._channels]
        return {"pid": pid, "start_time": started, "channels": channels}


def make_first(place: str) -> None:
    """Make the FIFO of a channel's first epoch."""
    feeder.make_fifo(f"{place}_0")
