"""Which values to use in the end: by posterior mean beside the luckiest observation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pegbox.space import Space, Value
from pegbox.strategies.evidence import gather
from pegbox.strategies.experience import experience_with
from pegbox.strategies.memory import Memory
from pegbox.strategies.model import learn
from pegbox.strategies.recipe import DEFAULT, Recipe
from pegbox.strategies.records import Observation
from pegbox.strategies.relevance import relevance_in
from pegbox.surrogate.kernel import Layout
from pegbox.surrogate.subset import representative


@dataclass(frozen=True)
class Recommendation:
    """Values that were tried, with what the model believes of them.

    Attributes:
        values: The values.
        predicted_mean: The objective that a repeated evaluation should give on average.
        predicted_sd: How sure that is.
    """

    values: Mapping[str, Value]
    predicted_mean: float
    predicted_sd: float


def recommend(
    space: Space,
    history: Sequence[Observation],
    *,
    maximize: bool,
    job_seed: int = 0,
    memory: Memory | None = None,
    recipe: Recipe = DEFAULT,
) -> Recommendation | None:
    """The tried values with the best posterior mean; None with fewer than two numbers or where no model holds.

    With noisy objectives the best observation is partly luck; the posterior mean weighs it against its neighbours.
    """
    evidence = gather(space, history, (), maximize)
    if len(evidence.y) < 2 or not space.dimension:
        return None
    memory = memory if memory is not None else Memory()
    try:
        relevance = relevance_in(space.encoding, experience_with(space.encoding))
        layout = Layout(space.encoding.categorical)
        model = learn(relevance.of(evidence), layout, recipe, job_seed, memory, relevance=relevance)
    except (ArithmeticError, np.linalg.LinAlgError, ValueError):
        return None
    best = representative(evidence.y, recipe.posterior_limit)[int(np.argmin(model.mean))]
    mean, sd = model.predict(evidence.X[best : best + 1])
    sign = -1.0 if maximize else 1.0
    return Recommendation(space.decode(evidence.X[best]), sign * float(mean[0]), float(sd[0]))
