"""What must hold for all curves: symmetry, monotonicity, independence of order and labels, bounds."""

from __future__ import annotations

import math
import statistics

from hypothesis import given, settings
from hypothesis import strategies as st

from pegbox.stopping.median import FEWEST_CURVES, CompletedCurves, median_rule, running_averages
from pegbox.stopping.rungs import FEWEST_VALUES, RungTable, rung_plan, rung_rule

EPOCHS = 17
PLAN = rung_plan(EPOCHS)
numbers = st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: round(x, 6))
anything = st.one_of(numbers, st.sampled_from([math.nan, math.inf, -math.inf]))
curve = st.lists(numbers, min_size=1, max_size=EPOCHS)
wild_curve = st.lists(anything, min_size=1, max_size=EPOCHS)
curves = st.lists(wild_curve, max_size=9)
directions = st.booleans()
brackets = st.integers(0, len(PLAN.brackets) - 1)


def _table(others: list[list[float]], *, maximize: bool) -> RungTable:
    table = RungTable(PLAN.levels, maximize=maximize)
    for i, values in enumerate(others):
        table.record(i, values)
    return table


def _negated(values: list[float]) -> list[float]:
    return [-value for value in values]


@given(curves, wild_curve, directions)
def test_median_rule_is_symmetric(others: list[list[float]], own: list[float], maximize: bool) -> None:
    """Maximising a metric and minimising its negative are the same job."""
    one = median_rule(own, CompletedCurves(others), maximize=maximize)
    two = median_rule(
        _negated(own), CompletedCurves(_negated(values) for values in others), maximize=not maximize
    )
    assert one.stop == two.stop


@given(curves, wild_curve, directions, brackets)
def test_rung_rule_is_symmetric(
    others: list[list[float]], own: list[float], maximize: bool, bracket: int
) -> None:
    """Maximising a metric and minimising its negative are the same job."""
    one = rung_rule("x", own, _table(others, maximize=maximize), PLAN, bracket=bracket)
    table = _table([_negated(values) for values in others], maximize=not maximize)
    assert one.stop == rung_rule("x", _negated(own), table, PLAN, bracket=bracket).stop


@given(curves, curve, st.floats(0, 1e6), directions)
def test_a_better_last_value_is_never_worse_for_the_trial(
    others: list[list[float]], own: list[float], gain: float, maximize: bool
) -> None:
    """Median rule: a trial that goes on would also go on with a better value."""
    completed = CompletedCurves(others)
    better = [*own[:-1], own[-1] + (gain if maximize else -gain)]
    if not median_rule(own, completed, maximize=maximize).stop:
        assert not median_rule(better, completed, maximize=maximize).stop


@given(curves, curve, st.floats(0, 1e6), directions, brackets)
def test_a_better_value_at_the_rung_is_never_worse_for_the_trial(
    others: list[list[float]], own: list[float], gain: float, maximize: bool, bracket: int
) -> None:
    """Rungs: a trial that goes on would also go on had its newest value been better."""
    table = _table(others, maximize=maximize)
    better = [*own[:-1], own[-1] + (gain if maximize else -gain)]
    if not rung_rule("x", own, table, PLAN, bracket=bracket).stop:
        assert not rung_rule("x", better, table, PLAN, bracket=bracket).stop


@given(st.lists(wild_curve, max_size=FEWEST_CURVES - 1), wild_curve, directions)
def test_fewer_than_five_completed_never_stop(
    others: list[list[float]], own: list[float], maximize: bool
) -> None:
    """Whatever the values, the median rule waits for five completed trials."""
    assert not median_rule(own, CompletedCurves(others), maximize=maximize).stop


@given(st.lists(wild_curve, max_size=FEWEST_VALUES - 2), wild_curve, directions, brackets)
def test_lonely_rungs_never_stop(
    others: list[list[float]], own: list[float], maximize: bool, bracket: int
) -> None:
    """Whatever the values, a rung waits for three trials."""
    assert not rung_rule("x", own, _table(others, maximize=maximize), PLAN, bracket=bracket).stop


