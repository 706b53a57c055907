"""What the rules that stop a running trial share: the decision, and how values of both directions compare.

A curve is what one trial emitted, in order: its value at step ``k`` is the ``k``-th value of the objective metric, from 1,
whatever the program calls its epochs. Rules work on *losses* inside: smaller is better, and a value that is not finite is
worse than all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pegbox.stopping.completion import Decision

__all__ = ["Decision", "as_loss", "on_grid", "sparse_curve"]

#: Every step of a curve is kept for the search up to this one.
DENSE_CURVE = 16


def as_loss(value: float, *, maximize: bool) -> float:
    """Return the value with the better one smaller; NaN and both infinities become ``+inf``, the worst."""
    if not math.isfinite(value):
        return math.inf
    return -value if maximize else value


def on_grid(step: int, dense: int) -> bool:
    """Return whether a step lies on a grid that holds every step up to ``dense`` and widens by octaves after.

    Beyond ``dense`` (a power of two) two neighbours lie between ``1/dense`` and ``2/dense`` of the way apart. The grid does not
    depend on a curve's length, so that the thinned curves of all trials hold the same steps.
    """
    return step <= dense or step % (1 << (step.bit_length() - dense.bit_length() + 1)) == 0


def sparse_curve(values: Sequence[float]) -> tuple[tuple[int, float], ...]:
    """Return the finite values of a curve as (step, value) pairs, thinned to some dozens, for the search.

    Args:
        values: ``(L,)`` one trial's values in order.
    """
    return tuple(
        (step, value)
        for step, value in enumerate(values, start=1)
        if on_grid(step, DENSE_CURVE) and math.isfinite(value)
    )
