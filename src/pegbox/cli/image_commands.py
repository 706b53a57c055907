"""``pegbox images ...``."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.cli.context import connect
from pegbox.cli.output import print_json, print_table
from pegbox.errors import ServerError


def print_images(as_json: bool) -> None:
    """Print the image table."""
    table = connect().call("pegbox", "ListImages")
    if as_json:
        print_json({"images": table["Images"], "built_in": table["BuiltIn"]})
        return
    rows = [(name, str(runtime.get("kind", "")), _how(runtime)) for name, runtime in table["Images"].items()]
    rows += [
        (name, "built in", f"scripts of images like {pattern}") for name, pattern in table["BuiltIn"].items()
    ]
    print_table(("IMAGE", "KIND", "HOW IT RUNS"), rows)


def add_image(name: str, command: Sequence[str], python: str | None, framework: str | None) -> None:
    """Add or replace an image.

    Raises:
        ServerError: Neither or both of a command and an interpreter are given, or they are not on this machine.
    """
    if bool(command) == bool(python):
        raise ServerError(
            "give either a command after -- or an interpreter: pegbox images add NAME -- COMMAND..., "
            "or pegbox images add NAME --python /path/to/python"
        )
    runtime: dict[str, Any] = {"Kind": "script", "Python": _program(python)} if python else {}
    if command:
        runtime = {"Kind": "command", "Command": [_program(command[0]), *command[1:]]}
    if framework:
        runtime["Framework"] = framework
    connect().call("pegbox", "PutImage", Name=name, Runtime=runtime)
    print(f"{name} runs as: {shlex.join(runtime.get('Command') or [runtime['Python'], 'SCRIPT'])}")


def remove_image(name: str) -> None:
    """Remove an image that was added."""
    connect().call("pegbox", "DeleteImage", Name=name)
    print(f"{name} is removed.")


def _program(name: str) -> str:
    """Return a program's absolute path: the server runs in another folder and perhaps with another PATH."""
    path = shutil.which(name)
    if path is None:
        raise ServerError(f"{name!r} is no program on this machine; give its path")
    return os.path.abspath(path)


def _how(runtime: Mapping[str, Any]) -> str:
    if runtime.get("command"):
        return shlex.join(runtime["command"])
    words = [str(runtime.get("python") or "the server's Python"), "SCRIPT"]
    return " ".join(words) + (f" ({runtime['framework']})" if runtime.get("framework") else "")
