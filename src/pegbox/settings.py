"""The server's settings: read once, from ``settings.toml`` in the home and from ``PEGBOX_*`` variables.

A variable wins over the file, the file over the default. Rooms never see this object: ``bootstrap`` hands each room
the values it needs. An unknown key or a value of the wrong kind is an error, and all of them are told at once.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pegbox.errors import HomeError

#: PEGBOX_* variables that other parts of Pegbox read or set; they are no settings.
RESERVED: Mapping[str, str] = {
    "PEGBOX_HOME": "the home folder",
    "PEGBOX_ENDPOINT_URL": "which server the SDK talks to",
    "PEGBOX_ACCESS_KEY_ID": "the SDK's key for that server",
    "PEGBOX_SECRET_ACCESS_KEY": "the SDK's secret for that server",
    "PEGBOX_CHECKPOINT_DIR": "where a training program keeps checkpoints",
    "PEGBOX_OUTPUT_URI": "where a training program's model will be published",
    "PEGBOX_AGENT_DIE_AT": "where a crash test ends an agent",
    "PEGBOX_REPORT_FILE": "where a training program reports metrics",
    "PEGBOX_ATTEMPT": "the mark of a training program's attempt",
    "PEGBOX_PYTHON": "the interpreter of a training program",
}
#: Variables that begin so belong to the tests.
TEST_PREFIX = "PEGBOX_TEST_"


class SettingsError(HomeError):
    """Settings that cannot be used.

    Attributes:
        problems: Every problem found, each naming the setting, the value and the remedy.
    """

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(problems))


def _setting(
    default: Any, doc: str, check: Callable[[Any], str | None] | None = None, *, as_written: bool = False
) -> Any:
    return field(default=default, metadata={"doc": doc, "check": check, "as_written": as_written})


def _at_least(least: float) -> Callable[[Any], str | None]:
    return lambda value: None if value >= least else f"must be {least:g} or more"


def _one_of(*choices: str) -> Callable[[Any], str | None]:
    return lambda value: None if value in choices else f"must be one of {', '.join(choices)}"


def _matches(pattern: str, words: str) -> Callable[[Any], str | None]:
    return lambda value: None if re.fullmatch(pattern, value) else f"must be {words}"


def _loopback(value: str) -> str | None:
    if value in ("127.0.0.1", "::1", "localhost"):
        return None
    return "must be 127.0.0.1, ::1 or localhost: this version serves this machine only"


def _folders(entries: tuple[str, ...]) -> str | None:
    bad = [entry for entry in entries if not re.fullmatch(r"fs-[0-9a-z]+=/.*", entry)]
    names = [entry.partition("=")[0] for entry in entries]
    if bad or len(set(names)) < len(names):
        return "must be a list of texts such as fs-0123456789abcdef0=/mnt/data, each id once"
    return None


def _port(value: int) -> str | None:
    return None if value == 0 or 1024 <= value <= 65535 else "must be 0 (choose one) or 1024 to 65535"


def _variables(value: tuple[str, ...]) -> str | None:
    wrong = [entry for entry in value if not re.fullmatch(r"[^=\s]{1,128}=[A-Za-z_]\w*=.*", entry)]
    return f"must have the form NAME=VARIABLE=VALUE, not {', '.join(wrong)}" if wrong else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the server, with its default; ``docs/settings.md`` has the same table."""

    mode: str = _setting(
        "extended",
        "Which limits hold: `extended` lifts AWS limits that have no reason on one's own machines, `strict` keeps them all.",
        _one_of("extended", "strict"),
    )
    host: str = _setting("127.0.0.1", "Address the server listens on; loopback only.", _loopback)
    port: int = _setting(
        0, "Port the server listens on; 0 chooses a free one at the first start and keeps it.", _port
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (), "Names besides the loopback ones that a Host header may carry, for a tunnel or a proxy."
    )
    runtime_port: int = _setting(
        0,
        "Port the gateway to endpoints listens on; 0 chooses a free one at the server's first start and keeps it.",
        _port,
    )
    capture_free_percent: float = _setting(
        5.0, "Data capture pauses while less than this share of a disk is free, in percent.", _at_least(0)
    )
    s3_port: int = _setting(
        0, "Port of `pegbox server start --s3`; 0 chooses a free one at its first start and keeps it.", _port
    )
    s3_endpoint_url: str = _setting(
        "",
        "Another S3 endpoint that `pegbox env` points clients at, instead of `--s3`, and where inputs of other buckets are read.",
        _matches(r"(https?://[^\s/]+/?)?", "http://host[:port] or https://host[:port]"),
    )
    file_systems: tuple[str, ...] = _setting(
        (),
        "Folders that stand for network file systems (EFS, FSx for Lustre) in channels, each as `fs-0123=/folder`.",
        _folders,
        as_written=True,
    )
    region: str = _setting(
        "us-east-1",
        "AWS region that ARNs and credentials carry.",
        _matches(r"[a-z]{2}(-[a-z]+)+-\d", "an AWS region name"),
    )
    account: str = _setting(
        "000000000000", "AWS account number that ARNs carry.", _matches(r"\d{12}", "12 digits")
    )
    grace_seconds: float = _setting(
        120.0, "Seconds between SIGTERM and SIGKILL when a training job is stopped.", _at_least(0)
    )
    model_servers: int = _setting(
        0,
        "Model servers that this machine gives to all endpoints together; 0 means four for each CPU, and at least four.",
        _at_least(0),
    )
    accelerators: tuple[str, ...] = _setting(
        (),
        "What `AcceleratorType` may ask for, each as `NAME=VARIABLE=VALUE`: model servers with it get the variable. "
        "Several entries of one name add up.",
        _variables,
        as_written=True,
    )
    serving_grace_seconds: float = _setting(
        30.0, "Seconds between SIGTERM and SIGKILL when a model server is stopped.", _at_least(0)
    )
    idle_seconds: float = _setting(
        900.0,
        "Seconds without work after which a server that a script started ends by itself.",
        _at_least(0.5),
    )
    agent_idle_seconds: float = _setting(
        60.0, "Seconds without work after which an agent beside training programs ends.", _at_least(0.1)
    )
    compute_ahead: bool = _setting(
        True,
        "Whether the next suggestion is computed while trials still run, so that a freed slot need not wait.",
    )
    suggester_processes: int = _setting(
        2, "Greatest number of processes kept for computing suggestions.", _at_least(1)
    )
    suggester_seconds: float = _setting(
        30.0, "Seconds a suggestion may take before random values are used instead.", _at_least(0.1)
    )
    suggester_memory_mb: int = _setting(
        4096, "Address space in megabytes that a suggestion process may use.", _at_least(512)
    )
    suggester_idle_seconds: float = _setting(
        60.0, "Seconds without work after which a suggestion process ends.", _at_least(0.1)
    )
    max_request_mb: int = _setting(16, "Greatest size of a request's body in megabytes.", _at_least(1))
    request_seconds: float = _setting(
        30.0, "Seconds a client may take to send a request before its connection is closed.", _at_least(1)
    )
    log_level: str = _setting(
        "info", "Least level that `logs/server.log` records.", _one_of("debug", "info", "warning", "error")
    )


