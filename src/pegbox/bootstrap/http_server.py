"""uvicorn, without its ticking and without its own ideas about signals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn

from pegbox.api import GuardedConnection

#: Connections at a time; more are told to come again.
CONNECTIONS = 256
#: Seconds an idle connection is kept open: longer than clients wait between polls.
KEEP_ALIVE_SECONDS = 75
#: Seconds that requests in flight have to end when the server stops.
GRACE_SECONDS = 5


class HttpServer(uvicorn.Server):
    """Serves an ASGI application on a bound socket until :meth:`stop`, SIGTERM or SIGINT.

    Args:
        app: The application.
        request_seconds: Seconds a client may take to send a request.
        started: Awaited beside the serving, once connections are answered; cancelled when it ends.
    """

    def __init__(self, app: Any, *, request_seconds: float, started: Callable[[], Awaitable[None]]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=GuardedConnection.within(request_seconds),
                ws="none",
                loop="uvloop",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                date_header=False,
                proxy_headers=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=GRACE_SECONDS,
                limit_concurrency=CONNECTIONS,
            )
        )
        self._after_start = started
        #: What ended ``started``, and with it the serving.
        self.fault: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    def serve_on(self, listener: socket.socket) -> None:
        """Serve on a bound socket; returns after the last answer."""
        self.run(sockets=[listener])

    def stop(self) -> None:
        """End serving; may be called from any thread, and again."""
        self.should_exit = True
        if self._loop is not None and self._stopped is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopped.set)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End serving on a signal. It is not raised again afterwards: what we hold is closed in order first."""
        self.stop()

    async def main_loop(self) -> None:
        """Wait for the end without waking up in between."""
        self._loop = asyncio.get_running_loop()
        self._stopped = asyncio.Event()
        beside = asyncio.ensure_future(self._after_start())
        beside.add_done_callback(self._note_fault)
        if not self.should_exit:
            await self._stopped.wait()
        beside.cancel()
        await asyncio.wait([beside])

    def _note_fault(self, beside: asyncio.Future[None]) -> None:
        if not beside.cancelled() and beside.exception() is not None:
            self.fault = beside.exception()
            self.stop()
