"""Those who have no business here: web pages of other sites in the owner's browser, and other users of the machine."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from pegbox.testing.signature_mutations import Key
from pegbox.wire import sign_request

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_PATHS = (
    "/",
    "/healthz",
    "/service/GraniteServiceVersion20100801/operation/ListMetrics",
    "/endpoints/a/invocations",
    "/x",
    "//",
)
#: A user that owns nothing.
_NOBODY = 65534


def page_attacks(key: Key, authority: str, now: datetime) -> Iterator[tuple[str, bytes]]:
    """Requests that DNS rebinding or a foreign page would cause, with good signatures, which a page never has.

    Args:
        key: Who signs.
        authority: The server's host and port.
        now: When they are signed.

    Yields:
        What it is, and the bytes to send.
    """
    for method in _METHODS:
        for path in _PATHS:
            for lines in (*_foreign_hosts(authority), *_foreign_origins(authority)):
                yield f"{method} {path} with {lines}", _signed(key, method, path, lines, authority, now)


def _foreign_hosts(authority: str) -> list[tuple[str, ...]]:
    port = authority.rpartition(":")[2]
    names = (
        "evil.example",
        f"evil.example:{port}",
        f"127.0.0.1.evil.example:{port}",
        f"localhost.evil.example:{port}",
        f"evil.example:{port}, {authority}",
        f"evil-localhost:{port}",
        f"localhost:{port}.evil.example",
        f"{authority}@evil.example",
        f"evil.example@{authority}",
        f"0.0.0.0:{port}",
        f"[::]:{port}",
        f"[::1].evil.example:{port}",
        f"127.0.0.1%00.evil.example:{port}",
        f"xn--lcalhost-41a:{port}",
        "",
    )
    one = [(f"Host: {name}",) for name in names]
    return [
        *one,
        (f"Host: {authority}", "Host: evil.example"),
        ("Host: evil.example", f"Host: {authority}"),
        (),
    ]


def _foreign_origins(authority: str) -> list[tuple[str, ...]]:
    host, _, port = authority.rpartition(":")
    origins = (
        "null",
        "",
        "https://evil.example",
        f"http://evil.example:{port}",
        f"http://{host}:{int(port) + 1}",
        f"http://{host}",
        f"http://{authority}.evil.example",
        f"http://{authority}@evil.example",
        f"http://{authority} http://evil.example",
        "file://",
        f"chrome-extension://{authority}",
    )
    one = [(f"Host: {authority}", f"Origin: {origin}") for origin in origins]
    sites = [
        (f"Host: {authority}", f"Sec-Fetch-Site: {site}") for site in ("cross-site", "same-site", "", "x")
    ]
    twice = (f"Host: {authority}", f"Origin: http://{authority}", "Origin: https://evil.example")
    return [*one, *sites, twice]


def _signed(key: Key, method: str, path: str, lines: tuple[str, ...], authority: str, now: datetime) -> bytes:
    body = b"{}"
    host = next((line[6:] for line in lines if line.startswith("Host:")), authority)
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "SageMaker.ListTrainingJobs"}
    signed = sign_request(
        method,
        f"http://{authority}{path}",
        headers={**headers, "Host": host},
        body=body,
        access_key_id=key.access_key_id,
        secret_access_key=key.secret_access_key,
        region=key.region,
        service="sagemaker",
        now=now,
    )
    sent = [f"{name}: {value}" for name, value in signed.items() if name != "Host"]
    head = [f"{method} {path} HTTP/1.1", *lines, *sent, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(head).encode() + body


def readable_to_others(home: Path) -> tuple[int, list[str]]:
    """Try every file of a home as another user: by its mode, and where this process may change its user, really.

    Returns:
        How many were tried, and those that another user can read or write.
    """
    found: list[str] = []
    tried = 0
    for folder, _, names in os.walk(home):
        for path in (Path(folder), *(Path(folder, name) for name in names)):
            mode = path.lstat().st_mode
            tried += 1
            # Inside a closed folder the bits of what a program wrote are its own affair.
            ours = path == home or path.relative_to(home).parts[0] not in ("jobs", "checkpoints")
            if ours and not stat.S_ISLNK(mode) and mode & 0o077:
                found.append(f"{path} ({stat.filemode(mode)})")
    if os.geteuid() == 0:
        found += _as_nobody(home)
    return tried, found


def _as_nobody(home: Path) -> list[str]:
    """Return what another user can reach of a home, even where its own folder and its parents are opened to all."""
    before = [(path, stat.S_IMODE(path.stat().st_mode)) for path in (home.parent, home)]
    listed: list[str] = []
    try:
        for opened in (before[:1], before):
            for path, mode in opened:
                path.chmod(mode | 0o055)
            search = ["find", str(home), "-mindepth", "1", "(", "-readable", "-o", "-writable", ")"]
            done = subprocess.run(
                search,
                user=_NOBODY,
                group=_NOBODY,
                extra_groups=[],
                capture_output=True,
                text=True,
                check=False,
            )
            listed += [line for line in done.stdout.splitlines() if not Path(line).is_symlink()]
    finally:
        for path, mode in before:
            path.chmod(mode)
    return [f"{line} (as user {_NOBODY})" for line in dict.fromkeys(listed)]
