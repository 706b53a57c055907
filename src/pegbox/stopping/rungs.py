"""Hyperband: asynchronous successive halving by stopping, in several brackets.

Trials run side by side and are judged at *rungs*, steps that grow by the factor ``REDUCTION``. A trial goes on beyond a rung as
long as it is among the better half (one of ``REDUCTION``) of all trials that reached the rung so far; nobody waits for anybody
(Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, the variant that stops instead of pausing). What
differs from that paper does so because it was measured to lose the best configuration less often for the epochs that it costs
(``benchmarks/early_stopping.md``):

* The first rung lies at ``FIRST_RUNG_SHARE`` of the resource, or at MinResource where that is more: first epochs rank badly.
* Halves at doubling steps instead of thirds at tripling ones: as thrifty, in smaller and better informed steps.
* A trial is among the better half by its value ``v(r)`` at the rung *or* by its promise ``v(r) + (v(r) - v(r/2))``, where it
  would be at the double step if it gained as much as over the last doubling. Slow starters (small learning rates) pass by that.
* A trial between two rungs keeps being judged at the one behind it, since its place there falls as better trials arrive: who came
  early, when there was little to compare with, is not carried to the end.

Brackets protect against rungs that judge too early: a trial of bracket ``b`` skips the first ``b`` rungs. Of each block of trials
a share in proportion to ``REDUCTION ** -b`` belongs to bracket ``b``. Every trial is recorded at every rung that it passes,
judged or not: brackets share what they know.

Symbols: ``n`` trials recorded; recording and deciding cost ``O(log n)`` comparisons per rung.
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from pegbox.errors import ValidationException
from pegbox.stopping.decision import Decision, as_loss

#: Each rung lies this many times further than the one before, and one of this many trials goes on.
REDUCTION = 2
#: Where the first rung lies, as a share of the maximum resource.
FIRST_RUNG_SHARE = 0.08
#: Brackets, at most; fewer where the resource is too small for so many rungs.
MOST_BRACKETS = 3
#: Trials that must have reached a rung, the judged one included, before it stops anything.
FEWEST_VALUES = 3
#: Static hyperparameters that name the maximum resource where MaxResource is not given.
EPOCH_NAMES = ("epochs", "numepochs", "n-epochs", "n_epochs", "num_epochs")

_CONFIG = "HyperParameterTuningJobConfig.StrategyConfig.HyperbandStrategyConfig"


def infer_max_resource(static: Mapping[str, str]) -> int | None:
    """Return the number of epochs that the static hyperparameters name, or None where none of ``EPOCH_NAMES`` is there.

    Args:
        static: ``StaticHyperParameters`` as text, JSON-encoded or not.

    Raises:
        ValidationException: A value is not a positive whole number, or two names disagree.
    """
    found = {name: _whole(static[name]) for name in EPOCH_NAMES if name in static}
    wrong = [name for name, epochs in found.items() if epochs is None]
    if wrong:
        raise ValidationException(
            "; ".join(
                f"StaticHyperParameters.{name}: {static[name]!r} is not a positive whole number, so that Hyperband cannot "
                f"take its maximum resource from it; correct it or give {_CONFIG}.MaxResource"
                for name in wrong
            )
        )
    if len(set(found.values())) > 1:
        text = ", ".join(f"{name}={epochs}" for name, epochs in found.items())
        raise ValidationException(
            f"StaticHyperParameters: {text} name different maximum resources; give {_CONFIG}.MaxResource"
        )
    return next(iter(found.values()), None)


def _whole(text: str) -> int | None:
    try:
        number = float(text.strip().strip('"'))
    except ValueError:
        return None
    return int(number) if number.is_integer() and number >= 1 else None


@dataclass(frozen=True, slots=True)
class RungPlan:
    """Where the rungs of each bracket lie.

    Attributes:
        maximum: The most steps that a trial may use.
        brackets: ``brackets[b]``: steps of the rungs that judge a trial of bracket ``b``, ascending. Never empty; bracket 0 holds
            all rungs and may be empty itself where the resource is too small to halve.
    """

    maximum: int
    brackets: tuple[tuple[int, ...], ...]

    @property
    def levels(self) -> tuple[int, ...]:
        """All rungs."""
        return self.brackets[0]

    def bracket_of(self, seed: int, number: int) -> int:
        """Return the bracket of a trial: a function of the tuning job's seed and the trial's number (from 1) only.

        Each block of ``1 + 2 + 4 + ...`` numbers holds every bracket exactly in its share, in an order drawn from the seed.
        """
        shares = _shares(len(self.brackets))
        block, place = divmod(number - 1, sum(shares))
        return _block(seed, block, len(self.brackets))[place]


def _shares(brackets: int) -> list[int]:
    return [REDUCTION ** (brackets - 1 - bracket) for bracket in range(brackets)]


@lru_cache(maxsize=1024)
def _block(seed: int, block: int, brackets: int) -> tuple[int, ...]:
    members = [bracket for bracket, share in enumerate(_shares(brackets)) for _ in range(share)]

    def draw(position: int) -> bytes:
        return hashlib.blake2b(f"bracket {seed} {block} {position}".encode(), digest_size=8).digest()

    return tuple(members[position] for position in sorted(range(len(members)), key=draw))


def rung_plan(maximum: int, minimum: int = 1) -> RungPlan:
    """Return the rungs between two resources, both in steps (values of the objective metric).

    Args:
        maximum: MaxResource, at least 1.
        minimum: MinResource: no trial is stopped before it.
    """
    level = max(minimum, round(FIRST_RUNG_SHARE * maximum), 1)
    levels = []
    while level < maximum:
        levels.append(level)
        level *= REDUCTION
    brackets = min(MOST_BRACKETS, max(len(levels), 1))
    return RungPlan(maximum=maximum, brackets=tuple(tuple(levels[b:]) for b in range(brackets)))


def hyperband_plan(config: Mapping[str, int], static: Mapping[str, str]) -> RungPlan:
    """Return the rungs that a request asks for.

    Args:
        config: ``HyperbandStrategyConfig``: MinResource and MaxResource, both optional.
        static: ``StaticHyperParameters``, for a MaxResource that is not given.

    Raises:
        ValidationException: MaxResource is neither given nor named by the static hyperparameters, or lies below MinResource.
    """
    given = config.get("MaxResource")
    maximum = infer_max_resource(static) if given is None else given
    if maximum is None:
        raise ValidationException(
            f"{_CONFIG}.MaxResource: Hyperband needs a maximum resource; give MaxResource, or one of the static "
            f"hyperparameters {', '.join(EPOCH_NAMES)}"
        )
    minimum = config.get("MinResource")
    problems = [
        f"{_CONFIG}.{name}: {value} is below 1; give a positive whole number"
        for name, value in (("MinResource", minimum), ("MaxResource", given))
        if value is not None and value < 1
    ]
    if minimum is not None and minimum > maximum:
        source = "MaxResource" if given is not None else "the number of epochs in StaticHyperParameters"
        problems.append(f"{_CONFIG}.MinResource: {minimum} exceeds {source} ({maximum}); lower it")
    if problems:
        raise ValidationException("; ".join(problems))
    return rung_plan(maximum, 1 if minimum is None else minimum)


class _Rung:
    """Losses recorded at one rung: sorted, and by trial; ``value`` and ``promise`` side by side."""

    __slots__ = ("columns", "losses")

    def __init__(self) -> None:
        self.columns: tuple[list[float], list[float]] = ([], [])
        self.losses: dict[Hashable, tuple[float, float]] = {}

    def put(self, trial: Hashable, losses: tuple[float, float]) -> None:
        before = self.losses.get(trial)
        if before == losses:
            return
        for column, old, new in zip(self.columns, before or losses, losses, strict=True):
            if before is not None:
                del column[bisect_left(column, old)]
            insort(column, new)
        self.losses[trial] = losses

    def drop(self, trial: Hashable) -> None:
        losses = self.losses.pop(trial, None)
        if losses is not None:
            for column, loss in zip(self.columns, losses, strict=True):
                del column[bisect_left(column, loss)]


class RungTable:
    """What trials recorded at each rung, sorted: trials that run, that ended and that were stopped.

    Only a memo of the curves recorded: it can be rebuilt from them at any time and its answers do not change. Recording a curve
    again, longer or of a later attempt, replaces what was there.
    """

    def __init__(self, levels: Sequence[int], *, maximize: bool) -> None:
        self.maximize = maximize
        self._rungs = {level: _Rung() for level in levels}

    def record(self, trial: Hashable, values: Sequence[float]) -> None:
        """Record what a trial has emitted so far (its whole curve up to now).

        Args:
            trial: Whatever tells the trials of one table apart.
            values: ``(k,)`` its values in order.
        """
        for level, rung in self._rungs.items():
            if level <= len(values):
                rung.put(trial, self._losses(values, level))

    def forget(self, trial: Hashable) -> None:
        """Forget a trial, for instance because it starts again from nothing."""
        for rung in self._rungs.values():
            rung.drop(trial)

    def place(self, trial: Hashable, values: Sequence[float], level: int) -> tuple[int, int, int]:
        """Return how many other trials are better at this rung by value, by promise, and how many others there are.

        Args:
            trial: Its own entry, where there is one, does not count.
            values: ``(k,)`` its values in order, ``k >= level``.
            level: The rung.
        """
        rung = self._rungs[level]
        mine = self._losses(values, level)
        before = rung.losses.get(trial)
        by_value, by_promise = (
            bisect_left(column, loss) - (before is not None and before[i] < loss)
            for i, (column, loss) in enumerate(zip(rung.columns, mine, strict=True))
        )
        return by_value, by_promise, len(rung.losses) - (before is not None)

    def _losses(self, values: Sequence[float], level: int) -> tuple[float, float]:
        value, earlier = values[level - 1], values[max(level // 2, 1) - 1]
        loss = as_loss(value, maximize=self.maximize)
        if not math.isfinite(value) or not math.isfinite(earlier):
            return loss, loss
        return loss, as_loss(value + (value - earlier), maximize=self.maximize)


def rung_rule(
    trial: Hashable,
    values: Sequence[float],
    table: RungTable,
    plan: RungPlan,
    *,
    bracket: int,
    step: int | None = None,
) -> Decision:
    """Decide whether a running trial is stopped at a step.

    A trial that goes on after MaxResource steps is stopped at its next value, not at the last allowed one: a program that ends
    there by itself is left to write its model.

    Args:
        trial: The trial's name in the table; whether its own values are recorded already makes no difference.
        values: ``(k,)`` what the trial has emitted so far.
        table: What all trials of the same definition recorded.
        plan: Where the rungs lie.
        bracket: The trial's bracket, from :meth:`RungPlan.bracket_of`.
        step: Which step is judged, from 1; the last by default.
    """
    step = len(values) if step is None else step
    if not 1 <= step <= len(values):
        return Decision(False, "no value at this step yet")
    if step >= plan.maximum:
        text = "is beyond" if step > plan.maximum else "is"
        return Decision(step > plan.maximum, f"step {step} {text} the maximum resource of {plan.maximum}")
    passed = bisect_right(plan.brackets[bracket], step)
    if passed == 0:
        return Decision(False, f"step {step} lies before the first rung of bracket {bracket}")
    rung = plan.brackets[bracket][passed - 1]
    by_value, by_promise, others = table.place(trial, values, rung)
    count = others + 1
    if count < FEWEST_VALUES:
        return Decision(False, f"{count} trials reached the rung of step {rung}; {FEWEST_VALUES} are needed")
    kept = max(count // REDUCTION, 1)
    text = (
        f"value {values[rung - 1]:g} at the rung of step {rung} (bracket {bracket}) ranks {by_value + 1} of {count}, "
        f"by its promise {by_promise + 1}; the best {kept} go on"
    )
    return Decision(min(by_value, by_promise) >= kept, text)
