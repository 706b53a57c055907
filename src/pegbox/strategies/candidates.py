"""Finding the candidate with the highest acquisition.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
Z           candidates, always codes that a value of the space has                      (m, d)
E           the elite: the best candidates so far                                       (e, d)
score       acquisition                                                                 (m,)
small       countable columns with few values, swept exhaustively                       (d,)
free        all other numeric columns, improved by mutation and by gradient             (d,)
==========  ==========================================================================  ==========

Uniform candidates and mutations of good observations; three generations of mutation of the elite; a sweep over every
single change of a small column; a joint gradient ascent in the free columns; sweep and mutation again. On mixed
14-dimensional spaces the ascent and the sweep are what closes the gap to an exhaustive search.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pegbox.space import Encoding
from pegbox.strategies.recipe import Recipe
from pegbox.surrogate.descent import descend

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Score = Callable[[Floats], Floats]


class Target(Protocol):
    """What is maximised."""

    def score(self, Z: Floats) -> Floats:
        """Values (m,) at ``Z`` (m, d)."""

    def score_with_gradient(self, Z: Floats) -> tuple[Floats, Floats]:
        """Values (m,) and gradients (m, d)."""

    def box(self, Z: Floats) -> tuple[Floats, Floats]:
        """Bounds (m, d) for continuous improvement of each row."""


#: Columns with at most this many integers, or choices (which no gradient can improve), are swept.
SMALL, SMALL_CHOICES = 12, 64
_CHILDREN = 16


class Search:
    """A maximisation over one space with one generator."""

    def __init__(self, encoding: Encoding, recipe: Recipe, rng: np.random.Generator) -> None:
        self._encoding = encoding
        self._recipe = recipe
        self._rng = rng
        self._small: Bools = encoding.levels <= np.where(encoding.categorical, SMALL_CHOICES, SMALL)
        self._grids = {int(j): encoding.grid(int(j)) for j in np.nonzero(self._small)[0]}
        d = encoding.dimension
        self._share = min(1.0, max(2.0 / d, 0.25))

    def maximise(self, target: Target, good: Floats) -> tuple[Floats, Floats]:
        """Candidates (m, d) by falling score, with their scores (m,).

        Args:
            target: What to maximise.
            good: (g, d) observed codes worth searching around, best first.
        """
        recipe, score = self._recipe, target.score
        uniform = self._encoding.from_cube(self._rng.random((recipe.uniform, self._encoding.dimension)))
        parents = good[self._rng.integers(len(good), size=recipe.local)]
        widths = np.exp(self._rng.uniform(np.log(0.01), np.log(0.3), (recipe.local, 1)))
        Z = np.vstack([uniform, self.mutate(parents, widths, self._share)])
        value = score(Z)
        elite = np.argsort(-value, kind="stable")[: recipe.elite + 3]
        E, best = self._evolve(Z[elite], value[elite], score, 3, 0.12)
        E, best = _top(E, best, recipe.elite)
        E, best = self._sweep(E, best, score)
        E, best = self._ascend(E, best, target)
        E, best = _top(E, best, 3)
        E, best = self._sweep(E, best, score)
        E, best = self._evolve(E, best, score, 2, 0.02)
        Z, value = np.vstack([E, Z]), np.concatenate([best, value])
        order = np.argsort(-value, kind="stable")
        return Z[order], value[order]

    def mutate(self, parents: Floats, widths: Floats, share: float) -> Floats:
        """Change each column of each parent (m, d) with probability ``share``, at least one; snapped to the space."""
        m, d = parents.shape
        chosen = self._rng.random((m, d)) < share
        chosen[np.arange(m), self._rng.integers(d, size=m)] = True
        steps = self._rng.standard_normal((m, d)) * widths
        jumps = self._rng.random((m, d))
        levels = self._encoding.levels
        out = parents.copy()
        for j in range(d):
            rows = chosen[:, j]
            if self._encoding.categorical[j]:
                k = int(levels[j])
                out[rows, j] = (out[rows, j] + 1.0 + np.floor(jumps[rows, j] * max(k - 1, 1))) % k
                continue
            step = steps[rows, j]
            if np.isfinite(levels[j]):  # a step must reach the next integer
                least = 1.01 / levels[j]
                step = np.where(np.abs(step) < least, np.copysign(least, step), step)
            out[rows, j] += step
        numeric = ~self._encoding.categorical
        out[:, numeric] = np.abs(out[:, numeric])
        out[:, numeric] = np.where(out[:, numeric] > 1.0, 2.0 - out[:, numeric], out[:, numeric])
        return self._encoding.snap(out)

    def _evolve(
        self, E: Floats, best: Floats, score: Score, generations: int, width: float
    ) -> tuple[Floats, Floats]:
        e, d = E.shape
        for generation in range(generations):
            parents = np.repeat(E, _CHILDREN, axis=0)
            widths = width * np.exp(self._rng.uniform(-1.5, 0.5, (len(parents), 1)))
            children = self.mutate(parents, widths, self._share if generation % 2 == 0 else 0.7)
            value = score(children).reshape(e, _CHILDREN)
            winner = value.argmax(axis=1)
            top = value[np.arange(e), winner]
            better = top > best
            E = np.where(better[:, None], children.reshape(e, _CHILDREN, d)[np.arange(e), winner], E)
            best = np.where(better, top, best)
            width *= 0.55
        return E, best

    def _sweep(self, E: Floats, best: Floats, score: Score, rounds: int = 2) -> tuple[Floats, Floats]:
        if not self._grids:
            return E, best
        changes = [(j, value) for j, grid in self._grids.items() for value in grid]
        columns = np.array([j for j, _ in changes])
        values = np.array([value for _, value in changes])
        rows = np.arange(len(E))
        for _ in range(rounds):
            neighbours = np.repeat(E, len(changes), axis=0).reshape(len(E), len(changes), -1)
            neighbours[:, np.arange(len(changes)), columns] = values
            value = score(neighbours.reshape(-1, E.shape[1])).reshape(len(E), len(changes))
            winner = value.argmax(axis=1)
            top = value[rows, winner]
            better = top > best + 1e-12
            if not better.any():
                break
            E = np.where(better[:, None], neighbours[rows, winner], E)
            best = np.where(better, top, best)
        return E, best

    def _ascend(self, E: Floats, best: Floats, target: Target) -> tuple[Floats, Floats]:
        free = ~self._small & ~self._encoding.categorical
        if not free.any() or not self._recipe.ascent_iterations:
            return E, best

        def function(points: Floats, rows: npt.NDArray[np.intp]) -> tuple[Floats, Floats]:
            Z = E[rows]
            Z[:, free] = points
            value, gradient = target.score_with_gradient(Z)
            return -value, -gradient[:, free]

        lower, upper = target.box(E)
        points, _ = descend(
            function,
            E[:, free],
            lower[:, free],
            upper[:, free],
            self._recipe.ascent_iterations,
            gradient_tolerance=1e-3,
            decrease_tolerance=1e-6,
        )
        Z = E.copy()
        Z[:, free] = points
        Z = self._encoding.snap(Z)
        value = target.score(Z)
        better = value > best
        return np.where(better[:, None], Z, E), np.where(better, value, best)


def _top(E: Floats, best: Floats, count: int) -> tuple[Floats, Floats]:
    order = np.argsort(-best, kind="stable")[:count]
    return E[order], best[order]
