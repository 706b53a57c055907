"""Pegbox beside Optuna (TPE, GP), hyperopt and random search, on the same problems and seeds.

    python benchmarks/search/compare.py                      short: 30 evaluations, 2 seeds
    python benchmarks/search/compare.py --wide --budget 200 --optimizers pegbox,optuna-tpe,random
    python benchmarks/search/compare.py --budget 60 --seeds 5 --optimizers pegbox,optuna-tpe

Prints a table and writes `best-so-far.svg`. A peer that is not installed is left out, and said so. Nothing here
needs files from outside the project.

Scores: 0 = the median of random search with as many evaluations, 100 = the best loss that anyone found on the problem
in this run. They compare the optimizers of one run, not of different runs.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import numpy as np  # noqa: E402 - after the thread limits

sys.path.insert(0, str(Path(__file__).parent))
from problems import Problem, problems, wide_problems  # noqa: E402

Ask = Callable[[], dict]
Tell = Callable[[dict, "float | None"], None]

BLUE, GREY = "#1f6feb", "#8a8f98"
COLOURS = {
    "pegbox": BLUE,
    "optuna-gp": "#d9822b",
    "optuna-tpe": "#2a9d5c",
    "hyperopt": "#b04acb",
    "random": GREY,
}


def _pegbox(problem: Problem, seed: int) -> tuple[Ask, Tell]:
    from pegbox.search import CategoricalRange, ContinuousRange, IntegerRange, Optimizer, Scaling

    ranges = []
    for spec in problem.ranges:
        if spec[0] == "cat":
            ranges.append(CategoricalRange(spec[1], tuple(spec[2])))
        else:
            kind = IntegerRange if spec[0] == "int" else ContinuousRange
            ranges.append(kind(*spec[1:4], Scaling.LOGARITHMIC if spec[4] else Scaling.LINEAR))
    optimizer = Optimizer(ranges, objective_type="Minimize", seed=seed)
    return lambda: dict(optimizer.ask()[0].values), lambda values, loss: optimizer.tell(values, loss)


def _random(problem: Problem, seed: int) -> tuple[Ask, Tell]:
    rng = np.random.default_rng(seed)

    def draw() -> dict:
        values = {}
        for spec in problem.ranges:
            if spec[0] == "cat":
                values[spec[1]] = spec[2][int(rng.integers(len(spec[2])))]
                continue
            low, high, log = (
                (spec[2], spec[3], spec[4])
                if spec[0] == "float"
                else (spec[2] - 0.499, spec[3] + 0.499, spec[4])
            )
            x = math.exp(rng.uniform(math.log(low), math.log(high))) if log else rng.uniform(low, high)
            values[spec[1]] = round(x) if spec[0] == "int" else x
        return values

    return draw, lambda values, loss: None


def _optuna(sampler: str) -> Callable[[Problem, int], tuple[Ask, Tell]]:
    def make(problem: Problem, seed: int) -> tuple[Ask, Tell]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        kind = optuna.samplers.TPESampler if sampler == "tpe" else optuna.samplers.GPSampler
        study = optuna.create_study(direction="minimize", sampler=kind(seed=seed))
        ranges = {}
        for spec in problem.ranges:
            if spec[0] == "cat":
                ranges[spec[1]] = optuna.distributions.CategoricalDistribution(spec[2])
            elif spec[0] == "int":
                ranges[spec[1]] = optuna.distributions.IntDistribution(spec[2], spec[3], log=spec[4])
            else:
                ranges[spec[1]] = optuna.distributions.FloatDistribution(spec[2], spec[3], log=spec[4])
        live = []

        def ask() -> dict:
            live.append(study.ask(ranges))
            return dict(live[-1].params)

        def tell(values: dict, loss: float | None) -> None:
            if loss is None:
                study.tell(live[-1], state=optuna.trial.TrialState.FAIL)
            else:
                study.tell(live[-1], loss)

        return ask, tell

    return make


def _hyperopt(problem: Problem, seed: int) -> tuple[Ask, Tell]:
    from hyperopt import STATUS_FAIL, STATUS_OK, Trials, hp, tpe
    from hyperopt.base import Domain

    space, read = {}, {}
    for spec in problem.ranges:
        name = spec[1]
        if spec[0] == "cat":
            space[name] = hp.choice(name, spec[2])
            read[name] = lambda x, choices=spec[2]: choices[int(x)]
            continue
        low, high = (spec[2] - 0.499, spec[3] + 0.499) if spec[0] == "int" else spec[2:4]
        space[name] = (
            hp.loguniform(name, math.log(low), math.log(high)) if spec[4] else hp.uniform(name, low, high)
        )
        read[name] = (
            (lambda x, spec=spec: min(max(round(x), spec[2]), spec[3]))
            if spec[0] == "int"
            else (lambda x, spec=spec: min(max(float(x), spec[2]), spec[3]))
        )
    trials, domain, rng = Trials(), Domain(lambda values: 0.0, space), np.random.default_rng(seed)
    live = {}

    def ask() -> dict:
        document = tpe.suggest(trials.new_trial_ids(1), domain, trials, int(rng.integers(2**31 - 1)))[0]
        trials.insert_trial_docs([document])
        trials.refresh()
        live["tid"] = document["tid"]
        return {name: read[name](x[0]) for name, x in document["misc"]["vals"].items()}

    def tell(values: dict, loss: float | None) -> None:
        document = next(t for t in trials._dynamic_trials if t["tid"] == live["tid"])
        document["state"] = 2
        document["result"] = {"status": STATUS_FAIL} if loss is None else {"status": STATUS_OK, "loss": loss}
        trials.refresh()

    return ask, tell


OPTIMIZERS = {
    "pegbox": (_pegbox, "scipy"),
    "optuna-gp": (_optuna("gp"), "torch"),
    "optuna-tpe": (_optuna("tpe"), "optuna"),
    "hyperopt": (_hyperopt, "hyperopt"),
    "random": (_random, "numpy"),
}


def run(problem: Problem, make: Callable, seed: int, budget: int) -> tuple[list[float], float]:
    """Best loss after each evaluation, and the optimizer's CPU milliseconds per suggestion."""
    ask, tell = make(problem, seed)
    best, path, spent = math.inf, [], 0.0
    for _ in range(budget):
        start = time.process_time()
        values = ask()
        spent += time.process_time() - start
        loss = problem.loss(values)
        start = time.process_time()
        tell(values, loss)
        spent += time.process_time() - start
        best = best if loss is None else min(best, loss)
        path.append(best)
    return path, 1e3 * spent / budget


