"""When to stop: a trial that lags (``Auto``, Hyperband's rungs), and a search that has reached its end.

Pure: values in, :class:`Decision` with a reason out. No I/O, no clock, no numpy (the server imports this room).
:class:`Judge` and what it holds only save sorting again: it is rebuilt from the curves at any time. What a
decision does is the planner's matter.
"""

from pegbox.stopping.completion import (
    CONVERGENCE_WINDOW,
    RELATIVE_IMPROVEMENT,
    Decision,
    Progress,
    convergence_reached,
    not_improving,
    progress_of,
    target_reached,
)
from pegbox.stopping.decision import sparse_curve
from pegbox.stopping.judge import Judge, judge_of
from pegbox.stopping.median import CompletedCurves, median_rule
from pegbox.stopping.rungs import RungPlan, RungTable, hyperband_plan, rung_plan, rung_rule

__all__ = [
    "CONVERGENCE_WINDOW",
    "RELATIVE_IMPROVEMENT",
    "CompletedCurves",
    "Decision",
    "Judge",
    "Progress",
    "RungPlan",
    "RungTable",
    "convergence_reached",
    "hyperband_plan",
    "judge_of",
    "median_rule",
    "not_improving",
    "progress_of",
    "rung_plan",
    "rung_rule",
    "sparse_curve",
    "target_reached",
]
