"""The process that computes suggestions: requests on standard input, answers on standard output, one at a time."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import os
import resource
import signal
import sys

#: Jobs whose history and fitted values a process keeps.
JOBS = 8
#: From linux/prctl.h.
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(prog="python -m pegbox.suggester")
    parser.add_argument("--memory-mb", type=int, required=True, help="address space that may be used")
    parser.add_argument("--parent", type=int, required=True, help="process id of the server")
    arguments = parser.parse_args()
    _end_with(arguments.parent)
    _limit_memory(arguments.memory_mb * 2**20)
    # What numerics print must not end up between answers.
    output = os.dup(1)
    os.dup2(2, 1)
    from pegbox.suggester import frames
    from pegbox.suggester.work import Work

    work = Work(JOBS)
    frames.write(output, frames.encode({"ready": True}))
    while True:
        try:
            request = frames.read(0)
        except EOFError:
            return
        frames.write(output, frames.encode(work.answer(request)))


def _end_with(parent: int) -> None:
    """Let the kernel kill this process with its server, even in the middle of a computation (Linux)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def _limit_memory(wanted: int) -> None:
    with contextlib.suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt, BrokenPipeError):
        main()
