"""Pegbox behind the ask/tell protocol of the benchmark harness."""

from __future__ import annotations

import math

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, ParentHistory, suggest


def space_of(parameters):
    """The harness's list of dicts as a Space; its choices travel as text."""
    ranges = []
    for p in parameters:
        scaling = Scaling.LOGARITHMIC if p.get("log") else Scaling.LINEAR
        if p["type"] == "cat":
            ranges.append(CategoricalRange(p["name"], tuple(str(c) for c in p["choices"])))
        elif p["type"] == "int":
            ranges.append(IntegerRange(p["name"], p["low"], p["high"], scaling))
        else:
            ranges.append(ContinuousRange(p["name"], p["low"], p["high"], scaling))
    return Space(ranges)


class Pegbox:
    """One tuning run, minimising."""

    def __init__(self, space, seed):
        self.space = space_of(space)
        self.choices = {p["name"]: {str(c): c for c in p["choices"]} for p in space if p["type"] == "cat"}
        self.seed = seed
        self.issued = 0
        self.pending = {}
        self.history = []
        self.memory = Memory()
        self.parents = []

    def warm(self, jobs):
        """Earlier jobs as {"configs": [...], "losses": [...]}."""
        for index, job in enumerate(jobs):
            seen = []
            for number, (config, loss) in enumerate(zip(job["configs"], job["losses"], strict=True)):
                values = {n: str(v) if n in self.choices else v for n, v in config.items()}
                seen.append(Observation(number, values, float(loss)))
            self.parents.append(ParentHistory(f"parent {index}", self.space, tuple(seen)))

    def ask(self):
        waiting = [values for _, values, _ in self.pending.values()]
        number = (self.seed, self.issued)
        suggestion = suggest(
            "Bayesian",
            self.space,
            self.history,
            waiting,
            1,
            number,
            maximize=False,
            memory=self.memory,
            parents=self.parents,
        )[0]
        config = {n: self.choices[n][v] if n in self.choices else v for n, v in suggestion.values.items()}
        self.pending[id(config)] = (self.issued, suggestion.values, config)
        self.issued += 1
        return config

    def tell(self, config, loss):
        number, values, _ = self.pending.pop(id(config))
        failed = loss is None or not math.isfinite(loss)
        self.history.append(
            Observation(number, values, None if failed else float(loss), "failed" if failed else "completed")
        )
