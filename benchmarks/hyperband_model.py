"""Hyperband with random configurations beside configurations from the Bayesian strategy's model.

Four workers train 40 configurations of a real model (see ``curves/record.py``), one epoch at a time, under Hyperband. What is
new each time is drawn at random, or comes from the model, to which stopped trials are censored observations with their curves.

* *regret*: final value of the trial that the job would call best, against the best that any run of the table found, as a share of
  the distance to the median of the first eight configurations (the same for both).
* *epochs*: epochs spent, as a share of those without stopping. The model spends more of them: what it proposes is stopped later;
  the second column of regret therefore lets random configurations go on until they have spent as many epochs.

    python benchmarks/hyperband_model.py [--seeds 4] [--tables wine-mlp+iris-mlp] [--output benchmarks/hyperband_model.md]
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from curves.record import TABLES, Config, Table, _split

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Space
from pegbox.stopping import RungTable, rung_plan, rung_rule, sparse_curve
from pegbox.strategies import Memory, Observation, suggest

#: The ranges from which ``curves/record.py`` draws.
SPACES = {
    "mlp": Space(
        [
            IntegerRange("width", 4, 128, "Logarithmic"),
            IntegerRange("depth", 1, 3),
            CategoricalRange("solver", ["adam", "sgd"]),
            CategoricalRange("activation", ["relu", "tanh", "logistic"]),
            ContinuousRange("learning_rate_init", 1e-4, 0.5, "Logarithmic"),
            ContinuousRange("alpha", 1e-6, 1.0, "Logarithmic"),
            IntegerRange("batch_size", 8, 256, "Logarithmic"),
            ContinuousRange("momentum", 0.1, 0.99),
        ]
    ),
    "boosting": Space(
        [
            ContinuousRange("learning_rate", 5e-3, 1.0, "Logarithmic"),
            IntegerRange("max_depth", 1, 7),
            ContinuousRange("subsample", 0.2, 1.0),
            ContinuousRange("max_features", 0.05, 0.5),
            IntegerRange("min_samples_leaf", 1, 60, "Logarithmic"),
        ]
    ),
    "sgd": Space(
        [
            CategoricalRange("loss", ["hinge", "log_loss", "modified_huber", "perceptron"]),
            CategoricalRange("penalty", ["l2", "l1", "elasticnet"]),
            ContinuousRange("alpha", 1e-7, 1e-1, "Logarithmic"),
            CategoricalRange("learning_rate", ["constant", "invscaling", "optimal"]),
            ContinuousRange("eta0", 1e-5, 1.0, "Logarithmic"),
            ContinuousRange("power_t", 0.1, 0.9),
            CategoricalRange("average", ["0", "1"]),
        ]
    ),
}


def space_of(name: str) -> Space:
    """Return the space of a table's models."""
    return next(space for kind, space in SPACES.items() if kind in name)


def config_of(values: dict[str, Any]) -> Config:
    """Return the model's arguments for typed values of its space."""
    config = dict(values)
    if "width" in config:
        config["hidden_layer_sizes"] = [config.pop("width")] * config.pop("depth")
    if "average" in config:
        config["average"] = config["average"] == "1"
    return config


def epochs_of(table: Table, data: Any, values: dict[str, Any], seed: int) -> Iterator[float]:
    """Yield the value after each epoch; NaN once the training has diverged."""
    shown = 0
    try:
        with np.errstate(all="ignore"):
            for value in table.run(config_of(values), data, table.epochs, seed=seed):
                yield float(value)
                shown += 1
    except (ValueError, FloatingPointError):
        yield from itertools.repeat(float("nan"), table.epochs - shown)


