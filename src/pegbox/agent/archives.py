"""Code archives: unpacked once per content, safely, and copied into each attempt."""

from __future__ import annotations

import os

from pegbox.agent.codec import dump
from pegbox.agent.durable import read_object, remove_tree, write_all, write_whole
from pegbox.agent.layout import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    import tarfile
    from collections.abc import Callable, Iterator
    from typing import Any

#: What an archive may unpack to.
MAX_ENTRIES = 100_000
MAX_BYTES = 4 << 30
#: Files larger than this are not searched for a mention of /opt/ml.
_SEARCHED = 4 << 20

#: Content hash by (path, inode, size, modification time), so that a warm agent hashes an archive once.
_hashes: dict[tuple[str, int, int, int], str] = {}


def content_hash(path: str) -> str:
    """Return the SHA-256 of a file in hex."""
    facts = os.stat(path)
    key = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns)
    if key not in _hashes:
        digest = new_sha256()
        with open(path, "rb", buffering=0) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
        _hashes[key] = digest.hexdigest()
    return _hashes[key]


def _find_sha256() -> Any:
    """Return the interpreter's own SHA-256, because ``hashlib`` loads OpenSSL first."""
    try:
        from _sha2 import sha256  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        try:
            from _sha256 import sha256  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            from hashlib import sha256
    return sha256


#: Makes a new SHA-256 object.
new_sha256 = _find_sha256()


def unpacked(archive: str, cache: str, tick: Callable[[], object]) -> tuple[str, dict[str, Any]]:
    """Return the folder where an archive's content lies unpacked, and facts about it.

    Facts: ``sha256`` of the archive and ``opt_ml``, whether a file in it mentions ``/opt/ml``.

    Raises:
        Refusal: The archive is missing, damaged, or holds what must not be unpacked.
    """
    try:
        digest = content_hash(archive)
    except OSError as error:
        raise Refusal("ClientError", f"the code archive {archive} cannot be read: {error.strerror}") from None
    home = os.path.join(cache, "code", digest)
    facts = read_object(f"{home}/facts.json")
    if facts is None:
        facts = _unpack(archive, digest, home, tick)
    return f"{home}/tree", facts


def _unpack(archive: str, digest: str, home: str, tick: Callable[[], object]) -> dict[str, Any]:
    part = f"{home}.{os.getpid()}.part"
    remove_tree(part)
    os.makedirs(f"{part}/tree", 0o700)
    try:
        extract(archive, f"{part}/tree", tick)
        facts = {"sha256": digest, "opt_ml": mentions_opt_ml(f"{part}/tree")}
        write_whole(f"{part}/facts.json", dump(facts).encode())
        try:
            os.rename(part, home)
        except OSError:
            if read_object(f"{home}/facts.json") is None:
                remove_tree(home)
                os.rename(part, home)
    finally:
        remove_tree(part)
    return facts


def mentions_opt_ml(tree: str) -> bool:
    """Whether a file under a folder has ``/opt/ml`` in its text."""
    for path, is_folder in _walk(tree):
        if not is_folder and os.path.isfile(path) and os.path.getsize(path) <= _SEARCHED:
            with open(path, "rb", buffering=0) as stream:
                if b"/opt/ml" in stream.read():
                    return True
    return False


def extract(archive: str, target: str, tick: Callable[[], object]) -> None:
    """Unpack a tar archive (gzip or plain) into an empty folder.

    Refused: absolute names and names that climb out, links that point out, devices, pipes, and more than
    :data:`MAX_ENTRIES` entries or :data:`MAX_BYTES` bytes.

    Raises:
        Refusal: The archive is damaged or holds one of these.
    """
    import tarfile
    import zlib

    try:
        with tarfile.open(archive, "r:*") as tar:
            total = 0
            links: list[tarfile.TarInfo] = []
            for count, member in enumerate(tar):
                total += max(0, member.size)
                if count >= MAX_ENTRIES or total > MAX_BYTES:
                    raise Refusal(
                        "ClientError",
                        f"the code archive unpacks to more than {MAX_ENTRIES} entries or {MAX_BYTES} bytes; "
                        "data belongs into a channel",
                    )
                path = _safe_path(target, member.name)
                if member.issym() or member.islnk():
                    links.append(member)
                else:
                    _extract_one(tar, member, path)
                tick()
            # Links come last, so that nothing is ever written through one.
            for member in links:
                _extract_link(member, target)
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        if getattr(error, "errno", None) == 28:
            raise Refusal(
                "InternalServerError", "no space left on the disk to unpack the code archive"
            ) from None
        raise Refusal("ClientError", f"the code archive {archive} cannot be unpacked: {error}") from None


def _safe_path(target: str, name: str) -> str:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if name.startswith("/") or ".." in parts or "\0" in name:
        raise Refusal("ClientError", f"the code archive holds '{name}', which lies outside of it")
    return os.path.join(target, *parts)


def _extract_one(tar: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> None:
    if member.isdir():
        os.makedirs(path, 0o700, exist_ok=True)
    elif member.isreg():
        os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
        source = tar.extractfile(member)
        if source is None:
            raise Refusal("ClientError", f"the code archive's '{member.name}' has no content")
        mode = 0o700 if member.mode & 0o111 else 0o600
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
        try:
            while block := source.read(1 << 20):
                write_all(descriptor, block)
        finally:
            os.close(descriptor)
    else:
        raise Refusal("ClientError", f"the code archive holds '{member.name}', which is a device or a pipe")


def _extract_link(member: tarfile.TarInfo, target: str) -> None:
    path = _safe_path(target, member.name)
    start = target if member.islnk() else os.path.dirname(path)
    goal = os.path.normpath(os.path.join(start, member.linkname))
    root = os.path.realpath(target)
    real = os.path.realpath(goal)
    if member.linkname.startswith("/") or not (real == root or real.startswith(root + "/")):
        raise Refusal(
            "ClientError", f"the code archive's '{member.name}' links to '{member.linkname}', outside of it"
        )
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    if member.islnk():
        copy_file(goal, path)
    else:
        os.symlink(member.linkname, path)


def copy_tree(source: str, target: str, tick: Callable[[], object]) -> None:
    """Copy a folder's content into a folder that exists; links stay links."""
    for path, is_folder in _walk(source):
        place = target + path[len(source) :]
        if os.path.islink(path):
            os.symlink(os.readlink(path), place)
        elif is_folder:
            os.mkdir(place, 0o700)
        else:
            copy_file(path, place)
        tick()


def copy_file(source: str, target: str) -> None:
    """Copy a file's bytes and mode."""
    reader = os.open(source, os.O_RDONLY)
    try:
        facts = os.fstat(reader)
        writer = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, facts.st_mode & 0o777)
        try:
            while os.sendfile(writer, reader, None, 1 << 24):
                pass
        finally:
            os.close(writer)
    finally:
        os.close(reader)


def _walk(folder: str) -> Iterator[tuple[str, bool]]:
    """Yield the paths under a folder, parents first, links not followed."""
    with os.scandir(folder) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        is_folder = entry.is_dir(follow_symlinks=False)
        yield entry.path, is_folder
        if is_folder:
            yield from _walk(entry.path)
