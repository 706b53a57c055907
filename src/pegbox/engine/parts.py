"""What the engine's modules share: the ports with the values they work by, and the work of one step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from pegbox.domain.names import Realm
from pegbox.domain.records import TrainingJob, TuningJob
from pegbox.engine.effects import Effect
from pegbox.engine.keyless import NoKeys
from pegbox.engine.policy import EnginePolicy
from pegbox.ports.artifacts import ArtifactStore
from pegbox.ports.clock import Clock
from pegbox.ports.keys import Keys
from pegbox.ports.store import JobStore, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Ports and values."""

    store: JobStore
    artifacts: ArtifactStore
    clock: Clock
    secret: bytes
    realm: Realm
    policy: EnginePolicy
    keys: Keys = field(default_factory=NoKeys)


@dataclass(slots=True, kw_only=True)
class Work:
    """One step: its transaction, opened when first used, and what it wants done after the commit."""

    store: JobStore
    now: datetime
    #: Monotonic seconds.
    time: float
    stack: ExitStack
    before_commit: Callable[[], None]
    effects: list[Effect] = field(default_factory=list)
    #: Tuning jobs that are to be planned.
    dirty: set[int] = field(default_factory=set)
    #: Endpoints that are to be reconciled.
    hosted: set[int] = field(default_factory=set)
    #: Whether the routes have changed.
    rerouted: bool = False
    _transaction: Transaction | None = None

    @property
    def tx(self) -> Transaction:
        """The step's transaction."""
        if self._transaction is None:
            self._transaction = self.stack.enter_context(self.store.transaction())
            self.stack.callback(self.before_commit)
        return self._transaction

    @property
    def writes(self) -> bool:
        """Whether the step has opened its transaction."""
        return self._transaction is not None


def changes_between(old: TrainingJob | TuningJob, new: TrainingJob | TuningJob) -> dict[str, Any]:
    """Return the fields that differ between two records of the same kind, with their new values."""
    changes = {}
    for name in _FIELDS[type(new)]:
        value = getattr(new, name)
        # Identity first: records share what did not change, and comparing requests is dear.
        if value is not getattr(old, name) and value != getattr(old, name):
            changes[name] = value
    return changes


_FIELDS = {kind: tuple(item.name for item in fields(kind)) for kind in (TrainingJob, TuningJob)}
