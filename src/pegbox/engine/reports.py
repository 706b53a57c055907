"""What executors report: events of attempts, applied once each, in order."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.domain.records import Attempt, MetricPoint, TrainingJob, evolve
from pegbox.domain.statuses import SecondaryStatus, StopReason, TrainingStatus
from pegbox.engine.active import ActiveTraining, ActiveTuning, Picture, place_of
from pegbox.engine.effects import Acknowledge, DiscardAttempt, Fence, StopAttempt
from pegbox.engine.faultpoints import faultpoint
from pegbox.engine.hosting import carrying as hosting
from pegbox.engine.identity import attempt_id, same_token
from pegbox.engine.launching import launch
from pegbox.engine.lifecycle.training import apply, request_stop, runtime_used, with_notice
from pegbox.engine.lifecycle.tuning import with_notice as note_tuning
from pegbox.engine.parts import Parts, Work, changes_between
from pegbox.engine.specs import model_uri
from pegbox.errors import PegboxError, StoreError
from pegbox.ports.executor import Report

_log = logging.getLogger(__name__)


def take_report(parts: Parts, picture: Picture, work: Work, report: Report) -> None:
    """Apply a report. Repeated events are skipped, a gap is refused, a fenced attempt is told so."""
    if not same_token(parts.secret, report.attempt_id, report.token):
        work.effects.append(Fence(report))
        return
    active = picture.by_attempt.get(report.attempt_id)
    if active is None:
        if not hosting.take_report(parts, picture.hosting, work, report):
            _take_late_report(parts, work, report)
        return
    known = active.attempt.reported
    if report.first_seq > known + 1:
        _log.warning(
            "attempt %s reports from %d on but only %d events are known; refused",
            report.attempt_id,
            report.first_seq,
            known,
        )
        return
    events = report.events[known + 1 - report.first_seq :]
    # First of all effects: the agent is free once it reads that its last event is committed.
    work.effects.append(Acknowledge(report, known + len(events)))
    if events:
        _apply_events(parts, picture, work, active, events)


def stop_overdue(parts: Parts, picture: Picture, work: Work) -> None:
    """Stop attempts that ran beyond their time although their agent should have ended them."""
    for active in list(picture.trainings.values()):
        if active.deadline is not None and work.time >= active.deadline:
            active.deadline = None
            stop_training(picture, work, active, StopReason.MAX_RUNTIME)


def stop_training(
    picture: Picture, work: Work, active: ActiveTraining, reason: StopReason, message: str | None = None
) -> None:
    """Tell a running job to stop; one that is stopping already goes on doing so."""
    old = active.job
    new = request_stop(old, reason, work.now, message)
    if message is not None and new is not old:
        new = with_notice(new, message)
    if new is not old:
        save_training(work, old, new)
        active.job = new
    work.effects.append(StopAttempt(active.attempt.id, new.stop_reason or reason))


def save_training(work: Work, old: TrainingJob, new: TrainingJob) -> None:
    """Write what changed, provided that the stored status is the one the change was decided on.

    Raises:
        StoreError: The row has another status: the picture was wrong.
    """
    changes = changes_between(old, new)
    if changes and not work.tx.update_training_job(old.id, {old.status}, changes):
        raise StoreError(f"training job {old.name!r} is not {old.status.value} in the store any more")


def _apply_events(
    parts: Parts,
    picture: Picture,
    work: Work,
    active: ActiveTraining,
    events: Sequence[Mapping[str, Any]],
) -> None:
    old, attempt = active.job, active.attempt
    job, points, ended, retry, lost = old, list[MetricPoint](), False, False, False
    for event in events:
        if ended:
            _log.warning("attempt %s reports after its end; ignored: %s", attempt.id, event.get("kind"))
            break
        if event.get("kind") == "finished":
            event = _published(parts, job, event)
            lost = event.get("outcome") == "lost"
        try:
            step = apply(job, event, active.rules, work.now)
        except (ValueError, KeyError, TypeError) as problem:
            job, step = _malformed(job, event, problem), None
            if event.get("kind") == "finished":
                step = apply(job, _unreadable_end(problem), active.rules, work.now)
        if step is not None:
            job, ended, retry = step.job, step.ended, step.retry
            points.extend(step.points)
    reported = attempt.reported + len(events)
    tuning = picture.tunings.get(old.tuning_job_id or 0)
    over = ended and not retry
    if over and tuning is not None:
        job = evolve(job, observed_seq=tuning.job.observed + 1)
    save_training(work, old, job)
    if points:
        work.tx.add_metric_points(points)
    if ended:
        state = "fenced" if lost else "ended"
        changes = {"state": state, "reported": reported, "ended_at": work.now}
    else:
        changes = {"reported": reported}
    if not work.tx.update_attempt(attempt.id, {"live"}, changes):
        raise StoreError(f"attempt {attempt.id} is not live in the store any more")
    active.job, active.attempt = job, evolve(attempt, **changes)
    if tuning is not None and tuning.search_of(job).judge is not None:
        objective = tuning.search_of(job).spec.objective
        active.curve += [point.value for point in points if point.name == objective]
    if not ended:
        _set_deadline(parts, work, active)
        if tuning is not None:
            _judge(picture, work, tuning, active)
        return
    work.effects.append(DiscardAttempt(attempt.id))
    if retry:
        _start_again(parts, picture, work, active)
        return
    picture.remove_training(active)
    if tuning is not None:
        tuning.job = evolve(tuning.job, observed=tuning.job.observed + 1)
        tuning.saw_end(job, active.curve)
        if tuning.tally.silent and not tuning.tally.emitted and tuning.last_silence:
            tuning.job = note_tuning(tuning.job, tuning.last_silence)
        work.dirty.add(tuning.job.id)


def _judge(picture: Picture, work: Work, tuning: ActiveTuning, active: ActiveTraining) -> None:
    """Judge the values that a running trial has emitted since it was last judged."""
    since, active.judged = active.judged, len(active.curve)
    judge = tuning.search_of(active.job).judge
    if judge is None or since == len(active.curve) or active.job.status is not TrainingStatus.IN_PROGRESS:
        return
    decision = judge.decide(place_of(active.job), active.curve, since)
    if decision.stop:
        stop_training(picture, work, active, StopReason.EARLY_STOP, f"Early stopping: {decision.reason}")


def _start_again(parts: Parts, picture: Picture, work: Work, active: ActiveTraining) -> None:
    picture.by_attempt.pop(active.attempt.id, None)
    number = active.job.attempt
    active.attempt = Attempt(
        id=attempt_id(parts.secret, active.job.id, number),
        training_job_id=active.job.id,
        number=number,
        created_at=work.now,
    )
    active.deadline = None
    active.curve = []
    active.judged = 0
    tuning = picture.tunings.get(active.job.tuning_job_id or 0)
    judge = tuning.search_of(active.job).judge if tuning is not None else None
    if judge is not None:
        judge.restarted(place_of(active.job))
    work.tx.insert_attempt(active.attempt)
    picture.add_training(active)
    launch(parts, picture, work, active)


def _set_deadline(parts: Parts, work: Work, active: ActiveTraining) -> None:
    active.deadline = deadline_of(parts, work, active) if active.deadline is None else active.deadline


def deadline_of(parts: Parts, work: Work, active: ActiveTraining) -> float | None:
    """Return when the engine itself ends an attempt: its time plus a slack for the agent to do it first."""
    if active.rules.max_runtime is None or active.job.secondary in (
        SecondaryStatus.STARTING,
        SecondaryStatus.STOPPING,
    ):
        return None
    left = active.rules.max_runtime - runtime_used(active.job, work.now)
    return work.time + max(0.0, left) + parts.policy.runtime_slack_seconds


def _published(parts: Parts, job: TrainingJob, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Publish what the attempt staged, before its end is committed; a failure to do so becomes the outcome."""
    published: dict[str, Any] = {}
    for kind, artifact in (event.get("artifacts") or {}).items():
        if not artifact:
            continue
        address = model_uri(job.request, job.name, kind)
        try:
            faultpoint("before-publish")
            parts.artifacts.publish(artifact["staged"], address, artifact)
            faultpoint("after-publish")
        except (PegboxError, OSError, KeyError) as problem:
            text = f"{kind}.tar.gz could not be published to {address}: {problem}"
            return {
                **event,
                "outcome": "failed",
                "failure": {"class": "InternalServerError", "message": text},
                "artifacts": published,
            }
        published[kind] = {"uri": address, "sha256": artifact.get("sha256"), "size": artifact.get("size")}
    return {**event, "artifacts": published}


