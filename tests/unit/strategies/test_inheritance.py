"""What a child job takes over: first points, joined trials, advice; and what it does not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, ParentHistory, bayesian, suggest
from pegbox.strategies.evidence import gather
from pegbox.strategies.inheritance import Inheritance, inherit
from pegbox.strategies.initial_design import start_count
from pegbox.transfer.prior import Advice

SPACE = Space(
    [
        ContinuousRange("x", 0.0, 1.0, Scaling.LINEAR),
        ContinuousRange("z", 0.0, 1.0, Scaling.LINEAR),
        CategoricalRange("k", ("a", "b")),
    ]
)
FINITE = Space([IntegerRange("n", 0, 3), CategoricalRange("k", ("a", "b"))])


def _loss(values: Mapping[str, Any]) -> float:
    return float((values["x"] - 0.3) ** 2 + (values["z"] - 0.8) ** 2 + (values["k"] != "b"))


def _trials(n: int, seed: int) -> tuple[Observation, ...]:
    drawn = suggest("Random", SPACE, (), (), n, (seed, 0), maximize=False)
    return tuple(Observation(k, one.values, _loss(one.values)) for k, one in enumerate(drawn))


def _parent(n: int = 30, seed: int = 5, **more: Any) -> ParentHistory:
    return ParentHistory(f"parent {seed}", SPACE, _trials(n, seed), **more)


def _inherit(*parents: ParentHistory, history: tuple[Observation, ...] = ()) -> Inheritance | None:
    evidence = gather(SPACE, history, (), False)
    return inherit(SPACE, parents, evidence, False, start_count(SPACE), Memory())


def _run(n: int, parents: list[ParentHistory], strategy: str = "Bayesian", space: Space = SPACE) -> list[Any]:
    history: list[Observation] = []
    told = []
    for k in range(n):
        one = suggest(strategy, space, history, (), 1, (1, k), maximize=False, parents=parents)[0]
        told.append(one)
        objective = _loss(one.values) if space is SPACE else float(k)
        history.append(Observation(k, one.values, objective))
    return told


def test_parents_take_every_other_of_the_first_turns() -> None:
    """With however many parents, at most every other trial up to twice the allowed number comes from one."""
    told = _run(8, [_parent(seed=seed) for seed in (5, 6, 7, 8, 9)])
    from_parents = [k for k, one in enumerate(told) if one.reason == "from a parent"]
    assert from_parents == [0, 2][: start_count(SPACE)]
    assert told[1].reason == "initial design"


def test_parents_that_prove_right_replace_the_design() -> None:
    """Trials after the parents' points are the model's; beside parents that mislead, the initial design goes on."""
    wide = Space([*SPACE.parameters, *(ContinuousRange(f"w{j}", 0.0, 1.0) for j in range(4))])

    def trials(sign: float) -> tuple[Observation, ...]:
        drawn = suggest("Random", wide, (), (), 40, (5, 0), maximize=False)
        return tuple(Observation(k, one.values, sign * _loss(one.values)) for k, one in enumerate(drawn))

    def reasons(sign: float) -> list[str]:
        history: list[Observation] = []
        told = []
        for k in range(8):
            parents = [ParentHistory("p", wide, trials(sign))]
            one = suggest("Bayesian", wide, history, (), 1, (1, k), maximize=False, parents=parents)[0]
            told.append(one.reason)
            history.append(Observation(k, one.values, _loss(one.values)))
        return told

    assert reasons(1.0).count("initial design") == 1
    assert reasons(-1.0).count("initial design") >= 3


def test_a_late_child_gets_no_first_points() -> None:
    """A child that is beyond its first trials asks its model, whether or not a parent's point was among them."""
    one = suggest("Bayesian", SPACE, _trials(10, 3), (), 1, (1, 10), maximize=False, parents=[_parent()])[0]
    assert one.reason in ("exploring", "exploiting")


def test_all_at_once() -> None:
    """Asked for many suggestions at the start, parents' points and the design still alternate and nothing repeats."""
    told = suggest("Bayesian", SPACE, (), (), 6, (1, 0), maximize=False, parents=[_parent(), _parent(seed=6)])
    assert [one.reason for one in told[:4]] == ["from a parent", "initial design"] * 2
    assert len({str(one.values) for one in told}) == 6


def test_an_identical_parents_trials_count_as_the_childs() -> None:
    """They join the evidence, need no expert, are not suggested again, and the best of all is tried once as a check."""
    parent = _parent(identical=True)
    found = _inherit(parent)
    assert found is not None
    assert found.joined is not None
    assert len(found.joined.y) == 30
    assert found.advice is None
    assert len(found.starts) == 1
    told = _run(6, [parent])
    assert [one.reason == "from a parent" for one in told] == [True] + [False] * 5
    assert not any(one.reason == "initial design" for one in told)
    known = {str(sorted(seen.values.items())) for seen in parent.observations}
    assert not any(str(sorted(one.values.items())) in known for one in told[1:])


def test_joined_trials_are_bounded() -> None:
    """Of five identical parents with many trials each, a bounded number joins, the best among them."""
    parents = [_parent(400, seed, identical=True) for seed in range(5, 10)]
    found = _inherit(*parents)
    assert found is not None
    assert found.joined is not None
    assert len(found.joined.y) <= 80
    best = min(float(seen.objective or 0.0) for parent in parents for seen in parent.observations)
    assert found.joined.y.min() == best


