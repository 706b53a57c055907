"""Files that must be whole or absent."""

from __future__ import annotations

import os

from pegbox.agent.codec import dump, load

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def write_whole(path: str, data: bytes, *, sync: bool = False) -> None:
    """Write a file by rename, readable by its owner only; with ``sync`` it also survives a power cut."""
    part = f"{path}.{os.getpid()}.part"
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, data)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(part, path)
    if sync:
        sync_folder(os.path.dirname(path))


def write_new(path: str, data: bytes) -> None:
    """Write a file of our own folder in one go; for files that nobody reads before we say so."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes to a descriptor, however often the system takes only a part."""
    while data:
        data = data[os.write(descriptor, data) :]


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_bytes(path: str) -> bytes | None:
    """Return a file's bytes, or None when it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        parts = []
        while part := os.read(descriptor, 1 << 20):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def read_object(path: str) -> dict[str, Any] | None:
    """Return the JSON object in a file, or None when it is missing, torn or something else."""
    data = read_bytes(path)
    if data is None:
        return None
    try:
        value = load(data.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def write_object(path: str, value: dict[str, Any], *, sync: bool = False) -> None:
    """Write a JSON object by rename."""
    write_whole(path, dump(value).encode(), sync=sync)


def remove_tree(path: str) -> None:
    """Remove a file or folder, links not followed; what is gone already, or goes meanwhile, is fine.

    Raises:
        OSError: The system refuses.
    """
    try:
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
            return
        _remove_entries(path)
        os.rmdir(path)
    except FileNotFoundError:
        return


def _remove_entries(folder: str) -> None:
    try:
        entries = list(os.scandir(folder))
    except PermissionError:
        os.chmod(folder, 0o700)
        entries = list(os.scandir(folder))
    for entry in entries:
        try:
            remove_tree(entry.path)
        except PermissionError:
            # The program took away its own right to write here.
            os.chmod(folder, 0o700)
            remove_tree(entry.path)
