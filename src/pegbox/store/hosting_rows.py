"""Records of hosting to rows and back; see :mod:`pegbox.store.rows`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pegbox.domain.hosting import (
    Endpoint,
    EndpointConfig,
    EndpointInstance,
    EndpointStatus,
    Generation,
    InstanceState,
    Model,
)
from pegbox.store.rows import Row, read_json, write_json
from pegbox.store.rules import from_micros, name_key, sound_text, to_micros

Encoder = Callable[[Any], Any]


def _moment(micros: int | None) -> Any:
    return None if micros is None else from_micros(micros)


def _micros(moment: Any) -> int | None:
    return None if moment is None else to_micros(moment)


def _json(value: Any) -> str | None:
    return None if value is None else write_json(value)


def _unjson(text: str | None) -> Any:
    return None if text is None else read_json(text)


def _generation(value: Generation | None) -> str | None:
    return None if value is None else write_json(value.to_json())


def _read_generation(text: str | None) -> Generation | None:
    return None if text is None else Generation.from_json(read_json(text))


def _texts(texts: Sequence[str]) -> str:
    return write_json([sound_text(text) for text in texts])


_TIMES = ("created_at", "modified_at", "ready_at", "drained_at", "ended_at")
_ENCODERS: dict[str, Encoder] = {
    "request": write_json,
    "deployment": _json,
    "current": _generation,
    "next": _generation,
    "failure_reason": sound_text,
    "notices": _texts,
    "status": lambda status: status.value,
    "state": lambda state: state.value,
    **dict.fromkeys(_TIMES, _micros),
}
_ENDPOINT = (
    "name", "status", "created_at", "modified_at", "generations", "failure_reason", "deployment", "current", "next",
)  # fmt: skip
_INSTANCE = (
    "endpoint_id", "endpoint_name", "generation", "variant", "model_name", "state", "created_at", "attempt_id", "address",
    "reported", "ready_at", "drained_at", "drain_version", "ended_at", "outcome", "failure_kind", "failure_reason",
    "exit_code", "signal", "notices",
)  # fmt: skip


def _encoded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _ENCODERS[name](value) if name in _ENCODERS else value for name, value in values.items()}


def _sorted(changes: Mapping[str, Any]) -> dict[str, Any]:
    return _encoded({name: changes[name] for name in sorted(changes)})


def named_row(record: Model | EndpointConfig) -> dict[str, Any]:
    """Return the columns of a new model or endpoint configuration."""
    return {
        "name": record.name,
        "name_key": name_key(record.name),
        "created_at": to_micros(record.created_at),
        "request": write_json(record.request),
    }


def endpoint_row(endpoint: Endpoint) -> dict[str, Any]:
    """Return the columns of a new endpoint."""
    return {
        "name_key": name_key(endpoint.name),
        **_encoded({name: getattr(endpoint, name) for name in _ENDPOINT}),
    }


def endpoint_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return column values of changed fields of an endpoint."""
    return _sorted(changes)


def instance_row(instance: EndpointInstance) -> dict[str, Any]:
    """Return the columns of a new instance."""
    return _encoded({name: getattr(instance, name) for name in _INSTANCE})


def instance_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return column values of changed fields of an instance."""
    return _sorted(changes)


def model_record(row: Row) -> Model:
    """Return the model of a row."""
    row_id, name, _, created, request = row
    return Model(id=row_id, name=name, request=read_json(request), created_at=from_micros(created))


def config_record(row: Row) -> EndpointConfig:
    """Return the endpoint configuration of a row."""
    row_id, name, _, created, request = row
    return EndpointConfig(id=row_id, name=name, request=read_json(request), created_at=from_micros(created))


def endpoint_record(row: Row) -> Endpoint:
    """Return the endpoint of a row."""
    row_id, name, _, status, created, modified, generations, failure, deployment, current, coming = row
    return Endpoint(
        id=row_id,
        name=name,
        status=EndpointStatus(status),
        created_at=from_micros(created),
        modified_at=from_micros(modified),
        current=_read_generation(current),
        next=_read_generation(coming),
        generations=generations,
        failure_reason=failure,
        deployment=_unjson(deployment),
    )


def instance_record(row: Row) -> EndpointInstance:
    """Return the instance of a row."""
    (row_id, endpoint_id, endpoint_name, generation, variant, model, state, created, attempt, address, reported, ready,
     drained, drain_version, ended, outcome, kind, reason, exit_code, signal, notices) = row  # fmt: skip
    return EndpointInstance(
        id=row_id,
        endpoint_id=endpoint_id,
        endpoint_name=endpoint_name,
        generation=generation,
        variant=variant,
        model_name=model,
        state=InstanceState(state),
        created_at=from_micros(created),
        attempt_id=attempt,
        address=address,
        reported=reported,
        ready_at=_moment(ready),
        drained_at=_moment(drained),
        drain_version=drain_version,
        ended_at=_moment(ended),
        outcome=outcome,
        failure_kind=kind,
        failure_reason=reason,
        exit_code=exit_code,
        signal=signal,
        notices=tuple(read_json(notices)),
    )
