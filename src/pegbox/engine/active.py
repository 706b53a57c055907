"""The engine's picture of what is going on: active jobs with what planning needs of them.

Nothing lives only here: everything is rebuilt from the store by :mod:`pegbox.engine.recovery`. Suggestions at hand and under
way are the exception that proves the rule: they are computed anew.
"""

from __future__ import annotations

import hashlib
import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pegbox.domain.records import Attempt, SuggestionRecord, TrainingJob, TuningJob
from pegbox.domain.statuses import StopReason, TrainingStatus
from pegbox.engine.allocation import Arm, Turn, next_turns, start_of
from pegbox.engine.hosting.picture import HostingPicture
from pegbox.engine.lifecycle.training import TrialRules
from pegbox.engine.lifecycle.tuning import closing
from pegbox.engine.planner import Asked, Line, Ready, Snapshot, Tally
from pegbox.engine.policy import EnginePolicy
from pegbox.engine.specs import DefinitionSpec, TuningSpec, maximizes
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
    """A suggestion that was computed, for one trial number within its definition."""

    number: int
    ask_id: int
    values: Mapping[str, Any]
    record: SuggestionRecord
    #: Finished trials of its definition that it knew of.
    seen: int


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Suggestions that are being computed, for trial numbers within their definition."""

    ask_id: int
    number: int
    count: int
    #: Finished trials of the tuning job when it was asked, and of those the definition's.
    observed: int
    seen: int
    pending: tuple[int, ...]
    ahead: bool


@dataclass(slots=True, kw_only=True)
class Search:
    """The search within one definition of a tuning job. Trials are numbered within it, from 1."""

    spec: DefinitionSpec
    #: What the trials' requests have in common.
    template: Mapping[str, Any]
    space_json: Mapping[str, Any]
    #: ``ParentHistory.to_json()`` of each parent of a warm start.
    parents: tuple[Mapping[str, Any], ...] = ()
    #: Who stops trials early, or None.
    judge: Judge | None = None
    launched: int = 0
    #: ``Observation.to_json()`` of finished trials in completion order, and their objectives where they are finite.
    history: list[Mapping[str, Any]] = field(default_factory=list)
    objectives: list[float | None] = field(default_factory=list)
    #: Typed values of live trials.
    values: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    at_hand: dict[int, AtHand] = field(default_factory=dict)
    under_way: dict[int, UnderWay] = field(default_factory=dict)

    @property
    def room(self) -> int | None:
        """Combinations of a finite space that were not launched yet, or None."""
        size = self.spec.space.cardinality
        return None if size is None else max(0, size - self.launched)

    def line(self, *, several: bool) -> Line:
        """Return what the planner looks at."""
        return Line(
            launched=self.launched,
            tally=self.tally,
            # Another definition's turn may have come first: then results are known that it did not wait for.
            ready=tuple(
                Ready(item.number, item.seen, several or item.record.ahead) for item in self.at_hand.values()
            ),
            asked=tuple(
                Asked(item.number, item.count, item.seen, item.ahead) for item in self.under_way.values()
            ),
            room=self.room if several else None,
        )

    def arm(self) -> Arm:
        """Return what the rule that shares out the budget looks at."""
        return Arm(launched=self.launched, objectives=tuple(self.objectives), room=self.room)

    def pending(self) -> dict[int, Mapping[str, Any]]:
        """Return the values that are fixed and not observed, by trial number in order."""
        ahead = {number: item.values for number, item in self.at_hand.items() if number > self.launched}
        both = {**self.values, **ahead}
        return dict(sorted(both.items()))

    def saw_end(self, trial: TrainingJob, curve: Sequence[float]) -> None:
        """Take note of a trial that became terminal."""
        number = place_of(trial)
        self.tally = self.tally.seen(trial.status, emitted=self.spec.objective in trial.final_metrics)
        self.history.append(observation_of(trial, self.values.get(number), self.spec, curve).to_json())
        self.objectives.append(finite(trial.objective))
        if self.judge is not None:
            completed = trial.status is TrainingStatus.COMPLETED and trial.objective is not None
            self.judge.ended(number, curve, completed=completed)
        self.values.pop(number, None)


@dataclass(slots=True, kw_only=True)
class ActiveTuning:
    """A tuning job that is not terminal."""

    job: TuningJob
    #: The record as the store has it.
    stored: TuningJob
    spec: TuningSpec
    #: One for each definition.
    searches: tuple[Search, ...]
    tags: dict[str, str] = field(default_factory=dict)
    #: Trials that are not terminal, by number.
    live: dict[int, ActiveTraining] = field(default_factory=dict)
    tally: Tally = field(default_factory=Tally)
    progress: Progress = field(default_factory=lambda: Progress(True))
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=50))
    waiting_since: float | None = None
    deadline: float | None = None
    hold_until: float = 0.0
    wake: float | None = None
    last_failure: str = ""
    last_silence: str = ""

    def search_of(self, trial: TrainingJob) -> Search:
        """Return the search that a trial belongs to."""
        return self.searches[self.spec.of(trial).index]

    def turns(self, count: int) -> list[Turn]:
        """Return whose turn it is for the next trials of a job with several definitions."""
        arms = [search.arm() for search in self.searches]
        start = start_of(self.spec.goals.budget, len(arms))
        return next_turns(arms, count, maximize=self.spec.maximize, start=start)

    def snapshot(self, policy: EnginePolicy) -> Snapshot:
        """Return what the planner looks at."""
        running = sum(trial.job.status is TrainingStatus.IN_PROGRESS for trial in self.live.values())
        several = self.spec.several
        slots = max(1, self.spec.goals.parallel - len(self.live))
        return Snapshot(
            status=self.job.status,
            closing=closing(self.job),
            launched=self.job.launched,
            live=len(self.live),
            running=running,
            tally=self.tally,
            progress=self.progress,
            lines=tuple(search.line(several=several) for search in self.searches),
            turns=tuple(turn.definition for turn in self.turns(slots)) if several else (),
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

    def saw_end(self, trial: TrainingJob, curve: Sequence[float] = ()) -> None:
        """Count a trial that became terminal, with its curve where trials are judged; call in completion order."""
        search = self.search_of(trial)
        objective = search.spec.objective
        emitted = objective in trial.final_metrics
        self.tally = self.tally.seen(trial.status, emitted=emitted)
        final = final_value(trial, search.judge, curve)
        if final is not None:
            self.progress = self.progress.seen(final)
        if trial.started_at is not None and trial.ended_at is not None:
            self.durations.append((trial.ended_at - trial.started_at).total_seconds())
        if trial.status is TrainingStatus.FAILED:
            self.last_failure = f"{trial.name}: {trial.failure_reason or ''}"[:400]
        elif trial.status is TrainingStatus.COMPLETED and not emitted:
            self.last_silence = next((text for text in trial.notices if repr(objective) in text), "")
        search.saw_end(trial, curve)
        if trial.number is not None:
            self.live.pop(trial.number, None)


def place_of(trial: TrainingJob) -> int:
    """Return a trial's number within its definition, from 1: its number where the job has a single one."""
    record = trial.suggestion
    return record.seed[1] + record.index + 1 if record is not None and record.seed else trial.number or 1


