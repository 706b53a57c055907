"""Becomes another program that the kernel ends when the process that started it ends, even by ``kill -9``.

Run as a file: ``python -I -S die_with_parent.py PARENT_PID LISTENING_FD COMMAND...``. The listening socket is handed over as
systemd does it (descriptor 3, ``LISTEN_FDS``). It is a program of its own because nothing may run between fork and exec in a
process with threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_FIRST_FD = 3


def main() -> None:
    """Tie this process to its parent and become the command."""
    parent, listening, *command = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit("this system cannot tie a process to its parent")
    if os.getppid() != int(parent):
        sys.exit("the server has ended")
    os.dup2(int(listening), _FIRST_FD)
    os.environ["LISTEN_FDS"] = "1"
    os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(command[0], command)  # noqa: S606


main()
