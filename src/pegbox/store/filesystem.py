"""Refuses homes on file systems where locks or synchronised writes cannot be trusted."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from pegbox.errors import HomeError

#: Types, as the kernel names them, whose data lies on another machine. Shared memory of SQLite's WAL does not work across
#: machines, and their locks and fsync promise less than a local disk's (sqlite.org/wal.html, sqlite.org/faq.html#q5).
NETWORK_TYPES = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb", "smb2", "smb3", "smbfs", "ncpfs", "afs", "coda", "9p", "ceph", "lustre", "glusterfs",
        "gpfs", "beegfs", "pvfs2", "orangefs", "ocfs2", "gfs2", "davfs", "davfs2", "sshfs", "s3fs", "webdav", "afpfs",
    }
)  # fmt: skip
#: Local file systems that are mounted through FUSE; every other FUSE type is refused.
_LOCAL_FUSE = frozenset(
    {"fuse.fuse-overlayfs", "fuseblk", "fuse.ext2", "fuse.ntfs-3g", "fuse.gocryptfs", "fuse.encfs"}
)


class Mount(NamedTuple):
    """One line of the kernel's table of mounts."""

    point: str
    kind: str
    source: str


def check_home_filesystem(path: Path, *, table: Path = Path("/proc/self/mounts")) -> None:
    """Check that a home, existing or not, lies on a file system of this machine.

    Where there is no table of mounts (not Linux) nothing can be said and nothing is refused.

    Args:
        path: The home folder.
        table: The kernel's table of mounts.

    Raises:
        HomeError: It lies on a network file system.
    """
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return
    mount = find_mount(os.path.realpath(path), parse_mounts(lines))
    if mount is None or not is_network(mount.kind):
        return
    raise HomeError(
        f"home {path} lies on a network file system ({mount.kind}, {mount.source} at {mount.point}), where file locks and "
        "synchronised writes cannot be trusted; set PEGBOX_HOME to a folder on a local disk"
    )


def is_network(kind: str) -> bool:
    """Return whether a file system type keeps its data elsewhere, or cannot be told not to."""
    if kind.startswith("fuse"):
        return kind not in _LOCAL_FUSE
    return kind in NETWORK_TYPES


def parse_mounts(lines: Iterable[str]) -> list[Mount]:
    """Return the mounts of a table in the kernel's order; blanks in names are written as octal escapes there."""
    mounts = []
    for line in lines:
        words = line.split(" ")
        if len(words) >= 3:
            mounts.append(Mount(_unescape(words[1]), words[2], _unescape(words[0])))
    return mounts


def find_mount(path: str, mounts: Iterable[Mount]) -> Mount | None:
    """Return the mount that holds an absolute path: the longest mount point above it, the last one mounted there."""
    best: Mount | None = None
    for mount in mounts:
        prefix = mount.point.rstrip("/") + "/"
        if (path + "/").startswith(prefix) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def _unescape(word: str) -> str:
    for code in ("040", "011", "012"):
        word = word.replace(f"\\{code}", chr(int(code, 8)))
    return word.replace("\\134", "\\")
