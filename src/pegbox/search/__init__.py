"""The search without jobs: a public ask/tell class over the strategies.

Imports no server. No I/O and no clock: the caller evaluates, the optimizer suggests.
"""

from pegbox.search.optimizer import Best, Optimizer
from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies.records import Observation, ParentHistory

__all__ = [
    "Best",
    "CategoricalRange",
    "ContinuousRange",
    "IntegerRange",
    "Observation",
    "Optimizer",
    "ParentHistory",
    "Scaling",
    "Space",
]
