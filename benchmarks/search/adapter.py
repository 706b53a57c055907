"""Pegbox behind the ask/tell protocol of the benchmark harness."""

from __future__ import annotations

import math
from dataclasses import fields, replace

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation
from pegbox.strategies.bayesian import suggest_bayesian
from pegbox.strategies.recipe import DEFAULT, Member


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

    def __init__(self, space, seed, **options):
        self.space = space_of(space)
        self.choices = {p["name"]: {str(c): c for c in p["choices"]} for p in space if p["type"] == "cat"}
        self.seed = seed
        self.issued = 0
        self.pending = {}
        self.history = []
        self.memory = Memory()
        kinds = {f.name: f.type for f in fields(DEFAULT)}
        chosen = {}
        joined = ",".join(f"{name}={text}" for name, text in options.items()).replace(";", ",")
        for name, text in (item.split("=", 1) for item in joined.split(",") if item):
            if name == "members":
                chosen[name] = tuple(
                    Member(m.split("~")[0], *(float(x) for x in m.split("~")[1:])) for m in text.split("+")
                )
            else:
                chosen[name] = (
                    float(text)
                    if kinds[name] == "float"
                    else int(text)
                    if kinds[name] in ("int", "bool")
                    else text
                )
        self.recipe = replace(DEFAULT, **chosen)

    def ask(self):
        waiting = [values for _, values, _ in self.pending.values()]
        suggestion = suggest_bayesian(
            self.space,
            self.history,
            waiting,
            1,
            (self.seed, self.issued),
            maximize=False,
            memory=self.memory,
            recipe=self.recipe,
        )[0]
        globals()["LAST"] = suggestion
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
