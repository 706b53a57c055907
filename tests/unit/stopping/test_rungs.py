"""Hyperband: resources, rungs, brackets and the decision at a rung."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest

from pegbox.errors import ValidationException
from pegbox.stopping.rungs import (
    EPOCH_NAMES,
    RungTable,
    hyperband_plan,
    infer_max_resource,
    rung_plan,
    rung_rule,
)


@pytest.mark.parametrize(
    ("maximum", "minimum", "levels"),
    [
        (52, 1, (4, 8, 16, 32)),
        (100, 1, (8, 16, 32, 64)),
        (27, 1, (2, 4, 8, 16)),
        (10, 1, (1, 2, 4, 8)),
        (52, 10, (10, 20, 40)),
        (9, 9, ()),
        (1, 1, ()),
        (2, 1, (1,)),
    ],
)
def test_rungs_start_at_a_twelfth_and_double(maximum: int, minimum: int, levels: tuple[int, ...]) -> None:
    """The first rung lies at about 8 % of the maximum, or at the minimum where that is more; all lie below the maximum."""
    assert rung_plan(maximum, minimum).levels == levels


def test_each_bracket_skips_one_rung_more() -> None:
    """Bracket b starts at the b-th rung; small resources have fewer brackets."""
    assert rung_plan(52).brackets == ((4, 8, 16, 32), (8, 16, 32), (16, 32))
    assert rung_plan(3).brackets == ((1, 2), (2,))
    assert rung_plan(1).brackets == ((),)


def test_brackets_have_exact_shares_in_each_block() -> None:
    """Of seven trials in a row four belong to bracket 0, two to bracket 1 and one to bracket 2."""
    plan = rung_plan(52)
    for block in range(20):
        numbers = range(1 + 7 * block, 8 + 7 * block)
        assert Counter(plan.bracket_of(3, number) for number in numbers) == {0: 4, 1: 2, 2: 1}


def test_brackets_follow_from_seed_and_number_alone() -> None:
    """Another process draws the same brackets (no hash randomisation), and another seed draws others."""
    plan = rung_plan(52)
    mine = [plan.bracket_of(5, number) for number in range(1, 50)]
    code = (
        "from pegbox.stopping.rungs import rung_plan; "
        "print([rung_plan(52).bracket_of(5, n) for n in range(1, 50)])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(mine)
    assert mine != [plan.bracket_of(6, number) for number in range(1, 50)]


@pytest.mark.parametrize("name", EPOCH_NAMES)
@pytest.mark.parametrize("text", ["40", '"40"', "40.0", " 40 "])
def test_maximum_is_inferred_from_static_epochs(name: str, text: str) -> None:
    """Each documented name is understood, as text or JSON-encoded text."""
    assert infer_max_resource({"lr": "0.1", name: text}) == 40
    assert hyperband_plan({}, {name: text}).maximum == 40


def test_given_maximum_wins_over_epochs() -> None:
    """MaxResource of the request is not overruled by a hyperparameter, and its value is not even read."""
    plan = hyperband_plan({"MaxResource": 20, "MinResource": 3}, {"epochs": "many"})
    assert (plan.maximum, plan.levels) == (20, (3, 6, 12))


@pytest.mark.parametrize(
    ("config", "static", "message"),
    [
        ({}, {"lr": "0.1"}, "MaxResource: Hyperband needs a maximum resource; give MaxResource, or one of"),
        ({}, {"epochs": "many"}, "StaticHyperParameters.epochs: 'many' is not a positive whole number"),
        ({}, {"epochs": "0"}, "'0' is not a positive whole number"),
        ({}, {"epochs": "2.5"}, "'2.5' is not a positive whole number"),
        ({}, {"epochs": "nan"}, "'nan' is not a positive whole number"),
        ({}, {"epochs": "inf"}, "'inf' is not a positive whole number"),
        ({}, {"epochs": "5", "num_epochs": "6"}, "epochs=5, num_epochs=6 name different maximum resources"),
        ({"MinResource": 9, "MaxResource": 8}, {}, "MinResource: 9 exceeds MaxResource (8); lower it"),
        ({"MinResource": 9}, {"epochs": "8"}, "exceeds the number of epochs in StaticHyperParameters (8)"),
        ({"MinResource": 0, "MaxResource": 0}, {}, "MinResource: 0 is below 1"),
        ({"MinResource": 0, "MaxResource": 0}, {}, "MaxResource: 0 is below 1"),
    ],
)
def test_bad_resources_are_refused(config: dict[str, int], static: dict[str, str], message: str) -> None:
    """Each refusal names field, value and remedy."""
    with pytest.raises(ValidationException) as caught:
        hyperband_plan(config, static)
    assert message in caught.value.message


def _table(values: list[float], *, maximize: bool = True) -> RungTable:
    """A table of trials t0, t1, ... with constant curves of 100 steps."""
    table = RungTable(rung_plan(100).levels, maximize=maximize)
    for i, value in enumerate(values):
        table.record(f"t{i}", [value] * 100)
    return table


def test_better_half_goes_on() -> None:
    """Among ten trials at a rung, a fifth place goes on and a sixth place is stopped, with the numbers in the reason."""
    table, plan = _table([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]), rung_plan(100)
    assert not rung_rule("x", [5.5] * 8, table, plan, bracket=0).stop
    decision = rung_rule("x", [4.5] * 8, table, plan, bracket=0)
    assert decision.stop
    assert decision.reason == (
        "value 4.5 at the rung of step 8 (bracket 0) ranks 6 of 10, by its promise 6; the best 5 go on"
    )


def test_minimize_keeps_the_small_ones() -> None:
    """The direction decides which half is the better one."""
    table, plan = _table([1.0, 2.0, 3.0, 4.0], maximize=False), rung_plan(100)
    assert not rung_rule("x", [1.5] * 8, table, plan, bracket=0).stop
    assert rung_rule("x", [3.5] * 8, table, plan, bracket=0).stop


def test_promise_saves_a_slow_starter() -> None:
    """A poor value that rises fast goes on; the same value at rest does not."""
    table, plan = _table([4.0, 5.0, 6.0, 7.0]), rung_plan(100)
    assert rung_rule("x", [3.9] * 8, table, plan, bracket=0).stop
    assert not rung_rule("x", [0.0, 0.0, 0.0, 0.5, 1.0, 2.0, 3.0, 3.9], table, plan, bracket=0).stop


def test_brackets_are_judged_at_their_own_rungs() -> None:
    """A trial of a later bracket skips the first rungs, whatever its value."""
    table, plan = _table([4.0, 5.0, 6.0, 7.0]), rung_plan(100)
    for bracket, first in enumerate((8, 16, 32)):
        assert not rung_rule("x", [0.0] * (first - 1), table, plan, bracket=bracket).stop
        assert rung_rule("x", [0.0] * first, table, plan, bracket=bracket).stop


def test_place_at_the_rung_behind_is_looked_at_again() -> None:
    """A trial that passed a rung early is stopped when enough better ones have arrived there since."""
    table, plan = _table([1.0, 2.0]), rung_plan(100)
    table.record("x", [3.0] * 9)
    assert not rung_rule("x", [3.0] * 9, table, plan, bracket=0).stop
    for i, value in enumerate((4.0, 5.0, 6.0, 7.0)):
        table.record(f"later{i}", [value] * 8)
    assert rung_rule("x", [3.0] * 10, table, plan, bracket=0).stop


def test_own_record_makes_no_difference() -> None:
    """Whether the engine records before or after it asks, the answer is the same."""
    plan = rung_plan(100)
    for value in (0.5, 2.5, 3.0, 4.5):
        table = _table([1.0, 2.0, 3.0, 4.0])
        before = rung_rule("x", [value] * 8, table, plan, bracket=0)
        table.record("x", [value] * 8)
        assert rung_rule("x", [value] * 8, table, plan, bracket=0) == before


def test_two_trials_at_a_rung_are_too_few() -> None:
    """A rung stops nothing before three trials have reached it."""
    plan = rung_plan(100)
    assert not rung_rule("x", [0.0] * 8, _table([9.0]), plan, bracket=0).stop
    assert rung_rule("x", [0.0] * 8, _table([9.0, 9.0]), plan, bracket=0).stop


def test_later_attempt_replaces_what_was_recorded() -> None:
    """A retried trial counts once, with its latest values."""
    table = _table([1.0, 2.0, 9.0])
    table.record("t2", [0.0] * 8)
    assert table.place("x", [1.5] * 8, 8) == (1, 1, 3)


def test_not_finite_values_rank_last() -> None:
    """NaN and both infinities are worse than any number, in both directions; among themselves they tie."""
    for maximize in (True, False):
        for bad in (math.nan, math.inf, -math.inf):
            table, plan = _table([1.0, 2.0, 3.0], maximize=maximize), rung_plan(100)
            assert rung_rule("x", [bad] * 8, table, plan, bracket=0).stop
            table = _table([math.nan, math.inf, -math.inf], maximize=maximize)
            assert not rung_rule("x", [1.0] * 8, table, plan, bracket=0).stop
            assert not rung_rule("x", [bad] * 8, table, plan, bracket=0).stop


def test_maximum_resource_ends_a_trial_that_goes_on() -> None:
    """The last allowed value stops nothing, so that the program can write its model; the next one does."""
    table, plan = _table([9.0, 9.0, 9.0]), rung_plan(20)
    table = RungTable(plan.levels, maximize=True)
    for i in range(3):
        table.record(i, [9.0] * 20)
    assert rung_rule("x", [0.0] * 19, table, plan, bracket=0).stop
    assert not rung_rule("x", [0.0] * 20, table, plan, bracket=0).stop
    beyond = rung_rule("x", [99.0] * 21, table, plan, bracket=0)
    assert (beyond.stop, beyond.reason) == (True, "step 21 is beyond the maximum resource of 20")


def test_step_may_be_given() -> None:
    """Values that came in one batch are judged one by one; a step that has not come is not judged."""
    table, plan = _table([4.0, 5.0, 6.0, 7.0]), rung_plan(100)
    assert not rung_rule("x", [0.0] * 30, table, plan, bracket=0, step=7).stop
    assert rung_rule("x", [0.0] * 30, table, plan, bracket=0, step=8).stop
    assert not rung_rule("x", [0.0] * 30, table, plan, bracket=0, step=31).stop
    assert not rung_rule("x", [], table, plan, bracket=0).stop


def test_the_room_is_light() -> None:
    """The server imports these rules: they bring no numerical library with them."""
    code = (
        "import sys, pegbox.stopping.median, pegbox.stopping.rungs; "
        "print(*({'numpy', 'scipy', 'pandas', 'botocore'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
