"""``pegbox keys ...``."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from pegbox.cli.context import connect
from pegbox.cli.output import print_json, print_table
from pegbox.errors import ServerError
from pegbox.sealing import (
    MAGIC_BYTES,
    SealError,
    WrongKey,
    holds_records,
    is_sealed,
    open_records,
    read_header,
    read_records_header,
    unseal,
)


def create_key(name: str, command: Sequence[str], as_json: bool) -> None:
    """Make a master key."""
    given = {"Command": list(command)} if command else {}
    key = connect().call("pegbox", "CreateKey", Name=name, **given)["Key"]
    if as_json:
        print_json(key)
        return
    print(f"{key['name']} is made: give kms_key='alias/{key['name']}', or its ARN {key['arn']}")
    if not command:
        print("Keep a copy of the file keys/keyring.json of the home: what the key seals opens with it only.")


def print_keys(as_json: bool) -> None:
    """List the master keys."""
    keys = connect().call("pegbox", "ListKeys")["Keys"]["keys"]
    if as_json:
        print_json({"keys": keys})
        return
    rows = [
        (
            key["name"],
            key["state"],
            "a command" if key["command"] else "the keyring",
            key["arn"],
            key["problem"] or "",
        )
        for key in keys
    ]
    print_table(("KEY", "STATE", "KEPT BY", "ARN", "PROBLEM"), rows)


def set_state(name: str, enabled: bool) -> None:
    """Enable or disable a master key."""
    key = connect().call("pegbox", "SetKeyState", Key=name, Enabled=enabled)["Key"]
    words = "opens and seals again" if enabled else "neither seals nor opens until it is enabled again"
    print(f"{key['name']} is {key['state'].lower()}: it {words}.")


def open_files(given: Path, output: Path, *, part: bool = False) -> None:
    """Write the plaintext of a sealed file to a new file, whole or not at all; of a folder, that of every sealed file below it.

    Args:
        given: A sealed file, or a folder.
        output: The new file or folder.
        part: Of a damaged file, write what stands before the damage.

    Raises:
        ServerError: What is given is not there or not sealed, or the output exists.
    """
    if output.exists():
        raise ServerError(f"{str(output)!r} exists; choose another name")
    opener = _Opener(part)
    if not given.is_dir():
        opener.open(given, output)
        print(f"{output} holds what {given} sealed.")
        return
    files = [file for file in sorted(given.rglob("*")) if file.is_file() and _is_either(file)]
    if not files:
        raise ServerError(f"{str(given)!r} has no sealed files")
    for file in files:
        target = output / file.relative_to(given)
        target.parent.mkdir(parents=True, exist_ok=True)
        opener.open(file, target)
    print(f"{output} holds what {len(files)} files of {given} sealed.")


class _Opener:
    """Opens sealed files; each data key is asked for once."""

    def __init__(self, part: bool) -> None:
        self._part = part
        self._server = connect()
        self._keys: dict[str, bytes] = {}

    def open(self, file: Path, output: Path) -> None:
        """Open one file.

        Raises:
            ServerError: It is not there, not sealed, damaged, or its key cannot be used.
        """
        temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
        try:
            with file.open("rb") as source:
                grows = holds_records(source.read(MAGIC_BYTES))
                source.seek(0)
                header = read_records_header(source) if grows else read_header(source)
                plain = self._data_key(header.key_id, header.wrapped.hex())
                source.seek(0)
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as target:
                    if grows:
                        self._open_records(file, source, target, plain)
                    else:
                        unseal(source, target, plain)
            temporary.rename(output)
        except (SealError, WrongKey, OSError) as error:
            raise ServerError(f"{str(file)!r}: {error}") from error
        finally:
            temporary.unlink(missing_ok=True)

    def _data_key(self, key_id: str, wrapped: str) -> bytes:
        if wrapped not in self._keys:
            answer = self._server.call("pegbox", "OpenDataKey", Key=key_id, Wrapped=wrapped)
            self._keys[wrapped] = bytes.fromhex(answer["Plain"])
        return self._keys[wrapped]

    def _open_records(self, file: Path, source: IO[bytes], target: IO[bytes], plain: bytes) -> None:
        try:
            opened = open_records(source, target, plain)
        except SealError as error:
            if not self._part:
                raise SealError(f"{error}; --part writes what stands before that") from error
            print(f"{file}: {error}; what stands before that is written.", file=sys.stderr)
            return
        if not opened.whole:
            print(
                f"{file} has no end: it was cut off, by a crash perhaps, or is still being written. The {opened.chunks} "
                "records that are there are written.",
                file=sys.stderr,
            )


def _is_either(file: Path) -> bool:
    with file.open("rb") as stream:
        return is_sealed(file) or holds_records(stream.read(MAGIC_BYTES))