def test_an_identical_parent_that_is_not() -> None:
    """Once the child's values contradict it, it becomes an expert like any other."""
    parent = _parent(identical=True)
    other = tuple(replace(seen, objective=7.0 - float(seen.objective or 0.0)) for seen in _trials(4, 11))
    same = _inherit(parent, history=_trials(4, 11))
    assert same is not None
    assert same.joined is not None
    not_same = _inherit(parent, history=other)
    assert not_same is not None
    assert not_same.joined is None
    assert not_same.advice is not None


def test_failures_of_an_identical_parent_are_avoided() -> None:
    """Where an identical parent's trials failed, the child tries little."""
    seen = tuple(
        replace(one, objective=None, status="failed") if one.values["x"] > 0.5 else one
        for one in _trials(40, 5)
    )
    told = _run(10, [ParentHistory("p", SPACE, seen, identical=True)])
    assert sum(one.values["x"] > 0.5 for one in told) <= 2


def test_parents_that_break_the_numerics_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong with parents, the child's suggestion is that of a cold job, with a warning that says why."""

    def broken(*_: Any, **__: Any) -> Any:
        raise np.linalg.LinAlgError("broken")

    history = _trials(9, 3)
    cold = suggest("Bayesian", SPACE, history, (), 1, (1, 9), maximize=False)[0]
    with monkeypatch.context() as patch:
        patch.setattr(bayesian, "inherit", broken)
        one = suggest("Bayesian", SPACE, history, (), 1, (1, 9), maximize=False, parents=[_parent()])[0]
    assert one == replace(cold, warnings=("parents were left out (LinAlgError: broken)",))
    monkeypatch.setattr(Advice, "condition", broken)
    one = suggest("Bayesian", SPACE, history, (), 1, (1, 9), maximize=False, parents=[_parent()])[0]
    assert one.reason in ("exploring", "exploiting")
    assert one.warnings == ("the fitted model failed (LinAlgError: broken)",)


def test_nothing_usable() -> None:
    """Parents without a number, or without a value for a parameter of the child, leave nothing."""
    failed = tuple(replace(seen, objective=math.nan) for seen in _trials(5, 5))
    few = Space([SPACE.parameters[0]])
    assert _inherit(ParentHistory("p", SPACE, failed)) is None
    assert _inherit(ParentHistory("p", few, (Observation(0, {"x": 0.5}, 1.0),))) is None
    told = _run(5, [ParentHistory("p", SPACE, failed)])
    assert all(one.reason != "from a parent" for one in told)


def test_narrower_child() -> None:
    """A parent's best point outside the child's ranges is not tried, yet its trials are advice."""
    child = Space([ContinuousRange("x", 0.5, 1.0, Scaling.LINEAR), *SPACE.parameters[1:]])
    found = inherit(child, [_parent(60)], gather(child, (), (), False), False, 3, Memory())
    assert found is not None
    assert found.advice is not None
    rows = found.starts
    inside = [seen for seen in _trials(60, 5) if seen.values["x"] >= 0.5]
    best = min(inside, key=lambda seen: float(seen.objective or 0.0))
    assert rows[0] == pytest.approx(child.encode(best.values), abs=1e-9)
    given = suggest("Bayesian", child, (), (), 4, (1, 0), maximize=False, parents=[_parent(60)])
    assert all(child.problems(one.values) == [] for one in given)


def test_maximising_turns_signs() -> None:
    """Suggestions for a maximised objective are those for its negative minimised, parents included."""

    def turned(trials: tuple[Observation, ...]) -> tuple[Observation, ...]:
        return tuple(replace(seen, objective=-float(seen.objective or 0.0)) for seen in trials)

    history, parent = _trials(9, 3), _parent()
    up = replace(parent, observations=turned(parent.observations))
    low = suggest("Bayesian", SPACE, history, (), 2, (1, 9), maximize=False, parents=[parent])
    high = suggest("Bayesian", SPACE, turned(history), (), 2, (1, 9), maximize=True, parents=[up])
    assert [one.values for one in low] == [one.values for one in high]


@pytest.mark.parametrize("strategy", ["Random", "Hyperband", "Grid"])
def test_strategies_that_look_at_no_results(strategy: str) -> None:
    """Random, Hyperband and Grid suggest with parents what they suggest without."""
    seen = (Observation(0, {"n": 2, "k": "b"}, 0.0),)
    parent = ParentHistory("p", FINITE, seen, identical=True)
    assert _run(8, [parent], strategy, FINITE) == _run(8, [], strategy, FINITE)


def test_a_finite_space_is_used_up_without_repeats() -> None:
    """A child of an identical parent tries what the parent left, after its check."""
    seen = tuple(Observation(k, {"n": k, "k": "a"}, float(k)) for k in range(4))
    told = _run(5, [ParentHistory("p", FINITE, seen, identical=True)], space=FINITE)
    assert told[0].values == {"n": 0, "k": "a"}
    assert {str(one.values) for one in told[1:]} == {str({"n": n, "k": "b"}) for n in range(4)}


def test_details_are_on_the_childs_scale() -> None:
    """Predicted means with advice are in the units of the child's objective."""
    parent = _parent()
    big = tuple(replace(seen, objective=1e6 * float(seen.objective or 0.0)) for seen in _trials(12, 3))
    one = suggest("Bayesian", SPACE, big, (), 1, (1, 12), maximize=False, parents=[parent])[0]
    objectives = np.array([float(seen.objective or 0.0) for seen in big])
    assert objectives.min() - 2e6 < one.details["predicted_mean"] < objectives.max()
    assert one.details["predicted_sd"] > 1e2
