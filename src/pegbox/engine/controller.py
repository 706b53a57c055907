"""The shell around the pure rooms: one thread, one transaction per step, effects only after its commit.

A step takes what has arrived (commands, reports, suggestions), applies each under a savepoint so that one bad item spoils nothing
else, plans every tuning job that was touched, commits, and then carries out the effects. Many items share one commit: that is the
group commit. A step is a function of what arrived, the store, the clock and the picture; :meth:`Controller.step` runs one, and
:meth:`Controller.run` runs them until closed.
"""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from typing import Any

from pegbox.engine.active import Picture
from pegbox.engine.effects import (
    Acknowledge,
    AskSuggester,
    DeleteInstanceLogs,
    DeleteLogs,
    DiscardAttempt,
    Effect,
    Fence,
    ForgetTuning,
    LaunchAttempt,
    PublishRoutes,
    Resolve,
    StopAttempt,
)
from pegbox.engine.faultpoints import faultpoint
from pegbox.engine.handlers import Command, carry_out
from pegbox.engine.hosting.carrying import publish, reconcile, take_drained
from pegbox.engine.hosting.unrouted import NoRoutes
from pegbox.engine.parts import Parts, Work
from pegbox.engine.planning import plan_tuning, take_answer
from pegbox.engine.recovery import load_picture, resume_all
from pegbox.engine.reports import stop_overdue, take_report
from pegbox.errors import ApiError, InternalFailure, ServiceUnavailable, StoreError, StoreFull
from pegbox.ports.executor import Executor, Report
from pegbox.ports.logs import LogReader
from pegbox.ports.routes import Drained, Routes
from pegbox.ports.suggester import SuggestAnswer, Suggester

_log = logging.getLogger(__name__)
#: Seconds until a step that the store refused is tried again.
RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """Suggestions that were computed."""

    tuning_id: int
    ask_id: int
    answer: SuggestAnswer


@dataclass(frozen=True, slots=True)
class Nudge:
    """Wakes the thread; nothing else."""


Item = Command | Report | Drained | Answer | Nudge


