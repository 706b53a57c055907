"""Finding, starting and stopping the server of a home. However many processes race, one server results."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from pegbox.bootstrap.home import Home, ServerFacts, home_error, process_start
from pegbox.errors import ServerError

#: Seconds given to a server to start.
START_SECONDS = 60.0
#: Seconds given to a server to end: requests in flight, one commit.
STOP_SECONDS = 30.0
#: Seconds given to a living server to answer a sign of life.
HEALTH_SECONDS = 5.0


def find(home: Home) -> ServerFacts | None:
    """Return the facts of the home's server if it runs and answers, else None.

    Raises:
        ServerError: Its process lives but does not answer.
    """
    facts = home.running()
    if facts is None:
        return None
    deadline = time.monotonic() + HEALTH_SECONDS
    while not answers(home, facts):
        if home.running() != facts:
            return None
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server (process {facts.pid}) does not answer at {facts.url}; look into {home.log_file}, "
                "or end it with 'pegbox server stop'"
            )
        time.sleep(0.1)
    return facts


def answers(home: Home, facts: ServerFacts) -> bool:
    """Return whether the home's server, and not a stranger, answers at its address."""
    health = sign_of_life(facts)
    return health is not None and health.get("home_id") == home.id


def sign_of_life(facts: ServerFacts) -> dict[str, Any] | None:
    """Return what ``GET /healthz`` answers, or None."""
    host, _, port = facts.url.removeprefix("http://").rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        data = json.loads(answer.read(65536))
        return data if answer.status == 200 and isinstance(data, dict) else None
    except (OSError, HTTPException, ValueError):
        return None
    finally:
        connection.close()


def start(home: Home, *, auto: bool) -> tuple[ServerFacts, bool]:
    """Return the facts of the home's server, starting it if need be, and whether it was started now.

    Args:
        home: The home.
        auto: Whether a new server ends by itself when it has nothing to do.

    Raises:
        HomeError: The home cannot be used.
        ServerError: The server did not start; the message says why.
    """
    facts = find(home)
    if facts is not None:
        return facts, False
    home.prepare()
    with _one_at_a_time(home):
        facts = find(home)
        if facts is not None:
            return facts, False
        told = _spawn(home, auto)
        if "ready" in told:
            return ServerFacts(**told["ready"]), True
        if told.get("kind") == "HomeInUse":
            facts = _wait_for_other(home)
            if facts is not None:
                return facts, False
        raise ServerError(f"the server did not start: {told['error']}")


def stop(home: Home) -> ServerFacts | None:
    """End the home's server and wait until it is gone; return its facts, or None where none ran.

    Raises:
        ServerError: It does not end.
    """
    if not home.path.exists():
        return None
    with _one_at_a_time(home):
        for mark in (home.keep_file, home.s3_file):
            with contextlib.suppress(OSError):
                mark.unlink()
    facts = home.running()
    if facts is None:
        return None
    with contextlib.suppress(ProcessLookupError):
        os.kill(facts.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while home.running() == facts or process_start(facts.pid) == facts.start_time:
        if time.monotonic() > deadline:
            raise ServerError(
                f"the server (process {facts.pid}) does not end; look into {home.log_file}. "
                f"'kill -9 {facts.pid}' loses nothing: the next server goes on"
            )
        time.sleep(0.02)
    return facts


@contextlib.contextmanager
def _one_at_a_time(home: Home) -> Iterator[None]:
    """Let one process at a time start or stop the home's server."""
    path = home.path / "start.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise home_error(path, error) from error
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise ServerError(
                        f"another process has been starting the server for {START_SECONDS:g} s; look into {home.log_file}"
                    ) from None
                time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def _spawn(home: Home, auto: bool) -> dict[str, Any]:
    """Start a detached server process and return what it tells about its start."""
    reading, writing = os.pipe()
    log = os.open(home.log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    command = [sys.executable, "-m", "pegbox.bootstrap", "--report-fd", str(writing)]
    try:
        process = subprocess.Popen(
            [*command, "--auto"] if auto else command,
            cwd=home.path,
            env=_environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=(writing,),
            start_new_session=True,
        )
    finally:
        os.close(writing)
        os.close(log)
    try:
        text = _read_until_end(reading, time.monotonic() + START_SECONDS)
    finally:
        os.close(reading)
    if text is None:
        process.kill()
        process.wait()
        return {"error": f"it took longer than {START_SECONDS:g} s; look into {home.log_file}"}
    try:
        told = json.loads(text)
    except ValueError:
        process.wait()
        return {"error": f"its process ended with status {process.returncode}:\n{_tail(home.log_file)}"}
    if "ready" in told:
        process.returncode = 0  # It is meant to outlive us; nobody waits for it here.
    else:
        process.wait()
    return dict(told)


def _environment(home: Home) -> dict[str, str]:
    environment = {**os.environ, "PEGBOX_HOME": str(home.path)}
    if "PYTHONPATH" in environment:
        entries = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in entries if entry)
    return environment


def _read_until_end(descriptor: int, deadline: float) -> bytes | None:
    parts: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return None
        part = os.read(descriptor, 65536)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _wait_for_other(home: Home) -> ServerFacts | None:
    """Return the facts of a server that someone else is starting."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        facts = find(home)
        if facts is not None:
            return facts
        time.sleep(0.05)
    return None


def _tail(file: Path) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(file.read_text(errors="replace").splitlines()[-15:])
    return f"({file} cannot be read)"
