"""From a history to arrays: signs, failures, stopped trials."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pegbox.space import ContinuousRange, Scaling, Space
from pegbox.strategies.evidence import gather
from pegbox.strategies.records import Observation

SPACE = Space([ContinuousRange("x", 0.0, 1.0, Scaling.LINEAR)])


def _seen(x: float, objective: float | None, status: str = "completed", **more: object) -> Observation:
    return Observation(0, {"x": x}, objective, status, **more)  # type: ignore[arg-type]


def test_each_observation_finds_its_place() -> None:
    """Numbers are data, failures and NaN and infinities are failures, a stopped trial without a value is nothing."""
    history = [
        _seen(0.1, 5.0),
        _seen(0.2, None, "failed"),
        _seen(0.3, math.nan),
        _seen(0.4, math.inf),
        _seen(0.5, -math.inf),
        _seen(0.6, None, "stopped"),
        _seen(7.0, 1.0),
    ]
    evidence = gather(SPACE, history, [{"x": 0.9}, {"y": 1.0}], maximize=True)
    assert evidence.X.tolist() == [[0.1]]
    assert evidence.y.tolist() == [-5.0]
    assert sorted(evidence.F[:, 0]) == [0.2, 0.3, 0.4, 0.5]
    assert evidence.P.tolist() == [[0.9]]


@pytest.mark.parametrize("maximize", [False, True])
def test_a_stopped_trial_is_a_bound_not_a_final_value(maximize: bool) -> None:
    """It is credited with the usual gain from its last step on, but never with more than the median of the finished."""
    sign = -1.0 if maximize else 1.0

    def curve(start: float, end: float) -> tuple[tuple[int, float], ...]:
        return ((1, sign * start), (2, sign * (start + end) / 2), (3, sign * end))

    history = [
        _seen(0.1, sign * 1.0, curve=curve(5.0, 1.0)),
        _seen(0.2, sign * 2.0, curve=curve(6.0, 2.0)),
        _seen(0.3, sign * 3.0, curve=curve(7.0, 3.0)),
        _seen(0.4, sign * 9.0, "stopped", curve=((1, sign * 9.0),)),
        _seen(0.5, sign * 5.5, "stopped", curve=((1, sign * 5.5),)),
    ]
    evidence = gather(SPACE, history, (), maximize=maximize)
    assert np.allclose(evidence.y, [1.0, 2.0, 3.0, 5.0, 2.0])
    assert evidence.censored.tolist() == [False, False, False, True, True]


def test_stopped_trials_alone_keep_their_last_values() -> None:
    """With nothing finished there is no usual gain to credit."""
    evidence = gather(SPACE, [_seen(0.1, 3.0, "stopped")], (), maximize=False)
    assert evidence.y.tolist() == [3.0]
