"""The median rule of early stopping ``Auto``."""

from __future__ import annotations

import itertools
import math

import pytest

from pegbox.stopping.decision import on_grid, sparse_curve
from pegbox.stopping.median import CompletedCurves, median_rule, running_averages

#: Five completed curves of ten steps whose running averages at step 5 are 3, 6, 9, 12 and 15.
FIVE = [[float(step * k) for step in range(1, 11)] for k in (1, 2, 3, 4, 5)]


def test_raw_value_is_compared_with_running_averages() -> None:
    """The trial's own value counts raw, the others' as averages: 9 is not worse than the median 9."""
    completed = CompletedCurves(FIVE)
    assert completed.median(5) == 9.0
    assert not median_rule([0, 0, 0, 0, 9.0], completed, maximize=True).stop
    assert median_rule([99, 99, 99, 99, 8.9], completed, maximize=True).stop
    assert median_rule([0, 0, 0, 0, 9.1], completed, maximize=False).stop
    assert not median_rule([99, 99, 99, 99, 9.0], completed, maximize=False).stop


def test_reason_carries_the_numbers() -> None:
    """A stop says which value at which step was compared with which median of how many."""
    decision = median_rule([1, 1, 1, 1, 2.5], CompletedCurves(FIVE), maximize=True)
    assert decision.stop
    assert decision.reason == (
        "value 2.5 at step 5 is worse than 9, the median of the running averages of 5 completed training jobs"
    )


def test_four_completed_trials_are_too_few() -> None:
    """Nothing is stopped before five completed trials can be compared with."""
    decision = median_rule([0.0] * 5, CompletedCurves(FIVE[:4]), maximize=True)
    assert not decision.stop
    assert decision.reason == "4 completed training jobs reach step 5; 5 are needed"


def test_only_curves_that_reach_the_step_count() -> None:
    """A completed trial with fewer values is no evidence about later steps."""
    completed = CompletedCurves([*FIVE[:4], FIVE[4][:6], [1.0] * 10])
    assert completed.count(6) == 6
    assert completed.count(7) == 5


@pytest.mark.parametrize(("length", "first"), [(6, 5), (10, 5), (20, 6), (50, 15), (100, 30)])
def test_warm_up_is_five_steps_or_a_share_of_the_longest_curve(length: int, first: int) -> None:
    """A hopeless trial lives through the warm-up and is stopped at its end, not later."""
    completed = CompletedCurves([[1.0] * length] * 5)
    assert not median_rule([0.0] * (first - 1), completed, maximize=True).stop
    assert median_rule([0.0] * first, completed, maximize=True).stop


def test_nothing_is_stopped_at_its_last_step() -> None:
    """Where the longest completed trial ended nothing is left to save, and the program may be writing its model."""
    completed = CompletedCurves(FIVE)
    assert median_rule([0.0] * 9, completed, maximize=True).stop
    assert not median_rule([0.0] * 10, completed, maximize=True).stop
    assert not median_rule([0.0] * 11, completed, maximize=True).stop


def test_one_nan_is_passed_over_and_two_in_a_row_stop() -> None:
    """A metric may be undefined for one step; a trial that has diverged is stopped."""
    completed = CompletedCurves(FIVE)
    once = median_rule([1, 1, 1, 1, math.nan], completed, maximize=True)
    assert (once.stop, once.reason.startswith("value nan at step 5 is not a finite number for once")) == (
        False,
        True,
    )
    assert median_rule([1, 1, 1, math.inf, math.nan], completed, maximize=True).stop
    assert median_rule([1, 1, 1, -math.inf, math.inf], completed, maximize=False).stop


def test_nan_in_completed_curves() -> None:
    """Averages leave out values that are not finite, and a curve that is not finite at a step is not compared with there."""
    averages = running_averages([1.0, math.nan, 3.0, math.inf, 8.0])
    assert averages[0::2] == [1.0, 2.0, 4.0]
    assert math.isnan(averages[1])
    assert math.isnan(averages[3])
    completed = CompletedCurves([*FIVE, [math.nan] * 10])
    assert completed.count(5) == 5


def test_equal_curves_are_never_stopped() -> None:
    """A constant's running average is that constant exactly, so that a tie is not lost to rounding."""
    for value in (0.1, 1 / 3, 0.9, 1e-17, 123456.789):
        completed = CompletedCurves([[value] * 40] * 6)
        assert not any(median_rule([value] * k, completed, maximize=True).stop for k in range(1, 41))
        assert not any(median_rule([value] * k, completed, maximize=False).stop for k in range(1, 41))


def test_step_may_be_given() -> None:
    """Values that came in one batch are judged one by one; a step that has not come is not judged."""
    completed = CompletedCurves(FIVE)
    values = [9.0, 9.0, 9.0, 9.0, 9.0, 0.0]
    assert [median_rule(values, completed, maximize=True, step=k).stop for k in range(1, 8)] == [
        False, False, False, False, False, True, False
    ]  # fmt: skip
    assert not median_rule([], completed, maximize=True).stop


def test_memory_of_long_curves_is_bounded() -> None:
    """Of 20,000 steps about a thousand are judged, never further apart than a hundredth part of the way."""
    judged = [step for step in range(1, 20_001) if on_grid(step, 256)]
    assert judged[:256] == list(range(1, 257))
    assert len(judged) < 1200
    assert all(later - step <= step / 100 for step, later in itertools.pairwise(judged[255:]))
    completed = CompletedCurves([[1.0] * 20_000] * 5)
    assert sum(completed.count(step) > 0 for step in range(1, 20_001)) == len(judged)


def test_curves_for_the_search_are_thin_and_share_their_steps() -> None:
    """A long curve is some dozens of points, its steps are those of a longer one, and values that are not finite are left out."""
    short, long = sparse_curve([0.5] * 300), sparse_curve([0.5] * 20_000)
    assert long[: len(short)] == short
    assert len(long) < 110
    assert sparse_curve([1.0, math.nan, 3.0]) == ((1, 1.0), (3, 3.0))