def home_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Return the home: ``$PEGBOX_HOME``, or ``~/.pegbox``.

    Args:
        environ: Environment to read; the process's own by default.
    """
    env = os.environ if environ is None else environ
    return Path(os.path.abspath(os.path.expanduser(env.get("PEGBOX_HOME") or "~/.pegbox")))


def read_settings(home: Path, environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of a home.

    Args:
        home: The home folder; its ``settings.toml`` need not exist.
        environ: Environment to read; the process's own by default.

    Raises:
        SettingsError: Unknown keys or unusable values, all of them listed.
    """
    env = os.environ if environ is None else environ
    problems: list[str] = []
    given: dict[str, tuple[str, Any]] = {}
    file = home / "settings.toml"
    for key, value in _read_file(file, problems).items():
        given[key] = (f"{file}: {key}", value)
    for name, text in env.items():
        if not name.startswith("PEGBOX_") or name in RESERVED or name.startswith(TEST_PREFIX):
            continue
        given[name.removeprefix("PEGBOX_").lower()] = (f"environment variable {name}", text)
    known = {item.name: item for item in fields(Settings)}
    values: dict[str, Any] = {}
    for key, (source, value) in given.items():
        if key not in known:
            problems.append(_unknown(source, key, list(known)))
            continue
        try:
            converted = _convert(value, known[key].default, lower=not known[key].metadata["as_written"])
        except ValueError as error:
            problems.append(f"{source} = {value!r}: {error}")
            continue
        check = known[key].metadata["check"]
        fault = check(converted) if check else None
        if fault:
            problems.append(f"{source} = {value!r}: {fault}")
        values[key] = converted
    if problems:
        raise SettingsError(problems)
    return Settings(**values)


def _read_file(file: Path, problems: list[str]) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{file} cannot be read: {error}")
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{file} is not TOML: {error}")
        return {}


def _unknown(source: str, key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the settings are {', '.join(known)}"
    return f"{source} is no setting; {hint}"


def _convert(value: Any, default: Any, *, lower: bool = True) -> Any:
    """Turn a TOML value or a variable's text into the default's type."""
    if isinstance(default, tuple):
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            raise ValueError("must be a list of texts")
        return tuple(item.strip().lower() if lower else item.strip() for item in items if item.strip())
    if isinstance(default, bool):
        words = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise ValueError("must be true or false")
    if isinstance(default, str):
        if not isinstance(value, str):
            raise ValueError("must be a text")
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError("must be a number")
    number = float(value)
    if number != number or number in (float("inf"), float("-inf")):
        raise ValueError("must be a finite number")
    if isinstance(default, int) and number != int(number):
        raise ValueError("must be a whole number")
    return type(default)(number)
