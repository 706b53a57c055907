"""Whose turn it is among several definitions."""

from __future__ import annotations

from pegbox.engine.allocation import START, Arm, next_turns, start_of


def _whose(*arms: Arm, count: int = 1, maximize: bool = True) -> list[int]:
    return [turn.definition for turn in next_turns(arms, count, maximize=maximize)]


def _arm(*values: float | None, launched: int | None = None, room: int | None = None) -> Arm:
    return Arm(launched=len(values) if launched is None else launched, objectives=values, room=room)


def test_each_starts_with_three() -> None:
    """Round robin, and results do not count yet."""
    assert _whose(_arm(), _arm(), _arm(), count=9) == [0, 1, 2] * START
    assert _whose(_arm(0.9, 0.9, 0.9), _arm(0.1), count=2) == [1, 1]


def test_then_the_better_one_is_favoured_in_either_direction() -> None:
    """The definition with the best values gets most of what follows, and the other its turn now and then."""
    good, bad = _arm(3.0, 5.0, 4.0), _arm(1.0, 2.0, 1.5)
    assert _whose(good, bad) == [0]
    assert _whose(good, bad, maximize=False) == [1]
    counts = _whose(good, bad, count=100)
    assert 5 <= counts.count(1) < 50


def test_only_the_order_of_values_counts() -> None:
    """Any monotone scale gives the same decisions: an outlier or a log changes nothing."""
    plain = (_arm(1.0, 2.0, 7.0), _arm(3.0, 4.0, 6.0))
    bent = tuple(
        Arm(
            launched=arm.launched, objectives=tuple(None if v is None else v**9 - 5.0 for v in arm.objectives)
        )
        for arm in plain
    )
    assert _whose(*plain, count=40) == _whose(*bent, count=40)


def test_equal_definitions_are_told_apart_by_the_number_of_trials() -> None:
    """The same best value: the one with fewer training jobs is next."""
    assert _whose(_arm(1.0, 2.0, 2.0, 2.0), _arm(1.0, 2.0, 2.0)) == [1]


def test_none_is_starved() -> None:
    """Every definition gets a quarter of an equal share in the long run, however bad."""
    best = _arm(*[10.0] * 200)
    worst = _arm(*[0.0] * 10)
    turn = next_turns([best, worst], 1, maximize=True)[0]
    assert turn.definition == 1
    assert turn.reason == "least share: 10 of 210 training jobs were its own"


def test_a_definition_that_only_failed_is_set_aside() -> None:
    """After its start; when all are so, they take turns again."""
    barren, fine = _arm(None, None, None), _arm(0.1, 0.2, 0.1)
    assert barren.barren
    assert set(_whose(barren, fine, count=50)) == {1}
    assert _whose(barren, _arm(None, None, None, None)) == [0]


def test_a_definition_without_results_waits_for_its_first_ones() -> None:
    """A slow program does not fill all slots before anything is known of it."""
    slow, quick = _arm(launched=3), _arm(0.1, 0.2, 0.3, 0.4)
    assert set(_whose(slow, quick, count=20)) == {1}
    assert _whose(slow, _arm(launched=4)) == [0]


def test_used_up_spaces_get_nothing() -> None:
    """A finite space has no more turns than combinations."""
    assert _whose(_arm(room=2), _arm(room=1), count=3) == [0, 1, 0]
    done = _arm(9.0, 9.0, 9.0, room=0)
    assert set(_whose(done, _arm(1.0, 1.0, 1.0), count=20)) == {1}


def test_the_reason_tells_what_decided() -> None:
    """Words and numbers for the owner."""
    turn = next_turns([_arm(3.0, 5.0, 4.0), _arm(1.0, 2.0, 1.5)], 1, maximize=True)[0]
    assert turn.reason.startswith("score 1.386: 100% of all values are no better than its best, 3 of 6")
    assert next_turns([_arm(), _arm()], 1, maximize=True)[0].reason == "start: training job 1 of 3"


def test_small_budgets_have_a_short_start() -> None:
    """At most half of the budget, at least one training job for each; a start without any value is repeated."""
    assert [start_of(budget, 3) for budget in (None, 36, 18, 17, 12, 11, 3, 1)] == [3, 3, 3, 2, 2, 1, 1, 1]
    fine, failed = _arm(0.5), _arm(None)
    turns = next_turns([fine, failed], 3, maximize=True, start=1)
    assert turns[0].definition == 1
    assert turns[0].reason == "start again: its first 1 gave no value"
    assert [turn.definition for turn in turns[1:]] == [0, 0]


def test_a_late_bloomer_is_found() -> None:
    """A search that needs ten training jobs to become the best gets them, and then most of the rest; a poor one does not."""
    chains = {
        0: [0.80 + 0.001 * (step % 7) for step in range(200)],
        1: [0.10 + 0.001 * (step % 5) for step in range(200)],
        2: [0.60 + 0.01 * step if step < 10 else 0.9 + 0.0001 * step for step in range(200)],
    }
    launched = [0, 0, 0]
    for _ in range(200):
        arms = [Arm(launched=n, objectives=tuple(chains[place][:n])) for place, n in enumerate(launched)]
        launched[next_turns(arms, 1, maximize=True)[0].definition] += 1
    assert launched[2] > 60
    assert launched[1] < 20
