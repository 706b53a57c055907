"""How an attempt ended, in words for people and in the fields of its ``finished`` event."""

from __future__ import annotations

import os

from pegbox.agent.durable import read_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pegbox.agent.program import Program

#: Most characters of a failure message (AWS keeps 1,024 with the class before it).
MAX_MESSAGE = 1000
_MAX_LAST_LINES = 600
_MAX_COMMAND = 200


def signal_name(number: int) -> str:
    """Return a signal's name, such as ``SIGKILL``."""
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_lines(log: str, limit: int = _MAX_LAST_LINES) -> str:
    """Return the last lines of a log that fit into so many characters, blank ones left out."""
    try:
        with open(log, "rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 8192))
            text = stream.read().decode(errors="replace").replace("\r", "\n")
    except FileNotFoundError:
        return ""
    kept: list[str] = []
    for line in reversed([line for line in text.split("\n") if line.strip()]):
        if limit - len(line) - 1 < 0:
            if not kept:
                kept.append(line[-limit:])
            break
        kept.append(line)
        limit -= len(line) + 1
    return "\n".join(reversed(kept))


def failure_file(tree: str) -> str:
    """Return what the program wrote to ``output/failure``, at most 1,024 characters."""
    data = read_bytes(f"{tree}/output/failure") or b""
    return data[:4096].decode(errors="replace").replace("\0", "").strip()[:1024]


def says_success(tree: str) -> bool:
    """Whether the marker of complete success, ``output/success``, is there."""
    return os.path.isfile(f"{tree}/output/success")


def describe(program: Program, tree: str, log: str, command: str) -> str:
    """Return the message for a program that ended badly."""
    if program.signal is not None:
        ending = f"killed by {signal_name(program.signal)} (signal {program.signal})"
        if program.signal == 9:
            ending += (
                "; a SIGKILL that nobody sent on purpose usually means that the machine ran out of memory"
            )
    else:
        ending = f"exit code: {program.exit_code}"
    own_words = failure_file(tree)
    if own_words:
        return f"{own_words[: MAX_MESSAGE - len(ending) - 2]}, {ending}"
    lines = last_lines(log)
    code = program.exit_code if program.exit_code is not None else -(program.signal or 0)
    command = command if len(command) <= _MAX_COMMAND else command[: _MAX_COMMAND - 3] + "..."
    text = f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{lines}"\nCommand "{command}"\n{ending}'
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 3] + "..."


def blamed(message: str) -> dict[str, Any]:
    """Return the ``failure`` of a program: its own fault, unless its words begin with ``ClientError:``."""
    mark = "ClientError: "
    if message.startswith(mark):
        return failure("ClientError", message[len(mark) :])
    return failure("AlgorithmError", message)


def failure(failure_class: str, message: str) -> dict[str, Any]:
    """Return the ``failure`` field of a ``finished`` event."""
    return {"class": failure_class, "message": message[:MAX_MESSAGE]}
