"""Ports for the simulation: a store that sometimes refuses, artifacts in a dictionary, suggestions on a fake clock."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from pegbox.errors import PegboxError, StoreFull
from pegbox.executors.simulated import SimulatedMachine
from pegbox.ports.clock import Clock
from pegbox.ports.logs import LogLine
from pegbox.ports.store import JobStore, Reader, Transaction
from pegbox.ports.suggester import SuggestAnswer, SuggestRequest
from pegbox.space import Space
from pegbox.strategies import suggest


class FlakyStore:
    """A store whose commits sometimes meet a full disk: then nothing is written."""

    def __init__(self, store: JobStore, rng: random.Random, share: float) -> None:
        self._store = store
        self._rng = rng
        #: Probability that a transaction is refused at its commit.
        self.share = share
        self.refused = 0

    @property
    def reader(self) -> Reader:
        """Committed state."""
        return self._store.reader

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a write transaction."""
        with self._store.transaction() as transaction:
            yield transaction
            if self._rng.random() < self.share:
                self.refused += 1
                raise StoreFull("simulated: no space left on device")

    def close(self) -> None:
        """Release nothing."""


@dataclass(slots=True)
class SimulatedArtifacts:
    """Artifacts of a simulated machine; every address is an input that is there, except models not yet published."""

    machine: SimulatedMachine
    published: dict[str, str] = field(default_factory=dict)

    def check_input(self, uri: str) -> str | None:
        """Return None when something lies there."""
        return None if uri in self.published or "/inputs/" in uri else "nothing lies there"

    def check_output(self, uri: str) -> str | None:
        """Accept every address."""
        return None

    def locate(self, uri: str) -> str:
        """Return a path for an address."""
        return "/simulated/" + uri.partition("://")[2]

    def publish(self, staged_path: str, uri: str, artifact: Mapping[str, Any]) -> None:
        """Move a staged file to its address, once."""
        there = self.published.get(uri)
        if there is not None and there != artifact["sha256"]:
            raise PegboxError(f"{uri} holds something else")
        if there is None:
            if self.machine.staged.pop(staged_path, None) != artifact["sha256"]:
                raise PegboxError(f"{staged_path} is not what was reported")
            self.published[uri] = artifact["sha256"]

    def discard(self, uri: str) -> None:
        """Remove what was published."""
        self.published.pop(uri, None)


class SimulatedLogs:
    """Programs that print nothing."""

    def size(self, training_job_id: int, attempt: int) -> int:
        """Return 0."""
        return 0

    def forward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return nothing."""
        return []

    def backward(self, training_job_id: int, attempt: int, offset: int, limit: int) -> Sequence[LogLine]:
        """Return nothing."""
        return []

    def delete(self, training_job_id: int, attempt: int | None = None) -> None:
        """Remove nothing."""


#: Answers a request at once, in process.
Strategy = Callable[[SuggestRequest], SuggestAnswer]


def cheap_strategy(request: SuggestRequest) -> SuggestAnswer:
    """Answer without numerics: draws that depend on the seed and on how much was observed."""
    rng = random.Random(repr((tuple(request.seed), len(request.history))))
    items = []
    for _ in range(request.count):
        values: dict[str, Any] = {}
        for item in request.space["parameters"]:
            if item["kind"] == "categorical":
                values[item["name"]] = rng.choice(item["choices"])
            elif item["kind"] == "integer":
                values[item["name"]] = rng.randint(item["low"], item["high"])
            else:
                values[item["name"]] = rng.uniform(item["low"], item["high"])
        items.append({"values": values, "reason": "simulated", "details": {}, "warnings": []})
    return SuggestAnswer(suggestions=items, numerics="simulated")


def real_strategy(request: SuggestRequest) -> SuggestAnswer:
    """Answer with the strategies themselves."""
    from pegbox.strategies import NUMERICS_VERSION, Observation, ParentHistory

    answer = suggest(
        request.strategy,
        Space.from_json(request.space),
        [Observation.from_json(item) for item in request.history],
        request.pending,
        request.count,
        request.seed,
        maximize=request.maximize,
        budget=request.budget,
        parents=[ParentHistory.from_json(item) for item in request.parents],
    )
    return SuggestAnswer(suggestions=[item.to_json() for item in answer], numerics=NUMERICS_VERSION)


class SimulatedSuggester:
    """The ``Suggester`` port on a fake clock: answers come after a while, or at once with ``delay`` zero."""

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        strategy: Strategy = cheap_strategy,
        *,
        delay: float = 0.3,
        faults: float = 0.02,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._strategy = strategy
        self._delay = delay
        self._faults = faults
        self._waiting: list[tuple[float, SuggestRequest, Callable[[SuggestAnswer], None]]] = []
        #: Every request, in order.
        self.requests: list[SuggestRequest] = []

    def request(self, request: SuggestRequest, done: Callable[[SuggestAnswer], None]) -> None:
        """Answer later."""
        self.requests.append(request)
        at = self._clock.monotonic() + self._rng.uniform(0, self._delay)
        self._waiting.append((at, request, done))

    def forget(self, job_id: int) -> None:
        """Forget nothing: nothing is kept."""

    def close(self) -> None:
        """Drop what waits."""
        self._waiting.clear()

    def next_time(self) -> float | None:
        """Return when the next answer is due."""
        return min((at for at, _, _ in self._waiting), default=None)

    def deliver(self) -> None:
        """Give the answers that are due."""
        time = self._clock.monotonic()
        due = [item for item in self._waiting if item[0] <= time]
        self._waiting = [item for item in self._waiting if item[0] > time]
        for _, request, done in due:
            if self._rng.random() < self._faults:
                # As the real one falls back.
                answer = self._strategy(replace(request, strategy="Random", history=(), pending=()))
                done(SuggestAnswer(suggestions=answer.suggestions, fault="simulated crash of the numerics"))
            else:
                done(self._strategy(request))