class Job:
    """One tuning job under Hyperband."""

    def __init__(self, name: str, seed: int, trials: int, workers: int, model: bool) -> None:
        self.name, self.table, self.seed, self.trials, self.workers = (
            name,
            TABLES[name],
            seed,
            trials,
            workers,
        )
        self.space, self.model, self.memory = space_of(name), model, Memory()
        self.data = _split(self.table.data, self.table.classes)
        self.plan = rung_plan(self.table.epochs)
        self.rungs = RungTable(self.plan.levels, maximize=self.table.maximize)
        self.history: list[Observation] = []
        self.pending: dict[int, dict[str, Any]] = {}
        self.shown: dict[int, list[float]] = {}
        self.running: dict[int, Iterator[float]] = {}

    def ask(self, number: int) -> None:
        """Start a trial; the first eight are the same draws whatever follows."""
        strategy = "Bayesian" if self.model and number >= 8 else "Hyperband"
        values = suggest(
            strategy,
            self.space,
            self.history,
            list(self.pending.values()),
            1,
            (self.seed, number),
            maximize=self.table.maximize,
            memory=self.memory,
        )[0].values
        self.pending[number], self.shown[number] = dict(values), []
        self.running[number] = epochs_of(self.table, self.data, dict(values), number)

    def step(self, number: int) -> bool:
        """Train one epoch; return whether the trial has ended."""
        curve = self.shown[number]
        curve.append(next(self.running[number]))
        self.rungs.record(number, curve)
        bracket = self.plan.bracket_of(self.seed, number + 1)
        full = len(curve) == self.table.epochs
        stop = not full and rung_rule(number, curve, self.rungs, self.plan, bracket=bracket).stop
        if stop or full:
            finite = bool(np.isfinite(curve[-1]))
            status = "stopped" if stop else "completed" if finite else "failed"
            values = self.pending.pop(number)
            self.history.append(
                Observation(number, values, curve[-1] if finite else None, status, sparse_curve(curve))
            )
        return stop or full

    def run(self, epochs: float = math.inf) -> tuple[float, int]:
        """Start trials until all have run or so many epochs are spent; return the best loss and the epochs spent."""
        queue: list[tuple[float, int]] = []
        for number in range(min(self.workers, self.trials)):
            self.ask(number)
            heapq.heappush(queue, (1 + 1e-3 * number, number))
        started, spent = len(queue), 0
        while queue:
            now, number = heapq.heappop(queue)
            spent += 1
            if not self.step(number):
                heapq.heappush(queue, (now + 1, number))
            elif started < self.trials and spent < epochs:
                self.ask(started)
                heapq.heappush(queue, (now + 1, started))
                started += 1
        return self.best(), spent

    def losses(self, status: str) -> list[float]:
        """Return the final losses of trials with a status."""
        sign = -1.0 if self.table.maximize else 1.0
        return [
            sign * seen.objective
            for seen in self.history
            if seen.status == status and seen.objective is not None
        ]

    def best(self) -> float:
        """Return the loss of the trial that the job would call best."""
        return min(self.losses("completed") or self.losses("stopped"))


def compare(name: str, seed: int, trials: int, workers: int) -> tuple[list[float], list[float]]:
    """Return losses of random, of random with as many epochs as the model, of the model, and of the middle start; epochs."""
    model = Job(name, seed, trials, workers, model=True)
    best, spent = model.run()
    longer = Job(name, seed, 20 * trials, workers, model=False).run(spent)[0]
    plain, fewer = Job(name, seed, trials, workers, model=False).run()
    sign = -1.0 if model.table.maximize else 1.0
    first = [
        sign * seen.objective for seen in model.history if seen.number < 8 and seen.objective is not None
    ]
    full = trials * model.table.epochs
    return [plain, longer, best, float(np.median(first))], [fewer / full, spent / full]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--tables", default="wine-mlp+iris-mlp+cancer-mlp+wine-boosting+diabetes-boosting+cancer-sgd"
    )
    parser.add_argument("--output", type=Path, default=None)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    lines = [
        "| table | random: regret %, epochs % | random, as many epochs as the model: regret % | model: regret %, epochs % "
        "| model better / equal / worse than the second |",
        "| --- | --- | --- | --- | --- |",
    ]
    gains: list[list[float]] = []
    for name in chosen.tables.split("+"):
        runs = [compare(name, seed, chosen.trials, chosen.workers) for seed in range(chosen.seeds)]
        losses, spent = np.array([run[0] for run in runs]), 100 * np.array([run[1] for run in runs])
        best, middle = losses[:, :3].min(), float(np.median(losses[:, 3]))
        regret = 100 * (losses[:, :3] - best) / max(middle - best, 1e-12)
        gains += (regret[:, :2] - regret[:, 2:]).tolist()
        gain = regret[:, 1] - regret[:, 2]
        wins = f"{(gain > 1e-9).sum()} / {(abs(gain) <= 1e-9).sum()} / {(gain < -1e-9).sum()}"
        mean = regret.mean(axis=0)
        lines.append(
            f"| {name} | {mean[0]:.2f}, {spent[:, 0].mean():.0f} | {mean[1]:.2f} | {mean[2]:.2f}, {spent[:, 1].mean():.0f} "
            f"| {wins} |"
        )
        print(lines[-1], flush=True)
    table = np.array(gains)
    draws = table[np.random.default_rng(0).integers(len(table), size=(4000, len(table)))].mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    for i, what in enumerate(("as many trials", "as many epochs")):
        lines += [
            "",
            f"Regret of random with {what} minus regret of the model, in points: {table[:, i].mean():.2f} "
            f"({low[i]:.2f} to {high[i]:.2f}).",
        ]
    text = "\n".join(lines)
    print(text)
    if chosen.output is not None:
        settings = f"{chosen.seeds} seeds a table, {chosen.trials} trials, {chosen.workers} workers."
        introduction = (__doc__ or "").split("\n\n    python")[0]
        title, _, rest = introduction.partition("\n")
        chosen.output.write_text(f"# {title.rstrip('.')}\n{rest}\n\n{settings}\n\n{text}\n")


if __name__ == "__main__":
    main()
