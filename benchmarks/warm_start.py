"""Warm start on families of related real tasks: what parents save, and what bad parents cost.

A task is a table of real evaluations of one scikit-learn model on one data set (``benchmarks/warm``), interpolated. The
child tunes one task; its parents are finished cold jobs on the others (transfer), or on the same task (identical).
Everything is repeated over seeds, which change the parents, too.

* *regret*: best error so far less the best of the table, as a share of the median error's.
* *evaluations*: how many the child needs until its mean regret over seeds is that of a cold job at its end.

    python benchmarks/warm_start.py [--seeds 20] [--output benchmarks/warm_start.md]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent / "warm"))
from families import FAMILIES, Task

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Space
from pegbox.strategies import Memory, Observation, ParentHistory, suggest

#: Evaluations of a child, and of a parent.
BUDGET, PARENT_BUDGET = 20, 30
Objective = Callable[[Mapping[str, Any]], float]


def job(
    space: Space,
    objective: Objective,
    seed: int,
    parents: Sequence[ParentHistory] = (),
    budget: int = BUDGET,
    known: Sequence[Observation] = (),
) -> list[Observation]:
    """A tuning job, one trial after the other; ``known`` is taken for its own past."""
    history: list[Observation] = []
    memory = Memory()
    for number in range(budget):
        values = suggest(
            "Bayesian", space, [*known, *history], (), 1, (seed, number), maximize=False, budget=budget,
            parents=parents, memory=memory,
        )[0].values  # fmt: skip
        history.append(Observation(number, values, objective(values)))
    return history


def regrets(task: Task, history: Sequence[Observation]) -> np.ndarray:
    """The regret after each evaluation (n,)."""
    errors = np.array([task(seen.values) for seen in history])
    return np.minimum.accumulate(errors - task.best) / (task.usual - task.best)


class Runs:
    """Jobs of one seed, each computed once."""

    def __init__(self, family: str, seed: int) -> None:
        self.family, self.seed = family, seed
        self._cold: dict[tuple[str, int], list[Observation]] = {}

    def cold(self, task: str, kind: int = 0) -> list[Observation]:
        """A cold job; ``kind`` sets apart the child's own seed and that of parents."""
        if (task, kind) not in self._cold:
            space = FAMILIES[self.family].space
            seed = 1000 * self.seed + kind
            budget = PARENT_BUDGET if kind else BUDGET
            self._cold[task, kind] = job(space, Task(self.family, task), seed, budget=budget)
        return self._cold[task, kind]

    def parent(self, task: str, *, identical: bool = False) -> ParentHistory:
        """A finished job on a task."""
        family = FAMILIES[self.family]
        found = tuple(self.cold(task, 1 + (family.tasks + family.strangers).index(task)))
        return ParentHistory(task, FAMILIES[self.family].space, found, identical=identical)

    def joined(self, task: str, parents: Sequence[ParentHistory]) -> np.ndarray:
        """The same where the parents' results simply count as the child's own."""
        target = Task(self.family, task)
        known = [seen for parent in parents for seen in parent.observations]
        return regrets(target, job(FAMILIES[self.family].space, target, 1000 * self.seed, known=known))

    def child(self, task: str, parents: Sequence[ParentHistory]) -> np.ndarray:
        """The regret of a warm job after each evaluation."""
        target = Task(self.family, task)
        return regrets(target, job(FAMILIES[self.family].space, target, 1000 * self.seed, parents))


def related(family: str, task: str, count: int, seed: int) -> list[str]:
    """``count`` other tasks of the family."""
    others = [other for other in FAMILIES[family].tasks if other != task]
    return [others[i] for i in np.random.default_rng(seed).permutation(len(others))[:count]]


def stranger(runs: Runs) -> ParentHistory:
    """A job on a task of another kind."""
    strangers = FAMILIES[runs.family].strangers
    return runs.parent(strangers[runs.seed % len(strangers)])


