"""The machines of endpoints and their instances: records and events in, new records out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from pegbox.domain.hosting import (
    ENDPOINT_MOVES,
    INSTANCE_MOVES,
    Endpoint,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    VariantTarget,
)
from pegbox.domain.records import evolve
from pegbox.domain.statuses import FailureKind
from pegbox.errors import InvalidTransition

#: A model server that served less is one that failed to come up, as far as trying again is concerned.
STEADY_SECONDS: Final = 3.0
#: A start that failed later than this is not repeated: it would take as long again.
SLOW_SECONDS: Final = 30.0
#: Failed starts of a program in a row after which a roll-out is given up ...
MAX_STARTS: Final = 3
#: ... and failed starts of any cause, those of the machine included.
MAX_TRIES: Final = 10
#: Characters of an endpoint's FailureReason, and notices of an instance.
MAX_REASON: Final = 1024
_MAX_NOTICES: Final = 20


def move_endpoint(endpoint: Endpoint, to: EndpointStatus, now: datetime, **changes: Any) -> Endpoint:
    """Return an endpoint in another status.

    Raises:
        InvalidTransition: The pair is not in the graph.
    """
    if to not in ENDPOINT_MOVES[endpoint.status]:
        raise InvalidTransition(
            f"endpoint {endpoint.name!r} cannot move from {endpoint.status.value} to {to.value}; created "
            f"{endpoint.created_at.isoformat()}, last modified {endpoint.modified_at.isoformat()}, "
            f"generation {endpoint.generations}"
        )
    return evolve(endpoint, status=to, modified_at=now, **changes)


def move_instance(instance: EndpointInstance, to: InstanceState, **changes: Any) -> EndpointInstance:
    """Return an instance in another state.

    Raises:
        InvalidTransition: The pair is not in the graph.
    """
    if to not in INSTANCE_MOVES[instance.state]:
        raise InvalidTransition(
            f"instance i-{instance.id} of endpoint {instance.endpoint_name!r} cannot move from {instance.state.value} to "
            f"{to.value}; created {instance.created_at.isoformat()}, generation {instance.generation}"
        )
    return evolve(instance, state=to, **changes)


def apply_event(instance: EndpointInstance, event: Mapping[str, Any], now: datetime) -> EndpointInstance:
    """Return an instance after an event that its agent reported.

    Raises:
        KeyError, TypeError, ValueError: The event is malformed.
    """
    kind = event["kind"]
    if kind == "ready":
        address = str(event["address"])
        if not address.startswith(("unix:/", "http://")):
            raise ValueError(f"address {address!r} is neither unix:/path nor http://host:port")
        if instance.state is InstanceState.STARTING:
            return move_instance(instance, InstanceState.READY, address=address, ready_at=now)
        return evolve(instance, address=address)
    if kind == "notice":
        return _noted(instance, str(event["text"]))
    if kind == "finished":
        failure = event.get("failure") or {}
        return move_instance(
            instance,
            InstanceState.ENDED,
            ended_at=now,
            outcome=str(event["outcome"]),
            failure_kind=failure.get("class"),
            failure_reason=failure.get("message"),
            exit_code=event.get("exit_code"),
            signal=event.get("signal"),
        )
    if kind in ("downloading", "starting", "stopping"):
        return instance
    raise ValueError(f"there is no event of kind {kind!r}")


def _noted(instance: EndpointInstance, text: str) -> EndpointInstance:
    if text in instance.notices or len(instance.notices) >= _MAX_NOTICES:
        return instance
    return evolve(instance, notices=(*instance.notices, text))


def failed_in_a_row(past: Sequence[EndpointInstance]) -> list[EndpointInstance]:
    """Return the newest instances that failed to come up, newest first, up to one that served or all of them.

    Instances that were told to end say nothing.

    Args:
        past: Ended instances of one variant in one generation, oldest first.
    """
    found: list[EndpointInstance] = []
    for instance in reversed(past):
        if instance.outcome == "stopped":
            continue
        if served_seconds(instance) >= STEADY_SECONDS:
            break
        found.append(instance)
    return found


def served_seconds(instance: EndpointInstance) -> float:
    """Return how long an ended instance was ready; 0 if it never was."""
    if instance.ready_at is None or instance.ended_at is None:
        return 0.0
    return max(0.0, (instance.ended_at - instance.ready_at).total_seconds())


def hopeless(past: Sequence[EndpointInstance]) -> EndpointInstance | None:
    """Return the failed instance for which a roll-out is given up, or None while another try may help.

    Quick ends of the program are tried :data:`MAX_STARTS` times in a row, slow ones and faults of the request once; what is no
    fault of the program :data:`MAX_TRIES` times.
    """
    failed = failed_in_a_row(past)
    own = [item for item in failed if _of_program(item)]
    if not failed:
        return None
    if own and failed[0] is own[0] and (_is_clients(own[0]) or _was_slow(own[0])):
        return own[0]
    if len(own) >= MAX_STARTS:
        return own[0]
    return failed[0] if len(failed) >= MAX_TRIES else None


def backoff(past: Sequence[EndpointInstance]) -> float:
    """Return the seconds until the next start: none for two failures in a row, then twice as long each time, at most 10."""
    failures = len(failed_in_a_row(past))
    return 0.0 if failures <= 2 else min(10.0, 0.2 * 2.0 ** (failures - 3))


def _of_program(instance: EndpointInstance) -> bool:
    return instance.outcome != "lost" and instance.failure_kind != FailureKind.INTERNAL.value


def _is_clients(instance: EndpointInstance) -> bool:
    return instance.failure_kind == FailureKind.CLIENT.value


def _was_slow(instance: EndpointInstance) -> bool:
    if instance.ready_at is not None or instance.ended_at is None:
        return False
    return (instance.ended_at - instance.created_at).total_seconds() >= SLOW_SECONDS


def reason_of(instance: EndpointInstance, tries: int) -> str:
    """Return why an endpoint or an update failed, in words, with the end of the instance's log."""
    times = f" ({tries} times)" if tries > 1 else ""
    head = (
        f"The model server of production variant {instance.variant} (model {instance.model_name}, instance i-{instance.id}) "
        f"did not come up{times}: "
    )
    return clipped(head, instance.failure_reason or f"it ended ({instance.outcome})")


