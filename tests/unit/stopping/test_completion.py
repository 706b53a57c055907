"""Completion rules."""

from __future__ import annotations

import pytest

from pegbox.stopping import convergence_reached, not_improving, progress_of, target_reached


def test_a_target_is_reached_in_the_direction_of_the_objective() -> None:
    """At the target itself, too; and the reason says both values."""
    assert target_reached(progress_of([0.1, 0.9], maximize=True), 0.9).stop
    assert not target_reached(progress_of([0.1, 0.8], maximize=True), 0.9).stop
    decision = target_reached(progress_of([0.5, 0.2], maximize=False), 0.3)
    assert decision.stop
    assert "0.3" in decision.reason
    assert "0.2" in decision.reason


def test_rules_without_values_or_limits_stop_nothing() -> None:
    """No value yet, no criterion given."""
    nothing = progress_of([], maximize=True)
    assert not target_reached(nothing, 0.0).stop
    assert not not_improving(nothing, 3).stop
    assert not not_improving(progress_of([1.0] * 9, maximize=True), None).stop


@pytest.mark.parametrize(("gain", "counts"), [(0.0099, False), (0.0101, True)])
def test_an_improvement_counts_from_one_percent(gain: float, counts: bool) -> None:
    """AWS's notion, for both directions and for negative values."""
    for value, better, maximize in (
        (2.0, 2.0 * (1 + gain), True),
        (2.0, 2.0 * (1 - gain), False),
        (-2.0, -2.0 * (1 - gain), True),
    ):
        assert (progress_of([value, better], maximize=maximize).since == 0) is counts


def test_small_steps_add_up() -> None:
    """Each value is compared with the last that counted, not with the last."""
    assert progress_of([1.0, 1.006, 1.012], maximize=True).since == 0


def test_not_improving_counts_trials_in_a_row() -> None:
    """Three flat trials after the best reach a limit of three, two do not."""
    assert not not_improving(progress_of([1.0, 0.5, 0.5], maximize=True), 3).stop
    assert not_improving(progress_of([1.0, 0.5, 0.5, 1.005], maximize=True), 3).stop


def test_huge_and_tiny_values_are_compared_soundly() -> None:
    """Differences beyond the largest double, and best values of zero."""
    assert progress_of([-1.7e308, 1.7e308], maximize=True).best == 1.7e308
    assert progress_of([0.0, 1e-12], maximize=True).since == 1
    assert progress_of([0.0, 1e-3], maximize=True).since == 0


def test_convergence_needs_a_long_flat_end() -> None:
    """Ten flat trials of twenty; three per parameter if that is more."""
    flat = progress_of([*range(10), *[9.0] * 10], maximize=True)
    assert convergence_reached(flat, 1).stop
    assert not convergence_reached(flat, 4).stop
    rising = progress_of([float(i) for i in range(1, 40)], maximize=True)
    assert not convergence_reached(rising, 1).stop
