"""Rules that end a search: target reached, not improving, converged.

Values are the finite final objectives of finished trials in completion order. An improvement counts when it is better than
the last one that counted by at least 1 % of its size (``RELATIVE_IMPROVEMENT``), or by ``ABSOLUTE_FLOOR`` where that size is
nearly zero: the notion that AWS documents for both criteria. Many small steps add up, since each value is compared with the
last that counted.

AWS does not publish how it detects convergence. Ours: no improvement counted during the last ``CONVERGENCE_WINDOW`` finished
trials (three per tuned parameter if that is more), and at least twice as many trials finished in all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Share of the best value's size that a better value must gain to count as an improvement.
RELATIVE_IMPROVEMENT = 0.01
#: Smallest gain that counts, for best values near zero.
ABSOLUTE_FLOOR = 1e-9
#: Trials without improvement after which a search counts as converged, at least.
CONVERGENCE_WINDOW = 10


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a rule ends the search, and why or why not."""

    stop: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How a search has fared so far; grows by :meth:`seen`, one finished trial at a time."""

    maximize: bool
    #: Best value so far, or None.
    best: float | None = None
    #: The last value that counted as an improvement.
    reference: float | None = None
    #: Evaluated trials since then.
    since: int = 0
    #: Evaluated trials in all.
    evaluated: int = 0

    def seen(self, value: float) -> Progress:
        """Return the progress after one more finite objective."""
        counts = self.reference is None or self._gain(value, self.reference) >= max(
            RELATIVE_IMPROVEMENT * abs(self.reference), ABSOLUTE_FLOOR
        )
        better = self.best is None or self._gain(value, self.best) > 0
        return Progress(
            maximize=self.maximize,
            best=value if better else self.best,
            reference=value if counts else self.reference,
            since=0 if counts else self.since + 1,
            evaluated=self.evaluated + 1,
        )

    def _gain(self, value: float, other: float) -> float:
        gain = value - other
        return gain if self.maximize else -gain


def progress_of(values: Iterable[float], *, maximize: bool) -> Progress:
    """Return the progress after these finite objectives, in completion order."""
    progress = Progress(maximize)
    for value in values:
        progress = progress.seen(value)
    return progress


def target_reached(progress: Progress, target: float | None) -> Decision:
    """Decide whether some trial met ``TargetObjectiveMetricValue``."""
    if target is None or progress.best is None:
        return Decision(False, "no target value, or no value yet")
    if progress.best >= target if progress.maximize else progress.best <= target:
        return Decision(True, f"target objective value {target:g} reached: {progress.best:g}")
    return Decision(False, f"best value {progress.best:g} has not reached the target {target:g}")


def not_improving(progress: Progress, patience: int | None) -> Decision:
    """Decide whether ``MaxNumberOfTrainingJobsNotImproving`` trials in a row brought no improvement."""
    if patience is None:
        return Decision(False, "no such criterion")
    text = f"{progress.since} training jobs in a row did not improve the objective by 1 % (limit {patience})"
    return Decision(progress.since >= patience, text)


def convergence_reached(progress: Progress, dimension: int) -> Decision:
    """Decide whether the search has converged; ``dimension`` is the number of tuned parameters."""
    window = max(CONVERGENCE_WINDOW, 3 * dimension)
    if progress.evaluated < 2 * window:
        return Decision(
            False, f"{progress.evaluated} evaluated training jobs are too few (need {2 * window})"
        )
    text = f"the last {progress.since} of {progress.evaluated} training jobs did not improve the objective by 1 %"
    return Decision(progress.since >= window, text)