def _malformed(job: TrainingJob, event: Mapping[str, Any], problem: Exception) -> TrainingJob:
    _log.error("training job %s reports an event that cannot be read: %r (%s)", job.name, event, problem)
    return with_notice(job, f"A report of kind {event.get('kind')!r} could not be read: {problem}")


def _unreadable_end(problem: Exception) -> dict[str, Any]:
    message = f"the end of the attempt was reported in a form that cannot be read: {problem}"
    return {"kind": "finished", "outcome": "failed", "failure": {"message": message}}


def _take_late_report(parts: Parts, work: Work, report: Report) -> None:
    attempt = work.tx.attempt(report.attempt_id)
    if attempt is None:
        work.effects.append(Fence(report))
        return
    last = report.first_seq + len(report.events) - 1
    if attempt.state == "ended":
        work.effects += [Acknowledge(report, max(last, attempt.reported)), DiscardAttempt(attempt.id)]
        return
    if any(e.get("kind") == "finished" and e.get("outcome") == "completed" for e in report.events):
        _keep_evidence(work, attempt)
    work.effects += [Fence(report), DiscardAttempt(attempt.id)]


def _keep_evidence(work: Work, attempt: Attempt) -> None:
    """Note that a fenced attempt finished after all."""
    job = work.tx.training_job_by_id(attempt.training_job_id)
    if job is None:
        return
    text = f"Attempt {attempt.number} was given up as lost and reported later that it had completed"
    noted = with_notice(job, text)
    if noted is not job:
        work.tx.update_training_job(job.id, set(TrainingStatus), {"notices": noted.notices})
