"""Strategies: what to try next, as pure functions of what was observed.

``suggest`` is the one door. No I/O, no clock, no state: everything is rebuilt from the history on each call, and a
:class:`Memory` only saves recomputing fitted values. The same arguments give the same answer, bit for bit. The records
load nothing; ``suggest`` loads the numerics on first use, because the server only passes records on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegbox.strategies.memory import Memory
from pegbox.strategies.records import Observation, ParentHistory, Suggestion

if TYPE_CHECKING:
    from pegbox.strategies.recommendation import Recommendation, recommend
    from pegbox.strategies.suggest import NUMERICS_VERSION, STRATEGIES, suggest

__all__ = [
    "NUMERICS_VERSION",
    "STRATEGIES",
    "Memory",
    "Observation",
    "ParentHistory",
    "Recommendation",
    "Suggestion",
    "recommend",
    "suggest",
]


#: What needs numerics -> its module.
_HOMES = {
    "NUMERICS_VERSION": "suggest",
    "STRATEGIES": "suggest",
    "suggest": "suggest",
    "Recommendation": "recommendation",
    "recommend": "recommendation",
}


def __getattr__(name: str) -> Any:
    """Load what needs numerics on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    home = importlib.import_module(f"{__name__}.{_HOMES[name]}")
    # All names of the module at once: importing it has put it in the place of its function of the same name.
    globals().update({key: getattr(home, key) for key, module in _HOMES.items() if module == _HOMES[name]})
    return globals()[name]
