"""The Bayesian strategy: purity, hard inputs, every rung of its ladder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, ParentHistory, Suggestion, bayesian, model, suggest
from pegbox.strategies.evidence import gather
from pegbox.strategies.initial_design import design_size, initial_design
from pegbox.strategies.recipe import DEFAULT
from pegbox.strategies.schedule import last_full_size
from pegbox.surrogate.kernel import Layout
from pegbox.surrogate.numerics import NotPositiveDefinite

SPACE = Space(
    [
        ContinuousRange("x", -1.0, 3.0, Scaling.LINEAR),
        ContinuousRange("rate", 1e-5, 1e1, Scaling.LOGARITHMIC),
        ContinuousRange("momentum", 0.0, 0.999, Scaling.REVERSE_LOGARITHMIC),
        IntegerRange("n", 1, 20),
        CategoricalRange("kind", ("a", "b", "c")),
    ]
)


def _loss(values: Any) -> float:
    return float((values["x"] - 1.3) ** 2 + (values["n"] - 7) ** 2 / 50 + (values["kind"] != "b"))


def _history(n: int, space: Space = SPACE, seed: int = 5) -> list[Observation]:
    drawn = suggest("Random", space, (), (), n, (seed, 0), maximize=False)
    return [Observation(i, one.values, _loss(one.values)) for i, one in enumerate(drawn)]


def _ask(
    history: Sequence[Observation],
    space: Space = SPACE,
    count: int = 1,
    pending: Sequence[Any] = (),
    **more: Any,
) -> list[Suggestion]:
    more.setdefault("maximize", False)
    return suggest("Bayesian", space, history, pending, count, (1, len(history)), **more)


@pytest.mark.parametrize("n", [3, 9, 14, 25])
def test_memory_never_changes_an_answer(n: int) -> None:
    """Bit-equal suggestions with no memory, an empty one, one warmed by the same run, and one warmed by others."""
    history = _history(n)
    warm = Memory()
    for k in range(1, n + 1):
        _ask(history[:k], memory=warm)
    _ask(_history(20, seed=8), memory=warm)
    plain = _ask(history)
    assert _ask(history, memory=Memory()) == plain
    assert _ask(history, memory=warm) == plain
    assert _ask(history, memory=warm) == plain


def test_later_suggestions_of_a_batch_depend_on_earlier_ones_only_as_pending() -> None:
    """Asking for three at once equals asking one by one with the earlier ones pending, and all differ."""
    history = _history(15)
    batch = _ask(history, count=3)
    one = suggest("Bayesian", SPACE, history, [batch[0].values], 1, (1, 16), maximize=False)[0]
    assert one == batch[1]
    assert len({str(s.values) for s in batch}) == 3


def test_maximizing_is_minimizing_the_negative() -> None:
    """Turning all signs and the direction gives the same values, and predictions in the objective's own sign."""
    history = _history(15)
    turned = [Observation(o.number, o.values, -float(o.objective or 0)) for o in history]
    low, high = _ask(history)[0], _ask(turned, maximize=True)[0]
    assert low.values == high.values
    assert low.details["predicted_mean"] == pytest.approx(-high.details["predicted_mean"])
    assert low.details["expected_improvement"] >= 0
    assert low.reason in ("exploring", "exploiting")


def test_the_design_is_balanced_and_starts_in_the_centre() -> None:
    """The first point is the middle of every numeric range; every choice occurs at least twice."""
    design = initial_design(SPACE, 3)
    first = SPACE.decode(design[0])
    assert first["x"] == pytest.approx(1.0)
    assert first["rate"] == pytest.approx(1e-2)
    kinds = [SPACE.decode(row)["kind"] for row in design]
    assert len(kinds) == design_size(SPACE)
    assert min(kinds.count(kind) for kind in "abc") >= 2


def test_a_small_budget_shortens_the_design() -> None:
    """With a budget of nine, the fourth suggestion already comes from the model."""
    reasons = [_ask(_history(k), budget=9)[0].reason for k in (2, 3)]
    assert reasons[0] == "initial design"
    assert reasons[1] in ("exploring", "exploiting")
    assert _ask(_history(3))[0].reason == "initial design"


def test_a_finite_space_is_used_up_before_anything_repeats() -> None:
    """All 12 combinations come once, whatever fails, then repeats with a warning."""
    space = Space([IntegerRange("n", 0, 3), CategoricalRange("kind", ("a", "b", "c"))])
    history: list[Observation] = []
    for k in range(12):
        values = _ask(history, space)[0].values
        bad = k % 4 == 3
        objective = None if bad else float(values["n"]) + (values["kind"] != "b")
        history.append(Observation(k, values, objective, "failed" if bad else "completed"))
    assert len({str(o.values) for o in history}) == 12
    again = _ask(history, space)[0]
    assert "all 12 combinations" in again.warnings[0]
    assert space.problems(again.values) == []


HARD: dict[str, list[float | None]] = {
    "nothing": [],
    "one": [1.0],
    "all equal": [2.0] * 20,
    "huge": [1e300 * k for k in range(20)],
    "tiny": [1e-300 * k for k in range(20)],
    "mixed magnitudes": [(-1.0) ** k * 10.0 ** (30 * k - 290) for k in range(20)],
    "nan and infinities": [math.nan, math.inf, -math.inf, 1.0, 2.0] * 4,
    "only failures": [None] * 20,
    "largest doubles": [1.7e308, -1.7e308] * 10,
    "ties": [float(k % 3) for k in range(20)],
}


