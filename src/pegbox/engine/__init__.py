"""The engine: decides what runs, records what happened, and is the only writer of the store.

``lifecycle`` and ``planner`` are pure: events and snapshots in, new records and instructions out; no I/O, no clock, no hidden
state. The controller is the shell around them: one thread, one transaction per step, and no effect outside the store before that
transaction is committed. Commands and queries are the only doors for the rooms above.
"""

from pegbox.engine.engine import Engine
from pegbox.engine.policy import EnginePolicy

__all__ = ["Engine", "EnginePolicy"]
