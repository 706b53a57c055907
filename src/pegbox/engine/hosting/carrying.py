"""Carrying out what the planner of an endpoint says, and what instances report, within the step's transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pegbox.domain.hosting import (
    Endpoint,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
)
from pegbox.domain.orders import ServingOrder
from pegbox.domain.records import evolve
from pegbox.domain.statuses import StopReason
from pegbox.engine.effects import (
    Acknowledge,
    DeleteInstanceLogs,
    DiscardAttempt,
    LaunchAttempt,
    PublishRoutes,
    StopAttempt,
)
from pegbox.engine.hosting import machine
from pegbox.engine.hosting.orders import build_serving_order
from pegbox.engine.hosting.picture import KEPT_INSTANCES, ActiveEndpoint, HostingPicture
from pegbox.engine.hosting.reconcile import (
    ComeBack,
    Drain,
    GiveUp,
    GoOut,
    Instruction,
    Launch,
    Promote,
    Remove,
    RolledBack,
    Settle,
    Slot,
    Stop,
    WakeAt,
    plan,
    routed,
)
from pegbox.engine.hosting.routing import COUNTER, routes_of
from pegbox.engine.identity import instance_attempt_id
from pegbox.engine.parts import Parts, Work
from pegbox.errors import StoreError
from pegbox.ports.executor import Report
from pegbox.ports.routes import Drained

_log = logging.getLogger(__name__)
_ENDPOINT_FIELDS = tuple(item.name for item in fields(Endpoint))
_INSTANCE_FIELDS = tuple(item.name for item in fields(EndpointInstance))
Images = Mapping[str, Mapping[str, Any]]


def reconcile(
    parts: Parts, picture: HostingPicture, images: Images, work: Work, active: ActiveEndpoint
) -> None:
    """Do what the planner says until only waits are left."""
    acted = True
    while acted and active.record.id in picture.endpoints:
        active.wake = None
        acted = False
        for instruction in plan(active.snapshot(), work.time):
            acted = _carry_out(parts, picture, images, work, active, instruction) or acted
    if active.record.id in picture.endpoints:
        save_endpoint(work, active)


def save_endpoint(work: Work, active: ActiveEndpoint) -> None:
    """Write what changed since the record was last written.

    Raises:
        StoreError: The row has another status: the picture was wrong.
    """
    changes = _changes(active.stored, active.record, _ENDPOINT_FIELDS)
    if changes and not work.tx.update_endpoint(active.record.id, {active.stored.status}, changes):
        raise StoreError(f"endpoint {active.record.name!r} is not {active.stored.status.value} in the store")
    if changes:
        work.rerouted = True
    active.stored = active.record


def publish(parts: Parts, picture: HostingPicture, work: Work) -> None:
    """Number the routes of this step and let the gateway have them after the commit; those that left wait for that number."""
    version = work.tx.count_up(COUNTER)
    for active in picture.endpoints.values():
        for instance in list(active.live.values()):
            if instance.state is InstanceState.DRAINING and instance.drain_version is None:
                _save(work, active, instance, evolve(instance, drain_version=version))
    work.effects.append(PublishRoutes(routes_of(parts, picture, version)))


def resume_instances(parts: Parts, picture: HostingPicture, images: Images, work: Work) -> None:
    """Let every instance go on that an earlier server started, tell again those that were to stop, and reconcile all."""
    for active in picture.endpoints.values():
        for instance in active.live.values():
            work.effects.append(LaunchAttempt(_order(parts, images, active, instance), resume=True))
            if instance.state is InstanceState.STOPPING:
                work.effects.append(_stopping(parts, instance))
        work.hosted.add(active.record.id)
    version = work.store.reader.counter(COUNTER)
    if version:
        work.effects.append(PublishRoutes(routes_of(parts, picture, version)))


def take_drained(picture: HostingPicture, work: Work, drained: Drained) -> None:
    """Note which instances have no request in flight."""
    for active in picture.endpoints.values():
        for row_id in drained.instances:
            instance = active.live.get(row_id)
            if instance is None or instance.state is not InstanceState.DRAINING:
                continue
            if instance.drain_version is not None and drained.version >= instance.drain_version:
                active.drained.add(row_id)
                work.hosted.add(active.record.id)


def take_report(parts: Parts, picture: HostingPicture, work: Work, report: Report) -> bool:
    """Apply a report whose token was checked, if an instance sent it; return whether one did."""
    found = picture.by_attempt.get(report.attempt_id)
    if found is None:
        return _take_late_report(work, report)
    active, row_id = found
    instance = active.live[row_id]
    known = instance.reported
    if report.first_seq > known + 1:
        _log.warning(
            "instance i-%d reports from %d on but only %d events are known; refused",
            row_id,
            report.first_seq,
            known,
        )
        return True
    events = report.events[known + 1 - report.first_seq :]
    work.effects.append(Acknowledge(report, known + len(events)))
    if events:
        _apply(parts, picture, work, active, instance, events)
    return True


def _take_late_report(work: Work, report: Report) -> bool:
    instance = work.tx.instance_of(report.attempt_id)
    if instance is None:
        return False
    last = report.first_seq + len(report.events) - 1
    work.effects += [Acknowledge(report, max(last, instance.reported)), DiscardAttempt(report.attempt_id)]
    return True


def _apply(
    parts: Parts,
    picture: HostingPicture,
    work: Work,
    active: ActiveEndpoint,
    old: EndpointInstance,
    events: Any,
) -> None:
    new = old
    for event in events:
        if new.state is InstanceState.ENDED:
            _log.warning("instance i-%d reports after its end; ignored: %s", old.id, event.get("kind"))
            break
        try:
            new = machine.apply_event(new, event, work.now)
        except (ValueError, KeyError, TypeError) as problem:
            _log.error("instance i-%d reports an event that cannot be read: %r (%s)", old.id, event, problem)
            if event.get("kind") == "finished":
                new = machine.apply_event(new, _unreadable_end(problem), work.now)
    new = evolve(new, reported=old.reported + len(events))
    _save(work, active, old, new)
    endpoint = active.record
    if routed(endpoint, old) or routed(endpoint, new):
        work.rerouted = work.rerouted or (old.state, old.address) != (new.state, new.address)
    if new.state is InstanceState.ENDED:
        _end(picture, work, active, new)
    if new.state is not old.state:
        work.hosted.add(endpoint.id)


def _end(picture: HostingPicture, work: Work, active: ActiveEndpoint, instance: EndpointInstance) -> None:
    work.effects.append(DiscardAttempt(instance.attempt_id or ""))
    picture.by_attempt.pop(instance.attempt_id or "", None)
    active.forget(instance)
    slot = (instance.generation, instance.variant)
    active.retry_at[slot] = work.time + machine.backoff(active.snapshot().tries(slot))
    while len(active.ended) > KEPT_INSTANCES:
        _forget_row(work, active.ended.pop(0))


def _forget_row(work: Work, instance: EndpointInstance) -> None:
    work.tx.delete_instance(instance.id)
    work.effects.append(DeleteInstanceLogs(instance.endpoint_id, instance.id))


def _remove(picture: HostingPicture, work: Work, endpoint: Endpoint) -> None:
    """Remove an endpoint of which nothing is left; the logs of some instances of its name stay."""
    for instance in work.tx.instances_named(endpoint.name)[:-KEPT_INSTANCES]:
        _forget_row(work, instance)
    work.tx.delete_endpoint(endpoint.id)
    del picture.endpoints[endpoint.id]
    work.rerouted = True


def _carry_out(
    parts: Parts,
    picture: HostingPicture,
    images: Images,
    work: Work,
    active: ActiveEndpoint,
    instruction: Instruction,
) -> bool:
    """Do one thing; return whether the planner should be asked again."""
    if isinstance(instruction, WakeAt):
        active.wake = instruction.at if active.wake is None else min(active.wake, instruction.at)
        return False
    if isinstance(instruction, Launch):
        _launch(parts, picture, images, work, active, instruction.slot)
    elif isinstance(instruction, Drain):
        _drain(parts, work, active, instruction.instance)
    elif isinstance(instruction, Stop):
        _stop(parts, work, active, instruction.instance)
    elif isinstance(instruction, Remove):
        _remove(picture, work, active.record)
    else:
        active.record = _changed(active.record, instruction, work)
        save_endpoint(work, active)
    return True


def _changed(endpoint: Endpoint, instruction: Instruction, work: Work) -> Endpoint:
    """Return the endpoint after a change of its own."""
    now, status = work.now, EndpointStatus
    if isinstance(instruction, Promote):
        return machine.move_endpoint(
            endpoint, status.IN_SERVICE, now, current=endpoint.next, next=None, failure_reason=None
        )
    current = endpoint.current
    if isinstance(instruction, Settle) and current is not None:
        return machine.move_endpoint(
            endpoint, status.IN_SERVICE, now, current=machine.settled(current), failure_reason=None
        )
    if isinstance(instruction, GiveUp):
        reason = instruction.reason
        if current is None:
            return machine.move_endpoint(endpoint, status.FAILED, now, failure_reason=reason)
        if endpoint.next is not None:
            return machine.move_endpoint(endpoint, status.ROLLING_BACK, now, failure_reason=reason)
        return machine.move_endpoint(
            endpoint, status.IN_SERVICE, now, current=machine.unscaled(current), failure_reason=reason
        )
    if isinstance(instruction, RolledBack):
        return machine.move_endpoint(endpoint, status.IN_SERVICE, now, next=None)
    if isinstance(instruction, GoOut):
        return machine.move_endpoint(endpoint, status.OUT_OF_SERVICE, now, failure_reason=instruction.reason)
    if isinstance(instruction, ComeBack):
        return machine.move_endpoint(endpoint, status.IN_SERVICE, now, failure_reason=None)
    raise TypeError(f"{instruction!r} is no change of an endpoint")


def _launch(
    parts: Parts,
    picture: HostingPicture,
    images: Images,
    work: Work,
    active: ActiveEndpoint,
    slot: Slot,
) -> None:
    number, variant = slot
    endpoint = active.record
    generation = _generation(endpoint, number)
    if generation is None:
        raise ValueError(f"endpoint {endpoint.name!r} has no generation {number}")
    instance = work.tx.insert_instance(
        EndpointInstance(
            id=0,
            endpoint_id=endpoint.id,
            endpoint_name=endpoint.name,
            generation=number,
            variant=variant,
            model_name=generation.definition(variant)["ModelName"],
            state=InstanceState.STARTING,
            created_at=work.now,
        )
    )
    attempt = instance_attempt_id(parts.secret, instance.id)
    active.live[instance.id] = instance
    picture.by_attempt[attempt] = (active, instance.id)
    named = evolve(instance, attempt_id=attempt)
    _save(work, active, instance, named)
    work.effects.append(LaunchAttempt(_order(parts, images, active, named)))


def _order(parts: Parts, images: Images, active: ActiveEndpoint, instance: EndpointInstance) -> ServingOrder:
    generation = _generation(active.record, instance.generation)
    return build_serving_order(parts, images, active.record, generation, instance)


def _generation(endpoint: Endpoint, number: int) -> Generation | None:
    generations = (endpoint.next, endpoint.current)
    return next((item for item in generations if item is not None and item.number == number), None)


def _drain(parts: Parts, work: Work, active: ActiveEndpoint, row_id: int) -> None:
    old = active.live[row_id]
    new = machine.move_instance(old, InstanceState.DRAINING, drained_at=work.now)
    _save(work, active, old, new)
    active.drain_until[row_id] = work.time + parts.policy.drain_seconds
    work.rerouted = True


def _stop(parts: Parts, work: Work, active: ActiveEndpoint, row_id: int) -> None:
    old = active.live[row_id]
    new = machine.move_instance(old, InstanceState.STOPPING)
    _save(work, active, old, new)
    work.effects.append(_stopping(parts, new))


def _stopping(parts: Parts, instance: EndpointInstance) -> StopAttempt:
    return StopAttempt(
        instance.attempt_id or "", StopReason.STOPPED, grace_seconds=parts.policy.serving_grace_seconds
    )


def _save(work: Work, active: ActiveEndpoint, old: EndpointInstance, new: EndpointInstance) -> None:
    """Write an instance's changes.

    Raises:
        StoreError: The row has another state: the picture was wrong.
    """
    changes = _changes(old, new, _INSTANCE_FIELDS)
    if changes and not work.tx.update_instance(old.id, {old.state}, changes):
        raise StoreError(f"instance i-{old.id} is not {old.state.value} in the store")
    active.live[new.id] = new


def _changes(old: Any, new: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {
        name: getattr(new, name)
        for name in names
        if getattr(new, name) is not getattr(old, name) and getattr(new, name) != getattr(old, name)
    }


def _unreadable_end(problem: Exception) -> dict[str, Any]:
    message = f"the end of the instance was reported in a form that cannot be read: {problem}"
    return {"kind": "finished", "outcome": "failed", "failure": {"message": message}}
