"""The engine's picture of what is going on: active jobs with what planning needs of them.

Nothing lives only here: everything is rebuilt from the store by :mod:`pegbox.engine.recovery`. Suggestions at hand and under
way are the exception that proves the rule: they are computed anew.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pegbox.domain.records import Attempt, SuggestionRecord, TrainingJob, TuningJob
from pegbox.domain.statuses import StopReason, TrainingStatus
from pegbox.engine.hosting.picture import HostingPicture
from pegbox.engine.lifecycle.training import TrialRules
from pegbox.engine.lifecycle.tuning import closing
from pegbox.engine.planner import Asked, Ready, Snapshot, Tally
from pegbox.engine.policy import EnginePolicy
from pegbox.engine.specs import TuningSpec
from pegbox.ports.store import Reader
from pegbox.space import values_from_text
from pegbox.stopping import Judge, Progress, judge_of, sparse_curve
from pegbox.strategies import Observation


@dataclass(slots=True, kw_only=True)
class ActiveTraining:
    """A training job that is not terminal."""

    job: TrainingJob
    attempt: Attempt
    rules: TrialRules
    #: Monotonic time at which the engine itself ends the attempt for its runtime, or None.
    deadline: float | None = None
    #: Values of the objective that the current attempt emitted, in order.
    curve: list[float] = field(default_factory=list)
    #: How many of them early stopping has judged.
    judged: int = 0


@dataclass(frozen=True, slots=True)
class AtHand:
    """A suggestion that was computed, for one trial number."""

    number: int
    ask_id: int
    values: Mapping[str, Any]
    record: SuggestionRecord


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Suggestions that are being computed."""

    ask_id: int
    number: int
    count: int
    observed: int
    pending: tuple[int, ...]
    ahead: bool


@dataclass(slots=True, kw_only=True)
class ActiveTuning:
    """A tuning job that is not terminal."""

    job: TuningJob
    #: The record as the store has it.
    stored: TuningJob
    spec: TuningSpec
    #: What the trials' requests have in common.
    template: Mapping[str, Any]
    space_json: Mapping[str, Any]
    #: Who stops trials early, or None.
    judge: Judge | None = None
    tags: dict[str, str] = field(default_factory=dict)
    #: ``Observation.to_json()`` of finished trials in completion order.
    history: list[Mapping[str, Any]] = field(default_factory=list)
    #: Trials that are not terminal, by number.
    live: dict[int, ActiveTraining] = field(default_factory=dict)
    #: Typed values of live trials, by number.
    values: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    progress: Progress = field(default_factory=lambda: Progress(True))
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    at_hand: dict[int, AtHand] = field(default_factory=dict)
    under_way: dict[int, UnderWay] = field(default_factory=dict)
    waiting_since: float | None = None
    deadline: float | None = None
    hold_until: float = 0.0
    wake: float | None = None
    last_failure: str = ""
    last_silence: str = ""

    def snapshot(self, policy: EnginePolicy) -> Snapshot:
        """Return what the planner looks at."""
        running = sum(trial.job.status is TrainingStatus.IN_PROGRESS for trial in self.live.values())
        return Snapshot(
            status=self.job.status,
            closing=closing(self.job),
            launched=self.job.launched,
            live=len(self.live),
            running=running,
            tally=self.tally,
            progress=self.progress,
            ready=tuple(
                Ready(item.number, item.record.observed, item.record.ahead) for item in self.at_hand.values()
            ),
            asked=tuple(
                Asked(item.number, item.count, item.observed, item.ahead) for item in self.under_way.values()
            ),
            waiting_since=self.waiting_since,
            patience=self.patience(policy),
            deadline=self.deadline,
            hold_until=self.hold_until,
            converged=self.job.converged_at is not None,
            last_failure=self.last_failure,
            last_silence=self.last_silence,
        )

    def patience(self, policy: EnginePolicy) -> float:
        """Return how long a free slot waits for a fresh suggestion while a stale one is at hand, in seconds."""
        if not self.durations or self.spec.goals.blind:
            return policy.patience_seconds
        share = policy.patience_share * statistics.median(self.durations)
        return min(policy.patience_seconds, share)

    def pending(self) -> dict[int, Mapping[str, Any]]:
        """Return the values that are fixed and not observed, by trial number in order."""
        ahead = {number: item.values for number, item in self.at_hand.items() if number > self.job.launched}
        both = {**self.values, **ahead}
        return dict(sorted(both.items()))

    def saw_end(self, trial: TrainingJob, curve: Sequence[float] = ()) -> None:
        """Count a trial that became terminal, with its curve where trials are judged; call in completion order."""
        objective = self.spec.objective
        emitted = objective in trial.final_metrics
        self.tally = self.tally.seen(trial.status, emitted=emitted)
        self.history.append(self._observation(trial, curve).to_json())
        final = final_value(trial, self.judge, curve)
        if final is not None:
            self.progress = self.progress.seen(final)
        if trial.started_at is not None and trial.ended_at is not None:
            self.durations.append((trial.ended_at - trial.started_at).total_seconds())
        if trial.status is TrainingStatus.FAILED:
            self.last_failure = f"{trial.name}: {trial.failure_reason or ''}"[:400]
        elif trial.status is TrainingStatus.COMPLETED and not emitted:
            self.last_silence = next((text for text in trial.notices if repr(objective) in text), "")
        if trial.number is not None:
            if self.judge is not None:
                completed = trial.status is TrainingStatus.COMPLETED and trial.objective is not None
                self.judge.ended(trial.number, curve, completed=completed)
            self.live.pop(trial.number, None)
            self.values.pop(trial.number, None)

    def _observation(self, trial: TrainingJob, curve: Sequence[float]) -> Observation:
        return observation_of(trial, self.values.get(trial.number or 0), self.spec, curve)


