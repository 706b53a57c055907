"""Whether the code that a request names, and the interpreter that is to run it, can be used; for training and for serving."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Mapping
from functools import lru_cache

from pegbox.engine.parts import Parts
from pegbox.engine.specs import INTERPRETER_KEY


def archive_problems(
    parts: Parts, address: str, program: str | None, *, address_path: str, program_path: str
) -> list[str]:
    """Return what is wrong with a code archive.

    Args:
        parts: The engine's parts.
        address: Where the archive lies.
        program: The file in it that is to run, or None for any.
        address_path: Member of the request that names the archive.
        program_path: Member that names the program.
    """
    refused = parts.artifacts.check_input(address)
    if refused is not None:
        return [f"{address_path}: {address!r}: {refused}"]
    archive = parts.artifacts.locate(address)
    try:
        state = os.stat(archive)
        members = _members(archive, state.st_mtime_ns, state.st_size)
    except (OSError, tarfile.TarError, EOFError) as problem:
        return [
            f"{address_path}: {address!r} is no readable tar.gz archive ({problem}); give a sourcedir.tar.gz"
        ]
    if program and os.path.normpath(program) not in members:
        there = ", ".join(sorted(members)[:10]) or "nothing"
        return [f"{program_path}: {program!r} is not in {address}, which holds {there}; name a file in it"]
    return []


@lru_cache(maxsize=256)
def _members(archive: str, modified: int, size: int) -> frozenset[str]:
    with tarfile.open(archive, "r:*") as tar:
        return frozenset(os.path.normpath(name) for name in tar.getnames())


def interpreter_problems(parts: Parts, environment: Mapping[str, str], path: str) -> list[str]:
    """Return what is wrong with the interpreter that an environment names, if it names one.

    Args:
        parts: The engine's parts.
        environment: ``Environment`` of a request.
        path: Member of the request that it is.
    """
    interpreter = environment.get(INTERPRETER_KEY)
    if interpreter is None:
        return []
    path = f"{path}.{INTERPRETER_KEY}"
    if not parts.policy.trust_interpreters:
        return [
            f"{path}: {interpreter!r}: this server serves other machines and chooses the interpreter; leave it out"
        ]
    if not (os.path.isabs(interpreter) and os.access(interpreter, os.X_OK)):
        return [
            f"{path}: {interpreter!r} is no executable file; give the absolute path of a Python interpreter"
        ]
    return []
