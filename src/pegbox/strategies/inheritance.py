"""What a child job takes over from its parents.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X, y        a parent's trials in the child's coordinates, raw values                    (n, d + e), (n,)
starts      parents' points that the child tries first                                  (s, d)
==========  ==========================================================================  ==========

Two ways. A parent that measured the same function (the same data and algorithm) joins its trials to the child's own, as
long as the child's values are what those trials predict. Any other parent is an expert whose advice becomes the prior
mean of the child's model as far as the child's observations grant it (:mod:`pegbox.transfer`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.evidence import Evidence, sort_out
from pegbox.strategies.initial_design import fingerprint
from pegbox.strategies.memory import Memory
from pegbox.strategies.records import Observation, ParentHistory
from pegbox.strategies.relevance import EVERYTHING, Relevance
from pegbox.surrogate.numerics import NotPositiveDefinite
from pegbox.surrogate.subset import representative
from pegbox.transfer.coordinates import Coordinates, coordinates
from pegbox.transfer.expert import Expert, consult
from pegbox.transfer.identity import measures_the_same
from pegbox.transfer.prior import Advice
from pegbox.transfer.starts import first_points

Floats = npt.NDArray[np.float64]
T = TypeVar("T")

#: The most trials of one parent that are looked at, and that identical parents join to the child's own.
LIMIT, JOINED = 300, 80


@dataclass(frozen=True)
class _Parent:
    """One parent in the child's coordinates."""

    X: Floats
    y: Floats
    F: Floats
    where: Coordinates
    identical: bool


@dataclass(frozen=True)
class Inheritance:
    """Everything that a child's suggestions take from its parents.

    Attributes:
        starts: Rows to try first (s, d).
        advice: The experts; None without.
        joined: Trials that count as the child's own; None without.
    """

    starts: Floats
    advice: Advice | None
    joined: Evidence | None

    def next_start(self, own: Floats) -> Floats | None:
        """The next of the parents' points (d,), or None when it is not their turn.

        Of the child's first points (n, d), tried or running, no more than every other one comes from a parent: the
        rest shows how far the parents can be believed. After twice as many as there are, it is too late for them.
        """
        if len(own) >= 2 * len(self.starts):
            return None
        known = {fingerprint(row) for row in own}
        waiting = [row for row in self.starts if fingerprint(row) not in known]
        done = len(self.starts) - len(waiting)
        return waiting[0] if waiting and 2 * done <= len(own) else None

    def add_to(self, evidence: Evidence) -> Evidence:
        """The child's evidence after the trials that count as its own."""
        first = self.joined
        if first is None:
            return evidence
        return replace(
            evidence,
            X=np.vstack([first.X, evidence.X]),
            y=np.concatenate([first.y, evidence.y]),
            censored=np.concatenate([first.censored, evidence.censored]),
            F=np.vstack([first.F, evidence.F]),
            numbers=np.concatenate([first.numbers, evidence.numbers]),
        )


def inherit(
    space: Space,
    parents: Sequence[ParentHistory],
    evidence: Evidence,
    maximize: bool,
    count: int,
    memory: Memory,
    relevance: Relevance = EVERYTHING,
) -> Inheritance | None:
    """What ``parents`` leave to a child with ``evidence``; None where nothing is usable.

    Args:
        space: What the child tunes.
        parents: Its parents.
        evidence: The child's own.
        maximize: Whether larger objectives are better.
        count: The most points that are tried because a parent found them good.
        memory: Keeps fitted experts.
        relevance: How the child's models, and so the experts, see points; ``evidence`` is seen so already.
    """
    usable = [parent for parent in (_place(space, one, maximize) for one in parents) if len(parent.y)]
    if not usable:
        return None
    experts: list[Expert] = []
    joined: list[_Parent] = []
    tags = b""
    for parent in usable:
        key, expert = _expert(parent, len(usable), memory, relevance)
        if parent.identical and _holds(parent, expert, evidence):
            joined.append(parent)
        elif expert is not None:
            experts.append(expert)
            tags += key
    return Inheritance(
        _starts(space, usable, 1 if joined else count),
        Advice(tuple(experts), tags) if experts else None,
        _join(space, joined),
    )


def _starts(space: Space, parents: Sequence[_Parent], count: int) -> Floats:
    good = []
    for parent in parents:
        rows = parent.where.inside(parent.X)
        good.append((space.encoding.snap(parent.X[rows][:, : space.dimension]), parent.y[rows]))
    return first_points(good, space.encoding.categorical, count)


def _place(space: Space, parent: ParentHistory, maximize: bool) -> _Parent:
    where = coordinates(space, parent.space, parent.constants, parent.pinned)
    good, y, bad = sort_out([seen for seen in parent.observations if where.covers(seen.values)], maximize)
    rows = representative(y, LIMIT)
    bad = bad[-LIMIT:]

    def place(trials: Sequence[Observation]) -> Floats:
        return where.place([seen.values for seen in trials])

    return _Parent(place([good[i] for i in rows]), y[rows], place(bad), where, parent.identical)


def _expert(
    parent: _Parent, experts: int, memory: Memory, relevance: Relevance
) -> tuple[bytes, Expert | None]:
    digest, X = hashlib.blake2b(b"expert", digest_size=16), relevance.canonical(parent.X)
    for array in (X, parent.y, parent.where.pinned):
        digest.update(np.ascontiguousarray(array).tobytes())
    digest.update(repr((parent.where.categorical.tolist(), experts)).encode())
    key = digest.digest()

    def compute() -> Expert | None:
        try:
            return consult(X, parent.y, parent.where, experts)
        except NotPositiveDefinite:
            return None

    return key, _remember(memory, key, compute)


def _holds(parent: _Parent, expert: Expert | None, evidence: Evidence) -> bool:
    return expert is None or measures_the_same(expert, parent.y, evidence.X, evidence.y)


def _remember(memory: Memory, key: bytes, compute: Callable[[], T]) -> T:
    known = memory.get(key)
    if known is None:
        known = (compute(),)
        memory.put(key, known)
    value: T = known[0]
    return value


def _join(space: Space, parents: Sequence[_Parent]) -> Evidence | None:
    if not parents:
        return None
    d = space.dimension
    codes, values, failed = [], [], []
    for parent in parents:
        rows = parent.where.inside(parent.X)
        codes.append(parent.X[rows][:, :d])
        values.append(parent.y[rows])
        failed.append(parent.F[parent.where.inside(parent.F)][:, :d])
    X, y = np.vstack(codes), np.concatenate(values)
    chosen = representative(y, JOINED)
    snap = space.encoding.snap
    return Evidence(
        snap(X[chosen]),
        y[chosen],
        np.zeros(len(chosen), dtype=bool),
        snap(np.vstack(failed)),
        np.empty((0, d)),
        np.full(len(chosen), -1),
    )
