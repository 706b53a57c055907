"""The one door to all strategies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pegbox.space import Space
from pegbox.strategies.bayesian import suggest_bayesian
from pegbox.strategies.grid import suggest_grid
from pegbox.strategies.memory import Memory
from pegbox.strategies.random_search import suggest_random
from pegbox.strategies.records import Observation, ParentHistory, Suggestion

#: Changes whenever the same inputs may give other suggestions; stored with every suggestion.
NUMERICS_VERSION = "5"

STRATEGIES = ("Bayesian", "Random", "Grid", "Hyperband")


def suggest(
    strategy: str,
    space: Space,
    history: Sequence[Observation],
    pending: Sequence[Mapping[str, Any]],
    count: int,
    seed: Sequence[int],
    *,
    maximize: bool,
    budget: int | None = None,
    parents: Sequence[ParentHistory] = (),
    memory: Memory | None = None,
) -> list[Suggestion]:
    """What to try next: a pure function of its arguments.

    Args:
        strategy: ``Bayesian``, ``Random``, ``Grid`` or ``Hyperband`` (whose configurations are drawn at random).
        space: The ranges.
        history: Finished trials in completion order; it only ever grows at its end.
        pending: Values of trials that were suggested and are not finished.
        count: How many suggestions.
        seed: The job's seed and the number of the first suggested trial.
        maximize: Whether larger objectives are better.
        budget: How many trials the job may run in all, if known; a small one shortens the initial design.
        parents: What earlier jobs found. Bayesian tries some of their best values first and learns from all of them;
            the other strategies look at no results by nature, so not at parents' either.
        memory: Keeps fitted values between calls; never changes an answer.

    Returns:
        Exactly ``count`` suggestions. In a finite space no combination is repeated before all were used.

    Raises:
        ValueError: For an unknown strategy.
    """
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy {strategy!r} is unknown; use one of {', '.join(STRATEGIES)}")
    if strategy == "Grid":
        return suggest_grid(space, [*(seen.values for seen in history), *pending], count)
    if strategy in ("Random", "Hyperband"):
        return suggest_random(space, count, seed)
    memory = memory if memory is not None else Memory()
    return suggest_bayesian(
        space, history, pending, count, seed, maximize=maximize, memory=memory, budget=budget, parents=parents
    )
