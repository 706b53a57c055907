"""``pegbox doctor``: looks at everything a server needs, and says what to do."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import socket
import sqlite3
import stat
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from urllib.parse import quote

from pegbox.bootstrap.home import Home
from pegbox.cli import launch
from pegbox.cli.context import this_home
from pegbox.cli.output import print_json, print_table
from pegbox.errors import PegboxError
from pegbox.settings import read_settings

OLDEST_PYTHON = (3, 10)
#: Packages of a whole installation.
PACKAGES = (
    "alembic",
    "boto3",
    "botocore",
    "httptools",
    "numpy",
    "psutil",
    "re2",
    "scipy",
    "sqlalchemy",
    "starlette",
    "uvicorn",
    "uvloop",
)
#: Free space below which a warning is due, in bytes.
LITTLE_SPACE = 2**30


@dataclass(frozen=True)
class Finding:
    """One thing looked at: ``ok``, ``note`` (works, but look) or ``wrong`` (does not work)."""

    check: str
    state: str
    found: str
    remedy: str = ""


def examine(as_json: bool) -> int:
    """Print all findings; return 1 if something is wrong."""
    home = this_home()
    checks: tuple[Callable[[Home], Finding], ...] = (
        _python,
        _packages,
        _settings,
        _permissions,
        _disk,
        _file_system,
        _clock,
        _schema,
        _port,
        _server,
        _gateway,
    )
    findings = [_guarded(check, home) for check in checks]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        rows = [(item.check, item.state, item.found) for item in findings]
        print_table(("CHECK", "STATE", "FOUND"), rows)
        for item in findings:
            if item.remedy:
                print(f"\n{item.check}: {item.remedy}")
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def _guarded(check: Callable[[Home], Finding], home: Home) -> Finding:
    name = check.__name__.strip("_").replace("_", " ")
    try:
        return check(home)
    except (PegboxError, OSError, ValueError, sqlite3.Error) as error:
        return Finding(name, "wrong", str(error), "Do what the message says.")


def _python(home: Home) -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    if tuple(sys.version_info) < OLDEST_PYTHON:
        return Finding("python", "wrong", version, "Install Pegbox with Python 3.10 or newer.")
    return Finding("python", "ok", f"{version} at {sys.executable}")


def _packages(home: Home) -> Finding:
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return Finding(
            "packages", "wrong", f"missing: {', '.join(missing)}", "Run: pip install --force-reinstall pegbox"
        )
    return Finding("packages", "ok", f"all {len(PACKAGES)} are here")


def _settings(home: Home) -> Finding:
    settings = read_settings(home.path)
    return Finding("settings", "ok", f"{settings.mode} mode")


def _permissions(home: Home) -> Finding:
    if not home.path.exists():
        parent = next(path for path in home.path.parents if path.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return Finding(
                "permissions", "wrong", f"{parent} cannot be written", "Set PEGBOX_HOME to a folder of yours."
            )
        return Finding("permissions", "ok", f"{home.path} will be made at the first start")
    found = home.path.stat()
    if found.st_uid != os.geteuid():
        return Finding(
            "permissions", "wrong", f"{home.path} belongs to uid {found.st_uid}", "Set PEGBOX_HOME."
        )
    with tempfile.TemporaryFile(dir=home.path):
        pass
    open_files = [
        name
        for name in ("credentials.json", "secret", "pegbox.db", "server.json")
        if (home.path / name).exists() and stat.S_IMODE((home.path / name).stat().st_mode) & 0o077
    ]
    if stat.S_IMODE(found.st_mode) & 0o077 or open_files:
        names = ", ".join(open_files) or str(home.path)
        return Finding("permissions", "wrong", f"others can read {names}", f"Run: chmod -R go= {home.path}")
    return Finding("permissions", "ok", f"{home.path} is yours alone")


def _disk(home: Home) -> Finding:
    place = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(place).free
    words = f"{free / 2**30:.1f} GiB free"
    if free < LITTLE_SPACE // 16:
        return Finding("disk", "wrong", words, "Free some space, or set PEGBOX_HOME to another disk.")
    if free < LITTLE_SPACE:
        return Finding("disk", "note", words, "Models and logs need space; free some.")
    return Finding("disk", "ok", words)


def _file_system(home: Home) -> Finding:
    from pegbox.store import check_home_filesystem

    place = next(path for path in (home.path, *home.path.parents) if path.exists())
    check_home_filesystem(place)
    return Finding("file system", "ok", "local")


def _clock(home: Home) -> Finding:
    """Compare the clock with that of the file system: signatures and times of files must agree."""
    place = next(path for path in (home.path, *home.path.parents) if os.access(path, os.W_OK))
    with tempfile.NamedTemporaryFile(dir=place) as file:
        file.write(b"x")
        file.flush()
        written = os.fstat(file.fileno()).st_mtime
    off = abs(time.time() - written)
    words = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    if off > 5 or time.gmtime().tm_year < 2026:
        return Finding("clock", "wrong", f"{words}, {off:.0f} s off", "Set the machine's clock (NTP).")
    return Finding("clock", "ok", words)


def _schema(home: Home) -> Finding:
    file = home.path / "pegbox.db"
    if not file.exists():
        return Finding("schema", "ok", "no store yet")
    from pegbox.store import check_store
    from pegbox.store.versions import CURRENT, KNOWN

    check_store(file)
    with closing(sqlite3.connect(f"file:{quote(str(file))}?mode=ro", uri=True)) as connection:
        (version,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if version not in KNOWN:
        return Finding(
            "schema", "wrong", f"{version}, newer than {CURRENT}", "Install the newer Pegbox that wrote it."
        )
    words = str(version) if version == CURRENT else f"{version}; the next start brings it to {CURRENT}"
    return Finding("schema", "ok", words)


def _port(home: Home) -> Finding:
    file = home.path / "port"
    settings = read_settings(home.path)
    if not settings.port and not file.exists():
        return Finding("port", "ok", "chosen at the first start")
    port = settings.port or int(file.read_text())
    facts = home.running()
    if facts is not None and facts.port == port:
        return Finding("port", "ok", f"{port}, used by the server")
    probe = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    with probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return Finding(
                "port", "wrong", f"{port} is used by another program", f"Stop it, or delete {file}."
            )
    return Finding("port", "ok", f"{port}, free")


def _server(home: Home) -> Finding:
    facts = launch.find(home)
    if facts is None:
        return Finding("server", "ok", "not running; it is started when needed")
    from pegbox import __version__

    if facts.version != __version__:
        return Finding(
            "server",
            "note",
            f"version {facts.version}, this command is {__version__}",
            "Run: pegbox server stop",
        )
    return Finding("server", "ok", f"answers at {facts.url}")


def _gateway(home: Home) -> Finding:
    from pegbox import __version__
    from pegbox.bootstrap.gateway import PORT_FILE, living_gateway

    file = home.path / PORT_FILE
    facts = living_gateway(home)
    if facts is None:
        return Finding("gateway", "ok", "not running; it is started when an endpoint needs it")
    if facts["version"] != __version__:
        words = f"version {facts['version']}, this command is {__version__}"
        return Finding("gateway", "note", words, "The server replaces it at its next start.")
    port = str(facts["url"]).rsplit(":", 1)[1]
    if file.read_text(errors="replace").strip() != port:
        return Finding(
            "gateway", "note", f"answers at {facts['url']}", "Restart the server to have it moved."
        )
    return Finding("gateway", "ok", f"answers at {facts['url']}")