def clipped(head: str, text: str) -> str:
    """Return a reason that fits; of a long text the end is kept, where a log has its error."""
    room = MAX_REASON - len(head)
    return head + (text if len(text) <= room else "... " + text[-(room - 4) :])


def retained(
    generation: Generation, current: Generation | None, excluded: frozenset[str] = frozenset()
) -> Generation:
    """Return a new generation with what an update keeps of the one that serves.

    Args:
        generation: As its configuration says.
        current: The one that serves.
        excluded: Properties that are not kept: ``DesiredInstanceCount``, ``DesiredWeight``, ``DataCaptureConfig``.
    """
    if current is None:
        return generation
    variants = []
    for item in generation.variants:
        old = current.variant(item.name)
        if old is not None and "DesiredInstanceCount" not in excluded:
            item = replace(item, count=old.desired, desired=old.desired)
        if old is not None and "DesiredWeight" not in excluded:
            item = replace(item, weight=old.weight)
        variants.append(item)
    capture = generation.capture if "DataCaptureConfig" in excluded else current.capture
    return replace(generation, variants=tuple(variants), capture=capture)


def with_targets(generation: Generation, targets: Mapping[str, VariantTarget]) -> Generation:
    """Return a generation with other targets for some variants."""
    return replace(generation, variants=tuple(targets.get(item.name, item) for item in generation.variants))


def settled(generation: Generation) -> Generation:
    """Return a generation whose variants have the instances that were asked for."""
    return replace(generation, variants=tuple(replace(v, count=v.desired) for v in generation.variants))


def unscaled(generation: Generation) -> Generation:
    """Return a generation whose variants keep the instances that they had."""
    return replace(generation, variants=tuple(replace(v, desired=v.count) for v in generation.variants))
