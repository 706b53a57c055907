"""The rules of one tuning job (or of one definition of it) behind one door, with the curves that they look at.

A :class:`Judge` holds nothing that cannot be had again by showing it every trial's curve: ended ones first or last, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.errors import ValidationException
from pegbox.stopping.decision import Decision
from pegbox.stopping.median import CompletedCurves, median_rule
from pegbox.stopping.rungs import RungPlan, RungTable, hyperband_plan, rung_rule

_CONFIG = "HyperParameterTuningJobConfig"


class Judge:
    """Decides for each new value of a running trial whether to stop it.

    Args:
        maximize: Direction of the objective.
        seed: The tuning job's seed; it draws the brackets.
        auto: Whether the median rule is on.
        plan: The rungs of Hyperband, or None.
    """

    def __init__(
        self, *, maximize: bool, seed: int, auto: bool = False, plan: RungPlan | None = None
    ) -> None:
        self._maximize = maximize
        self._seed = seed
        self._completed = CompletedCurves() if auto else None
        self._plan = plan
        self._table = RungTable(plan.levels if plan is not None else (), maximize=maximize)

    def decide(self, number: int, values: Sequence[float], since: int = 0) -> Decision:
        """Record a running trial's new values and judge them one by one.

        Args:
            number: The trial's number in its tuning job, from 1.
            values: ``(k,)`` all values of its current attempt in order of emission.
            since: How many of them were judged before.

        Returns:
            The first decision to stop, else the decision on the last value.
        """
        self._table.record(number, values)
        decision = Decision(False, "no new value")
        for step in range(since + 1, len(values) + 1):
            decision = self._judge(number, values, step)
            if decision.stop:
                break
        return decision

    def ended(self, number: int, values: Sequence[float], *, completed: bool) -> None:
        """Take note of a trial's whole curve when it has ended; call it once for each trial.

        Args:
            number: The trial's number in its tuning job, from 1.
            values: ``(k,)`` all values of its last attempt.
            completed: Whether it completed, with an objective that counts.
        """
        self._table.record(number, values)
        if completed and self._completed is not None:
            self._completed.add(values)

    def restarted(self, number: int) -> None:
        """Take note that a running trial starts again: only its last attempt counts.

        Args:
            number: The trial's number in its tuning job, from 1.
        """
        self._table.forget(number)

    def exhausted(self, values: Sequence[float]) -> bool:
        """Return whether a stopped trial had used its whole resource, so that its last value is final and no bound.

        Args:
            values: ``(k,)`` all values of its last attempt.
        """
        return self._plan is not None and len(values) > self._plan.maximum

    def _judge(self, number: int, values: Sequence[float], step: int) -> Decision:
        if self._completed is not None:
            return median_rule(values, self._completed, maximize=self._maximize, step=step)
        if self._plan is None:
            return Decision(False, "early stopping is off")
        bracket = self._plan.bracket_of(self._seed, number)
        return rung_rule(number, values, self._table, self._plan, bracket=bracket, step=step)


def judge_of(
    config: Mapping[str, Any], static: Mapping[str, str], *, maximize: bool, seed: int
) -> Judge | None:
    """Return the judge that a request asks for, or None where no trial is ever stopped early.

    Args:
        config: ``HyperParameterTuningJobConfig``, as it came.
        static: ``StaticHyperParameters`` of the definition.
        maximize: Direction of the objective.
        seed: The tuning job's seed.

    Raises:
        ValidationException: Early stopping together with Hyperband, a Hyperband without resources, or its configuration
            beside another strategy; all problems in one message.
    """
    auto = config.get("TrainingJobEarlyStoppingType", "Off") == "Auto"
    hyperband = (config.get("StrategyConfig") or {}).get("HyperbandStrategyConfig")
    problems, plan = [], None
    if config.get("Strategy") == "Hyperband":
        if auto:
            problems.append(
                f"{_CONFIG}.TrainingJobEarlyStoppingType: must be Off when Strategy is Hyperband, which stops training jobs "
                "by itself"
            )
        try:
            plan = hyperband_plan(hyperband or {}, static)
        except ValidationException as refusal:
            problems.append(refusal.message)
    elif hyperband is not None:
        problems.append(
            f"{_CONFIG}.StrategyConfig.HyperbandStrategyConfig: belongs to Strategy Hyperband, not "
            f"{config.get('Strategy')}; leave it out or change the strategy"
        )
    if problems:
        raise ValidationException("; ".join(problems))
    if not auto and plan is None:
        return None
    return Judge(maximize=maximize, seed=seed, auto=auto, plan=plan)
