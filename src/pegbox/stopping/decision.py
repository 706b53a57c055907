"""What the rules that stop a running trial share: the decision, and how values of both directions compare.

A curve is what one trial emitted, in order: its value at step ``k`` is the ``k``-th value of the objective metric, from 1,
whatever the program calls its epochs. Rules work on *losses* inside: smaller is better, and a value that is not finite is
worse than all.
"""

from __future__ import annotations

import math

from pegbox.stopping.completion import Decision

__all__ = ["Decision", "as_loss"]


def as_loss(value: float, *, maximize: bool) -> float:
    """Return the value with the better one smaller; NaN and both infinities become ``+inf``, the worst."""
    if not math.isfinite(value):
        return math.inf
    return -value if maximize else value
