"""The agent's life: say hello, drive attempts one after another, wait warm, retire."""

from __future__ import annotations

import os
import sys
import time

from pegbox.agent import processes
from pegbox.agent.attempt import Attempt, Fenced
from pegbox.agent.codec import PROTOCOL
from pegbox.agent.link import Link

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: An agent without work, or without server and with nothing to report, ends after so many seconds.
IDLE_SECONDS = 60.0
#: It is replaced after so many attempts, so that nothing can pile up in it.
MAX_ATTEMPTS = 200
#: Without an acknowledgement for so long, everything unacknowledged is sent again; the pause doubles up to the longest one.
RESEND_SECONDS, LONGEST_RESEND = 2.0, 60.0
#: Bytes that may wait for the socket before more events are handed to it.
_BACKLOG = 4 << 20

_OPTIONS = ("socket", "agent-id", "token-fd", "site", "idle-seconds", "max-attempts", "home")


class Agent:
    """One agent process."""

    def __init__(self, options: dict[str, str]) -> None:
        self._id = options["agent-id"]
        self._secret = _read_secret(int(options["token-fd"]))
        self._idle_seconds = float(options.get("idle-seconds", IDLE_SECONDS))
        self._attempts_left = int(options.get("max-attempts", MAX_ATTEMPTS))
        self._home = options.get("home", "/")
        self._socket_path = options["socket"]
        self._link = Link(self._socket_path, self._hello)
        self._current: Attempt | None = None
        self._next: dict[str, Any] | None = None
        self._adopting = False
        self._early_stop: dict[str, dict[str, Any]] = {}
        self._retire = False
        self._idle_since = time.monotonic()
        self._resend_pause = RESEND_SECONDS
        self._last_progress = time.monotonic()

    def live(self) -> int:
        """Serve until there is a reason to end; return the exit code."""
        self.serve(0)
        processes.become_subreaper()
        while not self._done():
            if self._next is not None:
                order, self._next = self._next, None
                if not self._drive(order):
                    return 1
                self._attempts_left -= 1
                self._idle_since = time.monotonic()
            else:
                self.serve(min(5.0, self._idle_seconds))
        return 0

    def _done(self) -> bool:
        if self._next is not None:
            return False
        if self._retire or self._attempts_left <= 0:
            return True
        now = time.monotonic()
        gone = self._link.gone_since
        if gone is not None and (now - gone >= self._idle_seconds or not os.path.isdir(self._home)):
            return True
        return now - self._idle_since >= self._idle_seconds

    def serve(self, seconds: float, descriptors: tuple[int, ...] = ()) -> set[int]:
        """Serve the connection until a message came, a descriptor is readable or the time is over."""
        messages, ready = self._link.wait(seconds, descriptors)
        for message in messages:
            self._take(message)
        self._resend_if_unheard()
        return ready

    def _resend_if_unheard(self) -> None:
        """The server may have been unable to commit a report (a full disk): what it did not acknowledge comes again."""
        current = self._current
        if current is None or current.spool is None or not current.spool.unacked or not self._link.welcome:
            self._last_progress = time.monotonic()
            self._resend_pause = RESEND_SECONDS
        elif time.monotonic() - self._last_progress >= self._resend_pause and not self._link.backlog:
            self._last_progress = time.monotonic()
            self._resend_pause = min(self._resend_pause * 2, LONGEST_RESEND)
            current.spool.rewind()
            self._send_ready(current)

    def _drive(self, order: dict[str, Any]) -> bool:
        """Drive an attempt until all its events are acknowledged; return whether this agent is still good."""
        attempt = self._attempt(order)
        self._current = attempt
        early = self._early_stop.pop(attempt.id, None)
        self._early_stop.clear()
        if early is not None:
            attempt.stop(early["reason"], float(early["grace_seconds"]))
        sound = True
        try:
            attempt.drive()
            self._until_acknowledged(attempt)
        except Fenced:
            pass
        except Exception:
            # Whatever it was, this process is in doubt: another agent takes over from the spool.
            import traceback

            traceback.print_exc()
            sound = False
        finally:
            self._current = None
            if attempt.spool is not None:
                attempt.spool.close()
        if sound:
            self._link.send({"type": "idle", "attempt": attempt.id})
        return sound

    def _attempt(self, order: dict[str, Any]) -> Attempt:
        server_is_there = lambda: self._link.welcome  # noqa: E731
        if order.get("kind") != "serving":
            return Attempt(order, self.serve, self._send_ready, server_is_there, adopting=self._adopting)
        from pegbox.agent.serving import Instance

        return Instance(
            order,
            self.serve,
            self._send_ready,
            server_is_there,
            adopting=self._adopting,
            sockets=os.path.dirname(self._socket_path),
        )

    def _until_acknowledged(self, attempt: Attempt) -> None:
        while attempt.spool.unacked and not attempt.fenced:
            self._send_ready(attempt)
            self.serve(1.0)
            if not os.path.isdir(attempt.directory):
                return

    def _send_ready(self, attempt: Attempt) -> None:
        spool = attempt.spool
        while self._link.welcome and spool.unsent and self._link.backlog < _BACKLOG:
            first, events = spool.next_batch()
            if not events:
                return
            self._link.send(
                {
                    "type": "report",
                    "protocol": PROTOCOL,
                    "attempt": attempt.id,
                    "token": attempt.order["token"],
                    "first_seq": first,
                    "events": events,
                }
            )

    def _hello(self) -> dict[str, Any]:
        held = [self._current.id] if self._current is not None else []
        if self._next is not None:
            held.append(self._next["attempt_id"])
        pid = os.getpid()
        return {
            "type": "hello",
            "protocol": PROTOCOL,
            "agent": self._id,
            "secret": self._secret,
            "pid": pid,
            "start_time": processes.start_time(pid),
            "boot_id": processes.boot_id(),
            "attempts": held,
        }

    def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        current = self._current
        mine = current is not None and message.get("attempt") == current.id
        if kind == "welcome":
            self._welcomed()
        elif kind == "refuse":
            self._link.drop()
            self._retire = True
        elif kind in ("run", "adopt"):
            self._next, self._adopting = message["order"], kind == "adopt"
        elif kind == "retire":
            self._retire = True
        elif mine and current is not None:
            self._last_progress = time.monotonic()
            _tell(current, message)
        elif kind == "stop" and self._next is not None and self._next["attempt_id"] == message["attempt"]:
            self._early_stop[message["attempt"]] = message

    def _welcomed(self) -> None:
        self._link.accepted()
        if self._current is not None and self._current.spool is not None:
            self._current.spool.rewind()
            self._send_ready(self._current)


def _tell(attempt: Attempt, message: dict[str, Any]) -> None:
    kind = message["type"]
    if kind == "ack":
        if attempt.spool is not None:
            attempt.spool.acknowledge(int(message["up_to"]))
    elif kind == "stop":
        attempt.stop(message["reason"], float(message["grace_seconds"]))
    elif kind == "kill":
        attempt.kill()
    elif kind == "fenced":
        attempt.fence()


def _read_secret(descriptor: int) -> str:
    secret = os.read(descriptor, 4096).decode()
    os.close(descriptor)
    return secret


def _parse(words: list[str]) -> dict[str, str]:
    options = dict(zip((word.removeprefix("--") for word in words[::2]), words[1::2], strict=True))
    unknown = [name for name in options if name not in _OPTIONS]
    missing = [name for name in _OPTIONS[:3] if name not in options]
    if unknown or missing:
        raise SystemExit(f"pegbox agent: unknown options {unknown}, missing options {missing}")
    return options


def main(words: list[str]) -> int:
    """Run an agent; it is started by an executor, not by people."""
    options = _parse(words)
    if "site" in options:
        sys.path.append(options["site"])
    os.umask(0o077)
    os.chdir("/")
    return Agent(options).live()