@pytest.mark.parametrize("name", sorted(HARD))
@pytest.mark.parametrize("maximize", [False, True])
def test_no_objective_values_break_it(name: str, maximize: bool) -> None:
    """Whatever was observed, a usable suggestion with finite details comes back, and without a fallback."""
    drawn = suggest("Random", SPACE, (), (), 20, (5, 0), maximize=False)
    history = [
        Observation(i, drawn[i].values, y, "failed" if y is None else "completed")
        for i, y in enumerate(HARD[name])
    ]
    for one in _ask(history, count=2, maximize=maximize):
        assert SPACE.problems(one.values) == []
        assert all(math.isfinite(value) for value in one.details.values())
        assert one.warnings == ()


def test_identical_points_do_not_break_it() -> None:
    """Thirty evaluations of one and the same point, with noise, still give a fresh suggestion."""
    values = _history(1)[0].values
    history = [Observation(i, values, 1.0 + 0.01 * (i % 7)) for i in range(30)]
    assert _ask(history)[0].values != values


@pytest.mark.parametrize("dimension", [1, 50])
def test_few_and_many_parameters(dimension: int) -> None:
    """One parameter and fifty both work, with more pending trials than finished ones."""
    space = Space([ContinuousRange(f"x{j}", 0.0, 1.0) for j in range(dimension)])
    drawn = suggest("Random", space, (), (), 40, (5, 0), maximize=False)
    history = [
        Observation(i, s.values, sum(float(v) ** 2 for v in s.values.values()))
        for i, s in enumerate(drawn[:15])
    ]
    one = _ask(history, space, pending=[s.values for s in drawn[15:]])[0]
    assert space.problems(one.values) == []
    assert one.warnings == ()


def test_parents_go_first() -> None:
    """The best values of each parent come first, once; values that do not fit the child's space are left out."""
    parent = _history(10, seed=21)
    best = min(parent, key=lambda o: o.objective or 0.0)
    stranger = (Observation(0, {"x": 99.0}, -5.0),)
    given = [ParentHistory("first", SPACE, tuple(parent)), ParentHistory("second", SPACE, stranger)]
    first, second = _ask([], count=2, parents=given)
    assert SPACE.encode(first.values) == pytest.approx(SPACE.encode(best.values))
    assert first.reason == "from a parent"
    assert second.reason == "initial design"


def test_first_rung_below_the_fit_is_the_prior(monkeypatch: pytest.MonkeyPatch) -> None:
    """When hyperparameters cannot be fitted, the model of the prior suggests and the warning says why."""

    def broken(*_: Any, **__: Any) -> Any:
        raise NotPositiveDefinite("no factor")

    monkeypatch.setattr(model, "hyperparameters", broken)
    one = _ask(_history(20))[0]
    assert one.reason in ("exploring", "exploiting")
    assert one.warnings == ("the fitted model failed (NotPositiveDefinite: no factor)",)


def test_last_rung_is_a_random_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    """When no model can be built, a random untried point comes back with both warnings."""

    def broken(*_: Any, **__: Any) -> Any:
        raise np.linalg.LinAlgError("broken")

    monkeypatch.setattr(bayesian, "learn", broken)
    one = _ask(_history(20))[0]
    assert one.reason == "random"
    assert len(one.warnings) == 2
    assert SPACE.problems(one.values) == []


def test_full_fits_happen_at_fixed_sizes() -> None:
    """The last full size is monotone, never above n, and at least three quarters of it."""
    sizes = [last_full_size(n) for n in range(1, 3000)]
    assert all(size <= n for n, size in enumerate(sizes, 1))
    assert all(4 * size >= 3 * n - 4 for n, size in enumerate(sizes, 1))
    assert sizes == sorted(sizes)


def test_growth_is_bounded() -> None:
    """With two thousand observations a suggestion still comes from a model, of at most the stated size."""
    space = Space([ContinuousRange(f"x{j}", 0.0, 1.0) for j in range(4)])
    X = np.random.default_rng(0).random((2000, 4))
    history = [
        Observation(i, dict(zip(space.names, map(float, x), strict=True)), float(((x - 0.3) ** 2).sum()))
        for i, x in enumerate(X)
    ]
    one = _ask(history, space)[0]
    assert one.reason in ("exploring", "exploiting")
    assert one.details["predicted_mean"] < 0.05


def test_a_deviation_between_the_largest_doubles_is_finite() -> None:
    """Objectives at both ends of the doubles leave a predicted deviation that does not overflow."""
    space = Space([ContinuousRange("m", 0.0, 0.99, Scaling.REVERSE_LOGARITHMIC)])
    evidence = gather(
        space,
        [
            Observation(i, {"m": at}, y)
            for i, (at, y) in enumerate([(0.1, -1.7e308), (0.5, 0.0), (0.9, 1.7e308)])
        ],
        (),
        False,
    )
    learnt = model.learn(evidence, Layout(space.encoding.categorical), DEFAULT, 0, Memory())
    _, sd = learnt.predict(np.linspace(0.0, 1.0, 9)[:, None])
    assert np.isfinite(sd).all()
    assert (sd >= 0).all()


def test_a_bold_model_may_go_to_the_bounds() -> None:
    """A bold model has a trend instead of a trust region and a belief in the inside; a cautious one the other way."""
    for columns, free in ((3, False), (3, True), (12, True)):
        space = Space([ContinuousRange(f"x{i}", 0.0, 1.0, Scaling.LINEAR) for i in range(columns)])
        drawn = suggest("Random", space, (), (), 14, (5, 0), maximize=False)
        history = [Observation(i, one.values, sum(one.values.values())) for i, one in enumerate(drawn)]
        evidence = gather(space, history, (), False)
        learnt = model.learn(evidence, Layout(space.encoding.categorical), DEFAULT, 0, Memory(), bold=free)
        assert (learnt.ensemble.region is None) == free
        assert (learnt.ensemble.belief is None) == free
        assert (learnt.posteriors[0].kernel.trend > 0.0) == free
