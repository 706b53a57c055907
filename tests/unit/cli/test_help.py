"""Commands: help, pages, and what is loaded."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cli.md"


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every command's words with its description."""
    from pegbox.cli.app import app

    stack: list[tuple[tuple[str, ...], Any]] = [((), typer.main.get_command(app))]
    while stack:
        words, found = stack.pop()
        if words:
            yield words, found
        for name, inner in getattr(found, "commands", {}).items():
            stack.append(((*words, name), inner))


ALL = dict(sorted(commands()))


def test_the_commands_are_those_that_are_promised() -> None:
    """No documented command is missing and none has crept in."""
    assert {" ".join(words) for words in ALL} == {
        "server", "server start", "server stop", "server run", "server status", "server logs", "env", "images",
        "images list", "images add", "images remove", "keys", "keys create", "keys list", "keys disable", "keys enable",
        "keys open", "jobs", "show", "logs", "stop", "demo", "doctor", "run",
        "deploy", "endpoints", "invoke", "delete-endpoint",
    }  # fmt: skip


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_and_option_is_explained(words: tuple[str, ...]) -> None:
    """Each command and each of its options has words for people."""
    found = ALL[words]
    assert found.help
    for parameter in found.params:
        if parameter.name != "help" and parameter.param_type_name == "option":
            assert parameter.help, f"{words} {parameter.name}"


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_the_page_has_every_command_and_option(words: tuple[str, ...]) -> None:
    """docs/cli.md names each command in a heading or row, and each of its options."""
    text = PAGE.read_text()
    assert f"`pegbox {' '.join(words)}" in text
    for parameter in ALL[words].params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}" in text, option


@pytest.mark.parametrize("words", [(), ("server",), ("images", "add"), ("logs",)], ids=" ".join)
def test_help_works_in_a_pipe(words: tuple[str, ...]) -> None:
    """--help ends with status 0, in plain text, and needs no server."""
    done = subprocess.run(
        [sys.executable, "-m", "pegbox.cli", *words, "--help"], capture_output=True, text=True, check=True,
        env={"PEGBOX_HOME": "/nonexistent/home", "PATH": ""},
    )  # fmt: skip
    assert done.stdout.startswith("Usage: pegbox")
    assert "\x1b" not in done.stdout


def test_commands_load_little() -> None:
    """Listing jobs loads neither an AWS SDK, nor numpy, nor the server's libraries, nor (in a pipe) rich."""
    code = (
        "import sys; import pegbox.cli.app, pegbox.cli.job_commands, pegbox.cli.launch, pegbox.cli.show_command; "
        "from pegbox.wire import sign_request; print(*(name for name in ('boto3', 'botocore', 'numpy', 'rich', 'sqlalchemy', "
        "'starlette', 'uvicorn', 'asyncio', 'pegbox.engine') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_version() -> None:
    """--version prints the package's version."""
    from pegbox import __version__

    done = subprocess.run(
        [sys.executable, "-m", "pegbox.cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"pegbox {__version__}\n"