def scores(results: dict, names: list[str], budget: int) -> dict[str, dict[str, np.ndarray]]:
    """Score of every run at every number of evaluations: {optimizer: {problem: (seeds, budget)}}."""
    out: dict = {name: {} for name in names}
    for problem, per in results.items():
        worst = max(v for paths in per.values() for path in paths for v in path if math.isfinite(v))
        paths = {name: np.where(np.isfinite(np.array(p)), np.array(p), worst) for name, p in per.items()}
        bottom = min(path.min() for path in paths.values())
        zero = np.median(paths["random"], axis=0) if "random" in paths else np.full(budget, worst)
        for name in per:
            unit = np.maximum(zero - bottom, 1e-12 * max(1.0, abs(bottom)))
            out[name][problem] = 100 * np.clip(1 - (paths[name] - bottom) / unit, -1, 1)
    return out


def plot(results: dict, names: list[str], budget: int, path: Path) -> None:
    """One panel per problem: median best-so-far gap to the best known loss of this run, on a log scale."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    from matplotlib.ticker import LogLocator, NullFormatter

    columns = 4
    rows = math.ceil(len(results) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(3.1 * columns, 2.3 * rows), squeeze=False)
    for ax, (problem, per) in zip(axes.flat, results.items(), strict=False):
        bottom = min(min(p) for paths in per.values() for p in paths)
        gaps = {name: np.median(np.array(per[name]), axis=0) - bottom for name in names}
        finite = [g[np.isfinite(g) & (g > 0)] for g in gaps.values()]
        floor = max(min((f.min() for f in finite if len(f)), default=1e-6), 1e-6)
        for name in names:
            style = {"lw": 2.2, "zorder": 3} if name == "pegbox" else {"lw": 1.1}
            ax.plot(
                np.arange(1, budget + 1),
                np.maximum(gaps[name], floor),
                color=COLOURS[name],
                label=name,
                **style,
            )
        ax.set_yscale("log")
        highest = max((f.max() for f in finite if len(f)), default=1.0)
        # Whole decades: a panel within one would have no major tick, and its minor labels overlap.
        ax.set_ylim(10.0 ** math.floor(math.log10(floor)), 10.0 ** math.ceil(math.log10(highest) + 1e-9))
        ax.yaxis.set_major_locator(LogLocator(numticks=5))
        ax.yaxis.set_minor_formatter(NullFormatter())
        ax.set_title(problem, fontsize=9)
        ax.tick_params(labelsize=7)
        ax.spines[["top", "right"]].set_visible(False)
    for ax in list(axes.flat)[len(results) :]:
        ax.axis("off")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower right", fontsize=9, frameon=False)
    figure.suptitle("Gap to the best loss found by anyone (median), by number of evaluations", fontsize=10)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--budget", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--optimizers", default=",".join(OPTIMIZERS))
    parser.add_argument("--problems", default="", help="comma list; default all")
    parser.add_argument("--long", action="store_true", help="100 evaluations, 5 seeds")
    parser.add_argument("--wide", action="store_true", help="the problems with fifty parameters instead")
    parser.add_argument("--plot", type=Path, default=Path(__file__).parent / "best-so-far.svg")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    if args.long:
        args.budget, args.seeds = max(args.budget, 100), max(args.seeds, 5)
    names = []
    for name in args.optimizers.split(","):
        if importlib.util.find_spec(OPTIMIZERS[name][1]) is None:
            print(f"{name} is left out: install {OPTIMIZERS[name][1]} to have it")
        else:
            names.append(name)
    chosen = [
        p
        for p in (wide_problems() if args.wide else problems())
        if not args.problems or p.name in args.problems.split(",")
    ]
    results: dict = {}
    spent: dict = {name: [] for name in names}
    for problem in chosen:
        results[problem.name] = {name: [] for name in names}
        for seed in range(args.seeds):
            for name in names:  # side by side, so that the machine's load is shared fairly
                path, ms = run(problem, OPTIMIZERS[name][0], 1000 * seed + 17, args.budget)
                results[problem.name][name].append(path)
                spent[name].append(ms)
        medians = {name: float(np.median([p[-1] for p in results[problem.name][name]])) for name in names}
        print(
            f"{problem.name:18s} " + "  ".join(f"{name} {value:.4g}" for name, value in medians.items()),
            flush=True,
        )
    table = scores(results, names, args.budget)
    half = args.budget // 2
    print(f"\n{len(chosen)} problems, {args.seeds} seeds, {args.budget} evaluations")
    print(
        f"| optimizer | score@{half} | score@{args.budget} | 95% CI | CPU ms a suggestion |\n| --- | ---: | ---: | --- | ---: |"
    )
    rng = np.random.default_rng(0)
    for name in sorted(names, key=lambda n: -np.mean([s[:, -1].mean() for s in table[n].values()])):
        mid = np.mean([s[:, half - 1].mean() for s in table[name].values()])
        each = np.array([s[:, -1].mean() for s in table[name].values()])
        low, high = np.percentile([rng.choice(each, len(each)).mean() for _ in range(2000)], [2.5, 97.5])
        print(
            f"| {name} | {mid:.0f} | {each.mean():.0f} | {low:.0f} to {high:.0f} | {np.median(spent[name]):.1f} |"
        )
    if args.json:
        args.json.write_text(json.dumps(results))
    if importlib.util.find_spec("matplotlib"):
        plot(results, names, args.budget, args.plot)
        print(f"\nplot: {args.plot}")
    else:
        print("\nno plot: install matplotlib to have it")


if __name__ == "__main__":
    main()
