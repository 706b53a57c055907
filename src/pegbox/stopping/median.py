"""Early stopping ``Auto``: the median rule.

A running trial is stopped when its *raw* value at step ``e`` is worse than the median of the completed trials' *running averages*
over steps ``1..e``. This is the rule that AWS documents, its asymmetry included. What AWS leaves open is decided here:

* Only completed trials are compared with, and only those that have a finite value at step ``e``; at least ``FEWEST_CURVES``.
* Nothing is stopped before step ``max(SHORTEST_WARM_UP, WARM_UP_SHARE of the longest completed curve)``: early values rank slow
  starters badly (measured in ``benchmarks/early_stopping.md``). Nor at or after the last step of the longest completed curve,
  where nothing is left to save.
* A value that is not finite cannot be compared: one is passed over (some metrics are undefined for a step), the second in a row
  counts as worse than any median.
* In long curves every step is judged up to ``DENSE_STEPS``, and about every hundredth part of the way after, which bounds memory.

Symbols: ``n`` completed curves, ``L`` their length. Adding a curve costs ``O(L log n)`` comparisons, a decision ``O(1)``.
"""

from __future__ import annotations

import math
from array import array
from bisect import insort
from collections.abc import Iterable, Sequence

from pegbox.stopping.decision import Decision, as_loss, on_grid

#: Completed curves that must reach a step before anything is stopped there.
FEWEST_CURVES = 5
#: First step at which a trial may be stopped, at least.
SHORTEST_WARM_UP = 5
#: The same as a share of the longest completed curve.
WARM_UP_SHARE = 0.3
#: Every step up to this one is judged; beyond it, steps between 1/256 and 1/128 of the way apart.
DENSE_STEPS = 256


def running_averages(values: Sequence[float]) -> list[float]:
    """Return the mean of the finite values up to each step; NaN at steps whose own value is not finite.

    Args:
        values: ``(L,)`` one trial's values in order.
    """
    averages = []
    mean, count = 0.0, 0
    for value in values:
        if math.isfinite(value):
            count += 1
            mean += (value - mean) / count
            averages.append(mean if math.isfinite(mean) else math.nan)
        else:
            averages.append(math.nan)
    return averages


class CompletedCurves:
    """The completed trials' running averages by step, sorted, so that a median is a look-up.

    Only a memo of the curves added, in whatever order: it can be rebuilt from them at any time and its answers do not change.
    """

    def __init__(self, curves: Iterable[Sequence[float]] = ()) -> None:
        self._columns: dict[int, array[float]] = {}
        self._longest = 0
        for curve in curves:
            self.add(curve)

    @property
    def longest(self) -> int:
        """Length of the longest curve added."""
        return self._longest

    def add(self, values: Sequence[float]) -> None:
        """Add the whole curve of a trial that completed."""
        self._longest = max(self._longest, len(values))
        for step, average in enumerate(running_averages(values), start=1):
            if math.isfinite(average) and on_grid(step, DENSE_STEPS):
                insort(self._columns.setdefault(step, array("d")), average)

    def count(self, step: int) -> int:
        """Return how many curves can be compared with at this step."""
        return len(self._columns.get(step, ()))

    def median(self, step: int) -> float:
        """Return the median of the running averages up to this step; NaN where there is none."""
        column = self._columns.get(step)
        if not column:
            return math.nan
        middle = len(column) // 2
        return column[middle] if len(column) % 2 else column[middle - 1] / 2 + column[middle] / 2

    def warm_up(self) -> int:
        """Return the first step at which a trial may be stopped."""
        return max(SHORTEST_WARM_UP, math.ceil(WARM_UP_SHARE * self._longest))


def median_rule(
    values: Sequence[float], completed: CompletedCurves, *, maximize: bool, step: int | None = None
) -> Decision:
    """Decide whether a running trial is stopped at a step.

    Args:
        values: ``(k,)`` what the trial has emitted so far.
        completed: The completed trials of the same definition.
        maximize: Whether larger values are better.
        step: Which step is judged, from 1; the last by default.
    """
    step = len(values) if step is None else step
    if not 1 <= step <= len(values):
        return Decision(False, "no value at this step yet")
    if step < completed.warm_up():
        return Decision(False, f"step {step} lies in the warm-up of {completed.warm_up()} steps")
    if step >= completed.longest:
        return Decision(False, f"step {step} is not before the end of the longest completed training job")
    count = completed.count(step)
    if count < FEWEST_CURVES:
        return Decision(
            False, f"{count} completed training jobs reach step {step}; {FEWEST_CURVES} are needed"
        )
    value, median = values[step - 1], completed.median(step)
    comparison = f"{median:g}, the median of the running averages of {count} completed training jobs"
    if not math.isfinite(value):
        again = step > 1 and not math.isfinite(values[step - 2])
        words = (
            "again not a finite number, worse than" if again else "not a finite number for once, passed over;"
        )
        return Decision(again, f"value {value} at step {step} is {words} {comparison}")
    if as_loss(value, maximize=maximize) > as_loss(median, maximize=maximize):
        return Decision(True, f"value {value:g} at step {step} is worse than {comparison}")
    return Decision(False, f"value {value:g} at step {step} is not worse than {comparison}")
