"""The home's keyring, as the server's own operations see it."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pegbox.artifacts.keyring import Keyring, MasterKey

_log = logging.getLogger("pegbox.server")


def open_keyring(home: Path, *, region: str, account: str) -> Keyring:
    """Return the keyring of a home, its commands asked.

    Raises:
        HomeError: The keyring is damaged.
    """
    keyring = Keyring(home / "keys" / "keyring.json", region=region, account=account)
    keyring.load_commands(_log.error)
    return keyring


class KeyAdministration:
    """What :class:`pegbox.api.keys.KeyControl` asks for.

    Args:
        keyring: The keys.
        changed: Called when a key was made, enabled or disabled.
    """

    def __init__(self, keyring: Keyring, changed: Callable[[], None] = lambda: None) -> None:
        self._keyring = keyring
        self._changed = changed

    def create(self, name: str, command: Sequence[str]) -> Mapping[str, Any]:
        """Make a key, or take the one that a command hands over."""
        made = self._keyring.create(name, datetime.now(timezone.utc), command)
        self._changed()
        return self._shown(made)

    def list(self) -> Sequence[Mapping[str, Any]]:
        """Return what may be known of each key."""
        return [self._shown(key) for key in self._keyring.list()]

    def enable(self, key: str, enabled: bool) -> Mapping[str, Any]:
        """Enable or disable a key."""
        changed = self._keyring.enable(key, enabled)
        self._changed()
        return self._shown(changed)

    def open_data_key(self, key_id: str, wrapped: str) -> str:
        """Return the data key that opens one sealed file."""
        try:
            bytes_ = bytes.fromhex(wrapped)
        except ValueError:
            bytes_ = b""
        return self._keyring.unwrap(key_id, bytes_).plain.hex()

    def _shown(self, key: MasterKey) -> Mapping[str, Any]:
        problem = self._keyring.check(key.id)
        return {
            "id": key.id,
            "name": key.name,
            "arn": self._keyring.arn(key),
            "state": "Enabled" if key.enabled else "Disabled",
            "usable": problem is None,
            "problem": problem,
            "command": list(key.command),
            "created_at": key.created_at,
        }


def memory_folder(home: Path) -> str:
    """Return the folder on memory-backed storage for the files of jobs with keys, or nothing where there is none."""
    base = Path("/dev/shm")  # noqa: S108 - the one memory-backed place that Linux promises
    try:
        mounted = any(
            words[1:3] == [str(base), "tmpfs"]
            for words in map(str.split, Path("/proc/mounts").read_text().splitlines())
        )
    except OSError:
        return ""
    mark = hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:12]
    return str(base / f"pegbox-{os.getuid()}-{mark}") if mounted and os.access(base, os.W_OK) else ""
