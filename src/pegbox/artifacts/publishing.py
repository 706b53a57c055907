"""Publishing: a staged file becomes an address's content, once, whole and durably."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegbox.errors import PegboxError


def move_once(staged: Path, target: Path, artifact: Mapping[str, Any], uri: str) -> None:
    """Move a staged file to ``target``, never over something else.

    Done already (the staged file is gone or still there, the target has the recorded content) is fine.

    Raises:
        PegboxError: The target holds something else, the staged file is not what was recorded, or the disk refuses.
    """
    try:
        if target.exists():
            _accept_existing(staged, target, artifact, uri)
            return
        if not staged.exists():
            raise PegboxError(f"{uri} cannot be published: the staged file {staged} is gone")
        # Its agent hashed what it wrote and had it on disk before it said so; the size tells a later mishap.
        if staged.stat().st_size != artifact["size"]:
            raise PegboxError(f"{uri} cannot be published: the staged file {staged} is not what was recorded")
        _make_folders(target.parent)
        _link_or_copy(staged, target)
        # One sync for the name and for all folders made on the way to it: file systems with a journal (ext4, XFS, btrfs, F2FS)
        # keep the order of such changes, and a sync costs as much as a short program.
        _sync_folder(target.parent)
        staged.unlink(missing_ok=True)
    except FileExistsError:
        _accept_existing(staged, target, artifact, uri)
    except OSError as error:
        raise PegboxError(f"{uri} cannot be published: {_words(error)}") from error


def _accept_existing(staged: Path, target: Path, artifact: Mapping[str, Any], uri: str) -> None:
    same_file = staged.exists() and target.samefile(staged)
    if not same_file and not (target.is_file() and _is(target, artifact)):
        raise PegboxError(
            f"{uri} cannot be published: the address holds something else; delete it or choose another output path"
        )
    staged.unlink(missing_ok=True)


def _is(path: Path, artifact: Mapping[str, Any]) -> bool:
    """Whether a file is the recorded one; its size is compared first."""
    if path.stat().st_size != artifact["size"]:
        return False
    return digest_of(path) == str(artifact["sha256"])


def _link_or_copy(staged: Path, target: Path) -> None:
    """Give the staged file its final name; a link cannot overwrite. Where none can be made, a copy is linked.

    The staged file's bytes are on disk: its agent synced them before it told of them.
    """
    try:
        os.link(staged, target)
        return
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
    part = target.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with staged.open("rb") as source, part.open("xb") as copy:
            os.fchmod(copy.fileno(), 0o600)
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        try:
            os.link(part, target)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP):
                raise
            # No links here: reserve the name, then put the whole file in its place.
            target.open("xb").close()
            part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def remove_published(target: Path, stop: Path | None) -> None:
    """Remove a published file and, up to ``stop``, the folders that this leaves empty; nothing there is fine.

    Raises:
        PegboxError: The disk refuses.
    """
    try:
        target.unlink(missing_ok=True)
    except (IsADirectoryError, NotADirectoryError):
        return
    except OSError as error:
        raise PegboxError(f"{target} cannot be removed: {_words(error)}") from error
    folder = target.parent
    with contextlib.suppress(OSError):
        while stop is not None and folder != stop and folder.is_relative_to(stop):
            folder.rmdir()
            folder = folder.parent


def _make_folders(folder: Path) -> None:
    """Make a folder and those above it, for their owner only."""
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _words(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left on the disk; free some and stop and start the server, or wait for the next try"
    return f"{error.strerror or error} ({error.filename or 'disk'})"


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
