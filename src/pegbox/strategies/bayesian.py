"""The Bayesian strategy: a pure function from what was observed to what to try next.

A ladder, each rung recorded as a warning: the fitted ensemble; the same with hyperparameters from the prior; a random
draw. It never raises for lack of luck in numerics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.candidates import Search
from pegbox.strategies.ensemble import Ensemble, Opinion
from pegbox.strategies.evidence import Evidence, gather
from pegbox.strategies.feasibility import learn_feasibility
from pegbox.strategies.initial_design import design_size, fingerprint, initial_design, next_of_design
from pegbox.strategies.memory import Memory
from pegbox.strategies.recipe import DEFAULT, Recipe
from pegbox.strategies.records import Observation, Suggestion
from pegbox.strategies.schedule import hyperparameters
from pegbox.strategies.seeds import generator
from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.posterior import condition, condition_on_pending
from pegbox.surrogate.subset import representative
from pegbox.surrogate.transforms import TRANSFORMS

Floats = npt.NDArray[np.float64]

_PURPOSE = 4
_FEWEST = 2
_ERRORS = (ArithmeticError, np.linalg.LinAlgError, ValueError, IndexError)


def suggest_bayesian(
    space: Space,
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, Any]],
    count: int,
    seed: Sequence[int],
    *,
    maximize: bool,
    memory: Memory,
    recipe: Recipe = DEFAULT,
) -> list[Suggestion]:
    """``count`` suggestions; each counts as pending for those after it."""
    job, first = seed
    waiting = list(pending)
    suggestions = []
    for number in range(first, first + count):
        evidence = gather(space, history, waiting, maximize)
        suggestion = _suggest_one(space, evidence, (job, number), maximize, memory, recipe)
        waiting.append(suggestion.values)
        suggestions.append(suggestion)
    return suggestions


def _suggest_one(
    space: Space, evidence: Evidence, seed: tuple[int, int], maximize: bool, memory: Memory, recipe: Recipe
) -> Suggestion:
    taken = {fingerprint(row) for block in (evidence.X, evidence.F, evidence.P) for row in block}
    warnings: list[str] = []
    if space.cardinality is not None and len(taken) >= space.cardinality:
        warnings.append(f"all {space.cardinality} combinations were suggested already; repeating")
        taken = set()
    issued = len(evidence.X) + len(evidence.F) + len(evidence.P)
    if space.dimension and not warnings and (issued < design_size(space) or len(evidence.y) < _FEWEST):
        row = next_of_design(initial_design(space, seed[0]), list(taken))
        if row is not None:
            return Suggestion(space.decode(row), "initial design")
    if space.dimension and len(evidence.y) >= _FEWEST:
        for rung in (recipe, None):
            try:
                return _by_model(
                    space, evidence, taken, seed, maximize, memory, rung or recipe, rung is not None, warnings
                )
            except _ERRORS as error:
                what = "fitted model" if rung is not None else "model with default hyperparameters"
                warnings.append(f"the {what} failed ({type(error).__name__}: {error})")
    return replace(_random_untaken(space, taken, seed), warnings=tuple(warnings))


def _random_untaken(space: Space, taken: set[bytes], seed: tuple[int, int]) -> Suggestion:
    rng = generator(seed, _PURPOSE)
    codes = space.encoding.from_cube(rng.random((64, space.dimension)))
    for row in codes:
        if fingerprint(row) not in taken:
            return Suggestion(space.decode(row), "random")
    return Suggestion(space.decode(codes[0]), "random")


def _by_model(
    space: Space,
    evidence: Evidence,
    taken: set[bytes],
    seed: tuple[int, int],
    maximize: bool,
    memory: Memory,
    recipe: Recipe,
    fitted: bool,
    warnings: list[str],
) -> Suggestion:
    encoding = space.encoding
    layout = Layout(encoding.categorical)
    rows = representative(evidence.y, recipe.posterior_limit)
    X = evidence.X[rows]
    opinions = []
    total = np.zeros(len(rows))
    for member in recipe.members:
        t = TRANSFORMS[member.transform](evidence.y)[rows]
        if fitted:
            theta = hyperparameters(evidence.X, evidence.y, layout, member, recipe, seed[0], memory)
        else:
            theta = default_prior(layout, length=member.length, noise=1e-2).mean
        posterior = condition(Kernel(layout, theta), X, t)
        mean, _ = posterior.predict(X)
        total += mean
        with_pending = condition_on_pending(posterior, evidence.P)
        opinions.append(Opinion(with_pending, float(mean.min()), 1.0 / len(recipe.members)))
    ensemble = Ensemble(tuple(opinions), learn_feasibility(evidence.X, evidence.F, layout))
    good = X[np.argsort(total, kind="stable")[: max(3, min(8, len(X) // 3))]]
    search = Search(encoding, recipe, generator(seed, _PURPOSE))
    Z, _ = search.maximise(ensemble.score, ensemble.score_with_gradient, good)
    for row in Z:
        if fingerprint(row) not in taken:
            return Suggestion(space.decode(row), "exploring", {}, tuple(warnings))
    return replace(_random_untaken(space, taken, seed), warnings=tuple(warnings))
