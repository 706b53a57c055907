"""The home folder: its layout, its private files, its port, and who serves it."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import socket
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pegbox.errors import HomeError, PortTaken

#: Bucket that every server owns.
DEFAULT_BUCKET = "pegbox-local"
#: Folders of a home that its server makes at the start.
FOLDERS = ("logs", "run", "buckets", f"buckets/{DEFAULT_BUCKET}", "jobs", "checkpoints", "cache")
#: Unix socket addresses hold 108 bytes on Linux, 104 elsewhere.
SOCKET_PATH_BYTES = 100
#: Ports a new home may choose from: below the range from which systems draw ports of outgoing connections.
PORT_RANGE = (20000, 32000)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What ``server.json`` says about the server of a home."""

    url: str
    pid: int
    #: When the process started: seconds since boot on Linux, since the epoch elsewhere.
    start_time: float
    boot_id: str
    version: str
    home: str
    account: str
    region: str
    bucket: str = DEFAULT_BUCKET
    #: Where the home's gateway answers, when one runs.
    runtime_url: str = ""

    @property
    def port(self) -> int:
        """The port in the address."""
        return int(self.url.rsplit(":", 1)[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The owner's access key."""

    access_key_id: str
    secret_access_key: str
    region: str


class Home:
    """A home folder.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def id(self) -> str:
        """A short name that tells this home from others without giving its place away."""
        return hashlib.sha256(os.fsencode(os.path.realpath(self.path))).hexdigest()[:16]

    @property
    def lock_file(self) -> Path:
        """The file whose lock makes a process the home's server."""
        return self.path / "server.lock"

    @property
    def log_file(self) -> Path:
        """The server's log."""
        return self.path / "logs" / "server.log"

    @property
    def keep_file(self) -> Path:
        """While this file is there the server does not end by itself."""
        return self.path / "keep"

    @property
    def s3_file(self) -> Path:
        """While this file is there the server offers its buckets over S3."""
        return self.path / "s3"

    def agents_socket(self) -> Path:
        """Return where agents connect to: in the home, or in a folder of ours under /tmp where that path is too long.

        Raises:
            HomeError: The folder under /tmp belongs to someone else.
        """
        return self._socket("agents.sock")

    def gateway_socket(self) -> Path:
        """Return where the server connects to the gateway, chosen like the agents' socket.

        Raises:
            HomeError: The folder under /tmp belongs to someone else.
        """
        return self._socket("gateway.sock")

    def _socket(self, name: str) -> Path:
        path = self.path / "run" / name
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES:
            return path
        folder = Path(f"/tmp/pegbox-{os.geteuid()}-{self.id}")  # noqa: S108
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise HomeError(
                f"{folder} belongs to someone else; remove it, or set PEGBOX_HOME to a shorter path than {self.path}"
            )
        folder.chmod(0o700)
        return folder / name

    def prepare(self) -> None:
        """Make the folder and its sub-folders, closed to other users.

        Raises:
            HomeError: It cannot be made, belongs to someone else or cannot be written.
        """
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = self.path.stat()
            if not stat.S_ISDIR(found.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, "it is not a folder")
            if found.st_uid != os.geteuid():
                raise HomeError(
                    f"{self.path} belongs to another user (uid {found.st_uid}); set PEGBOX_HOME to a folder of your own"
                )
            if stat.S_IMODE(found.st_mode) != 0o700:
                self.path.chmod(0o700)
            for name in FOLDERS:
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
            self._probe()
        except OSError as error:
            raise home_error(self.path, error) from error

    def _probe(self) -> None:
        """Write, synchronise and remove a small file: a read-only or full disk is told now, not in the middle of a job."""
        with tempfile.TemporaryFile(dir=self.path / "run") as file:
            file.write(b"\0" * 4096)
            file.flush()
            os.fsync(file.fileno())

    def facts(self) -> ServerFacts | None:
        """Return what ``server.json`` says, or None where there is none that can be read."""
        try:
            data = json.loads((self.path / "server.json").read_bytes())
            known = ServerFacts.__dataclass_fields__
            return ServerFacts(**{key: value for key, value in data.items() if key in known})
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def running(self) -> ServerFacts | None:
        """Return the facts of the home's server if its process lives, else None."""
        facts = self.facts()
        return facts if facts is not None and _lives(facts) else None

    def write_facts(self, facts: ServerFacts) -> None:
        """Tell everyone that the server answers."""
        write_private(self.path / "server.json", json.dumps(asdict(facts), indent=1).encode() + b"\n")

    def remove_facts(self) -> None:
        """Tell everyone that the server has ended."""
        with contextlib.suppress(OSError):
            (self.path / "server.json").unlink()

    def credentials(self) -> Credentials:
        """Return the owner's access key.

        Raises:
            HomeError: There is none that this user can read.
        """
        file = self.path / "credentials.json"
        try:
            data = json.loads(file.read_bytes())
            return Credentials(
                **{key: str(data[key]) for key in ("access_key_id", "secret_access_key", "region")}
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HomeError(
                f"{file} cannot be read ({error}); start the server with 'pegbox server start', "
                "and if the file is damaged delete it first: a new key is made"
            ) from error

    def make_credentials(self, region: str) -> Credentials:
        """Return the owner's access key for a region, making the key at the first start.

        Raises:
            HomeError: The file is there but cannot be used.
        """
        file = self.path / "credentials.json"
        if file.exists():
            found = self.credentials()
            _close_to_others(file)
            if found.region == region:
                return found
            made = Credentials(
                access_key_id=found.access_key_id, secret_access_key=found.secret_access_key, region=region
            )
        else:
            alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
            made = Credentials(
                access_key_id="PEGB" + "".join(secrets.choice(alphabet) for _ in range(16)),
                secret_access_key=secrets.token_urlsafe(30),
                region=region,
            )
        write_private(file, json.dumps(asdict(made), indent=1).encode() + b"\n")
        return made

    def make_secret(self) -> bytes:
        """Return the server's own key (32 bytes), made at the first start: attempt tokens and page tokens derive from it.

        Raises:
            HomeError: The file is damaged or cannot be read.
        """
        file = self.path / "secret"
        if not file.exists():
            write_private(file, secrets.token_bytes(32))
        _close_to_others(file)
        try:
            secret = file.read_bytes()
        except OSError as error:
            raise home_error(file, error) from error
        if len(secret) != 32:
            raise HomeError(
                f"{file} is damaged: it has {len(secret)} bytes, not 32; running attempts cannot be recognised. "
                "Delete it to have a new one made"
            )
        return secret

    def listen(
        self, host: str, port: int, *, file_name: str = "port", setting: str = "port"
    ) -> socket.socket:
        """Bind a port of the home, choosing it at the first start.

        Args:
            host: Loopback address.
            port: The port wanted by the settings, or 0 for the one chosen before.
            file_name: File in the home that remembers the port.
            setting: Name of the setting, for messages.

        Raises:
            PortTaken: Another program has it; the server never moves silently.
        """
        file = self.path / file_name
        chosen = port
        if not chosen and file.exists():
            text = file.read_text(errors="replace").strip()
            if not (text.isdigit() and 0 < int(text) < 65536):
                raise HomeError(f"{file} holds {text!r}, which is no port; delete the file")
            chosen = int(text)
        if chosen:
            try:
                bound = _bind(host, chosen)
            except OSError as error:
                raise _taken(file, host, chosen, error, setting if port else None) from error
        else:
            bound = _choose(host, self.id)
        write_private(file, f"{bound.getsockname()[1]}\n".encode())
        return bound


def write_private(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, durably.

    Raises:
        HomeError: The disk is full, read-only or refuses for another reason; the old file is as it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise home_error(path, error) from error


def home_error(path: Path, error: OSError) -> HomeError:
    """Return the error of a home for an error of the operating system, with the remedy."""
    remedies = {
        errno.EACCES: "permission denied; make it yours with chown, or set PEGBOX_HOME to another folder",
        errno.EPERM: "not permitted; make it yours with chown, or set PEGBOX_HOME to another folder",
        errno.EROFS: "the file system is read-only; set PEGBOX_HOME to a folder that can be written",
        errno.ENOSPC: "the disk is full; free some space, or set PEGBOX_HOME to another disk",
        errno.EDQUOT: "the disk quota is used up; free some space, or set PEGBOX_HOME to another disk",
        errno.ENOTDIR: "it is not a folder; set PEGBOX_HOME to a folder",
        errno.EEXIST: "it is not a folder; set PEGBOX_HOME to a folder",
    }
    reason = remedies.get(error.errno or 0, error.strerror or str(error))
    return HomeError(f"{error.filename or path} cannot be used: {reason}")


def process_start(pid: int) -> float | None:
    """Return when a process started (see :class:`ServerFacts`), or None when there is none or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        if os.path.isdir("/proc/self"):
            return None
        import psutil

        try:
            return float(psutil.Process(pid).create_time())
        except psutil.Error:
            return None
    if fields[0] in ("Z", "X"):
        return None
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")


def boot_id() -> str:
    """Return what tells this boot of the machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def facts_of_this_process(
    home: Home, url: str, *, version: str, account: str, region: str, runtime_url: str = ""
) -> ServerFacts:
    """Return the facts of a server that runs in this process."""
    return ServerFacts(
        url=url,
        pid=os.getpid(),
        start_time=process_start(os.getpid()) or 0.0,
        boot_id=boot_id(),
        version=version,
        home=str(home.path),
        account=account,
        region=region,
        runtime_url=runtime_url,
    )


def _lives(facts: ServerFacts) -> bool:
    if facts.boot_id != boot_id():
        return False
    started = process_start(facts.pid)
    return started is not None and abs(started - facts.start_time) < 0.05


def _close_to_others(file: Path) -> None:
    if stat.S_IMODE(file.stat().st_mode) != 0o600:
        file.chmod(0o600)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Lets a restarted server take its port although connections of the last one linger; a listener still refuses us.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound


def _choose(host: str, home_id: str) -> socket.socket:
    """Bind the first free port from a place that depends on the home, so that two new homes seldom meet."""
    low, high = PORT_RANGE
    start = int(home_id, 16) % (high - low)
    last: OSError | None = None
    for step in range(200):
        try:
            return _bind(host, low + (start + step * 7) % (high - low))
        except OSError as error:
            last = error
    raise PortTaken(f"no free port found on {host} between {low} and {high}: {last}")


def _taken(file: Path, host: str, port: int, error: OSError, setting: str | None) -> HomeError:
    if error.errno != errno.EADDRINUSE:
        return HomeError(
            f"cannot listen on {host}:{port}: {error.strerror}; change the settings host and {setting or 'port'}"
        )
    remedy = (
        f"change the setting {setting}"
        if setting
        else f"delete {file} to have another one chosen (running clients must then read the new address)"
    )
    return PortTaken(
        f"port {port} of this home is used by another program; stop that program, or {remedy}. "
        "The server does not move to another port by itself"
    )


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON object from a file; an empty one where there is none."""
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
