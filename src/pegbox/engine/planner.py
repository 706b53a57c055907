"""What to do next for one tuning job: a snapshot in, instructions out.

Pure: no I/O, no clock, nothing kept. The controller carries instructions out, updates its snapshot and asks again until
nothing is left to do, so that each instruction is decided on what really is.

Suggestions are made for a trial number, in order: the suggestion for trial n is computed when trials 1..n-1 have their
values. One computed *ahead*, while no slot was free, may be *stale* when a slot frees: trials have finished since. Then a
fresh one is asked for and waited for within the job's patience; after that the stale one is used. Strategies that do not look
at results are never stale.

A job with several definitions has a *line* for each: its own trial numbers, suggestions and results. Whose turn it is was decided
before (:mod:`pegbox.engine.allocation`); for the free slots of one moment the suggestions are asked for together, and trials are
launched in the order of the turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pegbox.domain.statuses import StopReason, TrainingStatus, TuningStatus
from pegbox.stopping import Progress, convergence_reached, not_improving, target_reached


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """What a tuning job's request says about its end and its pace."""

    strategy: str
    #: MaxNumberOfTrainingJobs, or None.
    budget: int | None
    parallel: int
    #: Number of tuned parameters, of all definitions together.
    dimension: int
    #: The objective metric, or those of all definitions.
    objective: str = ""
    target: float | None = None
    patience: int | None = None
    stop_on_convergence: bool = False
    #: Finished trials, all failed, after which the job fails.
    breaker: int = 5
    compute_ahead: bool = True

    @property
    def blind(self) -> bool:
        """Whether suggestions do not depend on results."""
        return self.strategy in ("Random", "Grid", "Hyperband")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Finished trials of a tuning job, counted."""

    finished: int = 0
    failed: int = 0
    #: Failed ones before the first that did not fail, in completion order.
    leading_failures: int = 0
    #: Completed trials that never emitted the objective.
    silent: int = 0
    #: Trials that emitted the objective, finite or not.
    emitted: int = 0

    def seen(self, status: TrainingStatus, *, emitted: bool) -> Tally:
        """Return the tally after one more finished trial."""
        failed = status is TrainingStatus.FAILED
        return Tally(
            finished=self.finished + 1,
            failed=self.failed + failed,
            leading_failures=self.leading_failures + (failed and self.leading_failures == self.finished),
            silent=self.silent + (status is TrainingStatus.COMPLETED and not emitted),
            emitted=self.emitted + emitted,
        )


@dataclass(frozen=True, slots=True)
class Ready:
    """A suggestion at hand, for a trial number within its definition."""

    number: int
    #: Finished trials of its definition it knew of.
    observed: int
    #: It was asked for while no slot was free.
    ahead: bool


@dataclass(frozen=True, slots=True)
class Asked:
    """Suggestions being computed, for trials ``number .. number + count - 1`` of their definition."""

    number: int
    count: int
    observed: int
    ahead: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The search within one definition as it is now."""

    #: Trials launched so far; the next one's number within the definition follows.
    launched: int = 0
    tally: Tally = Tally()
    ready: Sequence[Ready] = ()
    asked: Sequence[Asked] = ()
    #: Combinations of a finite space that were not launched yet, or None.
    room: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A tuning job as it is now. Times are monotonic seconds."""

    status: TuningStatus
    #: A reason to end was recorded; running trials drain.
    closing: bool
    launched: int
    #: Trials that are not terminal.
    live: int
    #: Live trials that were not told to stop yet.
    running: int
    tally: Tally
    progress: Progress
    #: One for each definition.
    lines: Sequence[Line]
    #: Places of the definitions whose turn it is, the next trial's first; empty with a single one.
    turns: Sequence[int] = ()
    #: Since when a free slot has waited for a suggestion, or None.
    waiting_since: float | None = None
    #: Longest such wait in seconds.
    patience: float = 0.0
    #: When MaxRuntimeInSeconds is over, or None.
    deadline: float | None = None
    #: Stopping lasts at least until then.
    hold_until: float = 0.0
    #: Whether convergence was already noted.
    converged: bool = False
    #: What the last failed trial and the last silent one said.
    last_failure: str = ""
    last_silence: str = ""


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the trial of this number within its definition with the suggestion at hand."""

    number: int
    #: Place of the definition.
    line: int = 0


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask for ``count`` suggestions, the first for trial ``number`` within its definition."""

    number: int
    count: int
    ahead: bool
    #: Place of the definition.
    line: int = 0


@dataclass(frozen=True, slots=True)
class StopTrials:
    """Stop all running trials."""

    reason: StopReason


@dataclass(frozen=True, slots=True)
class NoteConvergence:
    """Record that the search has converged."""


@dataclass(frozen=True, slots=True)
class Close:
    """Record why the search ends; launch nothing more."""

    completed: str | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Finish:
    """No trial is left: move to the terminal status."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A free slot waits for a fresh suggestion; look again at this time at the latest."""

    until: float


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Look again at this time at the latest."""

    at: float


#: Suggestions that strategies which do not look at results compute ahead, at least: one question serves many trials.
BLIND_BATCH = 8

Instruction = Launch | Ask | StopTrials | NoteConvergence | Close | Finish | Wait | WakeAt


def plan(goals: Goals, now: Snapshot, time: float) -> tuple[Instruction, ...]:
    """Return what to do next; the controller does it and asks again until only waits are left.

    Args:
        goals: What the request says.
        now: The job as it is.
        time: Monotonic seconds.
    """
    if now.status.terminal:
        return ()
    if now.status is TuningStatus.STOPPING:
        return _drain(now, time, stop=True)
    if now.closing:
        return _drain(now, time, stop=_overdue(now, time))
    if _overdue(now, time):
        return (Close(completed="MaxRuntimeInSeconds of the tuning job is over"),)
    verdict = _verdict(goals, now)
    if verdict is not None:
        return (verdict,)
    if not now.converged and convergence_reached(now.progress, goals.dimension).stop:
        return (NoteConvergence(),)
    wake = (WakeAt(now.deadline),) if now.deadline is not None else ()
    return _next_trials(goals, now, time) + wake


def _overdue(now: Snapshot, time: float) -> bool:
    return now.deadline is not None and time >= now.deadline


def _drain(now: Snapshot, time: float, *, stop: bool) -> tuple[Instruction, ...]:
    if stop and now.running:
        return (StopTrials(StopReason.STOPPED),)
    wake = now.deadline if now.deadline is not None and not stop else None
    if now.live:
        return (WakeAt(wake),) if wake is not None else ()
    if now.status is TuningStatus.STOPPING and time < now.hold_until:
        return (WakeAt(now.hold_until),)
    return (Finish(),)


def _verdict(goals: Goals, now: Snapshot) -> Close | None:
    tally = now.tally
    if _all_began_with_failures(goals, now):
        count = goals.breaker if len(now.lines) == 1 else tally.finished
        return Close(failed=_all_failed(count, now.last_failure))
    tried = all(line.tally.finished for line in now.lines)
    if not tally.emitted and tally.silent >= goals.breaker and tried:
        return Close(failed=_all_silent(tally.silent, goals.objective, now.last_silence))
    for decision in (
        target_reached(now.progress, goals.target),
        not_improving(now.progress, goals.patience),
    ):
        if decision.stop:
            return Close(completed=decision.reason)
    if goals.stop_on_convergence:
        decision = convergence_reached(now.progress, goals.dimension)
        if decision.stop and now.converged:
            return Close(completed=f"converged: {decision.reason}")
    if goals.budget is None or now.launched < goals.budget or now.live:
        return None
    if tally.finished and tally.failed == tally.finished:
        return Close(failed=_all_failed(tally.finished, now.last_failure))
    if tally.finished and not tally.emitted and tally.silent:
        return Close(failed=_all_silent(tally.silent, goals.objective, now.last_silence))
    return Close(completed=f"all {goals.budget} training jobs have run")


def _all_began_with_failures(goals: Goals, now: Snapshot) -> bool:
    """Return whether the breaker opens: the first finished trials all failed, of several definitions some of each."""
    if len(now.lines) == 1:
        return now.tally.leading_failures >= goals.breaker
    none_good = all(line.tally.finished and line.tally.failed == line.tally.finished for line in now.lines)
    return none_good and now.tally.finished >= goals.breaker


def _all_failed(count: int, last: str) -> str:
    text = (
        f"No training job succeeded after {count} attempts. Please look at the failures of the training jobs."
    )
    return f"{text} The last one: {last}" if last else text


def _all_silent(count: int, objective: str, last: str) -> str:
    text = (
        f"No training job succeeded after {count} attempts: {count} ended without emitting the objective metric "
        f"{objective!r}. Check that the program prints or reports it and that its regex matches."
    )
    return f"{text} {last}" if last else text


def _next_trials(goals: Goals, now: Snapshot, time: float) -> tuple[Instruction, ...]:
    left = goals.budget - now.launched if goals.budget is not None else goals.parallel + 1
    slots = min(goals.parallel - now.live, left)
    if slots <= 0:
        return _ask_ahead(goals, now, left)
    turns = list(now.turns[:slots]) or [0] * slots
    line, number = now.lines[turns[0]], now.lines[turns[0]].launched + 1
    at_hand = _at_hand(line)
    stale = at_hand is not None and at_hand.ahead and at_hand.observed < line.tally.finished
    if at_hand is not None and (goals.blind or not stale):
        return (Launch(number, turns[0]),)
    asks = [
        Ask(now.lines[place].launched + 1, count, False, place)
        for place, count in Counter(turns).items()
        if _lacks(goals, now.lines[place]) and (place == turns[0] or _at_hand(now.lines[place]) is None)
    ]
    if at_hand is None:
        return tuple(asks)
    since = time if now.waiting_since is None else now.waiting_since
    if time >= since + now.patience:
        return (Launch(number, turns[0]),)
    return (*asks, Wait(since + now.patience))


def _at_hand(line: Line) -> Ready | None:
    """Return the suggestion at hand for a definition's next trial, or None."""
    return next((item for item in line.ready if item.number == line.launched + 1), None)


def _lacks(goals: Goals, line: Line) -> bool:
    """Return whether no answer under way will be of use for a definition's next trial and know all that is known."""
    number, known = line.launched + 1, line.tally.finished
    return not any(
        ask.number <= number < ask.number + ask.count
        and (goals.blind or not ask.ahead or ask.observed >= known)
        for ask in line.asked
    )


def _ask_ahead(goals: Goals, now: Snapshot, left: int) -> tuple[Instruction, ...]:
    place = now.turns[0] if now.turns else 0
    line = now.lines[place]
    if not goals.compute_ahead or left <= 0 or line.asked:
        return ()
    if line.room is not None:
        left = min(left, line.room)
    number = line.launched + 1 + len(line.ready)
    wanted = min(max(BLIND_BATCH, 2 * goals.parallel) if goals.blind else 1, left)
    missing = wanted - len(line.ready)
    # A blind batch is refilled when half of it is used: one request then serves several trials.
    if missing <= 0 or (goals.blind and line.ready and 2 * len(line.ready) > wanted):
        return ()
    return (Ask(number, missing, True, place),)
