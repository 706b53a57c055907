"""A real ``/opt/ml`` for one process tree, through bubblewrap, where it works.

It gives the contract, it is no security boundary: everything else of the machine stays visible.
"""

from __future__ import annotations

import os

from pegbox.agent.durable import read_object, write_object
from pegbox.agent.processes import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    #: Runs a command to its end and returns its exit code.
    Run = Callable[[list[str]], int]

_works: dict[str, bool] = {}


def find_program(name: str, path: str) -> str | None:
    """Return the executable file that ``PATH`` finds for a name (a name with a slash is a path already)."""
    candidates = (
        [name] if "/" in name else [os.path.join(folder, name) for folder in path.split(":") if folder]
    )
    for candidate in candidates:
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


def wrapped(bwrap: str, tree: str, folder: str, argv: list[str]) -> list[str]:
    """Return the command that runs ``argv`` in ``folder`` with ``tree`` as its ``/opt/ml``.

    The program must survive its agent, so it is not tied to its parent's life. Other things under ``/opt`` stay in place.
    """
    words = [bwrap, "--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]
    if not os.path.isdir("/opt/ml"):
        words += ["--tmpfs", "/opt"]
        try:
            names = sorted(os.listdir("/opt"))
        except OSError:
            names = []
        for name in names:
            words += ["--bind", f"/opt/{name}", f"/opt/{name}"]
    return [*words, "--bind", tree, "/opt/ml", "--chdir", folder, "--", *argv]


def usable(path: str, tree: str, cache: str, run: Run) -> str | None:
    """Return the bubblewrap program if a real run of it showed ``tree`` as ``/opt/ml``, else None.

    The outcome is kept for this boot of the machine.
    """
    bwrap = find_program("bwrap", path)
    if bwrap is None:
        return None
    if bwrap not in _works:
        record = os.path.join(cache, "bubblewrap.json")
        known = read_object(record)
        if known is None or known.get("boot") != boot_id() or known.get("program") != bwrap:
            test = find_program("test", path) or "/usr/bin/test"
            works = run(wrapped(bwrap, tree, "/opt/ml", [test, "-d", "/opt/ml/input/config"])) == 0
            known = {"boot": boot_id(), "program": bwrap, "works": works}
            write_object(record, known)
        _works[bwrap] = bool(known["works"])
    return bwrap if _works[bwrap] else None
