"""What must hold whatever happens: the invariants I1 to I10, checked against a store and a simulated machine.

I1 created = terminal + live. I2 counters = list. I3 names are unique. I4 statuses only move forward. I5 what was acknowledged is
there. I6 best = the best of the list. I7 a terminal job has no process. I8 a completed job's model is published with its recorded
hash. I9 never more than MaxParallelTrainingJobs live. I10 a terminal tuning job's record never changes.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pegbox.domain.orders import AttemptOrder
from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.domain.statuses import TRAINING_MOVES, TUNING_MOVES, FailureKind, TrainingStatus, TuningStatus
from pegbox.engine.specs import maximizes
from pegbox.executors.simulated import SimulatedMachine
from pegbox.ports.store import Page, Reader


class InvariantBroken(AssertionError):
    """An invariant does not hold; the message names it and the objects."""


@dataclasses.dataclass(slots=True)
class Watcher:
    """Looks at every committed state in turn and remembers what may not change."""

    machine: SimulatedMachine
    #: Published artifacts: address to hash.
    published: Mapping[str, str]
    checks: int = 0
    #: Names whose creation was answered, and those whose deletion was asked for.
    created: set[str] = dataclasses.field(default_factory=set)
    deleted: set[str] = dataclasses.field(default_factory=set)
    _tuning: dict[int, TuningJob] = dataclasses.field(default_factory=dict)
    _training: dict[int, TrainingJob] = dataclasses.field(default_factory=dict)

    def check(self, reader: Reader) -> None:
        """Check a committed state.

        Raises:
            InvariantBroken: One does not hold.
        """
        self.checks += 1
        tuning_jobs: list[TuningJob] = _all(reader, "list_tuning_jobs")
        training_jobs: list[TrainingJob] = _all(reader, "list_training_jobs")
        self._names(tuning_jobs, training_jobs)
        orders = [attempt.order for attempt in self.machine.running()]
        running = Counter(order.training_job_id for order in orders if isinstance(order, AttemptOrder))
        trials: dict[int, list[TrainingJob]] = {}
        for job in training_jobs:
            if job.tuning_job_id is not None:
                trials.setdefault(job.tuning_job_id, []).append(job)
            self._check_training(reader, job, running[job.id])
        for tuning in tuning_jobs:
            self._check_tuning(reader, tuning, trials.get(tuning.id, []), running)
        _require(not self.machine.started_twice, "P2", f"started twice: {self.machine.started_twice}")
        self._tuning = {job.id: job for job in tuning_jobs}
        self._training = {job.id: job for job in training_jobs}

    def _names(self, tuning_jobs: list[TuningJob], training_jobs: list[TrainingJob]) -> None:
        for jobs in (tuning_jobs, training_jobs):
            keys = [job.name.lower() for job in jobs]
            _require(len(keys) == len(set(keys)), "I3", f"a name occurs twice: {sorted(keys)}")
        there = {job.name for job in tuning_jobs} | {job.name for job in training_jobs}
        lost = self.created - self.deleted - there
        _require(not lost, "I5", f"creation was answered, yet these are gone: {sorted(lost)}")

    def _check_training(self, reader: Reader, job: TrainingJob, running: int) -> None:
        _require(running <= 1, "P2", f"{running} programs of {job.name} run at once")
        if job.status.terminal:
            _require(running == 0, "I7", f"{job.name} is {job.status.value} and its program runs")
        if job.status is TrainingStatus.COMPLETED:
            model = job.artifacts.get("model") or {}
            there = self.published.get(model.get("uri", ""))
            _require(
                there is not None and there == model["sha256"], "I8", f"{job.name}: {model} is not published"
            )
        before = self._training.get(job.id)
        if before is not None:
            moved = _reachable(TRAINING_MOVES, before.status, job.status)
            _require(moved, "I4", f"{job.name} moved from {before.status.value} to {job.status.value}")
            if before.status.terminal:
                same = dataclasses.replace(job, notices=before.notices) == before or _nan(before)
                _require(same, "I4", f"terminal {job.name} changed")
        for attempt in reader.attempts(job.id):
            simulated = self.machine.attempts.get(attempt.id)
            if simulated is not None:
                acknowledged = simulated.acknowledged
                _require(
                    acknowledged <= attempt.reported or attempt.state != "live",
                    "I5",
                    f"{job.name}: {acknowledged} events acknowledged, {attempt.reported} kept",
                )

    def _check_tuning(
        self, reader: Reader, job: TuningJob, trials: list[TrainingJob], running: Mapping[int, int]
    ) -> None:
        name, limits = job.name, job.request["HyperParameterTuningJobConfig"]["ResourceLimits"]
        terminal = [trial for trial in trials if trial.status.terminal]
        live = len(trials) - len(terminal)
        numbers = sorted(trial.number or 0 for trial in trials)
        gone = sum(other.startswith(f"{name}-") for other in self.deleted)
        missing = job.launched - len(trials)
        _require(0 <= missing <= gone, "I1", f"{name}: launched {job.launched}, rows {numbers}")
        _require(
            job.observed == len(terminal) + missing, "I1", f"{name}: {len(terminal)} of {job.observed} ended"
        )
        places = [trial.observed_seq for trial in terminal]
        _require(len(set(places)) == len(places) and None not in places, "I1", f"{name}: places {places}")
        _require(_counters(trials) == dataclasses.asdict(reader.counters(job.id)), "I2", f"{name}: counters")
        parallel = limits["MaxParallelTrainingJobs"]
        programs = sum(running[trial.id] for trial in trials)
        _require(live <= parallel and programs <= parallel, "I9", f"{name}: {live} live, {programs} run")
        budget = limits.get("MaxNumberOfTrainingJobs")
        _require(
            budget is None or job.launched <= budget, "I9", f"{name}: launched {job.launched} of {budget}"
        )
        maximize = maximizes(job.request)
        best = reader.best_trial(job.id, maximize)
        expected = best_of(trials, maximize)
        _require((best and best.id) == (expected and expected.id), "I6", f"{name}: best is not best")
        if job.status.terminal:
            _require(live == 0, "I7", f"{name} is {job.status.value} with {live} live trials")
        before = self._tuning.get(job.id)
        if before is not None:
            moved = _reachable(TUNING_MOVES, before.status, job.status)
            _require(moved, "I4", f"{name} moved from {before.status.value} to {job.status.value}")
            if before.status.terminal:
                _require(job == before, "I10", f"terminal {name} changed")


def best_of(trials: Iterable[TrainingJob], maximize: bool) -> TrainingJob | None:
    """Return the best trial by promise P7, computed from the list alone."""
    finite = [t for t in trials if t.objective is not None and math.isfinite(t.objective)]
    for status in (TrainingStatus.COMPLETED, TrainingStatus.STOPPED):
        found = [t for t in finite if t.status is status]
        if found:
            sign = -1 if maximize else 1
            return min(found, key=lambda t: (sign * (t.objective or 0.0), t.created_at, t.name))
    return None


def _counters(trials: list[TrainingJob]) -> dict[str, int]:
    statuses = Counter(trial.status for trial in trials)
    objectives = Counter(trial.objective_status.value if trial.objective_status else "" for trial in trials)
    failed = [trial for trial in trials if trial.status is TrainingStatus.FAILED]
    internal = sum(trial.failure_kind is FailureKind.INTERNAL for trial in failed)
    return {
        "completed": statuses[TrainingStatus.COMPLETED],
        "in_progress": statuses[TrainingStatus.IN_PROGRESS] + statuses[TrainingStatus.STOPPING],
        "retryable_error": internal,
        "non_retryable_error": len(failed) - internal,
        "stopped": statuses[TrainingStatus.STOPPED],
        "objective_succeeded": objectives["Succeeded"],
        "objective_pending": objectives["Pending"],
        "objective_failed": objectives["Failed"],
    }


def _reachable(moves: Mapping[Any, frozenset[Any]], start: Any, end: Any) -> bool:
    seen, frontier = {start}, {start}
    while frontier:
        frontier = {to for status in frontier for to in moves[status]} - seen
        seen |= frontier
    return end in seen


def _nan(job: TrainingJob) -> bool:
    return any(math.isnan(value) for value, _ in job.final_metrics.values())


def _all(reader: Reader, method: str) -> list[Any]:
    items: list[Any] = []
    page: Page | None = Page(limit=100)
    while page is not None:
        rows = getattr(reader, method)(page)
        items += rows.items
        page = None if rows.next_after is None else dataclasses.replace(page, after=rows.next_after)
    return items


def _require(holds: bool, invariant: str, text: str) -> None:
    if not holds:
        raise InvariantBroken(f"{invariant}: {text}")


def unfinished(reader: Reader) -> list[str]:
    """Return the names of jobs that are not terminal."""
    jobs = [*_all(reader, "list_tuning_jobs"), *_all(reader, "list_training_jobs")]
    return [job.name for job in jobs if not job.status.terminal and job.status is not TuningStatus.DELETING]
