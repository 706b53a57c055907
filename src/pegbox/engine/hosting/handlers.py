"""Commands on models, endpoint configurations and endpoints, carried out in the controller's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointStatus,
    Generation,
    Model,
    VariantTarget,
)
from pegbox.domain.records import evolve
from pegbox.engine.hosting import machine
from pegbox.engine.hosting.carrying import save_endpoint
from pegbox.engine.hosting.picture import ActiveEndpoint, HostingPicture
from pegbox.engine.parts import Parts, Work
from pegbox.errors import ResourceInUse, ResourceLimitExceeded, ValidationException
from pegbox.ports.store import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateModel:
    """Accept a model."""

    name: str
    request: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteModel:
    """Remove a model's record."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateConfig:
    """Accept an endpoint configuration."""

    name: str
    request: Mapping[str, Any]
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteConfig:
    """Remove an endpoint configuration's record."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateEndpoint:
    """Bring up an endpoint."""

    name: str
    config_name: str
    tags: Mapping[str, str]
    deployment: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateEndpoint:
    """Bring an endpoint to another configuration."""

    name: str
    config_name: str
    retain: bool = False
    #: Properties that are not retained.
    excluded: frozenset[str] = frozenset()
    deployment: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateVariants:
    """Change weights and numbers of instances: (weight or None, number or None) by variant."""

    name: str
    targets: Mapping[str, tuple[float | None, int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteEndpoint:
    """Take an endpoint out of service and remove it."""

    name: str


HostingAction = (
    CreateModel
    | DeleteModel
    | CreateConfig
    | DeleteConfig
    | CreateEndpoint
    | UpdateEndpoint
    | UpdateVariants
    | DeleteEndpoint
)


def carry_out(parts: Parts, picture: HostingPicture, work: Work, action: HostingAction) -> dict[str, Any]:
    """Carry out an action and return its AWS-shaped result.

    Raises:
        ApiError: Nothing was changed.
    """
    handler: Callable[..., dict[str, Any]] = _HANDLERS[type(action)]
    return handler(parts, picture, work, action)


def not_found(kind: str, arn: str) -> ValidationException:
    """Return the error that clients know an unknown resource by."""
    return ValidationException(f'Could not find {kind} "{arn}".')


def _exists(kind: str, arn: str) -> ValidationException:
    return ValidationException(f'Cannot create already existing {kind} "{arn}".')


def _create_model(parts: Parts, picture: HostingPicture, work: Work, action: CreateModel) -> dict[str, Any]:
    arn = parts.realm.model_arn(action.name)
    try:
        work.tx.insert_model(Model(id=0, name=action.name, request=action.request, created_at=work.now))
    except ResourceInUse:
        raise _exists("model", arn) from None
    _tag(work, arn, action.tags)
    return {"ModelArn": arn}


def _delete_model(parts: Parts, picture: HostingPicture, work: Work, action: DeleteModel) -> dict[str, Any]:
    model = work.tx.model(action.name)
    if model is None:
        raise not_found("model", parts.realm.model_arn(action.name))
    work.tx.delete_model(model.id)
    return {}


def _create_config(parts: Parts, picture: HostingPicture, work: Work, action: CreateConfig) -> dict[str, Any]:
    for item in action.request["ProductionVariants"]:
        if work.tx.model(item["ModelName"]) is None:
            raise not_found("model", parts.realm.model_arn(item["ModelName"]))
    arn = parts.realm.config_arn(action.name)
    try:
        work.tx.insert_endpoint_config(
            EndpointConfig(id=0, name=action.name, request=action.request, created_at=work.now)
        )
    except ResourceInUse:
        raise _exists("endpoint configuration", arn) from None
    _tag(work, arn, action.tags)
    return {"EndpointConfigArn": arn}


def _delete_config(parts: Parts, picture: HostingPicture, work: Work, action: DeleteConfig) -> dict[str, Any]:
    config = work.tx.endpoint_config(action.name)
    if config is None:
        raise not_found("endpoint configuration", parts.realm.config_arn(action.name))
    work.tx.delete_endpoint_config(config.id)
    return {}


def _create_endpoint(
    parts: Parts, picture: HostingPicture, work: Work, action: CreateEndpoint
) -> dict[str, Any]:
    arn = parts.realm.endpoint_arn(action.name)
    taken = {item.record.name.lower() for item in picture.endpoints.values()}
    if action.name.lower() in taken:
        raise _exists("endpoint", arn)
    generation = _generation(parts, work.tx, action.config_name, 1)
    _check_room(parts, picture, _size(generation))
    endpoint = work.tx.insert_endpoint(
        Endpoint(
            id=0,
            name=action.name,
            status=EndpointStatus.CREATING,
            created_at=work.now,
            modified_at=work.now,
            next=generation,
            generations=1,
            deployment=action.deployment,
        )
    )
    _tag(work, arn, action.tags)
    picture.endpoints[endpoint.id] = ActiveEndpoint(record=endpoint, stored=endpoint)
    work.hosted.add(endpoint.id)
    work.rerouted = True
    return {"EndpointArn": arn}


def _update_endpoint(
    parts: Parts, picture: HostingPicture, work: Work, action: UpdateEndpoint
) -> dict[str, Any]:
    active = _changeable(parts, picture, action.name)
    endpoint = active.record
    number = endpoint.generations + 1
    generation = _generation(parts, work.tx, action.config_name, number)
    if action.retain:
        generation = machine.retained(generation, endpoint.current, action.excluded)
    _check_room(parts, picture, _size(generation), apart=active)
    active.record = machine.move_endpoint(
        endpoint,
        EndpointStatus.UPDATING,
        work.now,
        next=generation,
        generations=number,
        failure_reason=None,
        deployment=action.deployment or endpoint.deployment,
    )
    save_endpoint(work, active)
    work.hosted.add(endpoint.id)
    return {"EndpointArn": parts.realm.endpoint_arn(endpoint.name)}


def _update_variants(
    parts: Parts, picture: HostingPicture, work: Work, action: UpdateVariants
) -> dict[str, Any]:
    active = _changeable(parts, picture, action.name)
    endpoint, current = active.record, active.record.shown
    targets: dict[str, VariantTarget] = {}
    for name, (weight, count) in action.targets.items():
        item = current.variant(name)
        if item is None:
            raise ValidationException(
                f"Variant {name!r} is not one of endpoint {endpoint.name!r}, which has "
                f"{', '.join(repr(v.name) for v in current.variants)}; name one of them."
            )
        desired = item.desired if count is None else count
        targets[name] = replace(item, weight=item.weight if weight is None else weight, desired=desired)
    changed = machine.with_targets(current, targets)
    if not any(item.weight > 0 for item in changed.variants):
        raise ValidationException(
            "DesiredWeight: no variant would have a weight above 0 and no request could be answered; give one of them more."
        )
    _check_room(parts, picture, _size(changed), apart=active)
    if any(item.desired != item.count for item in changed.variants):
        active.record = machine.move_endpoint(
            endpoint, EndpointStatus.UPDATING, work.now, current=changed, failure_reason=None
        )
    else:
        active.record = evolve(endpoint, current=changed, modified_at=work.now)
    save_endpoint(work, active)
    work.hosted.add(endpoint.id)
    return {"EndpointArn": parts.realm.endpoint_arn(endpoint.name)}


def _delete_endpoint(
    parts: Parts, picture: HostingPicture, work: Work, action: DeleteEndpoint
) -> dict[str, Any]:
    active = picture.named(action.name)
    if active is None:
        raise not_found("endpoint", parts.realm.endpoint_arn(action.name))
    if active.record.status is not EndpointStatus.DELETING:
        active.record = machine.move_endpoint(active.record, EndpointStatus.DELETING, work.now)
        save_endpoint(work, active)
    work.hosted.add(active.record.id)
    return {}


def _changeable(parts: Parts, picture: HostingPicture, name: str) -> ActiveEndpoint:
    """Return an endpoint that may be updated now.

    Raises:
        ValidationException: There is none, or its status does not allow it.
    """
    arn = parts.realm.endpoint_arn(name)
    active = picture.named(name)
    if active is None:
        raise not_found("endpoint", arn)
    status = active.record.status
    if status is EndpointStatus.FAILED:
        raise ValidationException(
            f'Cannot update failed endpoint "{arn}": it can only be deleted; create another one.'
        )
    if status not in (EndpointStatus.IN_SERVICE, EndpointStatus.OUT_OF_SERVICE):
        raise ValidationException(
            f'Cannot update in-progress endpoint "{arn}": it is {status.value}; wait until it is InService.'
        )
    return active


def _generation(parts: Parts, reader: Reader, config_name: str, number: int) -> Generation:
    """Return a new generation with all that it needs.

    Raises:
        ValidationException: The configuration or one of its models is not there.
    """
    config = reader.endpoint_config(config_name)
    if config is None:
        raise not_found("endpoint configuration", parts.realm.config_arn(config_name))
    models: dict[str, Mapping[str, Any]] = {}
    variants = []
    for item in config.request["ProductionVariants"]:
        model = reader.model(item["ModelName"])
        if model is None:
            raise not_found("model", parts.realm.model_arn(item["ModelName"]))
        models[model.name] = model.request
        count, weight = int(item["InitialInstanceCount"]), item.get("InitialVariantWeight")
        variants.append(
            VariantTarget(
                name=item["VariantName"],
                weight=1.0 if weight is None else float(weight),
                count=count,
                desired=count,
            )
        )
    return Generation(
        number=number,
        config_name=config.name,
        config=config.request,
        models=models,
        variants=tuple(variants),
        capture=config.request.get("DataCaptureConfig"),
    )


def _size(generation: Generation | None) -> int:
    return 0 if generation is None else sum(item.desired for item in generation.variants)


def _check_room(
    parts: Parts, picture: HostingPicture, asked: int, apart: ActiveEndpoint | None = None
) -> None:
    """Check that this machine gives so many model servers; those of a roll-out count once.

    Raises:
        ResourceLimitExceeded: It does not.
    """
    used = {
        active.record.id: max(_size(active.record.current), _size(active.record.next))
        for active in picture.endpoints.values()
        if active.record.status is not EndpointStatus.FAILED
    }
    own = used.pop(apart.record.id, 0) if apart is not None else 0
    others, limit = sum(used.values()), parts.policy.model_servers
    if asked > own and others + asked > limit:
        raise ResourceLimitExceeded(
            f"The account-level service limit 'model servers of this machine for endpoint usage' is {limit} Instances, with "
            f"current utilization of {others + own} Instances and a request delta of {asked - own} Instances. Ask for fewer, "
            "delete an endpoint, or raise the setting model_servers."
        )


def _tag(work: Work, arn: str, tags: Mapping[str, str]) -> None:
    if tags:
        work.tx.set_tags(arn, tags)


_HANDLERS: dict[type[Any], Callable[..., dict[str, Any]]] = {
    CreateModel: _create_model,
    DeleteModel: _delete_model,
    CreateConfig: _create_config,
    DeleteConfig: _delete_config,
    CreateEndpoint: _create_endpoint,
    UpdateEndpoint: _update_endpoint,
    UpdateVariants: _update_variants,
    DeleteEndpoint: _delete_endpoint,
}
