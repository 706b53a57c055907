"""Names of hyperparameters, whatever their spelling."""

from __future__ import annotations

import re


def plain(name: str) -> str:
    """Letters and digits only, in lower case: ``maxDepth``, ``max_depth`` and ``max-depth`` are one name."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def owner_and_name(name: str) -> tuple[str, str]:
    """What stands before the last ``__``, ``.``, ``/`` or ``:`` (a part of a pipeline, say), and what follows it."""
    end = max((match.end() for match in re.finditer(r"__|[./:]", name)), default=0)
    return name[:end], name[end:]