class Controller:
    """Runs steps. Everything but :meth:`post`, :meth:`report`, :meth:`drained` and :meth:`close` belongs to one thread."""

    def __init__(
        self,
        parts: Parts,
        executor: Executor,
        suggester: Suggester,
        logs: LogReader,
        *,
        serving_logs: LogReader | None = None,
        routes: Routes | None = None,
    ) -> None:
        self._parts = parts
        self._executor = executor
        self._suggester = suggester
        self._logs = logs
        self._serving_logs = serving_logs
        self._routes = routes or NoRoutes()
        self._inbox: queue.SimpleQueue[Item] = queue.SimpleQueue()
        self._again: list[Item] = []
        self._picture: Picture | None = None
        self._recovered = False
        self._retry_at: float | None = None
        #: Tuning jobs whose planning met a fault of ours, and when to try again.
        self._sick: dict[int, float] = {}
        #: The same of endpoints.
        self._sick_endpoints: dict[int, float] = {}
        #: Each item gets a savepoint of its own: something failed just now.
        self._careful = False
        self._closed = False
        #: Monotonic time of the last step that took something.
        self.last_item_at = parts.clock.monotonic()

    @property
    def picture(self) -> Picture:
        """Active jobs; for the controller's own thread and for tests."""
        return self._picture if self._picture is not None else Picture()

    def post(self, command: Command) -> Future[Any]:
        """Hand in a command; its future is done after the commit."""
        if self._closed:
            command.future.set_exception(ServiceUnavailable("The server is stopping; try again."))
        else:
            self._inbox.put(command)
        return command.future

    def report(self, report: Report) -> None:
        """Hand in a report; the executor's sink."""
        self._inbox.put(report)

    def drained(self, drained: Drained) -> None:
        """Hand in what the gateway says of instances that left the routes; the routes' sink."""
        self._inbox.put(drained)

    def waiting(self) -> bool:
        """Return whether something has arrived that no step has taken yet."""
        return bool(self._again) or not self._inbox.empty()

    def idle(self) -> bool:
        """Return whether no job is active, no endpoint lives and nothing waits."""
        picture = self._picture
        if picture is None or picture.tunings or picture.trainings or picture.hosting.busy():
            return False
        return not self.waiting()

    def not_improving(self, tuning_id: int) -> int | None:
        """Return an active tuning job's count of finished trials since the last improvement, or None."""
        tuning = self.picture.tunings.get(tuning_id)
        return tuning.progress.since if tuning is not None else None

    def run(self) -> None:
        """Run steps until closed."""
        wake: float | None = 0.0
        while not self._closed:
            timeout = None if wake is None else max(0.0, wake - self._parts.clock.monotonic())
            try:
                if timeout != 0.0:
                    self._again.append(self._inbox.get(timeout=timeout))
            except queue.Empty:
                pass
            wake = self.step()
        self._refuse_rest()

    def close(self) -> None:
        """End :meth:`run` after its current step; commands that still wait are refused."""
        self._closed = True
        self._inbox.put(Nudge())

    def step(self) -> float | None:
        """Take what has arrived, commit, act; return the monotonic time of the next step that is due without arrivals."""
        parts = self._parts
        time = parts.clock.monotonic()
        if self._retry_at is not None and time < self._retry_at:
            return self._retry_at
        items = self._drain()
        if items:
            self.last_item_at = time
        try:
            effects = self._attempt(items, time)
        except Exception as problem:
            self._postpone(items, problem, time)
            return self._retry_at
        self._retry_at = None
        for effect in effects:
            self._perform(effect)
        if self.waiting():
            return time
        wakes = [*self._sick.values(), *self._sick_endpoints.values()]
        wake = self.picture.next_wake()
        return min([*wakes, wake] if wake is not None else wakes, default=None)

    def _drain(self) -> list[Item]:
        items, self._again = self._again, []
        try:
            while len(items) < self._parts.policy.batch:
                items.append(self._inbox.get_nowait())
        except queue.Empty:
            pass
        return items

    def _attempt(self, items: list[Item], time: float) -> list[Effect]:
        """Run the transaction; if something in it fails, once more with a savepoint around each item."""
        try:
            return self._transact(items, time)
        except StoreFull:
            raise
        except Exception:
            _log.exception("a step failed; its items are applied again one by one")
        self._picture = None
        self._careful = True
        try:
            return self._transact(items, time)
        finally:
            self._careful = False

    def _transact(self, items: list[Item], time: float) -> list[Effect]:
        parts = self._parts
        with ExitStack() as stack:
            work = Work(
                store=parts.store,
                now=parts.clock.now(),
                time=time,
                stack=stack,
                before_commit=lambda: faultpoint("before-commit"),
            )
            picture = self._loaded(work)
            for item in items:
                picture = self._take(picture, work, item)
            stop_overdue(parts, picture, work)
            due = {t.job.id for t in picture.tunings.values() if t.wake is not None and t.wake <= time}
            due |= {tuning_id for tuning_id, at in self._sick.items() if at <= time}
            for tuning_id in sorted(work.dirty | due | self._recovering(work, picture)):
                picture = self._plan(picture, work, tuning_id)
            picture = self._host(picture, work)
        if work.writes:
            faultpoint("after-commit")
        self._recovered = True
        return work.effects

    def _loaded(self, work: Work) -> Picture:
        if self._picture is None:
            self._picture = load_picture(self._parts, self._parts.store.reader, work)
            self._look_at_all(work, self._picture)
        return self._picture

    def _look_at_all(self, work: Work, picture: Picture) -> None:
        work.dirty.update(picture.tunings)
        work.hosted.update(picture.hosting.endpoints)

    def _recovering(self, work: Work, picture: Picture) -> set[int]:
        if self._recovered:
            return set()
        resume_all(self._parts, picture, work)
        return work.dirty

    def _take(self, picture: Picture, work: Work, item: Item) -> Picture:
        """Apply one item; whatever goes wrong is its own matter."""
        if isinstance(item, Nudge):
            return picture
        if isinstance(item, Drained):
            take_drained(picture.hosting, work, item)
            return picture
        if isinstance(item, Answer):
            tuning = picture.tunings.get(item.tuning_id)
            if tuning is not None:
                take_answer(tuning, work, item.ask_id, item.answer)
            return picture
        mark = len(work.effects)
        try:
            with self._guarded(work):
                if isinstance(item, Report):
                    take_report(self._parts, picture, work, item)
                else:
                    result = carry_out(self._parts, picture, work, item.action)
                    work.effects.append(Resolve(item.future, result))
        except StoreFull:
            raise
        except Exception as problem:
            # Handlers find what an ApiError says before they write anything.
            if not self._careful and not isinstance(problem, ApiError):
                raise
            del work.effects[mark:]
            if isinstance(item, Command):
                work.effects.append(Resolve(item.future, error=_told(problem)))
            if isinstance(problem, ApiError):
                return picture
            _log.exception("an item could not be applied; the picture of active jobs is rebuilt")
            return self._rebuilt(work)
        return picture

    def _plan(self, picture: Picture, work: Work, tuning_id: int) -> Picture:
        if work.time < self._sick.get(tuning_id, work.time):
            return picture
        self._sick.pop(tuning_id, None)
        active = picture.tunings.get(tuning_id)
        if active is None:
            return picture
        mark = len(work.effects)
        try:
            with self._guarded(work):
                plan_tuning(self._parts, picture, work, active)
        except StoreFull:
            raise
        except Exception:
            if not self._careful:
                raise
            self._sick[tuning_id] = work.time + 5 * RETRY_SECONDS
            _log.exception("tuning job %s could not be planned; tried again later", active.job.name)
            del work.effects[mark:]
            return self._rebuilt(work)
        return picture

    def _host(self, picture: Picture, work: Work) -> Picture:
        """Reconcile the endpoints that were touched or are due, and let the gateway have the routes that come of it."""
        time, endpoints = work.time, picture.hosting.endpoints
        due = {
            row_id for row_id, active in endpoints.items() if active.wake is not None and active.wake <= time
        }
        due |= {row_id for row_id, at in self._sick_endpoints.items() if at <= time}
        for row_id in sorted(work.hosted | due):
            active = picture.hosting.endpoints.get(row_id)
            if time < self._sick_endpoints.get(row_id, time) or active is None:
                continue
            self._sick_endpoints.pop(row_id, None)
            mark = len(work.effects)
            try:
                with self._guarded(work):
                    reconcile(self._parts, picture.hosting, picture.images, work, active)
            except StoreFull:
                raise
            except Exception:
                if not self._careful:
                    raise
                self._sick_endpoints[row_id] = time + 5 * RETRY_SECONDS
                _log.exception("endpoint %s could not be looked after; tried again later", active.record.name)
                del work.effects[mark:]
                picture = self._rebuilt(work)
        if work.rerouted:
            self._publish_routes(picture, work)
        return picture

    def _publish_routes(self, picture: Picture, work: Work) -> None:
        try:
            with self._guarded(work):
                publish(self._parts, picture.hosting, work)
        except StoreFull:
            raise
        except Exception:
            if not self._careful:
                raise
            # The gateway goes on with the routes it has; all else must go on, too.
            _log.exception("the routes could not be published")

    def _guarded(self, work: Work) -> AbstractContextManager[None]:
        return work.tx.savepoint() if self._careful else nullcontext()

    def _rebuilt(self, work: Work) -> Picture:
        self._picture = load_picture(self._parts, work.tx, work)
        self._look_at_all(work, self._picture)
        return self._picture

    def _postpone(self, items: list[Item], problem: Exception, time: float) -> None:
        """The step failed and nothing was written. Commands are told, reports are tried again."""
        _log.error(
            "a step failed, nothing was written: %s", problem, exc_info=not isinstance(problem, StoreError)
        )
        self._picture = None
        self._retry_at = time + RETRY_SECONDS
        for item in items:
            if isinstance(item, Command):
                _resolve(Resolve(item.future, error=_told(problem)))
            elif isinstance(item, Report | Drained):
                self._again.append(item)

    def _refuse_rest(self) -> None:
        for item in self._drain():
            if isinstance(item, Command):
                _resolve(Resolve(item.future, error=ServiceUnavailable("The server is stopping; try again.")))

    def _perform(self, effect: Effect) -> None:
        try:
            _PERFORM[type(effect)](self, effect)
        except Exception:
            _log.exception("an effect failed: %s", type(effect).__name__)

    def _launch(self, effect: LaunchAttempt) -> None:
        faultpoint("before-launch")
        if effect.resume:
            self._executor.resume(effect.order)
        else:
            self._executor.launch(effect.order)
        faultpoint("after-launch")

    def _stop(self, effect: StopAttempt) -> None:
        grace = self._parts.policy.grace_seconds if effect.grace_seconds is None else effect.grace_seconds
        self._executor.stop(effect.attempt_id, effect.reason, grace)

    def _discard(self, effect: DiscardAttempt) -> None:
        self._executor.discard(effect.attempt_id)

    def _acknowledge(self, effect: Acknowledge) -> None:
        faultpoint("before-acknowledge")
        effect.report.acknowledge(effect.up_to)
        faultpoint("after-acknowledge")

    def _fence(self, effect: Fence) -> None:
        effect.report.fence()

    def _ask(self, effect: AskSuggester) -> None:
        def done(answer: SuggestAnswer) -> None:
            self._inbox.put(Answer(effect.tuning_id, effect.ask_id, answer))

        self._suggester.request(effect.request, done)

    def _forget(self, effect: ForgetTuning) -> None:
        self._suggester.forget(effect.tuning_id)

    def _delete_logs(self, effect: DeleteLogs) -> None:
        self._logs.delete(effect.training_job_id)

    def _delete_instance_logs(self, effect: DeleteInstanceLogs) -> None:
        if self._serving_logs is not None:
            self._serving_logs.delete(effect.endpoint_id, effect.instance_id)

    def _publish(self, effect: PublishRoutes) -> None:
        faultpoint("before-routes")
        self._routes.publish(effect.snapshot)
        faultpoint("after-routes")

    def _answer(self, effect: Resolve) -> None:
        faultpoint("before-resolve")
        _resolve(effect)


def _resolve(effect: Resolve) -> None:
    if effect.future.set_running_or_notify_cancel():
        if effect.error is not None:
            effect.future.set_exception(effect.error)
        else:
            effect.future.set_result(effect.result)


def _told(problem: Exception) -> ApiError:
    """Return what the client is told of a problem."""
    if isinstance(problem, ApiError):
        return problem
    if isinstance(problem, StoreError):
        return ServiceUnavailable(f"The server's store cannot be written, nothing was changed: {problem}")
    return InternalFailure(
        "The request failed by a fault of the server; its log says more. Nothing was changed."
    )


_PERFORM: dict[type[Any], Callable[[Controller, Any], None]] = {
    LaunchAttempt: Controller._launch,
    StopAttempt: Controller._stop,
    DiscardAttempt: Controller._discard,
    Acknowledge: Controller._acknowledge,
    Fence: Controller._fence,
    AskSuggester: Controller._ask,
    ForgetTuning: Controller._forget,
    DeleteLogs: Controller._delete_logs,
    DeleteInstanceLogs: Controller._delete_instance_logs,
    PublishRoutes: Controller._publish,
    Resolve: Controller._answer,
}
