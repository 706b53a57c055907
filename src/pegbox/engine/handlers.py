"""Commands as the controller carries them out, within its transaction.

What does not depend on other jobs was checked before a command got here (:mod:`pegbox.engine.admission`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any

from pegbox.domain.names import (
    CONFIG_KIND,
    ENDPOINT_KIND,
    MODEL_KIND,
    TRAINING_KIND,
    TUNING_KIND,
    parse_arn,
)
from pegbox.domain.records import Attempt, TuningJob
from pegbox.domain.statuses import StopReason, TuningStatus
from pegbox.engine.active import ActiveTraining, Picture
from pegbox.engine.effects import DeleteLogs
from pegbox.engine.hosting import handlers as hosting
from pegbox.engine.identity import attempt_id
from pegbox.engine.launching import launch
from pegbox.engine.lifecycle import training, tuning
from pegbox.engine.parts import Parts, Work
from pegbox.engine.planning import save_tuning
from pegbox.engine.recovery import new_tuning
from pegbox.engine.reports import stop_training
from pegbox.engine.specs import read_rules, read_tuning
from pegbox.engine.warm_start import taken_over_notices
from pegbox.errors import ResourceInUse, ResourceLimitExceeded, ResourceNotFound, ValidationException
from pegbox.ports.store import Page, Reader, Rows

#: Tags that a resource may carry.
MAX_TAGS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTuning:
    """Accept a tuning job."""

    name: str
    request: Mapping[str, Any]
    seed: int
    tags: Mapping[str, str]
    #: Tuning jobs that may be active at one time, or None.
    quota: int | None = None
    #: What it takes over from its parents (:mod:`pegbox.engine.warm_start`).
    parents: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTuning:
    """Stop a tuning job."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTuning:
    """Remove a tuning job's record."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTraining:
    """Accept a training job."""

    name: str
    request: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopTraining:
    """Stop a training job."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTraining:
    """Remove a training job."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddTags:
    """Add or overwrite tags."""

    arn: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteTags:
    """Remove tags."""

    arn: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetImage:
    """Add, replace or remove an entry of the image table."""

    name: str
    runtime: Mapping[str, Any] | None


Action = (
    CreateTuning
    | StopTuning
    | DeleteTuning
    | CreateTraining
    | StopTraining
    | DeleteTraining
    | AddTags
    | DeleteTags
    | SetImage
    | hosting.HostingAction
)


@dataclass(frozen=True, slots=True)
class Command:
    """An action with the future that its result goes to."""

    action: Action
    future: Future[Any] = field(default_factory=Future)


def carry_out(parts: Parts, picture: Picture, work: Work, action: Action) -> dict[str, Any]:
    """Carry out an action and return its AWS-shaped result.

    Raises:
        ApiError: Nothing was changed.
    """
    if isinstance(action, hosting.HostingAction):
        return hosting.carry_out(parts, picture.hosting, work, action)
    handler: Callable[..., dict[str, Any]] = _HANDLERS[type(action)]
    return handler(parts, picture, work, action)


def _create_tuning(parts: Parts, picture: Picture, work: Work, action: CreateTuning) -> dict[str, Any]:
    if action.quota is not None and len(picture.tunings) >= action.quota:
        raise ResourceLimitExceeded(
            f"The account-level service limit 'Number of concurrent hyperparameter tuning jobs' is {action.quota}, "
            f"with current utilization of {len(picture.tunings)} and a request delta of 1. Wait for a job to end, "
            "stop one, or use mode = extended."
        )
    spec = read_tuning(action.request, breaker=parts.policy.breaker, compute_ahead=parts.policy.compute_ahead)
    job = work.tx.insert_tuning_job(
        TuningJob(
            id=0,
            name=action.name,
            request=action.request,
            status=TuningStatus.IN_PROGRESS,
            created_at=work.now,
            modified_at=work.now,
            seed=action.seed,
            notices=tuple(taken_over_notices(action.parents, spec)),
        )
    )
    if action.parents:
        work.tx.insert_warm_start(job.id, action.parents)
    arn = parts.realm.tuning_arn(job.name)
    if action.tags:
        work.tx.set_tags(arn, action.tags)
    active = new_tuning(parts, work, job, spec, action.parents)
    active.tags = dict(action.tags)
    picture.tunings[job.id] = active
    work.dirty.add(job.id)
    return {"HyperParameterTuningJobArn": arn}


def _stop_tuning(parts: Parts, picture: Picture, work: Work, action: StopTuning) -> dict[str, Any]:
    job = _tuning_named(work, action.name)
    active = picture.tunings.get(job.id)
    if active is None:
        raise ValidationException(
            f"The request was rejected because the hyperparameter tuning job {action.name!r} is already "
            f"{job.status.value}; only a job that is InProgress can be stopped."
        )
    stopping = tuning.request_stop(active.job, work.now)
    if stopping is not active.job:
        active.job = stopping
        active.hold_until = work.time + parts.policy.stopping_seconds
        save_tuning(work, active)
    work.dirty.add(job.id)
    return {}


def _delete_tuning(parts: Parts, picture: Picture, work: Work, action: DeleteTuning) -> dict[str, Any]:
    job = _tuning_named(work, action.name)
    if not job.status.terminal:
        raise ValidationException(
            f"The hyperparameter tuning job {action.name!r} is {job.status.value}; stop it and wait until it has "
            "ended before deleting it."
        )
    work.tx.delete_tuning_job(job.id)
    return {}


def _create_training(parts: Parts, picture: Picture, work: Work, action: CreateTraining) -> dict[str, Any]:
    job = work.tx.insert_training_job(
        training.newborn(name=action.name, request=action.request, now=work.now)
    )
    attempt = Attempt(
        id=attempt_id(parts.secret, job.id, 1), training_job_id=job.id, number=1, created_at=work.now
    )
    work.tx.insert_attempt(attempt)
    arn = parts.realm.training_arn(job.name)
    if action.tags:
        work.tx.set_tags(arn, action.tags)
    active = ActiveTraining(job=job, attempt=attempt, rules=read_rules(action.request, None))
    picture.add_training(active)
    launch(parts, picture, work, active)
    return {"TrainingJobArn": arn}


def _stop_training(parts: Parts, picture: Picture, work: Work, action: StopTraining) -> dict[str, Any]:
    job = work.tx.training_job(action.name)
    if job is None:
        raise _no_training(action.name)
    active = picture.trainings.get(job.id)
    if active is None:
        raise ValidationException(
            f"The request was rejected because the training job {action.name!r} is already {job.status.value}; "
            "only a job that is InProgress can be stopped."
        )
    stop_training(picture, work, active, StopReason.STOPPED)
    if job.tuning_job_id is not None:
        work.dirty.add(job.tuning_job_id)
    return {}


def _delete_training(parts: Parts, picture: Picture, work: Work, action: DeleteTraining) -> dict[str, Any]:
    job = work.tx.training_job(action.name)
    if job is None:
        raise _no_training(action.name)
    if not job.status.terminal:
        raise ResourceInUse(
            f"The training job {action.name!r} is {job.status.value}; stop it and wait until it has ended before "
            "deleting it."
        )
    parent = picture.tunings.get(job.tuning_job_id or 0)
    if parent is not None:
        raise ResourceInUse(
            f"The training job {action.name!r} belongs to the hyperparameter tuning job {parent.job.name!r}, which "
            f"is {parent.job.status.value} and learns from it; delete it when that job has ended."
        )
    work.tx.delete_training_job(job.id)
    work.effects.append(DeleteLogs(job.id))
    return {}


def _add_tags(parts: Parts, picture: Picture, work: Work, action: AddTags) -> dict[str, Any]:
    tuning_id = resource_id(work.tx, action.arn)
    tags = {**work.tx.tags(action.arn), **action.tags}
    if len(tags) > MAX_TAGS:
        raise ValidationException(
            f"Tags of {action.arn}: {len(tags)} would be more than {MAX_TAGS}; remove some first."
        )
    work.tx.set_tags(action.arn, action.tags)
    if tuning_id in picture.tunings:
        picture.tunings[tuning_id].tags = dict(tags)
    return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


def _delete_tags(parts: Parts, picture: Picture, work: Work, action: DeleteTags) -> dict[str, Any]:
    tuning_id = resource_id(work.tx, action.arn)
    work.tx.delete_tags(action.arn, action.keys)
    if tuning_id in picture.tunings:
        picture.tunings[tuning_id].tags = dict(work.tx.tags(action.arn))
    return {}


def _set_image(parts: Parts, picture: Picture, work: Work, action: SetImage) -> dict[str, Any]:
    if action.runtime is None and action.name not in work.tx.images():
        raise ResourceNotFound(f"The image table has no entry {action.name!r}.")
    work.tx.set_image(action.name, action.runtime)
    picture.images = dict(work.tx.images())
    return {}


def _tuning_named(work: Work, name: str) -> TuningJob:
    job = work.tx.tuning_job(name)
    if job is None:
        raise ResourceNotFound(f"Amazon SageMaker can't find a hyperparameter tuning job with name {name!r}.")
    return job


def _no_training(name: str) -> ResourceNotFound:
    return ResourceNotFound(f"Requested resource not found: training job {name!r}.")


#: Kinds that can be tagged, with the reader's methods that find one by name and list them.
_TAGGED = {
    TUNING_KIND: ("tuning_job", "list_tuning_jobs"),
    TRAINING_KIND: ("training_job", "list_training_jobs"),
    MODEL_KIND: ("model", "list_models"),
    CONFIG_KIND: ("endpoint_config", "list_endpoint_configs"),
    ENDPOINT_KIND: ("endpoint", "list_endpoints"),
}


def resource_id(reader: Reader, arn: str) -> int:
    """Return the row id of the tuning job that an ARN names, or 0 for another resource.

    Raises:
        ValidationException: The ARN names nothing that can be tagged here.
        ResourceNotFound: There is no such resource.
    """
    kind, name = parse_arn(arn) or ("", "")
    if kind not in _TAGGED:
        raise ValidationException(
            f"ResourceArn {arn!r}: only hyperparameter tuning jobs, training jobs, models, endpoint configurations and "
            "endpoints can be tagged here; give the ARN of one."
        )
    find, listing = _TAGGED[kind]
    found = getattr(reader, find)(name)
    row_id = found.id if found is not None else _id_without_case(getattr(reader, listing), name)
    if row_id is None:
        raise ResourceNotFound(f"Could not find {kind} {name!r}.")
    return row_id if kind == TUNING_KIND else 0


def _id_without_case(read: Callable[[Page], Rows], name: str) -> int | None:
    """Return the id of the record whose name differs only in case: ARNs are in lower case, names are found as written."""
    page: Page | None = Page(name_contains=name, limit=100)
    while page is not None:
        rows = read(page)
        for record in rows.items:
            if record.name.lower() == name.lower():
                return int(record.id)
        page = None if rows.next_after is None else replace(page, after=rows.next_after)
    return None


_HANDLERS: dict[type[Any], Callable[..., dict[str, Any]]] = {
    CreateTuning: _create_tuning,
    StopTuning: _stop_tuning,
    DeleteTuning: _delete_tuning,
    CreateTraining: _create_training,
    StopTraining: _stop_training,
    DeleteTraining: _delete_training,
    AddTags: _add_tags,
    DeleteTags: _delete_tags,
    SetImage: _set_image,
}
