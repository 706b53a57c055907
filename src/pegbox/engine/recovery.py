"""The picture of active jobs, rebuilt from the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.records import TuningJob
from pegbox.domain.statuses import StopReason, TrainingStatus, TuningStatus
from pegbox.engine.active import (
    ActiveTraining,
    ActiveTuning,
    Picture,
    Search,
    curve_of,
    judge_for,
    place_of,
)
from pegbox.engine.hosting.carrying import resume_instances
from pegbox.engine.hosting.picture import load_hosting
from pegbox.engine.launching import launch
from pegbox.engine.lineage import histories_for
from pegbox.engine.parts import Parts, Work
from pegbox.engine.reports import deadline_of, stop_training
from pegbox.engine.specs import TuningSpec, read_rules, read_tuning, trial_request
from pegbox.errors import StoreCorrupt
from pegbox.ports.store import Reader
from pegbox.space import values_from_text
from pegbox.stopping import Progress


def load_picture(parts: Parts, reader: Reader, work: Work) -> Picture:
    """Return all active jobs as the store has them.

    Raises:
        StoreCorrupt: A running job has no live attempt.
    """
    picture = Picture(
        images=reader.images(), hosting=load_hosting(reader, work.time, parts.policy.drain_seconds)
    )
    for job in reader.unfinished_tuning_jobs():
        picture.tunings[job.id] = load_tuning(parts, reader, work, job)
    for training in reader.unfinished_training_jobs():
        attempts = reader.attempts(training.id)
        live = next((attempt for attempt in reversed(attempts) if attempt.state == "live"), None)
        if live is None:
            raise StoreCorrupt(
                f"training job {training.name!r} is {training.status.value} without an attempt"
            )
        tuning = picture.tunings.get(training.tuning_job_id or 0)
        rules = tuning.spec.of(training).rules if tuning is not None else read_rules(training.request, None)
        active = ActiveTraining(job=training, attempt=live, rules=rules)
        active.deadline = deadline_of(parts, work, active)
        if tuning is not None:
            _show_curve(reader, tuning, active)
        picture.add_training(active)
        if tuning is not None and training.suggestion is not None:
            search = tuning.search_of(training)
            search.values[place_of(training)] = values_from_text(
                search.spec.space, training.suggestion.values
            )
    return picture


def load_tuning(parts: Parts, reader: Reader, work: Work, job: TuningJob) -> ActiveTuning:
    """Return one tuning job with its history; its live trials are added by the caller."""
    spec = read_tuning(job.request, breaker=parts.policy.breaker, compute_ahead=parts.policy.compute_ahead)
    active = new_tuning(parts, work, job, spec, reader.warm_start(job.id))
    active.tags = dict(reader.tags(parts.realm.tuning_arn(job.name)))
    trials = reader.trials(job.id)
    for trial in trials:
        search = active.search_of(trial)
        search.launched = max(search.launched, place_of(trial))
    finished = [trial for trial in trials if trial.observed_seq is not None]
    for trial in sorted(finished, key=lambda trial: trial.observed_seq or 0):
        search = active.search_of(trial)
        judged = search.judge is not None
        active.saw_end(trial, curve_of(reader, trial, search.spec.objective) if judged else ())
    return active


def _show_curve(reader: Reader, tuning: ActiveTuning, active: ActiveTraining) -> None:
    """Let the judge know a live trial's values; each was judged in the transaction that stored it."""
    search = tuning.search_of(active.job)
    if search.judge is not None:
        active.curve = curve_of(reader, active.job, search.spec.objective)
        active.judged = len(active.curve)
        search.judge.decide(place_of(active.job), active.curve, active.judged)


def new_tuning(
    parts: Parts, work: Work, job: TuningJob, spec: TuningSpec, parents: Sequence[Mapping[str, Any]] = ()
) -> ActiveTuning:
    """Return a tuning job without trials; ``parents`` is what it took over from its parents (:mod:`pegbox.engine.warm_start`)."""
    searches = tuple(
        Search(
            spec=item,
            template=trial_request(item),
            space_json=item.space.to_json(),
            parents=histories_for(parents, item),
            judge=judge_for(job, item),
        )
        for item in spec.definitions
    )
    active = ActiveTuning(job=job, stored=job, spec=spec, searches=searches, progress=Progress(spec.maximize))
    if spec.max_runtime is not None:
        used = max(0.0, (work.now - job.created_at).total_seconds())
        active.deadline = work.time + max(0.0, spec.max_runtime - used)
    if job.status is TuningStatus.STOPPING:
        active.hold_until = work.time + parts.policy.stopping_seconds
    return active


def resume_all(parts: Parts, picture: Picture, work: Work) -> None:
    """Let every live attempt go on, tell again those that were to stop, and plan every tuning job."""
    for active in picture.trainings.values():
        launch(parts, picture, work, active, resume=True)
        if active.job.status is TrainingStatus.STOPPING:
            stop_training(picture, work, active, active.job.stop_reason or StopReason.STOPPED)
    work.dirty.update(picture.tunings)
    resume_instances(parts, picture.hosting, picture.images, work)
