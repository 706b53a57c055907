"""Any sequence of asking and telling keeps the search's promises."""

from __future__ import annotations

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.search import CategoricalRange, ContinuousRange, IntegerRange, Optimizer, Scaling

SPACES = [
    [ContinuousRange("x", 1e-3, 1.0), IntegerRange("n", 1, 3), CategoricalRange("k", ("a", "b"))],
    [IntegerRange("n", 0, 2), CategoricalRange("k", ("a", "b"))],
    [ContinuousRange("m", 0.0, 0.99, Scaling.REVERSE_LOGARITHMIC)],
    [CategoricalRange("k", ("only",)), ContinuousRange("x", 2.0, 2.0)],
]

objectives = st.one_of(
    st.none(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, 1.0, 1.0, 1e300, -1e-300]),
)
steps = st.lists(
    st.tuples(
        st.integers(1, 3), objectives, st.sampled_from(["completed", "completed", "failed", "stopped"])
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(SPACES), steps, st.booleans())
def test_every_suggestion_is_usable_whatever_was_told(
    ranges: list[ContinuousRange | IntegerRange | CategoricalRange],
    told: list[tuple[int, float | None, str]],
    maximize: bool,
) -> None:
    """Points of the space, finite details, no repeats in a finite space before it is used up, no exception."""
    optimizer = Optimizer(ranges, objective_type="Maximize" if maximize else "Minimize", seed=1)
    seen: list[str] = []
    waiting = []
    for count, objective, status in told:
        for suggestion in optimizer.ask(count):
            assert optimizer.space.problems(suggestion.values) == []
            assert all(math.isfinite(value) for value in suggestion.details.values())
            seen.append(str(sorted(suggestion.values.items())))
            waiting.append(suggestion)
        optimizer.tell(waiting.pop(len(waiting) // 2), objective, status=status)
    size = optimizer.space.cardinality
    if size is not None:
        first = seen[:size]
        assert len(set(first)) == len(first)
