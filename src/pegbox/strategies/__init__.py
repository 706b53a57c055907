"""Strategies: what to try next, as pure functions of what was observed.

``suggest`` is the one door. No I/O, no clock, no state: everything is rebuilt from the history on each call, and a
:class:`Memory` only saves recomputing fitted values. The same arguments give the same answer, bit for bit.
"""

from pegbox.strategies.memory import Memory
from pegbox.strategies.records import Observation, Suggestion
from pegbox.strategies.suggest import NUMERICS_VERSION, STRATEGIES, suggest

__all__ = ["NUMERICS_VERSION", "STRATEGIES", "Memory", "Observation", "Suggestion", "suggest"]
