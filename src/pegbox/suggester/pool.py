"""The server's side: a few warm processes, one request of a job at a time, and random values where numerics fail."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.suggester.process import Fault, Process, ProcessPolicy

_log = logging.getLogger("pegbox.suggester")

Done = Callable[[SuggestAnswer], None]
#: What is used when the wanted strategy gives no values.
FALLBACK = "Random"
#: Seconds a request waits for a busy pool before a further process is started for it ...
PATIENCE_SECONDS = 0.5
#: ... as long as there are no more than this many of those.
EXTRA_PROCESSES = 4
#: Longest pause between attempts to start a process on a machine that does not let us.
_PAUSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: SuggestRequest
    done: Done
    since: float


class SuggesterPool:
    """Implements the ``Suggester`` port over processes. Methods may be called from any thread and never block on numerics.

    A job has one request computed at a time, so no job can take all processes. While all processes are busy with others, a
    waiting request gets a further one after a short time, which ends with it. A process ends after a time without work.

    Args:
        processes: How many processes are kept.
        idle_seconds: Seconds without work after which a kept process ends.
        policy: How each is run.
    """

    def __init__(
        self, *, processes: int = 2, idle_seconds: float = 60.0, policy: ProcessPolicy | None = None
    ) -> None:
        self._limit = processes
        self._idle_seconds = idle_seconds
        self._policy = policy or ProcessPolicy()
        self._lock = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._busy_jobs: set[int] = set()
        self._workers: list[_Worker] = []
        self._timer: threading.Timer | None = None
        self._closed = False

    def request(self, request: SuggestRequest, done: Done) -> None:
        """Start a computation; ``done`` is called once, from another thread, never with nothing."""
        with self._lock:
            if self._closed:
                raise RuntimeError("the suggester is closed")
            self._waiting.append(_Waiting(request, done, time.monotonic()))
            self._dispatch()

    def forget(self, job_id: int) -> None:
        """The job ended. Processes forget the least recent jobs by themselves, so there is nothing to do at once."""

    def processes(self) -> list[int]:
        """Return the ids of the processes that run now."""
        with self._lock:
            return [pid for worker in self._workers if (pid := worker.process.pid) is not None]

    def close(self) -> None:
        """End all computations; requests under way are never answered."""
        with self._lock:
            self._closed = True
            self._waiting.clear()
            workers = list(self._workers)
            if self._timer is not None:
                self._timer.cancel()
        for worker in workers:
            worker.inbox.put(None)
            worker.process.interrupt()
        for worker in workers:
            worker.thread.join(10.0)

    def _dispatch(self) -> None:
        """Hand waiting requests to free processes; the lock is held."""
        left: deque[_Waiting] = deque()
        overdue = False
        for item in self._waiting:
            if item.request.job_id in self._busy_jobs:
                left.append(item)
                continue
            worker = self._free_worker(item)
            if worker is None:
                left.append(item)
                overdue = True
                continue
            self._busy_jobs.add(item.request.job_id)
            worker.idle = False
            worker.inbox.put(item)
        self._waiting = left
        if overdue and self._timer is None:
            self._timer = threading.Timer(PATIENCE_SECONDS, self._out_of_patience)
            self._timer.daemon = True
            self._timer.start()

    def _free_worker(self, item: _Waiting) -> _Worker | None:
        free = [worker for worker in self._workers if worker.idle]
        if free:
            return max(free, key=lambda worker: worker.last_job == item.request.job_id)
        waited = time.monotonic() - item.since >= PATIENCE_SECONDS * 0.9
        allowed = self._limit + (EXTRA_PROCESSES if waited else 0)
        if len(self._workers) >= allowed:
            return None
        worker = _Worker(self, extra=len(self._workers) >= self._limit)
        self._workers.append(worker)
        worker.thread.start()
        return worker

    def _out_of_patience(self) -> None:
        with self._lock:
            self._timer = None
            if not self._closed:
                self._dispatch()

    def _serve(self, worker: _Worker) -> None:
        """Work of a worker's thread."""
        try:
            while True:
                try:
                    item = worker.inbox.get(timeout=self._idle_seconds)
                except queue.Empty:
                    item = None
                with self._lock:
                    if item is None and not self._closed and not worker.inbox.empty():
                        continue
                    if item is None or self._closed:
                        self._workers.remove(worker)
                        return
                self._answer(worker, item)
                with self._lock:
                    self._busy_jobs.discard(item.request.job_id)
                    worker.last_job = item.request.job_id
                    worker.idle = not worker.extra
                    if worker.extra:
                        self._workers.remove(worker)
                    self._dispatch()
                if worker.extra:
                    return
        finally:
            worker.process.end()

    def _answer(self, worker: _Worker, item: _Waiting) -> None:
        request, fault, pause = item.request, None, 0.05
        while not self._is_closed():
            try:
                answer = worker.process.ask(request)
            except Fault as error:
                if self._is_closed():
                    return
                _log.warning("job %d, strategy %s: %s", request.job_id, request.strategy, error)
                if fault is None:
                    fault = f"{request.strategy}: {error}; random values are used instead"
                    # Random looks at neither; whatever is wrong with them cannot prevent it.
                    request = replace(request, strategy=FALLBACK, history=(), pending=())
                else:
                    time.sleep(pause)
                    pause = min(pause * 2, _PAUSE_SECONDS)
                continue
            self._tell(item, answer, fault)
            return

    def _is_closed(self) -> bool:
        return self._closed

    def _tell(self, item: _Waiting, answer: dict[str, Any], fault: str | None) -> None:
        try:
            item.done(
                SuggestAnswer(suggestions=answer["suggestions"], numerics=answer["numerics"], fault=fault)
            )
        except Exception:
            _log.exception("job %d: the answer could not be delivered", item.request.job_id)


class _Worker:
    """A thread with its process."""

    def __init__(self, pool: SuggesterPool, *, extra: bool) -> None:
        self.extra = extra
        self.idle = True
        self.last_job: int | None = None
        self.inbox: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self.process = Process(pool._policy)
        self.thread = threading.Thread(target=pool._serve, args=(self,), name="suggester", daemon=True)
