"""Properties of what a child takes from its parents."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import STRATEGIES, Memory, Observation, ParentHistory, suggest
from pegbox.transfer.coordinates import REACH, coordinates
from pegbox.transfer.expert import consult

SPACE = Space(
    [
        ContinuousRange("rate", 1e-4, 1.0, Scaling.LOGARITHMIC),
        ContinuousRange("mix", 0.0, 1.0, Scaling.LINEAR),
        IntegerRange("depth", 1, 9, Scaling.LINEAR),
        CategoricalRange("kind", ("a", "b", "c")),
    ]
)
Loss = Callable[[Mapping[str, Any]], float]


def _loss(values: Mapping[str, Any], shift: float = 0.0) -> float:
    return float(
        (math.log10(values["rate"]) + 2.0 - shift) ** 2
        + 2.0 * (values["mix"] - 0.6) ** 2
        + ((values["depth"] - 4) / 4) ** 2
        + {"a": 1.0, "b": 0.0, "c": 0.5}[values["kind"]]
    )


def _drawn(n: int, seed: int, loss: Loss = _loss) -> tuple[Observation, ...]:
    drawn = suggest("Random", SPACE, (), (), n, (seed, 0), maximize=False)
    return tuple(Observation(k, one.values, loss(one.values)) for k, one in enumerate(drawn))


@st.composite
def numeric(draw: st.DrawFn) -> ContinuousRange | IntegerRange:
    """A numeric range with room between its ends."""
    kind = draw(st.sampled_from(["linear", "log", "reverse", "integer", "log integer"]))
    if kind in ("integer", "log integer"):
        low = draw(st.integers(1, 1000))
        high = low + draw(st.integers(1, 10**6))
        return IntegerRange("p", low, high, Scaling.LINEAR if kind == "integer" else Scaling.LOGARITHMIC)
    if kind == "reverse":
        low_u, high_u = sorted(draw(st.lists(st.integers(0, 998), min_size=2, max_size=2, unique=True)))
        return ContinuousRange("p", low_u / 1000, high_u / 1000, Scaling.REVERSE_LOGARITHMIC)
    low_u, high_u = sorted(draw(st.lists(st.integers(1, 10**6), min_size=2, max_size=2, unique=True)))
    scaling = Scaling.LINEAR if kind == "linear" else Scaling.LOGARITHMIC
    return ContinuousRange("p", low_u / 1e3, high_u / 1e3, scaling)


@given(numeric(), st.floats(0.0, 1.0))
def test_inside_values_round_trip(range_: ContinuousRange | IntegerRange, u: float) -> None:
    """A value within the child's range gets its code, and decodes to itself again."""
    space = Space([range_])
    value = space.decode(space.encoding.from_cube(np.array([[u]]))[0])["p"]
    where = coordinates(space, space, {}, {})
    row = where.place([{"p": value}])
    assert abs(row[0, 0] - space.encode({"p": value})[0]) < 1e-9
    assert where.inside(row)[0]
    again = space.decode(space.encoding.snap(row)[0])["p"]
    if isinstance(range_, IntegerRange):
        assert again == value
    else:
        assert abs(space.encode({"p": again})[0] - row[0, 0]) < 1e-9


@given(numeric(), st.floats(-1e9, 1e9))
def test_outside_values_stay_outside(range_: ContinuousRange | IntegerRange, x: float) -> None:
    """A value beyond a bound stands beyond that bound and within reach; order is kept."""
    where = coordinates(Space([range_]), Space([range_]), {}, {})
    place = float(where.place([{"p": x}])[0, 0])
    assert -REACH <= place <= 1.0 + REACH
    if x < range_.low:
        assert place < float(where.place([{"p": range_.low}])[0, 0])
    elif x > range_.high:
        assert place > float(where.place([{"p": range_.high}])[0, 0]) - 1e-12


@settings(max_examples=30, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(-1e3, 1e3), st.integers(0, 100))
def test_the_scale_of_a_parent_does_not_matter(factor: float, offset: float, seed: int) -> None:
    """An affine change of a parent's objective changes nothing that its expert expects."""
    X = SPACE.encoding.from_cube(np.random.default_rng(seed).random((20, 4)))
    y = np.array([_loss(SPACE.decode(row)) for row in X])
    where = coordinates(SPACE, SPACE, {}, {})
    Z = SPACE.encoding.from_cube(np.random.default_rng(seed + 1).random((50, 4)))
    plain, changed = consult(X, y, where), consult(X, factor * y + factor * offset, where)
    assert plain is not None
    assert changed is not None
    assert np.allclose(plain.expect(Z), changed.expect(Z), atol=1e-3)