def negated(parent: ParentHistory) -> ParentHistory:
    """The same trials with good and bad exchanged."""
    turned = tuple(replace(seen, objective=-float(seen.objective or 0.0)) for seen in parent.observations)
    return replace(parent, name="negated", observations=turned, identical=False)


def shuffled(parent: ParentHistory, seed: int) -> ParentHistory:
    """The same trials with each other's results."""
    order = np.random.default_rng(seed).permutation(len(parent.observations))
    mixed = tuple(
        replace(seen, objective=parent.observations[i].objective)
        for seen, i in zip(parent.observations, order, strict=True)
    )
    return replace(parent, name="shuffled", observations=mixed, identical=False)


def mirrored(parent: ParentHistory) -> ParentHistory:
    """An unrelated task: every number of the trials reflected in the middle of its range."""
    space = parent.space
    found = []
    for seen in parent.observations:
        code = space.encode(seen.values)
        flipped = np.where(space.encoding.categorical, space.encoding.levels - 1 - code, 1.0 - code)
        found.append(replace(seen, values=space.decode(flipped)))
    return replace(parent, name="mirrored", observations=tuple(found), identical=False)


MODES: dict[str, Callable[[Runs, str], list[ParentHistory]]] = {
    "cold": lambda runs, task: [],
    "one related": lambda runs, task: [runs.parent(o) for o in related(runs.family, task, 1, runs.seed)],
    "three related": lambda runs, task: [runs.parent(o) for o in related(runs.family, task, 3, runs.seed)],
    "identical": lambda runs, task: [runs.parent(task, identical=True)],
    "stranger": lambda runs, task: [stranger(runs)],
    "negated": lambda runs, task: [negated(runs.parent(task))],
    "shuffled": lambda runs, task: [shuffled(runs.parent(task), runs.seed)],
    "mirrored": lambda runs, task: [mirrored(runs.parent(task))],
}


def optuna_child(runs: Runs, task: str, parents: Sequence[ParentHistory], how: str) -> np.ndarray:
    """The same job by Optuna's TPE; parents' trials are added to its study, or their best ones enqueued."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    axes, target = FAMILIES[runs.family].axes, Task(runs.family, task)
    kinds: dict[str, Any] = {}
    for axis in axes:
        if axis.choices:
            kinds[axis.name] = optuna.distributions.CategoricalDistribution(axis.choices)
        elif axis.integer:
            kinds[axis.name] = optuna.distributions.IntDistribution(
                round(axis.low), round(axis.high), log=axis.log
            )
        else:
            kinds[axis.name] = optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1000 * runs.seed))
    for parent in parents:
        seen = sorted(parent.observations, key=lambda one: float(one.objective or 0.0))
        if how == "enqueued":
            study.enqueue_trial(dict(seen[0].values))
            continue
        for one in parent.observations:
            study.add_trial(
                optuna.trial.create_trial(params=dict(one.values), distributions=kinds, value=one.objective)
            )
    history = []
    for number in range(BUDGET):
        trial = study.ask(kinds)
        value = target(trial.params)
        study.tell(trial, value)
        history.append(Observation(number, trial.params, value))
    return regrets(target, history)


def optuna_mode(mode: str, how: str) -> Callable[[Runs, str], np.ndarray]:
    return lambda runs, task: optuna_child(runs, task, MODES[mode](runs, task), how)


#: Beside ours: the parents' results simply count as the child's own (what AWS describes), and Optuna's TPE.
OTHERS: dict[str, Callable[[Runs, str], np.ndarray]] = {
    "one related, joined": lambda runs, task: runs.joined(task, MODES["one related"](runs, task)),
    "three related, joined": lambda runs, task: runs.joined(task, MODES["three related"](runs, task)),
    "negated, joined": lambda runs, task: runs.joined(task, MODES["negated"](runs, task)),
    "TPE, cold": optuna_mode("cold", ""),
    "TPE, one related, added": optuna_mode("one related", "added"),
    "TPE, one related, enqueued": optuna_mode("one related", "enqueued"),
    "TPE, three related, enqueued": optuna_mode("three related", "enqueued"),
    "TPE, negated, added": optuna_mode("negated", "added"),
}


def run(name: str, runs: Runs, task: str) -> np.ndarray:
    """The regret curve of one child."""
    if name == "cold":
        return regrets(Task(runs.family, task), runs.cold(task))
    return OTHERS[name](runs, task) if name in OTHERS else runs.child(task, MODES[name](runs, task))


def collect(
    seeds: int, tasks: int, families: Sequence[str], ways: Sequence[str]
) -> dict[str, dict[str, np.ndarray]]:
    """Regret curves (tasks, seeds, evaluations) of each way and family."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for family in families:
        start = time.monotonic()
        every = [Runs(family, seed) for seed in range(seeds)]
        for name in ways:
            curves = [[run(name, runs, task) for runs in every] for task in FAMILIES[family].tasks[:tasks]]
            found.setdefault(name, {})[family] = np.array(curves)
        print(f"{family}: {time.monotonic() - start:.0f} s", file=sys.stderr, flush=True)
    return found


