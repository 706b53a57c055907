"""Which of the parents' points the child tries first.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X_k, y_k    codes and raw values of parent k that are points of the child's space       (n_k, d), (n_k,)
rows        the points to try, in order                                                 (s, d)
==========  ==========================================================================  ==========

The best point of each parent in turn, then the second best of each, and so on, without points that lie close to one
already taken: several parents that agree are one piece of advice, and a parent's best points tend to lie in a heap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Points nearer than this (root mean square over the columns; a different choice counts as 1) are one.
CLOSE = 0.15


def first_points(
    parents: Sequence[tuple[Floats, Floats]], categorical: npt.NDArray[np.bool_], count: int
) -> Floats:
    """At most ``count`` rows (s, d) of the parents' ``(X_k, y_k)``, best first."""
    d = len(categorical)
    rows = np.empty((0, d))
    queues = [(X, list(np.argsort(y, kind="stable")[: 10 * count])) for X, y in parents]
    while len(rows) < count and any(queue for _, queue in queues):
        for X, queue in queues:
            while queue and len(rows) < count:
                candidate = X[queue.pop(0)]
                if _distance(candidate, rows, categorical) >= CLOSE:
                    rows = np.vstack([rows, candidate])
                    break
    return rows


def _distance(row: Floats, others: Floats, categorical: npt.NDArray[np.bool_]) -> float:
    if not len(others):
        return np.inf
    difference = np.abs(others - row)
    difference = np.where(categorical, difference > 0.5, difference)
    return float(np.sqrt((difference**2).mean(axis=1)).min())
