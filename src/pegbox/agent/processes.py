"""Which processes live, which belong to an attempt, and how to end them all (Linux).

A process is named by three things together: its id, its start time (clock ticks since boot) and the boot's id, so that a
reused process id is never mistaken for the one that had it before.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: Environment variable that marks every process of an attempt (its own children inherit it).
MARK = "PEGBOX_ATTEMPT"

_SIGKILL, _SIGSTOP = 9, 19
_PR_SET_CHILD_SUBREAPER = 36
_boot: list[str] = []


def boot_id() -> str:
    """Return the identity of this boot of the machine."""
    if not _boot:
        with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as stream:
            _boot.append(stream.read().decode().strip())
    return _boot[0]


def _stat(pid: int) -> list[bytes] | None:
    """Return the fields of /proc/PID/stat from the state on, or None when there is no such process."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY)
    except OSError:
        return None
    try:
        data = os.read(descriptor, 4096)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data[data.rfind(b")") + 2 :].split()


def start_time(pid: int) -> int | None:
    """Return when a process started (clock ticks since boot), or None when it is gone or only waits to be reaped."""
    fields = _stat(pid)
    if fields is None or len(fields) < 20 or fields[0] in (b"Z", b"X"):
        return None
    return int(fields[19])


def is_alive(pid: int, started: float, boot: str) -> bool:
    """Whether exactly this process still runs."""
    return boot == boot_id() and start_time(pid) == int(started)


def become_subreaper() -> bool:
    """Have orphaned descendants become our children, so that none can get away; return whether that works here."""
    arguments = (_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        # What ``ctypes`` does, without its import time, which is a third of a bare interpreter's start.
        import _ctypes

        address = _ctypes.dlsym(_ctypes.dlopen(None, 2), "prctl")  # type: ignore[arg-type]
        return bool(_ctypes.call_function(address, arguments) == 0)
    except (ImportError, AttributeError, OSError, TypeError):
        return _become_subreaper_plainly(arguments)


def _become_subreaper_plainly(arguments: tuple[int, ...]) -> bool:
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(*arguments) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def open_pidfd(pid: int) -> int | None:
    """Return a descriptor that becomes readable when the process ends, or None where there is no such thing."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None


def _table() -> dict[int, tuple[int, int]]:
    """Return parent and session of every process that has not ended."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = _stat(int(name))
            if fields is not None and len(fields) > 3 and fields[0] not in (b"Z", b"X"):
                table[int(name)] = (int(fields[1]), int(fields[3]))
    return table


def descendants(roots: Iterable[int]) -> set[int]:
    """Return all living descendants of some processes, the processes themselves left out."""
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in _table().items():
        children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    front = list(roots)
    while front:
        for child in children.get(front.pop(), ()):
            if child not in found:
                found.add(child)
                front.append(child)
    return found


def marked(attempt: str) -> set[int]:
    """Return the living processes whose environment carries an attempt's mark."""
    mark = f"{MARK}={attempt}".encode()
    found = set()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb", buffering=0) as stream:
                environment = stream.read()
        except OSError:
            continue
        if mark in environment and mark in environment.split(b"\0") and start_time(int(name)) is not None:
            found.add(int(name))
    return found


def session_members(session: int) -> set[int]:
    """Return the living processes of a session."""
    return {pid for pid, (_, its_session) in _table().items() if its_session == session}


def attempt_processes(attempt: str, session: int | None) -> set[int]:
    """Return every process of an attempt that can be found from outside: by mark, by session, and all their descendants."""
    found = marked(attempt)
    if session is not None:
        found |= session_members(session)
    found |= descendants(found)
    found.discard(os.getpid())
    return found


def send(pid: int, number: int) -> None:
    """Send a signal; a process that is gone is fine."""
    try:  # noqa: SIM105 - contextlib is slow to import
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        pass


def reap(note: Callable[[int, int], object]) -> bool:
    """Collect ended children, telling ``note`` process id and wait status of each; return whether any child is left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        note(pid, status)


def end_all(find: Callable[[], set[int]], collect: Callable[[], object], patience: float = 20.0) -> set[int]:
    """Kill what ``find`` finds until it finds nothing.

    All are first stopped, until no new one appears, and then killed together: killing one by one, a program that forks faster
    than we look would never end. ``collect`` reaps what ended, between rounds.

    Returns:
        What could not be ended within ``patience`` seconds (a process stuck in the kernel); empty as a rule.
    """
    deadline = time.monotonic() + patience
    while victims := find():
        held: set[int] = set()
        while fresh := victims - held:
            for pid in fresh:
                send(pid, _SIGSTOP)
            held |= fresh
            victims = find()
        for pid in held:
            send(pid, _SIGKILL)
        collect()
        if time.monotonic() > deadline:
            return find()
        time.sleep(0.001)
        collect()
    return set()
