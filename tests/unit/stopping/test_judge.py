"""The door to the rules: what a request asks for, and values judged as they come."""

from __future__ import annotations

from typing import Any

import pytest

from pegbox.errors import ValidationException
from pegbox.stopping import Judge, judge_of, rung_plan


def _judge(config: dict[str, Any], static: dict[str, str] | None = None) -> Judge | None:
    return judge_of(config, static or {}, maximize=True, seed=0)


def test_nothing_is_judged_unless_asked() -> None:
    """Without early stopping and without Hyperband there is no judge, whatever the hyperparameters are called."""
    assert _judge({"Strategy": "Bayesian"}, {"epochs": "9"}) is None
    assert _judge({"Strategy": "Random", "TrainingJobEarlyStoppingType": "Off"}) is None


@pytest.mark.parametrize("strategy", ["Bayesian", "Random", "Grid"])
def test_auto_stops_below_the_median(strategy: str) -> None:
    """Auto works with each other strategy and compares with completed trials only."""
    judge = _judge({"Strategy": strategy, "TrainingJobEarlyStoppingType": "Auto"})
    assert judge is not None
    for number in range(1, 5):
        judge.ended(number, [1.0] * 10, completed=True)
    judge.ended(5, [1.0] * 10, completed=False)
    assert not judge.decide(7, [0.0] * 9).stop
    judge.ended(6, [1.0] * 10, completed=True)
    assert judge.decide(7, [0.0] * 9).stop


def test_hyperband_stops_at_rungs() -> None:
    """Running, stopped and completed trials all count at a rung."""
    judge = _judge({"Strategy": "Hyperband"}, {"epochs": "100"})
    assert judge is not None
    judge.decide(1, [5.0] * 64)
    judge.ended(2, [4.0] * 64, completed=False)
    judge.ended(3, [3.0] * 100, completed=True)
    decision = judge.decide(4, [1.0] * 64)
    assert decision.stop
    assert "ranks 4 of 4" in decision.reason


def test_a_batch_is_judged_value_by_value() -> None:
    """What was judged before is not judged again, and within a batch the first reason to stop is given."""
    judge = Judge(maximize=True, seed=0, auto=True)
    for number in range(1, 6):
        judge.ended(number, [1.0] * 10, completed=True)
    values = [2.0] * 5 + [0.0] + [2.0] * 2
    assert judge.decide(9, values).reason.startswith("value 0 at step 6 is worse")
    assert not judge.decide(9, values, since=6).stop
    assert judge.decide(9, values, since=8).reason == "no new value"


def test_brackets_come_from_seed_and_number() -> None:
    """A trial whose bracket skips the first rung is not judged there; the others are."""
    plan = rung_plan(100)
    judge = Judge(maximize=True, seed=3, plan=plan)
    for number in range(101, 131):
        judge.ended(number, [9.0] * 8, completed=False)
    for number in range(1, 15):
        assert judge.decide(number, [0.0] * 8).stop == (plan.bracket_of(3, number) == 0)


@pytest.mark.parametrize(
    ("config", "messages"),
    [
        (
            {"Strategy": "Hyperband", "TrainingJobEarlyStoppingType": "Auto"},
            [
                "TrainingJobEarlyStoppingType: must be Off when Strategy is Hyperband",
                "HyperParameterTuningJobConfig.StrategyConfig.HyperbandStrategyConfig.MaxResource: Hyperband needs",
            ],
        ),
        (
            {"Strategy": "Random", "StrategyConfig": {"HyperbandStrategyConfig": {"MaxResource": 9}}},
            ["belongs to Strategy Hyperband, not Random; leave it out or change the strategy"],
        ),
    ],
)
def test_contradictions_are_refused(config: dict[str, Any], messages: list[str]) -> None:
    """Each problem is named, all in one message."""
    with pytest.raises(ValidationException) as caught:
        _judge(config)
    for message in messages:
        assert message in caught.value.message


def test_a_rebuilt_judge_decides_alike() -> None:
    """Shown the same curves in another order after a restart, a new judge gives the same answers."""
    curves = {number: [float((number * step) % 7) for step in range(1, 41)] for number in range(1, 30)}
    for config in ({"Strategy": "Hyperband"}, {"Strategy": "Random", "TrainingJobEarlyStoppingType": "Auto"}):
        lived, rebuilt = _judge(config, {"epochs": "40"}), _judge(config, {"epochs": "40"})
        assert lived is not None
        assert rebuilt is not None
        for number, values in curves.items():
            for step in range(1, 41):
                lived.decide(number, values[:step], since=step - 1)
            lived.ended(number, values, completed=True)
        for number, values in reversed(curves.items()):
            rebuilt.ended(number, values, completed=True)
        own = [3.0] * 30
        assert lived.decide(99, own) == rebuilt.decide(99, own)


def test_a_trial_that_starts_again_is_forgotten() -> None:
    """Only the last attempt counts, so that a judge made anew from it decides alike."""
    plan = rung_plan(100)
    judge = Judge(maximize=True, seed=0, plan=plan)
    judge.decide(1, [9.0] * 20)
    judge.decide(2, [5.0] * 20)
    judge.restarted(1)
    judge.decide(1, [1.0] * 3)
    assert judge._table.place("x", [7.0] * 20, 8) == (0, 0, 1)


def test_a_trial_beyond_the_maximum_resource_is_exhausted() -> None:
    """Its last value is final; one that was stopped at a rung has only a bound."""
    judge = Judge(maximize=True, seed=0, plan=rung_plan(10))
    assert judge.exhausted([1.0] * 11)
    assert not judge.exhausted([1.0] * 10)
    assert not Judge(maximize=True, seed=0, auto=True).exhausted([1.0] * 11)