def finite(value: float | None) -> float | None:
    """Return a value if it is a finite number, else None."""
    return value if value is not None and math.isfinite(value) else None


def observation_of(
    trial: TrainingJob, values: Mapping[str, Any] | None, spec: DefinitionSpec, curve: Sequence[float] = ()
) -> Observation:
    """Return what a finished trial tells the search; its values are read from its record when not at hand."""
    if values is None:
        texts = trial.suggestion.values if trial.suggestion is not None else {}
        values = values_from_text(spec.space, texts)
    return Observation(
        number=place_of(trial) - 1,
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


def judge_for(job: TuningJob, spec: DefinitionSpec) -> Judge | None:
    """Return a judge of one definition's trials that has seen nothing yet, or None where trials are never stopped early."""
    config, statics = (
        job.request["HyperParameterTuningJobConfig"],
        spec.definition.get("StaticHyperParameters"),
    )
    seed = definition_seed(job.seed, spec.index)
    return judge_of(config, statics or {}, maximize=maximizes(job.request), seed=seed)


def definition_seed(seed: int, index: int) -> int:
    """Return the seed of one definition's search: the tuning job's for the first, others drawn from it."""
    if index == 0:
        return seed
    return int.from_bytes(hashlib.blake2b(f"{seed} {index}".encode(), digest_size=4).digest(), "big")


def seed_of(job: TuningJob, spec: DefinitionSpec, number: int) -> tuple[int, int]:
    """Return the seed of the suggestions that begin with trial ``number`` of a definition (strategies count from 0)."""
    return (definition_seed(job.seed, spec.index), number - 1)


def search_id(job: TuningJob, spec: DefinitionSpec) -> int:
    """Return what suggesters know a definition's search by: the tuning job's row id, apart for each further definition."""
    return job.id + (spec.index << 40)


def budget_of(spec: TuningSpec) -> int | None:
    """Return the trials that a definition's search may count on: its equal share of the budget."""
    budget = spec.goals.budget
    return None if budget is None else -(-budget // len(spec.definitions))


def curve_of(reader: Reader, trial: TrainingJob, objective: str) -> list[float]:
    """Return the values of the objective that a trial's last attempt emitted, from the store."""
    return [point.value for point in reader.metric_points(trial.id, objective, trial.attempt)]


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