def evaluations(curve: np.ndarray, level: float) -> float:
    """How many evaluations a mean curve (n,) needs to reach a level; one more than it has if it does not."""
    reached = np.nonzero(curve <= level + 1e-12)[0]
    return float(reached[0] + 1 if len(reached) else len(curve) + 1)


def interval(differences: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap interval of the mean of (tasks, seeds) paired differences, resampled within tasks."""
    rng = np.random.default_rng(0)
    t, s = differences.shape
    picks = rng.integers(s, size=(2000, t, s))
    means = np.take_along_axis(np.broadcast_to(differences, (2000, t, s)), picks, axis=2).mean(axis=(1, 2))
    return float(np.percentile(means, 2.5)), float(np.percentile(means, 97.5))


SHOWN = (1, 3, 5, 10, BUDGET)


def row(name: str, found: dict[str, dict[str, np.ndarray]]) -> str:
    """One line of the table."""
    mine = np.concatenate(list(found[name].values()))
    cold = np.concatenate(list(found["cold"].values()))
    means, reference = mine.mean(axis=1), cold.mean(axis=1)
    needed = [
        evaluations(curve, base[-1]) / evaluations(base, base[-1])
        for curve, base in zip(means, reference, strict=True)
    ]
    whole = evaluations(means.mean(axis=0), reference.mean(axis=0)[-1])
    low, high = interval(100 * (mine[:, :, -1] - cold[:, :, -1]))
    cells = [f"{100 * means[:, n - 1].mean():.1f}" for n in SHOWN]
    told = f"{whole:.0f}" if whole <= BUDGET else f"> {BUDGET}"
    cells += [told, f"{np.mean(needed):.2f}", f"{low:+.1f} to {high:+.1f}"]
    return f"| {name} | " + " | ".join(cells) + " |"


def table(names: Sequence[str], found: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """The lines of one table."""
    heads = [f"@{n}" for n in SHOWN] + ["evaluations", "share of cold", f"difference to cold @{BUDGET}, 95 %"]
    return [
        "| way | " + " | ".join(heads) + " |",
        "| --- |" + " ---: |" * len(heads),
        *(row(name, found) for name in names),
    ]


def by_family(found: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Evaluations needed in each family."""
    families = list(found["cold"])
    lines = ["| way | " + " | ".join(families) + " |", "| --- |" + " ---: |" * len(families)]
    for name in MODES:
        cells = []
        for family in families:
            cold = found["cold"][family].mean(axis=(0, 1))
            needed = evaluations(found[name][family].mean(axis=(0, 1)), cold[-1])
            cells.append(f"{needed:.0f}" if needed <= BUDGET else f"> {BUDGET}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


LATENCIES = {"none": (0, 0, False), "five of 100": (5, 100, False), "five of 100, identical": (5, 100, True)}


def latency() -> list[str]:
    """CPU time of a suggestion beside 50 observations of six parameters."""
    ranges = [ContinuousRange(f"x{j}", 0.0, 1.0) for j in range(4)]
    space = Space([*ranges, IntegerRange("n", 1, 20), CategoricalRange("k", ("a", "b", "c"))])

    def trials(n: int, seed: int) -> tuple[Observation, ...]:
        drawn = suggest("Random", space, (), (), n, (seed, 0), maximize=False)
        return tuple(
            Observation(k, one.values, float(np.square(space.encode(one.values) - 0.3).sum()))
            for k, one in enumerate(drawn)
        )

    lines = ["| parents | p50 | p95 | empty cache |", "| --- | ---: | ---: | ---: |"]
    history = trials(70, 0)
    for name, (parents, size, identical) in LATENCIES.items():
        given = [
            ParentHistory(f"p{k}", space, trials(size, k), identical=identical) for k in range(1, parents + 1)
        ]
        memory, spent = Memory(), []
        for n in range(49, 70):
            start = time.process_time()
            suggest(
                "Bayesian", space, history[:n], (), 1, (1, n), maximize=False, parents=given, memory=memory
            )
            spent.append(1e3 * (time.process_time() - start))
        p50, p95 = np.percentile(spent[1:], [50, 95])
        lines.append(f"| {name} | {p50:.0f} ms | {p95:.0f} ms | {spent[0]:.0f} ms |")
    return lines


def beside(found: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """What others do."""
    return [
        "Beside: parents' results that simply count as the child's own (what AWS describes), and Optuna's TPE with "
        "parents' trials added to its study, or their best ones enqueued.",
        "",
        *table(list(OTHERS), found),
        "",
    ]


def report(found: dict[str, dict[str, np.ndarray]], seeds: int, tasks: int) -> str:
    """The page."""
    lines = [
        "# Warm start, measured",
        "",
        f"Made by `make bench-warm-start`: {len(found['cold'])} families of related tasks, {tasks} tasks of each as the child's, "
        f"{seeds} seeds; children of {BUDGET} evaluations, parents of {PARENT_BUDGET}. What the words mean stands at the top of "
        "`benchmarks/warm_start.py`.",
        "",
        "Mean regret in % after so many evaluations; *evaluations*: how many until the mean regret is that of a cold job at its "
        "end; *share of cold*: the same per task, as a share of what the cold job needed, averaged; last: paired difference of "
        "final regret to the cold job (negative: better).",
        "",
        *table(list(MODES), found),
        "",
        "*Related* parents tuned other data of the same kind, *stranger* data of another kind, *identical* the same. "
        "*Negated*: the child's own task with good and bad exchanged; *shuffled*: with results dealt at random; "
        "*mirrored*: with all numbers reflected in the middle of their ranges.",
        "",
        *(beside(found) if all(name in found for name in OTHERS) else ()),
        "Evaluations needed to reach the cold job's end, family by family:",
        "",
        *by_family(found),
        "",
        "CPU time of a suggestion (50 to 70 observations, six parameters of all kinds):",
        "",
        *latency(),
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=2, help="tasks of each family that become a child's")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--alone", action="store_true", help="without the ways of others")
    parser.add_argument("--output", type=Path, help="write the page there")
    arguments = parser.parse_args()
    families = arguments.families.split(",")
    ways = list(MODES) if arguments.alone else [*MODES, *OTHERS]
    found = collect(arguments.seeds, arguments.tasks, families, ways)
    page = report(found, arguments.seeds, arguments.tasks)
    if arguments.output:
        arguments.output.write_text(page)
    print(page)


if __name__ == "__main__":
    main()
