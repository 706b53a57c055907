"""Find this user's own server, or start it.

The server describes itself in ``server.json`` of its home; it is a process of its own, started through the
command line, never imported.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pegbox.errors import HomeError, ServerError

#: Seconds given to a server to start and answer.
START_SECONDS = 60.0
#: Seconds given to a running server to answer a health request.
HEALTH_SECONDS = 5.0


@dataclass(frozen=True)
class LocalServer:
    """A running server of this user.

    Attributes:
        url: Its address, always loopback.
        home: Its home folder.
        version: Its version.
        region: Region that its ARNs carry.
        account: Account that its ARNs carry.
        bucket: Its default bucket.
    """

    url: str
    home: Path
    version: str
    region: str
    account: str
    bucket: str


@dataclass(frozen=True)
class AccessKey:
    """A pair of access key and secret."""

    key: str
    secret: str


def home_folder() -> Path:
    """Return the home folder: ``PEGBOX_HOME``, else ``~/.pegbox``."""
    return Path(os.environ.get("PEGBOX_HOME") or "~/.pegbox").expanduser().absolute()


def find(home: Path) -> LocalServer | None:
    """Return the home's server if it runs and answers, else None.

    Raises:
        ServerError: ``server.json`` names an address that is not on this machine.
    """
    facts = _read_json(home / "server.json")
    if not facts:
        return None
    try:
        server = LocalServer(
            url=str(facts["url"]),
            home=home,
            version=str(facts.get("version", "")),
            region=str(facts.get("region") or "us-east-1"),
            account=str(facts.get("account") or "000000000000"),
            bucket=str(facts.get("bucket") or "pegbox-local"),
        )
    except KeyError:
        return None
    if not is_loopback(server.url):
        raise ServerError(
            f"{home / 'server.json'} names {server.url}, which is not on this machine; delete the file"
        )
    return server if _answers(server) else None


def start(home: Path) -> LocalServer:
    """Start the home's server as a detached process and return it once it answers.

    However many callers race, one server results. Started this way it ends by itself after an idle time.

    Raises:
        ServerError: It did not start; the message says what it wrote.
    """
    run_server_command(home, "start", "--auto", "--json")
    server = find(home)
    if server is None:
        raise ServerError(
            f"the local server was started but does not answer; look into {home / 'logs' / 'server.log'} "
            "and try `pegbox doctor`"
        )
    return server


def revive(home: Path) -> None:
    """Start the home's server again if it died; one that was stopped stays stopped.

    A server that ends in order takes ``server.json`` with it; a killed one leaves it behind.
    """
    if (home / "server.json").exists() and find(home) is None:
        start(home)


def stop(home: Path) -> None:
    """Stop the home's server."""
    run_server_command(home, "stop")


def access_key(home: Path) -> AccessKey:
    """Return the access key that the server made for its owner.

    Raises:
        ServerError: The key file is missing or unreadable.
    """
    facts = _read_json(home / "credentials.json")
    try:
        return AccessKey(facts["access_key_id"], facts["secret_access_key"])
    except KeyError:
        raise ServerError(
            f"{home / 'credentials.json'} has no access key that this user can read; "
            "is the home another user's? Set PEGBOX_HOME to a folder of your own"
        ) from None


def runtime_url(home: Path) -> str | None:
    """Return the address of the home's endpoints, or None if its server has not said one."""
    url = _read_json(home / "server.json").get("runtime_url")
    return str(url) if url and is_loopback(str(url)) else None


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine."""
    host = (urlsplit(url).hostname or "").lower()
    return host in {"localhost", "::1"} or host.startswith("127.")


def run_server_command(home: Path, *arguments: str) -> str:
    """Run ``pegbox server ...`` with this interpreter and return its output.

    Raises:
        HomeError: The home folder cannot be made.
        ServerError: It failed or took too long.
    """
    import subprocess

    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(
            f"the home folder {home} cannot be made: {error.strerror}; set PEGBOX_HOME to another"
        ) from error
    environment = {**os.environ, "PEGBOX_HOME": str(home)}
    if "PYTHONPATH" in environment:
        entries = environment["PYTHONPATH"].split(os.pathsep)
        environment["PYTHONPATH"] = os.pathsep.join(os.path.abspath(entry) for entry in entries if entry)
    command = [sys.executable, "-m", "pegbox.cli", "server", *arguments]
    try:
        # In the home, because `-m` puts the working directory on the module path.
        done = subprocess.run(
            command, cwd=home, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=START_SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ServerError(f"`pegbox server {arguments[0]}` took more than {START_SECONDS:.0f} s") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip())[-2000:]
        raise ServerError(f"`pegbox server {arguments[0]}` failed with exit code {done.returncode}: {said}")
    return done.stdout


def _read_json(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def home_id(home: Path) -> str:
    """Return the short name under which a home's server makes itself known."""
    import hashlib

    return hashlib.sha256(os.fsencode(os.path.realpath(home))).hexdigest()[:16]


def _answers(server: LocalServer) -> bool:
    """Whether the home's server, and not a stranger on its port, answers."""
    import http.client

    parts = urlsplit(server.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=HEALTH_SECONDS)
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        health = json.loads(answer.read(65536))
        return (
            answer.status == 200
            and isinstance(health, dict)
            and health.get("home_id") == home_id(server.home)
        )
    except (OSError, ValueError, http.client.HTTPException):
        return False
    finally:
        connection.close()
