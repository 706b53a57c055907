"""The Bayesian strategy: a pure function from what was observed to what to try next.

The order of business for one suggestion: best values of parents, then the initial design unless parents prove right,
then the model. Below the model lies a ladder, each rung recorded as a warning: the fitted ensemble; the same with
hyperparameters from the prior and without advice of parents; a random draw. Parents that break the numerics are left
out. Bad luck never raises.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.attitude import is_bold
from pegbox.strategies.candidates import Search
from pegbox.strategies.elsewhere import EVERY, FEWEST, Elsewhere, exhausted, other_choice, somewhere_else
from pegbox.strategies.evidence import Evidence, gather
from pegbox.strategies.experience import Experience, experience_with
from pegbox.strategies.inheritance import Inheritance, inherit
from pegbox.strategies.initial_design import design_size, fingerprint, initial_design, start_count
from pegbox.strategies.memory import Memory
from pegbox.strategies.model import Model, learn
from pegbox.strategies.recipe import DEFAULT, Recipe
from pegbox.strategies.records import Observation, ParentHistory, Suggestion
from pegbox.strategies.relevance import Relevance, relevance_in
from pegbox.strategies.seeds import generator
from pegbox.surrogate.kernel import Layout
from pegbox.surrogate.transforms import TRANSFORMS
from pegbox.transfer.prior import Advice

Floats = npt.NDArray[np.float64]

_SEARCH, _FALLBACK, _ELSEWHERE = 4, 5, 6
#: The model speaks from this many observations on.
_FEWEST = 2
#: A candidate is called exploring where the deviation exceeds this share of the prior's.
_UNKNOWN = 0.5
#: Where there is a choice, no candidate agrees with a tried point to this many digits of its code: what is that close
#: teaches nothing, and a deterministic objective would be polished for ever.
_NEAR_DIGITS = 3
_ERRORS = (ArithmeticError, np.linalg.LinAlgError, ValueError, IndexError, MemoryError)


@dataclass(frozen=True)
class _Question:
    """Everything one suggestion depends on.

    Attributes:
        own: What the job itself has measured.
        evidence: The same with what counts as its own, as a model should see it.
        tried: Codes of all its trials as they were (n, d).
    """

    space: Space
    own: Evidence
    evidence: Evidence
    tried: Floats
    inherited: Inheritance | None
    experience: Experience | None
    relevance: Relevance
    seed: tuple[int, int]
    maximize: bool
    design: int
    recipe: Recipe

    @property
    def trusts_parents(self) -> bool:
        """Whether parents say enough about the child for its model to go without the rest of the initial design."""
        known, advice = self.evidence, None if self.inherited is None else self.inherited.advice
        if advice is None or len(known.y) < _FEWEST:
            return False
        t = TRANSFORMS[self.recipe.members[0].transform](known.y)
        try:
            return advice.is_trusted(known.X, t, Layout(self.space.encoding.categorical))
        except _ERRORS:  # the model will say so
            return False

    @property
    def is_bold(self) -> bool:
        """Whether the bounds are searched boldly."""
        categorical = self.space.encoding.categorical
        return is_bold(self.seed[1], self.own.y, self.own.numbers, categorical, self.design, self.recipe)

    @property
    def other_choice(self) -> Elsewhere | None:
        """The region of other choices than the best trial's, if it is their turn; a child has its parents to tell."""
        if self.inherited is not None:
            return None
        best = self.evidence.best
        return other_choice(self.space.encoding, best, self.relevance.idle(best[None])[0], self.seed[1])


def suggest_bayesian(
    space: Space,
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, Any]],
    count: int,
    seed: Sequence[int],
    *,
    maximize: bool,
    memory: Memory,
    budget: int | None = None,
    parents: Sequence[ParentHistory] = (),
    recipe: Recipe = DEFAULT,
) -> list[Suggestion]:
    """``count`` suggestions; each counts as pending for those after it."""
    job, first = seed
    evidence = gather(space, history, pending, maximize)
    design = design_size(space, budget)
    experience = experience_with(space.encoding)
    relevance = relevance_in(space.encoding, experience)
    inherited: Inheritance | None = None
    trouble: tuple[str, ...] = ()
    if parents:
        try:
            starts = start_count(space, budget)
            inherited = inherit(space, parents, relevance.of(evidence), maximize, starts, memory, relevance)
        except _ERRORS as error:
            trouble = (f"parents were left out ({type(error).__name__}: {error})",)
    suggestions = []
    for number in range(first, first + count):
        known = evidence if inherited is None else inherited.add_to(evidence)
        question = _Question(
            space,
            evidence,
            relevance.of(known),
            known.points,
            inherited,
            experience,
            relevance,
            (job, number),
            maximize,
            design,
            recipe,
        )
        suggestion = _suggest_one(question, memory)
        row = space.encoding.encode([suggestion.values])
        evidence = replace(evidence, P=np.vstack([evidence.P, row]))
        suggestions.append(replace(suggestion, warnings=trouble + suggestion.warnings))
    return suggestions