def observation_of(
    trial: TrainingJob, values: Mapping[str, Any] | None, spec: TuningSpec, curve: Sequence[float] = ()
) -> Observation:
    """Return what a finished trial tells the search; its values are read from its record when not at hand."""
    if values is None:
        texts = trial.suggestion.values if trial.suggestion is not None else {}
        values = values_from_text(spec.space, texts)
    return Observation(
        number=(trial.number or 1) - 1,
        values=values,
        objective=trial.objective,
        status=trial.status.value.lower(),
        curve=sparse_curve(curve),
    )


def stopped_early(trial: TrainingJob) -> bool:
    """Return whether early stopping ended a trial."""
    return trial.status is TrainingStatus.STOPPED and trial.stop_reason is StopReason.EARLY_STOP


def final_value(trial: TrainingJob, judge: Judge | None, curve: Sequence[float]) -> float | None:
    """Return the objective of a finished trial if it counts for target, progress and convergence.

    What early stopping cut short has no final value, unless the trial had used its whole resource.
    """
    if trial.objective is None or not math.isfinite(trial.objective):
        return None
    if stopped_early(trial) and not (judge is not None and judge.exhausted(curve)):
        return None
    return trial.objective


def judge_for(job: TuningJob, spec: TuningSpec) -> Judge | None:
    """Return a judge that has seen nothing yet, or None where trials are never stopped early."""
    config, statics = (
        job.request["HyperParameterTuningJobConfig"],
        spec.definition.get("StaticHyperParameters"),
    )
    return judge_of(config, statics or {}, maximize=spec.maximize, seed=job.seed)


def curve_of(reader: Reader, trial: TrainingJob, spec: TuningSpec) -> list[float]:
    """Return the values of the objective that a trial's last attempt emitted, from the store."""
    return [point.value for point in reader.metric_points(trial.id, spec.objective, trial.attempt)]


@dataclass(slots=True)
class Picture:
    """All active jobs."""

    tunings: dict[int, ActiveTuning] = field(default_factory=dict)
    trainings: dict[int, ActiveTraining] = field(default_factory=dict)
    by_attempt: dict[str, ActiveTraining] = field(default_factory=dict)
    #: The user's entries of the image table.
    images: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    hosting: HostingPicture = field(default_factory=HostingPicture)

    def add_training(self, active: ActiveTraining) -> None:
        """Add a training job, to its tuning job too if it has one."""
        self.trainings[active.job.id] = active
        self.by_attempt[active.attempt.id] = active
        tuning = self.tunings.get(active.job.tuning_job_id or 0)
        if tuning is not None and active.job.number is not None:
            tuning.live[active.job.number] = active

    def remove_training(self, active: ActiveTraining) -> None:
        """Forget a training job that became terminal."""
        self.trainings.pop(active.job.id, None)
        self.by_attempt.pop(active.attempt.id, None)

    def next_wake(self) -> float | None:
        """Return the earliest time at which some job wants to be looked at, or None."""
        times = [tuning.wake for tuning in self.tunings.values() if tuning.wake is not None]
        times += [training.deadline for training in self.trainings.values() if training.deadline is not None]
        hosting = self.hosting.next_wake()
        return min([*times, hosting] if hosting is not None else times, default=None)
