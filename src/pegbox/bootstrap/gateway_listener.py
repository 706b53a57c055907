"""The gateway's listening socket, held by the server too, so that connections wait while a killed gateway is started again.

A gateway is given the socket at its start, and hands it to each server that connects: the port stays open from one to the next as
long as one of them lives. A server holds it only while a gateway is about to accept from it: nobody is to wait in vain.
"""

from __future__ import annotations

import contextlib
import socket

#: Connections that wait to be accepted.
BACKLOG = 2048


class HeldListener:
    """The socket, or nothing; used from one thread.

    Args:
        host: Loopback address.
        port: TCP port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None

    def open(self) -> int | None:
        """Return a descriptor of the socket, made if need be; None where another program or an older gateway has the port."""
        if self._socket is None:
            made = socket.socket(socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET)
            try:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(self._address)
                made.listen(BACKLOG)
            except OSError:
                made.close()
                return None
            self._socket = made
        return self._socket.fileno()

    def take(self, descriptors: list[int]) -> None:
        """Hold the socket that a gateway handed over; another one than the home's is closed."""
        for descriptor in descriptors:
            found = socket.socket(fileno=descriptor)
            with contextlib.suppress(OSError):
                if self._socket is None and found.getsockname()[1] == self._address[1]:
                    self._socket = found
                    continue
            found.close()

    def close(self) -> None:
        """Let go of the socket; connections that wait are reset if nobody else holds it."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
