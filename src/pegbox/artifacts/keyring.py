"""Master keys of the home: made here, or handed over by a command of the owner's (a password store, a vault).

The keyring is one file, readable by its owner only, replaced by rename. It never forgets a key: what it sealed would be lost.
Keys that a command hands over are asked for once, when the keyring is opened or the key is made or enabled, and are then in
memory only; so nothing that seals or opens files ever waits for a command.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import secrets
import subprocess
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pegbox.errors import HomeError, PegboxError
from pegbox.sealing import DataKey, new_data_key, unwrap_data_key

#: Seconds that a command may take to hand over its key.
COMMAND_SECONDS = 10.0
KEY_BYTES = 32
_NAME = re.compile(r"[A-Za-z0-9/_-]{1,250}")
_ALIAS = "alias/"


@dataclass(frozen=True, slots=True)
class MasterKey:
    """What may be known of a master key; its material is not in here.

    Attributes:
        id: Identifier for ever, a UUID.
        name: The owner's name for it; ``alias/<name>`` works wherever a KMS key is asked for.
        created_at: When it was made, ISO 8601.
        enabled: Whether files may be sealed and opened with it.
        command: The command that hands it over, or nothing for a key that the keyring keeps itself.
    """

    id: str
    name: str
    created_at: str
    enabled: bool = True
    command: tuple[str, ...] = ()


class Keyring:
    """The master keys of a home; see :class:`pegbox.ports.keys.Keys`.

    Args:
        file: Where the keys are kept; made with the first key.
        region: Region that key ARNs carry.
        account: Account that key ARNs carry.

    Raises:
        HomeError: The file is damaged or cannot be read.
    """

    def __init__(self, file: Path, *, region: str = "us-east-1", account: str = "000000000000") -> None:
        self._file = file
        self._arn = f"arn:aws:kms:{region}:{account}:"
        self._lock = threading.Lock()
        self._keys: dict[str, MasterKey] = {}
        self._material: dict[str, bytes] = {}
        #: Why a command's key is not there, by key id.
        self._faults: dict[str, str] = {}
        self._read()

    # The port.

    def check(self, key: str) -> str | None:
        """Return why a key cannot be used, or None."""
        found = self._find(key)
        if found is None:
            known = ", ".join(sorted(item.name for item in self._keys.values())) or "none"
            return (
                f"there is no such key; 'pegbox keys create NAME' makes one, 'pegbox keys list' shows those there are "
                f"(by name: {known})"
            )
        if not found.enabled:
            return f"the key is disabled; 'pegbox keys enable {found.name}' enables it again"
        if found.id not in self._material:
            return (
                f"its command did not hand it over ({self._faults.get(found.id, 'not asked yet')}); "
                f"'pegbox keys enable {found.name}' asks again"
            )
        return None

    def new_data_key(self, key: str) -> DataKey:
        """Return a new data key for one file.

        Raises:
            PegboxError: The key cannot be used.
        """
        found = self._usable(key)
        return new_data_key(self._material[found.id], found.id)

    def unwrap(self, key_id: str, wrapped: bytes) -> DataKey:
        """Return the data key of a sealed file.

        Raises:
            PegboxError: The master key is unknown or disabled, or wrapped another.
        """
        found = self._usable(key_id)
        return unwrap_data_key(self._material[found.id], found.id, wrapped)

    # Keeping keys.

    def create(self, name: str, now: datetime, command: Sequence[str] = ()) -> MasterKey:
        """Make a key, or take the one that a command hands over.

        Args:
            name: A name that no other key has: letters, digits, ``/``, ``_``, ``-``.
            now: The time.
            command: Argument vector that prints 32 bytes as hexadecimal or base64 text; none makes a random key.

        Raises:
            PegboxError: The name is taken or no name, or the command did not hand over a key. Nothing was made.
        """
        name = name.removeprefix(_ALIAS)
        if not _NAME.fullmatch(name):
            raise PegboxError(
                f"Name = {name!r}: must be letters, digits, '/', '_' and '-', 250 at most; choose another"
            )
        made = MasterKey(str(uuid.uuid4()), name, now.isoformat(), command=tuple(command))
        material = ask(command) if command else secrets.token_bytes(KEY_BYTES)
        with self._lock:
            if any(item.name == name for item in self._keys.values()):
                raise PegboxError(f"Name = {name!r}: a key of this name exists; choose another name")
            self._write({**self._keys, made.id: made}, {**self._material, made.id: material})
        return made

    def enable(self, key: str, enabled: bool) -> MasterKey:
        """Enable or disable a key; enabling asks its command again.

        Raises:
            PegboxError: There is no such key, or its command fails.
        """
        found = self._find(key)
        if found is None:
            raise PegboxError(f"{key!r}: {self.check(key)}")
        handed_over = {found.id: ask(found.command)} if enabled and found.command else {}
        changed = replace(found, enabled=enabled)
        with self._lock:
            # What was made while the command was asked stays.
            self._write({**self._keys, found.id: changed}, {**self._material, **handed_over})
            self._faults.pop(found.id, None)
        return changed

    def list(self) -> tuple[MasterKey, ...]:
        """Return all keys, oldest first."""
        return tuple(sorted(self._keys.values(), key=lambda item: (item.created_at, item.name)))

    def arn(self, key: MasterKey) -> str:
        """Return a key's ARN."""
        return f"{self._arn}key/{key.id}"

    def load_commands(self, report: Callable[[str], None]) -> None:
        """Ask each enabled key's command, all at the same time; faults are reported and met again by :meth:`check`."""

        def load(key: MasterKey) -> None:
            try:
                material = ask(key.command)
            except PegboxError as error:
                self._faults[key.id] = str(error)
                report(f"key {key.name!r}: {error}")
            else:
                self._material[key.id] = material

        threads = [
            threading.Thread(target=load, args=(key,), daemon=True)
            for key in self.list()
            if key.command and key.enabled
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _find(self, key: str) -> MasterKey | None:
        short = key.removeprefix(self._arn)
        wanted = short.removeprefix("key/")
        found = self._keys.get(wanted)
        if found is not None:
            return found
        name = short.removeprefix(_ALIAS)
        return next((item for item in self._keys.values() if item.name == name), None)

    def _usable(self, key: str) -> MasterKey:
        problem = self.check(key)
        found = self._find(key)
        if problem is not None or found is None:
            raise PegboxError(f"key {key!r}: {problem}")
        return found

    def _read(self) -> None:
        try:
            rows = json.loads(self._file.read_bytes())["keys"]
            for row in rows:
                material = row.pop("material")
                key = MasterKey(**{**row, "command": tuple(row["command"])})
                self._keys[key.id] = key
                if material is not None:
                    self._material[key.id] = _key_bytes(material)
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise HomeError(
                f"{self._file} cannot be read ({error}); restore it from a copy: without its keys what they sealed "
                "cannot be opened. If nothing was ever sealed, delete it"
            ) from error

    def _write(self, keys: Mapping[str, MasterKey], material: Mapping[str, bytes]) -> None:
        rows: list[dict[str, Any]] = [
            {**asdict(key), "material": None if key.command else material[key.id].hex()}
            for key in keys.values()
        ]
        self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump({"keys": rows}, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._file)
        folder = os.open(self._file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._keys, self._material = dict(keys), dict(material)


def ask(command: Sequence[str]) -> bytes:
    """Return the key that a command prints.

    Raises:
        PegboxError: It cannot be run, fails, takes too long or prints no key; what it prints is in no message.
    """
    try:
        run = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PegboxError(f"Command {command[0]!r} took more than {COMMAND_SECONDS:g} s") from error
    except (OSError, ValueError) as error:
        raise PegboxError(f"Command {command[0]!r} cannot be run: {error}") from error
    if run.returncode != 0:
        raise PegboxError(f"Command {command[0]!r} ended with {run.returncode}; run it yourself to see why")
    try:
        return _key_bytes(run.stdout.decode("ascii").strip())
    except ValueError as error:
        raise PegboxError(f"Command {command[0]!r}: {error}") from error


def _key_bytes(text: str) -> bytes:
    """Return the 32 bytes that hexadecimal or base64 text stands for.

    Raises:
        ValueError: It stands for no 32 bytes.
    """
    try:
        key = bytes.fromhex(text) if len(text) == 2 * KEY_BYTES else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("what was given is not 32 bytes as hexadecimal or base64 text")
    return key
