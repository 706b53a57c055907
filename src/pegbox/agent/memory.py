"""Attempts whose files must not reach the disk in the clear: their ``opt`` is a link to memory-backed storage."""

from __future__ import annotations

import os

from pegbox.agent.durable import remove_tree
from pegbox.agent.layout import Refusal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def prepare(directory: str, memory_path: str) -> None:
    """Make ``opt`` of an attempt directory a link to a folder of its own in memory; once made it stays.

    Raises:
        Refusal: The folder belongs to somebody else.
        OSError: The machine refuses.
    """
    base = os.path.dirname(memory_path)
    # At once, so that nobody finds the folder above it empty and removes it.
    os.makedirs(f"{memory_path}/opt", 0o700, exist_ok=True)
    facts = os.lstat(base)
    if facts.st_uid != os.getuid() or facts.st_mode & 0o077:
        raise Refusal(
            "InternalServerError", f"{base} belongs to somebody else or is open to others; remove it"
        )
    try:
        os.symlink(f"{memory_path}/opt", f"{directory}/opt")
    except FileExistsError:
        if not os.path.islink(f"{directory}/opt"):
            raise Refusal("InternalServerError", f"{directory}/opt lies on the disk already") from None


def forget(directory: str) -> None:
    """Remove ``opt`` of an attempt directory, wherever it lies; what is gone already is fine.

    Raises:
        OSError: The system refuses.
    """
    place = f"{directory}/opt"
    if os.path.islink(place):
        memory_path = os.path.dirname(os.readlink(place))
        remove_tree(memory_path)
        try:  # noqa: SIM105 - contextlib is slow to import
            os.rmdir(os.path.dirname(memory_path))
        except OSError:
            pass  # Others of this home are there.
    remove_tree(place)


def sealed(artifact: dict[str, Any], target: str, key: Mapping[str, str]) -> dict[str, Any]:
    """Seal a packed archive that lies in memory to its place on the disk, and remove it from memory.

    Args:
        artifact: What ``packing.pack`` returned.
        target: Path of the sealed archive.
        key: ``sealing.DataKey.to_json()``.

    Returns:
        The same facts about the sealed archive.

    Raises:
        OSError: The disk refuses.
    """
    from pathlib import Path

    from pegbox.agent.archives import content_hash
    from pegbox.sealing import DataKey, seal_file

    os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
    remove_tree(target)
    seal_file(Path(artifact["staged"]), Path(target), DataKey.from_json(key))
    os.unlink(artifact["staged"])
    return {"staged": target, "sha256": content_hash(target), "size": os.path.getsize(target)}


def opened(archive: str, target: str, key: Mapping[str, str]) -> None:
    """Write the plaintext of a sealed archive to a file in memory.

    Raises:
        Refusal: It does not open, or was changed.
        OSError: The machine refuses.
    """
    from pegbox.errors import PegboxError
    from pegbox.sealing import DataKey, unseal

    try:
        with open(archive, "rb") as source, open(target, "wb") as plain:
            unseal(source, plain, DataKey.from_json(key).plain)
    except PegboxError as error:
        raise Refusal("ClientError", f"the sealed archive {archive} cannot be opened: {error}") from None
