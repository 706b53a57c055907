"""``model.tar.gz`` and ``output.tar.gz``: same content, same bytes."""

from __future__ import annotations

import os
import stat

from pegbox.agent.archives import new_sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable
    from typing import Any

#: A gzip file with an empty tar archive: what a program that writes no model leaves. Built once per agent.
_EMPTY: list[bytes] = []
#: Above this many bytes the fastest compression is used: weights hardly compress, and time counts.
_LARGE = 64 << 20
_STEP = 1 << 20


class _Writer:
    """Writes to a descriptor, hashing and counting, with a pause for the server now and then."""

    def __init__(self, descriptor: int, tick: Callable[[], object]) -> None:
        self._descriptor = descriptor
        self._tick = tick
        self._since = 0
        self.digest = new_sha256()
        self.size = 0

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]
        self.digest.update(data)
        self.size += len(data)
        self._since += len(data)
        if self._since > _STEP:
            self._since = 0
            self._tick()
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def is_empty(folder: str) -> bool:
    """Whether a folder has no entry, or is not there."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except OSError:
        return True


def pack(
    folder: str, target: str, tick: Callable[[], object], notice: Callable[[str], object]
) -> dict[str, Any]:
    """Pack a folder's content into ``target`` (a ``.tar.gz``), on disk when this returns.

    Names are sorted; times, owners and groups are zero. A link whose target lies inside the folder stays a link, any other is
    replaced by what it points to. Sockets, pipes and devices are left out, with a notice.

    Returns:
        ``{"staged": path, "sha256": hex, "size": bytes}``.

    Raises:
        OSError: The disk refuses.
    """
    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    part = f"{target}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        writer = _Writer(descriptor, tick)
        if is_empty(folder):
            writer.write(_empty_archive())
        else:
            _pack_into(writer, folder, notice)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(part, target)
    return {"staged": target, "sha256": writer.digest.hexdigest(), "size": writer.size}


def _empty_archive() -> bytes:
    if not _EMPTY:
        import zlib

        blocks = bytes(10240)
        press = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = press.compress(blocks) + press.flush()
        head = b"\x1f\x8b\x08\0\0\0\0\0\x02\xff"
        tail = zlib.crc32(blocks).to_bytes(4, "little") + len(blocks).to_bytes(4, "little")
        _EMPTY.append(head + body + tail)
    return _EMPTY[0]


def _pack_into(writer: _Writer, folder: str, notice: Callable[[str], object]) -> None:
    import gzip
    import tarfile

    paths = _listed(folder)
    total = sum(os.lstat(path).st_size for path in paths)
    level = 1 if total > _LARGE else 6
    with (
        gzip.GzipFile("", "wb", level, writer, mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in paths:
            _pack_one(tar, path, folder, notice)


def _pack_one(tar: tarfile.TarFile, path: str, folder: str, notice: Callable[[str], object]) -> None:
    import tarfile

    member = tarfile.TarInfo(os.path.relpath(path, folder))
    as_link = os.path.islink(path) and _points_inside(path, folder)
    try:
        facts = os.lstat(path) if as_link else os.stat(path)
    except OSError:
        notice(f"{member.name} was not packed: it links to something that is not there")
        return
    member.mode = stat.S_IMODE(facts.st_mode)
    if as_link:
        member.type, member.linkname = tarfile.SYMTYPE, os.readlink(path)
        tar.addfile(member)
    elif stat.S_ISDIR(facts.st_mode):
        member.type = tarfile.DIRTYPE
        tar.addfile(member)
    elif stat.S_ISREG(facts.st_mode):
        member.size = facts.st_size
        with open(path, "rb") as stream:
            tar.addfile(member, stream)
    else:
        notice(f"{member.name} was not packed: it is a socket, a pipe or a device")


def _points_inside(path: str, folder: str) -> bool:
    target = os.readlink(path)
    if target.startswith("/"):
        return False
    root = os.path.realpath(folder)
    return os.path.realpath(path).startswith(root + "/")


def _listed(folder: str) -> list[str]:
    """Return the paths under a folder, sorted; a link that leads out to a folder is followed, a loop is not."""
    found: list[str] = []
    _list_into(folder, folder, found, frozenset())
    return found


def _list_into(folder: str, root: str, found: list[str], above: frozenset[str]) -> None:
    real = os.path.realpath(folder)
    if real in above:
        return
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        found.append(entry.path)
        follow = entry.is_symlink() and not _points_inside(entry.path, root)
        if entry.is_dir(follow_symlinks=follow):
            _list_into(entry.path, root, found, above | {real})