@given(st.lists(st.tuples(wild_curve, st.integers()), max_size=9), wild_curve, directions, brackets)
def test_order_and_labels_do_not_matter(
    others: list[tuple[list[float], int]], own: list[float], maximize: bool, bracket: int
) -> None:
    """The same curves in another order under other names give the same decision, to the word."""
    plain = [values for values, _ in others]
    mixed = [values for values, _ in sorted(others, key=lambda pair: pair[1])]
    assert median_rule(own, CompletedCurves(plain), maximize=maximize) == median_rule(
        own, CompletedCurves(mixed), maximize=maximize
    )
    table = RungTable(PLAN.levels, maximize=maximize)
    for i, values in enumerate(mixed):
        table.record(("other", -i), values)
    assert rung_rule("x", own, _table(plain, maximize=maximize), PLAN, bracket=bracket) == rung_rule(
        "another name", own, table, PLAN, bracket=bracket
    )


@given(curves, wild_curve, directions)
def test_recording_step_by_step_is_recording_at_once(
    others: list[list[float]], own: list[float], maximize: bool
) -> None:
    """A table fed value by value, with repeats, equals one rebuilt from the whole curves."""
    grown = RungTable(PLAN.levels, maximize=maximize)
    for step in range(1, EPOCHS + 1):
        for i, values in enumerate(others):
            grown.record(i, values[:step])
    whole = _table(others, maximize=maximize)
    for level in PLAN.levels:
        if level <= len(own):
            assert grown.place("x", own, level) == whole.place("x", own, level)


@given(curves, wild_curve, directions, brackets)
def test_places_are_ranks(others: list[list[float]], own: list[float], maximize: bool, bracket: int) -> None:
    """The place by value is the number of others whose value at the rung is strictly better, counted by hand."""
    table = _table(others, maximize=maximize)

    def loss(value: float) -> float:
        return (-value if maximize else value) if math.isfinite(value) else math.inf

    for level in PLAN.levels:
        if level <= len(own):
            there = [loss(values[level - 1]) for values in others if len(values) >= level]
            by_value, _, count = table.place("x", own, level)
            assert (by_value, count) == (sum(x < loss(own[level - 1]) for x in there), len(there))


@given(st.lists(st.lists(anything, min_size=2, max_size=3), min_size=5, max_size=9), directions)
def test_at_least_half_survive_each_rung(others: list[list[float]], maximize: bool) -> None:
    """Of trials that reach a rung no more than the worse half (rounded up) is stopped there."""
    table = _table(others, maximize=maximize)
    stopped = sum(
        rung_rule(i, values, table, PLAN, bracket=0, step=PLAN.levels[0]).stop
        for i, values in enumerate(others)
    )
    assert stopped <= math.ceil(len(others) / 2)


@given(wild_curve)
def test_running_averages_are_means(values: list[float]) -> None:
    """Each average equals the mean of the finite values so far, up to rounding."""
    for step, average in enumerate(running_averages(values), start=1):
        finite = [value for value in values[:step] if math.isfinite(value)]
        if math.isfinite(values[step - 1]):
            assert math.isclose(average, statistics.fmean(finite), rel_tol=1e-9, abs_tol=1e-6)
        else:
            assert math.isnan(average)


@given(st.lists(curve, min_size=1, max_size=9), st.integers(1, EPOCHS))
def test_median_is_the_median(others: list[list[float]], step: int) -> None:
    """The look-up equals the median of the averages computed anew."""
    averages = [running_averages(values)[step - 1] for values in others if len(values) >= step]
    completed = CompletedCurves(others)
    assert completed.count(step) == len(averages)
    if averages:
        assert math.isclose(completed.median(step), statistics.median(averages), rel_tol=1e-12, abs_tol=1e-9)


@settings(max_examples=50)
@given(st.integers(1, 20_000), st.integers(1, 20_000), st.integers(0, 2**31), st.integers(1, 10_000))
def test_plans_are_sound(maximum: int, minimum: int, seed: int, number: int) -> None:
    """Rungs ascend, lie within the resources, and every trial has a bracket."""
    plan = rung_plan(maximum, min(minimum, maximum))
    assert list(plan.levels) == sorted(set(plan.levels))
    assert all(min(minimum, maximum) <= level < maximum for level in plan.levels)
    assert 0 <= plan.bracket_of(seed, number) < len(plan.brackets)
