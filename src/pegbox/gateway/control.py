"""The gateway's word with its server: JSON lines over a Unix socket that the gateway listens on.

::

    server -> gateway   {"type": "routes", "version": n}   look at routes.json now
                        {"type": "keys", "keys": {"<key>": data key}, "problems": {"<key>": why}}   seal with these, and no others
                        {"type": "opened", "wrapped", "key": data key or null, "problem"}           the answer to "unwrap"
                        {"type": "end"}                    finish what is in flight and end
    gateway -> server   {"type": "listener"}               with the listening socket, which the server holds for the next gateway
                        {"type": "applied", "version": n, "busy": [ids]}
                        {"type": "drained", "version": n, "instances": [ids]}
                        {"type": "status", "captures": {"<endpoint>": {"status", "reason"}}}
                        {"type": "unwrap", "key": id, "wrapped"}   which data key is this?

``busy`` names instances that left the snapshot but still have requests in flight. Nothing here is needed for serving: the
gateway also looks at the file by itself. Keys never reach a disk: nothing that is said here is logged.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_log = logging.getLogger("pegbox.gateway")

#: Longest line that is read.
LINE_BYTES = 4 * 2**20
#: A server that does not read is cut off when so much is kept for it.
KEPT_BYTES = 2**20


class Control:
    """Listens for the server.

    Args:
        path: The socket.
        routes: Called when the server says that there are new routes.
        keys: Called with a message of type ``keys`` or ``opened``.
        end: Called when the server says that the gateway is to end.
        greeting: Returns the messages for a server that connects.
    """

    def __init__(
        self,
        path: Path,
        *,
        routes: Callable[[], None],
        keys: Callable[[Mapping[str, Any]], None],
        end: Callable[[], None],
        greeting: Callable[[], list[Mapping[str, Any]]],
    ) -> None:
        self._path = path
        self._routes = routes
        self._keys = keys
        self._end = end
        self._greeting = greeting
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._front: socket.socket | None = None

    @property
    def connected(self) -> bool:
        """Whether a server speaks to the gateway."""
        return bool(self._writers)

    async def open(self, front: socket.socket) -> None:
        """Listen, readable for this user alone. The lock on the home was taken: a socket that is there is a dead one's.

        Args:
            front: The socket on which clients are listened for; servers get it.

        Raises:
            OSError: The socket cannot be made.
        """
        self._front = front
        self._path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(str(self._path))
            os.chmod(self._path, 0o600)
            self._server = await asyncio.start_unix_server(self._serve, sock=listener, limit=LINE_BYTES)
        except BaseException:
            listener.close()
            raise

    def tell(self, message: Mapping[str, Any]) -> None:
        """Send a message to every server that is connected."""
        for writer in list(self._writers):
            self._write(writer, message)

    async def close(self) -> None:
        """Stop listening and hang up."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            with contextlib.suppress(OSError, asyncio.TimeoutError):
                await asyncio.wait_for(writer.drain(), 1.0)
            writer.close()
        with contextlib.suppress(OSError):
            self._path.unlink()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            self._hand_over(writer)
            for message in self._greeting():
                self._write(writer, message)
            while line := await reader.readline():
                self.take(line)
        except (OSError, ValueError) as error:
            _log.warning("the server's connection ends: %s", error)
        finally:
            self._writers.discard(writer)
            writer.close()

    def _hand_over(self, writer: asyncio.StreamWriter) -> None:
        """Send the listening socket, as the first thing of all: nothing is in the writer's buffer yet."""
        descriptor = os.dup(writer.get_extra_info("socket").fileno())
        with socket.socket(fileno=descriptor) as way, contextlib.suppress(OSError):
            if self._front is not None and self._front.fileno() >= 0:
                socket.send_fds(way, [b'{"type": "listener"}\n'], [self._front.fileno()])

    def take(self, line: bytes) -> None:
        """Act on a message."""
        try:
            message = json.loads(line)
            kind = message["type"]
        except (ValueError, KeyError, TypeError):
            _log.error("the server sent what is no message (%d bytes)", len(line))
            return
        if kind == "routes":
            self._routes()
        elif kind in ("keys", "opened"):
            self._keys(message)
        elif kind == "end":
            self._end()
        else:
            _log.error("the server sent a message of unknown type %r", kind)

    def _write(self, writer: asyncio.StreamWriter, message: Mapping[str, Any]) -> None:
        if writer.transport.get_write_buffer_size() > KEPT_BYTES:
            self._writers.discard(writer)
            writer.transport.abort()
            return
        with contextlib.suppress(OSError, RuntimeError):
            writer.write(json.dumps(message).encode() + b"\n")
