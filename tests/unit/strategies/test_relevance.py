"""Hyperparameters that have no effect beside some choice."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, ParentHistory, suggest
from pegbox.strategies.acquisition import Incumbent
from pegbox.strategies.ensemble import Ensemble, Opinion
from pegbox.strategies.experience import experience_with
from pegbox.strategies.names import owner_and_name, plain
from pegbox.strategies.recommendation import recommend
from pegbox.strategies.relevance import EVERYTHING, RULES, relevance_in
from pegbox.surrogate.fit import default_prior
from pegbox.surrogate.kernel import Kernel, Layout
from pegbox.surrogate.posterior import condition

SPACE = Space(
    [
        ContinuousRange("C", 1e-3, 1e3, Scaling.LOGARITHMIC),
        CategoricalRange("kernel", ("linear", "poly", "rbf", "mine")),
        ContinuousRange("gamma", 1e-5, 10.0, Scaling.LOGARITHMIC),
        IntegerRange("degree", 2, 5),
        CategoricalRange("booster", ("gbtree", "dart")),
        ContinuousRange("rate_drop", 0.0, 1.0),
        CategoricalRange("sample_type", ("uniform", "weighted")),
    ]
)
KERNEL, GAMMA, DEGREE, BOOSTER, RATE_DROP, SAMPLE_TYPE = 1, 2, 3, 4, 5, 6


def _codes(seed: int, count: int = 50) -> np.ndarray:
    return SPACE.encoding.from_cube(np.random.default_rng(seed).random((count, SPACE.dimension)))


@pytest.mark.parametrize("seed", range(5))
def test_idle_entries_look_the_same_and_others_are_kept(seed: int) -> None:
    """Exactly what the rules name is hidden, once; a choice that no rule knows leaves everything in force."""
    relevance, Z = relevance_in(SPACE.encoding, experience_with(SPACE.encoding)), _codes(seed)
    idle, seen = relevance.idle(Z), relevance.canonical(Z)
    kernel, booster = Z[:, KERNEL], Z[:, BOOSTER]
    expected = np.zeros(Z.shape, dtype=bool)
    expected[:, GAMMA] = kernel == 0
    expected[:, DEGREE] = (kernel == 0) | (kernel == 2)
    expected[:, RATE_DROP] = expected[:, SAMPLE_TYPE] = booster == 0
    assert (idle == expected).all()
    assert (seen[~idle] == Z[~idle]).all()
    for column in range(SPACE.dimension):
        assert len(np.unique(seen[idle[:, column], column])) <= 1
    assert (relevance.canonical(seen) == seen).all()
    assert (seen[idle[:, RATE_DROP], RATE_DROP] == 0.1).all()  # its usual value


def test_spaces_without_rules_are_left_alone() -> None:
    """No rule without the choice, where no choice or every choice ignores something, or between different owners."""
    for ranges in (
        [ContinuousRange("rate_drop", 0.0, 1.0)],
        [ContinuousRange("rate_drop", 0.0, 1.0), CategoricalRange("booster", ("dart", "mine"))],
        [ContinuousRange("rate_drop", 0.0, 1.0), CategoricalRange("booster", ("gbtree", "gblinear"))],
        [ContinuousRange("rate_drop", 0.0, 1.0), IntegerRange("booster", 1, 2)],
        [ContinuousRange("a__gamma", 0.1, 1.0), CategoricalRange("b__kernel", ("linear", "rbf"))],
    ):
        space = Space(ranges)
        assert relevance_in(space.encoding) is EVERYTHING
        Z = space.encoding.from_cube(np.full((2, space.dimension), 0.3))
        assert EVERYTHING.canonical(Z) is Z
        assert not EVERYTHING.idle(Z).any()
    owned = Space([ContinuousRange("a__gamma", 0.1, 1.0), CategoricalRange("a__kernel", ("linear", "rbf"))])
    assert relevance_in(owned.encoding).ignored[1][:, 0].tolist() == [True, False, False]


def test_a_level_that_only_a_parent_has_ignores_nothing() -> None:
    """A parent's choice that the child does not have gets a further index; no rule speaks of it."""
    Z = _codes(0, 3)
    Z[:, KERNEL] = [0.0, 4.0, 7.0]
    assert relevance_in(SPACE.encoding).idle(Z)[:, GAMMA].tolist() == [True, False, False]