def _suggest_one(question: _Question, memory: Memory) -> Suggestion:
    space, evidence = question.space, question.evidence
    if not space.dimension:
        return Suggestion({}, "repeat")
    taken = {fingerprint(row) for row in question.tried}
    warnings: list[str] = []
    if space.cardinality is not None and len(taken) >= space.cardinality:
        warnings.append(f"all {space.cardinality} combinations were suggested already; repeating")
        taken = set()
    else:
        start = None if question.inherited is None else question.inherited.next_start(question.own.points)
        if start is not None:
            return Suggestion(space.decode(start), "from a parent")
        early = len(question.tried) < question.design and not question.trusts_parents
        if early or len(evidence.y) < _FEWEST:
            for row in initial_design(space, question.seed[0], question.experience):
                if fingerprint(row) not in taken:
                    return Suggestion(space.decode(row), "initial design")
    if len(evidence.y) >= _FEWEST:
        for fitted in (True, False):
            try:
                suggestion = _by_model(question, taken, memory, fitted)
            except _ERRORS as error:
                what = "the fitted model" if fitted else "the model with hyperparameters from the prior"
                warnings.append(f"{what} failed ({type(error).__name__}: {error})")
            else:
                return replace(suggestion, warnings=tuple(warnings))
    return replace(_random(question, taken), warnings=tuple(warnings))


def _by_model(question: _Question, taken: set[bytes], memory: Memory, fitted: bool) -> Suggestion:
    """The best candidate of the model of all evidence, or now and then, when that one promises nothing, of another."""
    advice = question.inherited.advice if fitted and question.inherited is not None else None
    bold = fitted and question.is_bold
    other = question.other_choice if fitted else None
    if other is not None:
        return _best_of_model(question, taken, memory, fitted, bold=bold, within=other)
    suggestion = _best_of_model(question, taken, memory, fitted, advice=advice, bold=bold)
    if not fitted or question.seed[1] % EVERY:
        return suggestion
    gain = suggestion.details.get("expected_improvement", math.inf)
    if not exhausted(gain, question.evidence.y, question.design):
        return suggestion
    return _away(question, taken, bold) or suggestion


def _away(question: _Question, taken: set[bytes], bold: bool) -> Suggestion | None:
    """The best candidate away from the best point in one column; None where there is none or its model fails.

    Its fits are asked for once, so they take no place in the job's memory.
    """
    encoding, evidence = question.space.encoding, question.evidence
    rng = generator(question.seed, _ELSEWHERE)
    if not (encoding.levels > 1).any():
        return None
    region = somewhere_else(encoding, evidence.best, rng)
    part = region.part(evidence)
    if len(part.y) >= FEWEST:
        narrowed = replace(question, evidence=part, recipe=question.recipe.in_brief())
        try:
            best = _best_of_model(narrowed, taken, Memory(), True, bold=bold, within=region)
            return replace(best, reason="exploring")
        except _ERRORS:
            return None
    draws = encoding.from_cube(rng.random((256, encoding.dimension)))
    fresh = (row for row in draws[region.holds(draws)] if fingerprint(row) not in taken)
    row = next(fresh, None)
    return None if row is None else Suggestion(question.space.decode(row), "exploring")


def _best_of_model(
    question: _Question,
    taken: set[bytes],
    memory: Memory,
    fitted: bool,
    *,
    advice: Advice | None = None,
    bold: bool = False,
    within: Elsewhere | None = None,
) -> Suggestion:
    """The best new candidate of one model."""
    space, recipe = question.space, question.recipe
    layout = Layout(space.encoding.categorical)
    model = learn(
        question.evidence,
        layout,
        recipe,
        question.seed[0],
        memory,
        fitted=fitted,
        advice=advice,
        bold=bold,
        within=within,
        experience=question.experience,
        relevance=question.relevance,
    )
    good = model.X[np.argsort(model.mean, kind="stable")[: max(3, min(8, len(model.X) // 3))]]
    search = Search(space.encoding, recipe, generator(question.seed, _SEARCH))
    Z, score = search.maximise(model.ensemble, good)
    near = {fingerprint(row, _NEAR_DIGITS) for row in question.evidence.points}
    for avoid, digits, seen in ((near, _NEAR_DIGITS, question.relevance.canonical(Z)), (taken, 9, Z)):
        for row, look, value in zip(Z, seen, score, strict=True):
            if fingerprint(look, digits) not in avoid:
                return _explain(question, model, row, float(value))
    return _random(question, taken)


def _explain(question: _Question, model: Model, row: Floats, score: float) -> Suggestion:
    """The suggestion with its reason and the model's expectation in the objective's own units."""
    mean, sd = model.predict(row[None])
    posterior = model.posteriors[0]
    plain_sd = posterior.predict(question.relevance.canonical(row[None]))[1]
    sign = -1.0 if question.maximize else 1.0
    unit = float(sd[0] / plain_sd[0])
    details = {
        "expected_improvement": float(np.exp(min(score, 50.0))) * unit,
        "predicted_mean": sign * float(mean[0]),
        "predicted_sd": float(sd[0]),
    }
    unknown = plain_sd[0] > _UNKNOWN * np.sqrt(posterior.kernel.variance)
    return Suggestion(question.space.decode(row), "exploring" if unknown else "exploiting", details)


def _random(question: _Question, taken: set[bytes]) -> Suggestion:
    """A draw that was not tried yet, if a few hundred draws find one."""
    encoding = question.space.encoding
    codes = encoding.from_cube(generator(question.seed, _FALLBACK).random((256, encoding.dimension)))
    fresh = next((row for row in codes if fingerprint(row) not in taken), codes[0])
    return Suggestion(question.space.decode(fresh), "random")
