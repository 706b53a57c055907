"""Ask for values, tell what they gave."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pegbox.space import ParameterRange, Space, Values, space_from_aws
from pegbox.strategies import (
    STRATEGIES,
    Memory,
    Observation,
    ParentHistory,
    Recommendation,
    Suggestion,
    recommend,
    suggest,
)

_OBJECTIVES = ("Maximize", "Minimize")


@dataclass(frozen=True)
class Best:
    """An answer to "which values are best?".

    Attributes:
        values: The values.
        objective: What was observed there.
    """

    values: Mapping[str, float | int | str]
    objective: float


class Optimizer:
    """A search over ``ranges`` by asking and telling.

    Args:
        ranges: A :class:`~pegbox.space.Space`, a sequence of ranges, or an AWS ``ParameterRanges`` mapping.
        objective_type: ``Maximize`` or ``Minimize``.
        strategy: ``Bayesian``, ``Random``, ``Grid`` or ``Hyperband``.
        seed: The same seed and the same answers give the same suggestions.
        parents: What earlier searches found, with the same meaning of better; only ``Bayesian`` looks at results.

    Raises:
        SpaceError: When ``ranges`` make no space.
        ValueError: When ``objective_type`` or ``strategy`` is unknown.
    """

    def __init__(
        self,
        ranges: Space | Sequence[ParameterRange] | Mapping[str, Any],
        objective_type: str = "Maximize",
        strategy: str = "Bayesian",
        seed: int = 0,
        parents: Sequence[ParentHistory] = (),
    ) -> None:
        if objective_type not in _OBJECTIVES:
            raise ValueError(
                f"objective_type {objective_type!r} is unknown; use one of {', '.join(_OBJECTIVES)}"
            )
        if strategy not in STRATEGIES:
            raise ValueError(f"strategy {strategy!r} is unknown; use one of {', '.join(STRATEGIES)}")
        if isinstance(ranges, Space):
            self.space = ranges
        elif isinstance(ranges, Mapping):
            self.space = space_from_aws(ranges)
        else:
            self.space = Space(ranges)
        self._maximize = objective_type == "Maximize"
        self._strategy = strategy
        self._seed = seed
        self._parents = tuple(parents)
        self._memory = Memory()
        self._history: list[Observation] = []
        self._pending: dict[int, Values] = {}
        self._issued = 0

    def ask(self, n: int = 1) -> list[Suggestion]:
        """``n`` suggestions; each is pending until :meth:`tell` hears of its values.

        Raises:
            ValueError: When ``n`` is below 1.
        """
        if n < 1:
            raise ValueError(f"n={n!r} is below 1; ask for at least one suggestion")
        suggestions = suggest(
            self._strategy,
            self.space,
            self._history,
            list(self._pending.values()),
            n,
            (self._seed, self._issued),
            maximize=self._maximize,
            parents=self._parents,
            memory=self._memory,
        )
        for suggestion in suggestions:
            self._pending[self._issued] = dict(suggestion.values)
            self._issued += 1
        return suggestions

    def tell(
        self,
        suggestion: Suggestion | Mapping[str, Any],
        objective: float | None,
        *,
        status: str = "completed",
        curve: Sequence[tuple[int, float]] = (),
    ) -> None:
        """Report what came of a suggestion, or of any other values of the space.

        Args:
            suggestion: What :meth:`ask` returned, or a mapping of values.
            objective: The objective; None or NaN for an evaluation that failed.
            status: ``completed``, ``failed`` or ``stopped`` (before its end: ``objective`` is then the last seen).
            curve: (step, objective) pairs seen on the way.

        Raises:
            ValueError: When the values are not of this space, or ``status`` is unknown.
        """
        if status not in ("completed", "failed", "stopped"):
            raise ValueError(f"status {status!r} is unknown; use completed, failed or stopped")
        values = dict(suggestion.values if isinstance(suggestion, Suggestion) else suggestion)
        problems = self.space.problems(values)
        if problems:
            raise ValueError("; ".join(problems))
        if status == "completed" and (objective is None or not math.isfinite(objective)):
            status = "failed"
        number = next((k for k, waiting in self._pending.items() if waiting == values), None)
        if number is None:
            number, self._issued = self._issued, self._issued + 1
        else:
            del self._pending[number]
        objective = None if objective is None else float(objective)
        self._history.append(Observation(number, values, objective, status, tuple(curve)))

    @property
    def history(self) -> tuple[Observation, ...]:
        """Everything told so far, in order."""
        return tuple(self._history)

    @property
    def best(self) -> Best | None:
        """The completed evaluation with the best objective; None before there is one."""
        done = [seen for seen in self._history if seen.status == "completed" and seen.objective is not None]
        if not done:
            return None
        sign = -1.0 if self._maximize else 1.0
        winner = min(done, key=lambda seen: sign * float(seen.objective or 0.0))
        return Best(winner.values, float(winner.objective or 0.0))

    @property
    def recommendation(self) -> Recommendation | None:
        """The tried values with the best posterior mean, which luck cannot fool as easily as :attr:`best`."""
        return recommend(
            self.space, self._history, maximize=self._maximize, job_seed=self._seed, memory=self._memory
        )
