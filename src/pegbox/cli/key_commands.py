"""``pegbox keys ...``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from pegbox.cli.context import connect
from pegbox.cli.output import print_json, print_table
from pegbox.errors import ServerError
from pegbox.sealing import SealError, read_header, unseal


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


def open_file(file: Path, output: Path) -> None:
    """Write the plaintext of a sealed file to a new file, whole or not at all.

    Raises:
        ServerError: The file is not there, is no sealed file, or the output exists.
    """
    if output.exists():
        raise ServerError(f"{str(output)!r} exists; choose another name")
    try:
        with file.open("rb") as source:
            header = read_header(source)
            answer = connect().call("pegbox", "OpenDataKey", Key=header.key_id, Wrapped=header.wrapped.hex())
            source.seek(0)
            temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}")
            try:
                with os.fdopen(
                    os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
                ) as target:
                    unseal(source, target, bytes.fromhex(answer["Plain"]))
                temporary.rename(output)
            finally:
                temporary.unlink(missing_ok=True)
    except (SealError, OSError) as error:
        raise ServerError(f"{str(file)!r}: {error}") from error
    print(f"{output} holds what {file} sealed.")
