"""Agent processes: started without copying the server, known by more than their number, missed as soon as they die."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pegbox.agent
from pegbox.agent import processes
from pegbox.executors.local.secrets import AgentSecrets

#: An empty log of an agent is kept for so many seconds: an agent may live that long without a server.
_OLD_LOG = 24 * 3600


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """Names one process for all time: process id, start time in clock ticks since boot, boot id."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ProcessIdentity | None:
        """Return the identity in a record, or None when it holds none."""
        try:
            return cls(int(data["pid"]), int(data["start_time"]), str(data["boot_id"]))
        except (KeyError, TypeError, ValueError):
            return None

    def to_json(self) -> dict[str, Any]:
        """Return the identity as plain data."""
        return {"pid": self.pid, "start_time": self.start_time, "boot_id": self.boot_id}

    def alive(self) -> bool:
        """Whether exactly this process runs."""
        return processes.is_alive(self.pid, self.start_time, self.boot_id)


class AgentStarter:
    """Starts agents.

    Args:
        home: Folder whose disappearance ends idle agents.
        socket_path: Where agents connect to.
        logs_dir: Where each agent's own messages go.
        secrets: Derives their secrets.
        idle_seconds: An agent without work ends after so long.
        max_attempts: An agent is replaced after so many attempts.
    """

    def __init__(
        self,
        *,
        home: Path,
        socket_path: Path,
        logs_dir: Path,
        secrets: AgentSecrets,
        idle_seconds: float,
        max_attempts: int,
    ) -> None:
        self._logs = logs_dir
        self._home = home
        self._secrets = secrets
        self._forget_empty_logs()
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        site = importlib.util.find_spec("re2")
        self._command = [
            sys.executable,
            "-I",
            "-S",
            str(Path(pegbox.agent.__file__).with_name("__main__.py")),
            "--socket",
            str(socket_path),
            "--home",
            str(home),
            "--idle-seconds",
            str(idle_seconds),
            "--max-attempts",
            str(max_attempts),
        ]
        if site is not None and site.origin is not None:
            self._command += ["--site", str(Path(site.origin).parent.parent)]

    def start(self) -> tuple[str, ProcessIdentity]:
        """Start an agent and return its id and identity.

        Raises:
            OSError: The system refuses.
        """
        agent_id = uuid.uuid4().hex[:16]
        reader, writer = os.pipe()
        try:
            os.write(writer, self._secrets.of(agent_id).encode())
            os.close(writer)
            with (self._logs / f"{agent_id}.log").open("ab") as log:
                child = subprocess.Popen(
                    [*self._command, "--agent-id", agent_id, "--token-fd", str(reader)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    cwd=self._home,
                    pass_fds=(reader,),
                    start_new_session=True,
                )
        finally:
            os.close(reader)
        self._children[child.pid] = child
        return agent_id, ProcessIdentity(child.pid, processes.start_time(child.pid) or 0, processes.boot_id())

    def ended(self, agent_id: str, pid: int) -> None:
        """Collect an agent that ended; its log goes when there is nothing in it."""
        child = self._children.pop(pid, None)
        if child is not None:
            child.wait()
        log = self._logs / f"{agent_id}.log"
        try:
            if log.stat().st_size == 0:
                log.unlink()
        except OSError:
            return

    def _forget_empty_logs(self) -> None:
        """Remove what agents of earlier servers left, if they had nothing to say."""
        long_ago = time.time() - _OLD_LOG
        for log in self._logs.glob("*.log"):
            with contextlib.suppress(OSError):
                facts = log.stat()
                if facts.st_size == 0 and facts.st_mtime < long_ago:
                    log.unlink()

    def forget_children(self) -> None:
        """The server goes away; agents do not."""
        for child in self._children.values():
            # An agent outlives its server: tell subprocess not to warn about it.
            child.returncode = child.poll() or 0
        self._children.clear()