@pytest.mark.parametrize("name", ["max_depth", "maxDepth", "Max-Depth"])
def test_names_are_split_and_made_plain(name: str) -> None:
    """Spelling does not matter; the owner is what stands before the last separator."""
    assert plain(name) == "maxdepth"
    assert owner_and_name(f"model__{name}") == ("model__", name)
    assert owner_and_name(f"a.b/{name}") == ("a.b/", name)
    assert owner_and_name(name) == ("", name)


def test_a_model_does_not_see_idle_entries() -> None:
    """Candidates that differ in idle entries only score the same, and no ascent moves them."""
    relevance, X = relevance_in(SPACE.encoding), _codes(1, 20)
    layout = Layout(SPACE.encoding.categorical)
    posterior = condition(
        Kernel(layout, default_prior(layout).mean), relevance.canonical(X), np.sin(np.arange(20.0))
    )
    ensemble = Ensemble((Opinion(posterior, Incumbent(-1.0, -1.0), 1.0),), relevance=relevance)
    Z, other = _codes(2), _codes(3)
    idle = relevance.idle(Z)
    assert np.allclose(ensemble.score(Z), ensemble.score(np.where(idle, other, Z)))
    value, gradient = ensemble.score_with_gradient(Z)
    assert np.allclose(value, ensemble.score(Z))
    assert not gradient[idle].any()
    assert gradient[:, GAMMA].any()


@pytest.mark.parametrize("seed", range(3))
def test_trials_are_not_spent_on_what_has_no_effect(seed: int) -> None:
    """The model tries all that differ in effect before two that differ in idle entries only; then the rest, each once."""
    space = Space([CategoricalRange("kernel", ("linear", "poly")), IntegerRange("degree", 2, 9)])
    relevance = relevance_in(space.encoding)
    history: list[Observation] = []
    memory = Memory()
    for k in range(16):
        asked = suggest("Bayesian", space, history, (), 1, (seed, k), maximize=False, memory=memory)[0]
        loss = 1.0 if asked.values["kernel"] == "linear" else float(asked.values["degree"])
        history.append(Observation(k, asked.values, loss))
    codes = space.encoding.encode([seen.values for seen in history])
    assert len(np.unique(codes, axis=0)) == 16
    effective = [tuple(row) for row in relevance.canonical(codes).tolist()]
    by_model = [k for k in range(4, 16) if len(set(effective[:k])) < 9]
    assert all(effective[k] not in effective[:k] for k in by_model)


def test_a_recommendation_has_the_values_of_its_trial() -> None:
    """The recommended values are those that were tried, also where they had no effect."""
    history = [
        Observation(k, {**values, "kernel": "linear"}, float(k))
        for k, values in enumerate(SPACE.decode(row) for row in _codes(4, 8))
    ]
    found = recommend(SPACE, history, maximize=False)
    assert found is not None
    tried = [tuple(seen.values.items()) for seen in history]
    assert {
        name: pytest.approx(value) if isinstance(value, float) else value
        for name, value in found.values.items()
    } in [dict(values) for values in tried]


def test_a_parent_is_seen_as_its_child_is() -> None:
    """A child with parents that differ in idle entries only gets the same suggestion."""
    rows = _codes(5, 12)
    rows[:, BOOSTER] = 0.0
    losses = np.cos(3.0 * rows[:, 0]).tolist()
    answers = []
    for rate in (0.2, 0.9):
        rows[:, RATE_DROP] = rate
        trials = tuple(
            Observation(k, SPACE.decode(row), loss)
            for k, (row, loss) in enumerate(zip(rows, losses, strict=True))
        )
        own = [Observation(k, SPACE.decode(row), float(k)) for k, row in enumerate(_codes(6, 12))]
        parents = [ParentHistory("parent", SPACE, trials)]
        answers.append(
            suggest("Bayesian", SPACE, own, (), 1, (0, 12), maximize=False, memory=Memory(), parents=parents)[
                0
            ].values
        )
    assert answers[0] == answers[1]


def test_the_documentation_tells_the_rules() -> None:
    """Every rule stands in docs/search.md, and no other."""
    text = (Path(__file__).parents[3] / "docs" / "search.md").read_text()
    part = text[text.index("| beside | these have no effect |") :].split("\n\n")[0]
    told = [tuple(re.findall(r"`(\w+)`", row)) for row in part.splitlines()[2:]]
    assert told == [(*names.split(), *values.split(), *affected.split()) for names, values, affected in RULES]
