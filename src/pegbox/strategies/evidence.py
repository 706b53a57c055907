"""What a history says, as arrays; values are turned so that smaller is better.

==========  ==========================================================================  ==========
symbol      meaning                                                                     shape
==========  ==========================================================================  ==========
X, y        codes and raw values of trials with a usable objective                      (n, d), (n,)
censored    which of them were stopped before their end                                 (n,)
numbers     which trial of its job each of them was                                     (n,)
F           codes of trials that failed or reported no finite number                    (f, d)
P           codes of pending trials                                                     (p, d)
==========  ==========================================================================  ==========
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pegbox.space import Space
from pegbox.strategies.records import Observation

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Evidence:
    """A history in arrays; see the table of the module."""

    X: Floats
    y: Floats
    censored: Bools
    F: Floats
    P: Floats
    numbers: npt.NDArray[np.int64]

    @property
    def points(self) -> Floats:
        """Codes of all trials (n + f + p, d)."""
        return np.vstack([self.X, self.F, self.P])

    @property
    def best(self) -> Floats:
        """Code of the best trial (d,)."""
        best: Floats = self.X[int(np.argmin(self.y))]
        return best


def gather(
    space: Space, history: Sequence[Observation], pending: Sequence[Mapping[str, Any]], maximize: bool
) -> Evidence:
    """Sort a history into evidence; observations whose values are not of this space are left out."""
    good, y, bad = sort_out([seen for seen in history if _fits(space, seen.values)], maximize)
    encode = space.encoding.encode
    return Evidence(
        X=encode([seen.values for seen in good]),
        y=y,
        censored=np.array([seen.status == "stopped" for seen in good], dtype=bool),
        F=encode([seen.values for seen in bad]),
        P=encode([values for values in pending if _fits(space, values)]),
        numbers=np.array([seen.number for seen in good], dtype=np.int64),
    )


def sort_out(
    history: Sequence[Observation], maximize: bool
) -> tuple[list[Observation], Floats, list[Observation]]:
    """Trials with a usable objective, their raw values (n,), and trials that failed."""
    sign = -1.0 if maximize else 1.0
    good: list[Observation] = []
    bad: list[Observation] = []
    for seen in history:
        if seen.status != "failed" and seen.objective is not None and math.isfinite(seen.objective):
            good.append(seen)
        elif seen.status != "stopped":
            bad.append(seen)
    y = np.array([sign * float(seen.objective) for seen in good if seen.objective is not None])
    censored = np.array([seen.status == "stopped" for seen in good], dtype=bool)
    return good, _complete(y, censored, good, sign) if censored.any() else y, bad


def _fits(space: Space, values: Mapping[str, Any]) -> bool:
    return all(range_.name in values and range_.contains(values[range_.name]) for range_ in space.parameters)


def _complete(y: Floats, censored: Bools, good: Sequence[Observation], sign: float) -> Floats:
    """Estimate what stopped trials would have reached.

    A stopped trial is assumed to gain what finished trials gained, in the median, between its last step and their
    end, but not to become better than the median of the finished ones: it was stopped for lagging behind.
    """
    finished = [seen for seen, stopped in zip(good, censored, strict=True) if not stopped]
    if not finished:
        return y
    out = y.copy()
    median = _median(y[~censored])
    curves = [dict(seen.curve) for seen in finished]
    finals = y[~censored]
    for i in np.nonzero(censored)[0].tolist():
        if good[i].curve:
            step = good[i].curve[-1][0]
            gains = [
                final - sign * curve[step]
                for final, curve in zip(finals.tolist(), curves, strict=True)
                if step in curve
            ]
            gains = [gain for gain in gains if math.isfinite(gain)]
            if gains:
                out[i] = float(y[i]) + min(_median(np.array(gains)), 0.0)
        out[i] = max(out[i], min(median, y[i]))
    return out


def _median(y: Floats) -> float:
    """The median; the sum of two of the largest doubles does not overflow."""
    return 2.0 * float(np.median(0.5 * y))