def test_a_doubled_scale_gives_the_same_suggestions() -> None:
    """Bit for bit, where the change of a parent's scale rounds nothing; on either side of zero."""
    history = _drawn(9, 3)
    parent = ParentHistory("p", SPACE, _drawn(30, 4, lambda v: _loss(v, 0.3)))
    doubled = replace(
        parent,
        observations=tuple(
            replace(seen, objective=1024.0 * float(seen.objective or 0.0)) for seen in parent.observations
        ),
    )
    for n in (0, 2, 5, 9):
        plain, scaled = (
            suggest("Bayesian", SPACE, history[:n], (), 2, (1, n), maximize=False, parents=[one])
            for one in (parent, doubled)
        )
        assert plain == scaled


def test_memory_never_changes_an_answer() -> None:
    """With parents of both kinds: bit-equal suggestions with no memory, an empty one and a warm one."""
    history = _drawn(14, 3)
    related = ParentHistory("r", SPACE, _drawn(40, 4, lambda v: _loss(v, 0.3)))
    narrow = Space([ContinuousRange("rate", 1e-6, 1e-2), IntegerRange("depth", 2, 30)])
    other = ParentHistory(
        "o", narrow, _drawn(15, 5), constants={"mix": 0.5, "kind": "b"}, pinned={"unknown": 3}
    )
    same = ParentHistory("s", SPACE, _drawn(25, 6), identical=True)
    for parents in ([related, other], [same], [same, related]):
        warm = Memory()
        for n in range(1, 15):
            suggest(
                "Bayesian", SPACE, history[:n], (), 1, (1, n), maximize=False, parents=parents, memory=warm
            )
        for n in (1, 6, 14):
            pending = [history[0].values]
            answers = [
                suggest(
                    "Bayesian",
                    SPACE,
                    history[:n],
                    pending,
                    2,
                    (1, n),
                    maximize=False,
                    parents=parents,
                    **more,
                )
                for more in ({}, {"memory": Memory()}, {"memory": warm}, {"memory": warm})
            ]
            assert all(answer == answers[0] for answer in answers)


values = st.fixed_dictionaries(
    {},
    optional={
        "rate": st.one_of(st.floats(1e-9, 1e3), st.just("text"), st.just(math.nan)),
        "mix": st.one_of(st.floats(-2, 2), st.integers(-1, 2), st.none()),
        "depth": st.one_of(st.integers(-3, 10**12), st.just(True)),
        "kind": st.sampled_from(["a", "b", "c", "zz", 4]),
        "extra": st.floats(-5, 5),
    },
)
trials = st.builds(
    Observation,
    st.just(0),
    st.one_of(
        values,
        st.builds(
            lambda u: SPACE.decode(SPACE.encoding.from_cube(np.array([u]))[0]),
            st.lists(st.floats(0, 1), min_size=4, max_size=4),
        ),
    ),
    st.one_of(
        st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0, 1e308, -1e308])
    ),
    st.sampled_from(["completed", "completed", "failed", "stopped"]),
    st.just(((1, 2.0), (2, 1.0))),
)
spaces = st.sampled_from(
    [
        SPACE,
        Space([]),
        Space([ContinuousRange("rate", 1.0, 2.0), ContinuousRange("extra", -5.0, 5.0)]),
        Space([CategoricalRange("mix", ("x", "y")), IntegerRange("depth", 3, 3)]),
    ]
)
hostile = st.builds(
    ParentHistory,
    st.just("p"),
    spaces,
    st.lists(trials, max_size=8).map(tuple),
    st.fixed_dictionaries({}, optional={"mix": st.just(0.3), "depth": st.just(4), "kind": st.just("b")}),
    st.fixed_dictionaries({}, optional={"extra": st.just(1.0), "rate": st.just(0.1)}),
    st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(hostile, min_size=1, max_size=3), st.integers(0, 8), st.booleans(), st.sampled_from(STRATEGIES)
)
def test_any_parents_give_usable_suggestions(
    parents: list[ParentHistory], n: int, maximize: bool, strategy: str
) -> None:
    """Whatever parents hold, suggestions are points of the child's space with finite details, and nothing raises."""
    given_ = suggest(strategy, SPACE, _drawn(n, 3), (), 2, (1, n), maximize=maximize, parents=parents)
    for one in given_:
        assert SPACE.problems(one.values) == []
        assert all(math.isfinite(value) for value in one.details.values())
