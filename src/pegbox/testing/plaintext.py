"""A search through a home for what must not lie in it in the clear."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def holders(home: Path, holds: Callable[[Path, bytes], bool]) -> list[str]:
    """Return the files below a home of which ``holds(path, content)`` is true.

    Links are passed over (their targets in the home are looked at themselves), and files that go in the meantime.
    """
    found = []
    for path in (Path(folder, name) for folder, _, names in os.walk(home) for name in names):
        if path.is_symlink() or not path.is_file():
            continue
        try:
            data = path.read_bytes()
        except OSError:
            continue
        if holds(path, data):
            found.append(str(path))
    return found
