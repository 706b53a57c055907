"""Several algorithms in one tuning job: what the rule that shares out the training jobs gains over equal shares.

Every rule is played on the same recorded searches (`benchmarks/data`, real evaluations of scikit-learn models by Pegbox's own
search): a rule only decides whose next evaluation is made. Each figure is the mean over seeds of the paired difference to equal
shares (round robin) with its standard error, in the measure's own unit times 10,000.

* *at the end*: best value when the budget is used.
* *on the way*: best value so far, averaged over all training jobs after the first nine.
* *hindsight*: the single algorithm that is best in the mean over seeds gets the whole budget (of the 30 evaluations that were
  recorded); nobody knows it beforehand.

With several training jobs at a time, results come late to the rule; what the searches find is that of one at a time.

    python benchmarks/several_algorithms.py [--output benchmarks/several_algorithms.md]
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pegbox.engine.allocation import START, Arm, next_turns, start_of

DATA = Path(__file__).parent / "data" / "several_algorithms.json"
BUDGETS = (12, 18, 24, 36)
UNITS = {"digits": "accuracy", "cancer": "log loss", "diabetes": "RMSE"}
#: Cases that were recorded after score and start had been chosen on the others.
HELD_OUT = {"diabetes"}

Chains = Mapping[str, Sequence[Sequence[float]]]
#: The definitions as they stand and the budget, to the place of the next one.
Rule = Callable[[Sequence[Arm], int], int]
Floats = npt.NDArray[np.float64]


def ours(arms: Sequence[Arm], budget: int) -> int:
    """Pegbox's rule."""
    return next_turns(arms, 1, maximize=True, start=start_of(budget, len(arms)))[0].definition


def equal(arms: Sequence[Arm], budget: int) -> int:
    """Round robin."""
    return min(range(len(arms)), key=lambda place: (arms[place].launched, place))


def play(
    rule: Rule, chains: Sequence[Sequence[float]], budget: int, parallel: int
) -> tuple[Floats, list[int]]:
    """Return the best value known after each launch's results, and how many training jobs each algorithm got.

    Args:
        rule: Whose turn it is.
        chains: What each algorithm's search finds, in order.
        budget: Training jobs.
        parallel: How many run at a time; they end in the order they were launched.
    """
    launched = [0] * len(chains)
    finished = [0] * len(chains)
    running: list[int] = []
    best = []
    for _ in range(budget):
        arms = [
            Arm(
                launched=launched[place],
                objectives=tuple(chain[: finished[place]]),
                # Recorded chains end somewhere.
                room=len(chain) - launched[place],
            )
            for place, chain in enumerate(chains)
        ]
        place = rule(arms, budget)
        launched[place] += 1
        running.append(place)
        if len(running) == parallel:
            finished[running.pop(0)] += 1
        best.append(
            max(value for chain, count in zip(chains, launched, strict=True) for value in chain[:count])
        )
    return np.array(best), launched


def cases() -> dict[str, Chains]:
    """Return the recorded cases and two whose definitions are equal."""
    found: dict[str, Chains] = json.loads(DATA.read_text())
    for case, algorithm in (("cancer", "network"), ("digits", "svc")):
        chains = found[case][algorithm]
        third = len(chains) // 3
        found[f"three times {algorithm} on {case}"] = {
            f"{algorithm} {turn + 1}": [
                chains[(seed + third * turn) % len(chains)] for seed in range(len(chains))
            ]
            for turn in range(3)
        }
    return found


def compare(chains: Chains, budget: int, parallel: int) -> dict[str, Floats | list[float]]:
    """Return paired differences to equal shares over seeds, and the mean shares of the rule."""
    seeds = range(len(next(iter(chains.values()))))
    single = max(chains.values(), key=lambda found: float(np.mean([max(one[:budget]) for one in found])))
    end, way, hindsight, shares = [], [], [], []
    for seed in seeds:
        of_seed = [found[seed] for found in chains.values()]
        mine, counts = play(ours, of_seed, budget, parallel)
        other, _ = play(equal, of_seed, budget, parallel)
        after = START * len(of_seed)
        end.append(mine[-1] - other[-1])
        way.append(float(np.mean(mine[after:] - other[after:])))
        hindsight.append(max(single[seed][:budget]) - other[-1])
        shares.append(counts)
    return {
        "end": np.array(end),
        "way": np.array(way),
        "hindsight": np.array(hindsight),
        "shares": [float(value) for value in np.mean(shares, axis=0)],
    }


def told(differences: Floats) -> str:
    """Return mean and standard error, times 10,000."""
    error = differences.std(ddof=1) / math.sqrt(len(differences))
    return f"{differences.mean() * 1e4:+.1f} ± {error * 1e4:.1f}"


def page(parallel: Sequence[int]) -> str:
    """Return the tables."""
    introduction = (__doc__ or "").split("\n\n", 1)[1].rpartition("\n\n")[0]
    lines = ["# Several algorithms in one tuning job", "", *introduction.splitlines(), ""]
    for slots in parallel:
        lines += [
            f"## {slots} training job{'s' if slots > 1 else ''} at a time",
            "",
            "| case | measure | training jobs | at the end | on the way | hindsight | shares of the rule |",
            "|---|---|---|---|---|---|---|",
        ]
        for name, chains in cases().items():
            label = f"{name} (held out)" if name in HELD_OUT else name
            unit = next((text for case, text in UNITS.items() if name.endswith(case)), "")
            for budget in BUDGETS:
                found = compare(chains, budget, slots)
                shares = ", ".join(
                    f"{key} {value:.1f}" for key, value in zip(chains, found["shares"], strict=True)
                )
                figures = " | ".join(told(np.asarray(found[key])) for key in ("end", "way", "hindsight"))
                lines.append(f"| {label} | {unit} | {budget} | {figures} | {shares} |")
        lines.append("")
    seeds = len(next(iter(next(iter(cases().values())).values())))
    lines.append(
        f"{seeds} seeds; larger is better in every column. Written by `make bench-several-algorithms`."
    )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the tables and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    text = page((1, 4))
    print(text)
    if options.output:
        options.output.write_text(text)


if __name__ == "__main__":
    main()
