"""Who is asked for the next point, the cautious or the bold."""

from __future__ import annotations

import numpy as np
import pytest

from pegbox.strategies.attitude import is_bold
from pegbox.strategies.recipe import DEFAULT

NUMERIC = np.zeros(7, dtype=bool)


def run_of(bold_is_better: bool, design: int = 6, trials: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Values of a run in which trials of one attitude (numbers 3 modulo 4 are bold) are much better."""
    numbers = np.arange(trials)
    good = 3 if bold_is_better else 1
    return np.where(numbers % 4 == good, 1.0, 2.0) + 0.001 * numbers, numbers


@pytest.mark.parametrize("bold_is_better", [True, False])
def test_the_better_attitude_gets_the_free_trials(bold_is_better: bool) -> None:
    """Of four trials one is always cautious, one always bold, and the other two are of the kind that did better."""
    y, numbers = run_of(bold_is_better)
    answers = [is_bold(k, y, numbers, NUMERIC, 6, DEFAULT) for k in range(100, 104)]
    assert answers == [bold_is_better, False, bold_is_better, True]


def test_without_results_they_take_turns() -> None:
    """Before each has two results of its own, half of all trials are bold; the design speaks for nobody."""
    none = np.empty(0), np.empty(0, dtype=np.int64)
    design = np.ones(8), np.arange(8)
    for y, numbers in (none, design):
        assert sum(is_bold(k, y, numbers, NUMERIC, 8, DEFAULT) for k in range(8, 24)) == 8


def test_what_counts_is_rank_and_order_of_completion_only() -> None:
    """The answer is the same for any increasing map that keeps the better half, and for values of any size."""
    y, numbers = run_of(True)
    for scale in (1e-300, 1.0, 1e300):
        assert is_bold(100, scale * y, numbers, NUMERIC, 6, DEFAULT)
    y, numbers = run_of(False)
    assert not is_bold(100, np.where(y > 1.9, 1e6 * y, y), numbers, NUMERIC, 6, DEFAULT)


def test_the_number_of_columns_may_decide() -> None:
    """Below 5 columns and from 30 on none is bold, from 10 on all are; without numbers there is nothing to be bold about."""
    y, numbers = run_of(False)
    for columns, answer in ((2, False), (4, False), (10, True), (29, True), (30, False), (50, False)):
        kinds = np.zeros(columns, dtype=bool)
        assert {is_bold(k, y, numbers, kinds, 6, DEFAULT) for k in range(8)} == {answer}
    assert not any(is_bold(k, y, numbers, np.ones(7, dtype=bool), 6, DEFAULT) for k in range(8))
