"""This machine: warm agents behind a Unix socket, adoption of what a dead agent left, logs read from their files.

Nothing here waits for a program. An agent's silence is never taken for its death: only its process id, start time and boot id
are.
"""

from pegbox.executors.local.executor import LocalExecutor
from pegbox.executors.local.logs import LocalLogs

__all__ = ["LocalExecutor", "LocalLogs"]
