"""Frozen records of models, endpoint configurations, endpoints and their instances, as the store keeps them.

Statuses of endpoints are AWS's words, so that a status goes to the wire as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any


class EndpointStatus(str, Enum):
    """Status of an endpoint."""

    CREATING = "Creating"
    UPDATING = "Updating"
    SYSTEM_UPDATING = "SystemUpdating"
    ROLLING_BACK = "RollingBack"
    IN_SERVICE = "InService"
    OUT_OF_SERVICE = "OutOfService"
    DELETING = "Deleting"
    FAILED = "Failed"
    UPDATE_ROLLBACK_FAILED = "UpdateRollbackFailed"

    @property
    def serving(self) -> bool:
        """Whether the endpoint has a generation that is, or should be, answering."""
        return self in _SERVING


class InstanceState(str, Enum):
    """What an instance of an endpoint does."""

    #: Ordered; its model server does not answer yet.
    STARTING = "starting"
    #: Its model server answers ``/ping``; requests are routed to it.
    READY = "ready"
    #: It gets no new requests; those in flight are still answered.
    DRAINING = "draining"
    #: It was told to end.
    STOPPING = "stopping"
    #: Its ``finished`` event is committed: no process of it is left.
    ENDED = "ended"


_S = EndpointStatus
_SERVING = frozenset({_S.IN_SERVICE, _S.OUT_OF_SERVICE, _S.UPDATING, _S.SYSTEM_UPDATING, _S.ROLLING_BACK})

#: Where an endpoint may go from each status; from ``Deleting`` it goes altogether.
ENDPOINT_MOVES: Mapping[EndpointStatus, frozenset[EndpointStatus]] = {
    _S.CREATING: frozenset({_S.IN_SERVICE, _S.FAILED, _S.DELETING}),
    _S.IN_SERVICE: frozenset({_S.UPDATING, _S.OUT_OF_SERVICE, _S.DELETING}),
    _S.OUT_OF_SERVICE: frozenset({_S.UPDATING, _S.IN_SERVICE, _S.DELETING}),
    _S.UPDATING: frozenset({_S.IN_SERVICE, _S.ROLLING_BACK, _S.DELETING}),
    _S.SYSTEM_UPDATING: frozenset({_S.IN_SERVICE, _S.ROLLING_BACK, _S.DELETING}),
    _S.ROLLING_BACK: frozenset({_S.IN_SERVICE, _S.DELETING}),
    _S.UPDATE_ROLLBACK_FAILED: frozenset({_S.DELETING}),
    _S.FAILED: frozenset({_S.DELETING}),
    _S.DELETING: frozenset(),
}

#: Where an instance may go from each state.
INSTANCE_MOVES: Mapping[InstanceState, frozenset[InstanceState]] = {
    InstanceState.STARTING: frozenset({InstanceState.READY, InstanceState.STOPPING, InstanceState.ENDED}),
    InstanceState.READY: frozenset({InstanceState.DRAINING, InstanceState.STOPPING, InstanceState.ENDED}),
    InstanceState.DRAINING: frozenset({InstanceState.STOPPING, InstanceState.ENDED}),
    InstanceState.STOPPING: frozenset({InstanceState.ENDED}),
    InstanceState.ENDED: frozenset(),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One ``CreateModel``: what an instance runs."""

    #: Internal row id; never reused. 0 before the row is inserted.
    id: int
    name: str
    #: The accepted request without name and tags.
    request: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointConfig:
    """One ``CreateEndpointConfig``: which models on how many instances. It never changes."""

    id: int
    name: str
    #: The accepted request without name and tags.
    request: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantTarget:
    """What is wanted of one variant."""

    name: str
    #: Share of the traffic, relative to the other variants.
    weight: float
    #: Instances that it settled on.
    count: int
    #: Instances that it is brought to; other than ``count`` only while the endpoint is ``Updating``.
    desired: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One roll-out of an endpoint: the configuration and the models as they were when it was asked for.

    Configurations and models may be deleted while an endpoint runs by them; it keeps what it needs.
    """

    #: From 1 for each endpoint; instances carry it.
    number: int
    config_name: str
    #: ``EndpointConfig.request``.
    config: Mapping[str, Any]
    #: ``Model.request`` by model name.
    models: Mapping[str, Mapping[str, Any]]
    variants: tuple[VariantTarget, ...]
    #: ``DataCaptureConfig`` in force: the configuration's, or the one an update retained.
    capture: Mapping[str, Any] | None = None

    def variant(self, name: str) -> VariantTarget | None:
        """Return the variant of a name."""
        return next((item for item in self.variants if item.name == name), None)

    def definition(self, variant: str) -> Mapping[str, Any]:
        """Return a variant as the configuration defines it."""
        items = self.config["ProductionVariants"]
        found: Mapping[str, Any] = next(item for item in items if item["VariantName"] == variant)
        return found

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data."""
        return {
            "number": self.number,
            "config_name": self.config_name,
            "config": self.config,
            "models": self.models,
            "variants": [asdict(item) for item in self.variants],
            "capture": self.capture,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Generation:
        """Return the generation that :meth:`to_json` wrote."""
        return cls(**{**data, "variants": tuple(VariantTarget(**item) for item in data["variants"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One ``CreateEndpoint`` and what became of it."""

    id: int
    name: str
    status: EndpointStatus
    created_at: datetime
    modified_at: datetime
    #: The generation that serves; None until the first one did.
    current: Generation | None = None
    #: The generation that is brought up, or that failed to be; None at rest.
    next: Generation | None = None
    #: Generations so far.
    generations: int = 0
    failure_reason: str | None = None
    #: ``DeploymentConfig`` of the last update that brought one.
    deployment: Mapping[str, Any] | None = None

    @property
    def shown(self) -> Generation:
        """The generation that a description shows: the one that serves, else the one that is to."""
        generation = self.current or self.next
        if generation is None:
            raise ValueError(f"endpoint {self.name!r} has no generation")
        return generation


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointInstance:
    """One start of one model server. A restarted instance is a new row."""

    #: Row id; ``i-<id>`` in log streams.
    id: int
    endpoint_id: int
    #: Logs and metrics are found by it after the endpoint is gone.
    endpoint_name: str
    generation: int
    variant: str
    model_name: str
    state: InstanceState
    created_at: datetime
    #: Public, unguessable id, derived from the row id: 32 hex digits.
    attempt_id: str | None = None
    #: ``unix:/path`` or ``http://127.0.0.1:PORT`` once it is ready.
    address: str | None = None
    #: Events ``1..reported`` are committed.
    reported: int = 0
    ready_at: datetime | None = None
    #: When it was taken from the routes, and the version of the first snapshot without it.
    drained_at: datetime | None = None
    drain_version: int | None = None
    ended_at: datetime | None = None
    #: ``completed``, ``failed``, ``stopped`` or ``lost``; None while it lives.
    outcome: str | None = None
    failure_kind: str | None = None
    failure_reason: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    notices: tuple[str, ...] = field(default=())
