"""The server's loop: the main thread does everything, and a second one helps out while it predicts for long.

The main thread waits for the connections, answers ``/ping`` and predicts *inline*: a request does not change threads, which
costs more than a small prediction, and a model is only ever used by the thread that loaded it. While it predicts, nobody waits
for the connections; when that takes longer than a moment, the helper does, so that ``/ping`` is answered, requests are taken in
and time-outs are told. One prediction runs at a time: models are seldom safe for more, and more processes
(``SAGEMAKER_MODEL_SERVER_WORKERS``) serve better than more threads.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections import deque

from . import messages
from .connections import Connection, Gone
from .messages import Answer, BadRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Callable

    from .messages import Request

#: While a prediction takes longer the helper waits for the connections.
PATIENCE = 0.02
#: Without a request for so many rounds of PATIENCE the helper sleeps until the next one.
_QUIET_ROUNDS = 50
#: How often the helper looks whether it is still needed, and the main thread at the clock at the end.
_LOOK = 0.05
#: At the end, requests that have begun to arrive are awaited for so long.
_ARRIVING = 5.0
#: Signals that end the server when what was begun is answered.
END_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_NOT_READY = "a prediction has taken longer than SAGEMAKER_MODEL_SERVER_TIMEOUT and goes on"


class Server:
    """Answers the requests of one listening socket.

    Args:
        listener: The socket, listening and not blocking.
        answer: Makes the answer to an invocation; it never raises.
        timeout: Most seconds of a prediction; 0 for no limit.
        most: Longest body in bytes.
    """

    def __init__(
        self, listener: socket.socket, answer: Callable[[Request], Answer], *, timeout: float, most: int
    ) -> None:
        self._listener = listener
        self._answer = answer
        self._timeout = timeout
        self._most = most
        self._poller = select.epoll()
        self._poller.register(listener.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE)
        self._wake_reader, self.wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self.wake_writer, False)
        self._poller.register(self._wake_reader, select.EPOLLIN)
        self._nudge_reader, self._nudge_writer = os.pipe()
        os.set_blocking(self._nudge_reader, False)
        os.set_blocking(self._nudge_writer, False)
        self._poller.register(self._nudge_reader, select.EPOLLIN)
        self._connections: dict[int, Connection] = {}
        self._lock = threading.Lock()
        self._pending: deque[Connection] = deque()
        self._lane: Connection | None = None
        self._lane_since = 0.0
        self._count = 0
        self._sleeping = False
        self._alarm = threading.Event()
        self._draining_since: float | None = None
        self._over = False
        self._main = threading.get_ident()

    def run(self) -> None:
        """Serve until the number of an end signal arrives on ``wake_writer`` and what was begun is answered."""
        threading.Thread(target=self._help, daemon=True, name="pegbox-helper").start()
        while not self._over:
            self._take_events(_LOOK if self._draining_since is not None else -1, helping=False)
            self._predict_all()

    def _help(self) -> None:
        quiet, seen = 0, -1
        while not self._over:
            time.sleep(PATIENCE)
            while self._lane is not None and time.monotonic() - self._lane_since >= PATIENCE:
                quiet = 0
                self._take_events(_LOOK, helping=True)
                self._look_at_the_clock()
            with self._lock:
                quiet = quiet + 1 if self._count == seen else 0
                seen = self._count
                if quiet >= _QUIET_ROUNDS:
                    self._alarm.clear()
                    self._sleeping = True
            if self._sleeping:
                self._alarm.wait()
                quiet = 0

    # Predictions.

    def _predict_all(self) -> None:
        """Answer what waits, one after another."""
        while True:
            with self._lock:
                if not self._pending:
                    return
                connection = self._lane = self._pending.popleft()
                self._lane_since = connection.started = time.monotonic()
                self._count += 1
                if self._sleeping:
                    self._sleeping = False
                    self._alarm.set()
            try:
                self._predict(connection)
            finally:
                with self._lock:
                    self._lane = None

    def _predict(self, connection: Connection) -> None:
        request = connection.request
        assert request is not None
        answer = self._answer(request)
        with self._lock:
            if connection.abandoned:
                return
            connection.answering = True
        if isinstance(answer.body, bytes):
            self._reply(connection, answer)
        else:
            self._stream(connection, answer)

    def _reply(self, connection: Connection, answer: Answer) -> None:
        if self._send(connection, answer):
            self._advance(connection)

    def _send(self, connection: Connection, answer: Answer) -> bool:
        """Send an answer; return whether the connection's next request can be taken now."""
        request = connection.request
        keep_alive = request is not None and request.keep_alive and self._draining_since is None
        connection.closing = connection.closing or not keep_alive
        try:
            sent = connection.send(answer.encode(not connection.closing))
        except Gone:
            self._close(connection)
            return False
        if not sent:
            self._watch(connection, select.EPOLLOUT)
        return sent and self._is_open(connection)

    def _stream(self, connection: Connection, answer: Answer) -> None:
        request = connection.request
        assert request is not None
        connection.closing = not request.keep_alive or self._draining_since is not None

        def tick() -> None:
            self._lane_since = connection.started = time.monotonic()

        try:
            connection.stream(answer, self._timeout or 60.0, tick)
        except Gone:
            self._close(connection)
        except (
            BaseException
        ) as error:  # The status is sent already: only an end without the last chunk can tell.
            print(f"the answer broke off: {type(error).__name__}: {error}", flush=True)
            self._close(connection)
        else:
            if self._is_open(connection):
                self._advance(connection)

    # Connections; each is touched by one thread at a time, which owns it.

    def _is_open(self, connection: Connection) -> bool:
        """The answer is sent: close the connection if it was the last, else get ready for the next request."""
        connection.request = None
        connection.answering = False
        if connection.closing:
            self._close(connection)
        return not connection.closing

    def _advance(self, connection: Connection) -> None:
        """Handle the requests that have arrived whole, then wait for more."""
        while True:
            try:
                request = connection.reader.next()
                if request is None:
                    if connection.reader.wants_continue() and not connection.send(messages.CONTINUE):
                        raise Gone
                    break
            except BadRequest as bad:
                connection.closing = True
                self._send(connection, Answer.text(bad.status, str(bad)))
                return
            except Gone:
                self._close(connection)
                return
            connection.request = request
            if request.path == "/invocations" and request.method == "POST":
                self._enqueue(connection)
                return
            if not self._send(connection, self._aside(request)):
                return
        if self._draining_since is not None and connection.reader.empty:
            self._close(connection)
        else:
            self._watch(connection, select.EPOLLIN)

    def _enqueue(self, connection: Connection) -> None:
        connection.started = time.monotonic()
        with self._lock:
            self._pending.append(connection)
            main_waits = self._lane is None and threading.get_ident() != self._main
        if main_waits:
            self._nudge()

    def _nudge(self) -> None:
        """Have the main thread look at what waits."""
        try:
            os.write(self._nudge_writer, b".")
        except BlockingIOError:
            return

    def _aside(self, request: Request) -> Answer:
        if request.path == "/ping":
            if request.method not in ("GET", "HEAD"):
                return Answer.text(405, "/ping takes GET")
            lane, since = self._lane, self._lane_since
            stuck = bool(self._timeout) and lane is not None and time.monotonic() - since > self._timeout
            return Answer.text(503, _NOT_READY) if stuck else messages.PONG
        if request.path == "/invocations":
            return Answer.text(405, "/invocations takes POST")
        return Answer.text(404, "there are /ping and /invocations")

    def _watch(self, connection: Connection, mask: int) -> None:
        """Have the poller tell when a connection can be read or written, and let go of it."""
        with self._lock:
            changed = connection.flushing != (mask == select.EPOLLOUT)
            connection.flushing = mask == select.EPOLLOUT
            connection.owned = False
            if connection.detached:
                connection.detached = False
                self._poller.register(connection.number, mask)
            elif changed:
                self._poller.modify(connection.number, mask)

    def _close(self, connection: Connection) -> None:
        with self._lock:
            if self._connections.get(connection.number) is connection:
                del self._connections[connection.number]
                if not connection.detached:
                    self._poller.unregister(connection.number)
            connection.close()

    # Whoever waits for the connections.

    def _take_events(self, seconds: float, *, helping: bool) -> None:
        for number, _mask in self._poller.poll(seconds):
            if number == self._nudge_reader:
                if not helping:
                    os.read(self._nudge_reader, 4096)
            elif number == self._wake_reader:
                self._woken()
            elif number == self._listener.fileno():
                self._accept()
            else:
                connection = self._connections.get(number)
                if connection is not None:
                    self._ready(connection)
        if self._draining_since is not None:
            self._drain(time.monotonic())

    def _ready(self, connection: Connection) -> None:
        with self._lock:
            if self._connections.get(connection.number) is not connection:
                return
            if connection.owned:
                # Its client sends ahead or went away: that is looked at when the answer is there.
                if not connection.detached:
                    connection.detached = True
                    self._poller.unregister(connection.number)
                return
            connection.owned = True
        if connection.flushing:
            self._flush(connection)
        elif connection.receive():
            self._advance(connection)
        else:
            self._close(connection)

    def _flush(self, connection: Connection) -> None:
        try:
            done = connection.flush()
        except Gone:
            self._close(connection)
            return
        if not done:
            self._watch(connection, select.EPOLLOUT)
        elif self._is_open(connection):
            self._advance(connection)

    def _accept(self) -> None:
        try:
            channel, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError as error:
            # No descriptors left: a moment's rest, the kernel keeps the clients waiting.
            print(f"a connection cannot be taken: {error}", flush=True)
            time.sleep(0.05)
            return
        channel.setblocking(False)
        connection = Connection(channel, self._most)
        self._connections[connection.number] = connection
        self._poller.register(connection.number, select.EPOLLIN)

    def _look_at_the_clock(self) -> None:
        """Tell clients whose prediction takes too long, or that wait for it in vain."""
        if not self._timeout:
            return
        now = time.monotonic()
        late: list[Connection] = []
        with self._lock:
            lane = self._lane
            if lane is not None and now - self._lane_since > self._timeout and not lane.abandoned:
                lane.abandoned = True
                late.append(lane)
            while self._pending and now - self._pending[0].started > self._timeout:
                late.append(self._pending.popleft())
        for connection in late:
            if connection.answering:
                # An answer that has begun can only be broken off.
                self._close(connection)
            else:
                connection.closing = True
                text = f"no prediction within {self._timeout:g} s (SAGEMAKER_MODEL_SERVER_TIMEOUT)"
                self._send(connection, Answer.text(500, text))

    # The end.

    def _woken(self) -> None:
        try:
            signals = os.read(self._wake_reader, 4096)
        except BlockingIOError:
            return
        if not any(number in signals for number in END_SIGNALS):
            return
        with self._lock:
            if self._draining_since is None:
                self._draining_since = time.monotonic()
                self._poller.unregister(self._listener.fileno())
                self._listener.close()

    def _drain(self, now: float) -> None:
        assert self._draining_since is not None
        patient = now - self._draining_since < _ARRIVING
        for connection in list(self._connections.values()):
            with self._lock:
                idle = not connection.owned and not connection.flushing
            if idle and (connection.reader.empty or not patient):
                self._close(connection)
        if self._connections or self._pending:
            return
        if self._lane is not None and self._lane.abandoned:
            # Its client was told; the prediction itself cannot be interrupted.
            os._exit(1)
        if self._lane is None:
            self._over = True
            self._alarm.set()
            self._nudge()
