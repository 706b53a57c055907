"""Records what the Bayesian search finds within single algorithms: the evaluations that ``several_algorithms.py`` shares out.

One *chain* is one algorithm tuned alone, one training job at a time, from one seed: real cross-validated fits of scikit-learn
models at the values that Pegbox's search suggests. With one training job at a time the search within a definition does not depend
on when its turns come, so that every rule that shares out a budget can be played on the same chains.

    python benchmarks/data/record_several_algorithms.py [--seeds 24] [--length 30] [--cases digits,cancer,diabetes]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, SVR

from pegbox.space import ContinuousRange, IntegerRange, Scaling, Space
from pegbox.strategies import Memory, Observation, suggest

HERE = Path(__file__).parent
LOG, LINEAR = Scaling.LOGARITHMIC, Scaling.LINEAR
#: What a definition of a job with three of them and a budget of 36 tells the search of its budget.
SHARE = 12
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Algorithm:
    """A model and what is tuned of it."""

    space: Space
    build: Callable[[Values], Any]


@dataclass(frozen=True)
class Case:
    """A dataset with a measure and the algorithms that compete on it."""

    data: Callable[[], tuple[Any, Any]]
    scoring: str
    folds: Any
    algorithms: Mapping[str, Algorithm]


def _digits() -> tuple[Any, Any]:
    features, labels = load_digits(return_X_y=True)
    chosen = np.random.RandomState(0).permutation(len(features))[:800]
    return features[chosen] / 16, labels[chosen]


def _cancer() -> tuple[Any, Any]:
    features, labels = load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(features), labels


def _diabetes() -> tuple[Any, Any]:
    features, target = load_diabetes(return_X_y=True)
    return StandardScaler().fit_transform(features), target


def _real(name: str, low: float, high: float, scaling: Scaling = LOG) -> ContinuousRange:
    return ContinuousRange(name, low, high, scaling)


def _whole(name: str, low: int, high: int, scaling: Scaling = LINEAR) -> IntegerRange:
    return IntegerRange(name, low, high, scaling)


CASES = {
    "digits": Case(
        _digits,
        "accuracy",
        StratifiedKFold(3, shuffle=True, random_state=0),
        {
            "svc": Algorithm(
                Space([_real("C", 1e-3, 1e3), _real("gamma", 1e-4, 1e1), _whole("components", 2, 60)]),
                lambda v: make_pipeline(
                    PCA(v["components"], random_state=0), SVC(C=v["C"], gamma=v["gamma"])
                ),
            ),
            "trees": Algorithm(
                Space(
                    [_real("features", 0.02, 1.0), _whole("leaf", 1, 30, LOG), _whole("depth", 2, 30, LOG)]
                ),
                lambda v: ExtraTreesClassifier(
                    30,
                    max_features=v["features"],
                    min_samples_leaf=v["leaf"],
                    max_depth=v["depth"],
                    random_state=0,
                ),
            ),
            "neighbours": Algorithm(
                Space([_whole("k", 1, 50, LOG), _real("power", 1, 4, LINEAR), _whole("components", 2, 60)]),
                lambda v: make_pipeline(
                    PCA(v["components"], random_state=0), KNeighborsClassifier(v["k"], p=v["power"])
                ),
            ),
        },
    ),
    "cancer": Case(
        _cancer,
        "neg_log_loss",
        StratifiedKFold(3, shuffle=True, random_state=0),
        {
            "logistic": Algorithm(
                Space([_real("C", 1e-4, 1e3), _whole("components", 2, 30)]),
                lambda v: make_pipeline(
                    PCA(v["components"], random_state=0), LogisticRegression(C=v["C"], max_iter=200)
                ),
            ),
            "network": Algorithm(
                Space([_real("alpha", 1e-5, 1e2), _whole("units", 2, 32, LOG), _whole("steps", 5, 100, LOG)]),
                lambda v: MLPClassifier(
                    (v["units"],), alpha=v["alpha"], max_iter=v["steps"], solver="lbfgs", random_state=0
                ),
            ),
            "boosting": Algorithm(
                Space(
                    [_real("rate", 0.01, 1.0), _whole("depth", 1, 6), _real("features", 0.05, 1.0),
                     _real("sample", 0.2, 1.0, LINEAR)]
                ),
                lambda v: GradientBoostingClassifier(
                    n_estimators=30,
                    learning_rate=v["rate"],
                    max_depth=v["depth"],
                    max_features=v["features"],
                    subsample=v["sample"],
                    random_state=0,
                ),
            ),
        },
    ),
    # Recorded after the rule had been chosen on the other two.
    "diabetes": Case(
        _diabetes,
        "neg_root_mean_squared_error",
        KFold(3, shuffle=True, random_state=0),
        {
            "vectors": Algorithm(
                Space([_real("C", 1e-2, 1e4), _real("gamma", 1e-5, 1e1), _real("epsilon", 1e-2, 1e2)]),
                lambda v: SVR(C=v["C"], gamma=v["gamma"], epsilon=v["epsilon"]),
            ),
            "kernel": Algorithm(
                Space([_real("alpha", 1e-4, 1e2), _real("gamma", 1e-6, 1e1), _whole("components", 1, 10)]),
                lambda v: make_pipeline(
                    PCA(v["components"], random_state=0),
                    KernelRidge(alpha=v["alpha"], gamma=v["gamma"], kernel="rbf"),
                ),
            ),
            "boosting": Algorithm(
                Space(
                    [_real("rate", 0.01, 1.0), _whole("depth", 1, 6), _real("features", 0.1, 1.0),
                     _real("sample", 0.2, 1.0, LINEAR)]
                ),
                lambda v: GradientBoostingRegressor(
                    n_estimators=30,
                    learning_rate=v["rate"],
                    max_depth=v["depth"],
                    max_features=v["features"],
                    subsample=v["sample"],
                    random_state=0,
                ),
            ),
        },
    ),
}  # fmt: skip


def chain(algorithm: Algorithm, evaluate: Callable[[Any], float], seed: int, length: int) -> list[float]:
    """Return the objective values of one search, in order; larger is better."""
    history: list[Observation] = []
    memory = Memory()
    for number in range(length):
        values = suggest(
            "Bayesian", algorithm.space, history, (), 1, (seed, number), maximize=True, budget=SHARE, memory=memory
        )[0].values  # fmt: skip
        history.append(Observation(number, values, evaluate(algorithm.build(values))))
    return [float(f"{seen.objective:.5g}") for seen in history]


def main() -> None:
    """Record all chains."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--length", type=int, default=30)
    parser.add_argument("--cases", default=",".join(CASES))
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    target = HERE / "several_algorithms.json"
    cases: dict[str, dict[str, list[list[float]]]] = json.loads(target.read_text()) if target.exists() else {}
    wanted = {name: CASES[name] for name in options.cases.split(",")}
    cases |= {name: {algorithm: [] for algorithm in case.algorithms} for name, case in wanted.items()}
    began = time.monotonic()
    data = {name: case.data() for name, case in wanted.items()}
    for seed in range(options.seeds):
        for name, case in wanted.items():
            features, labels = data[name]

            def evaluate(
                model: Any, case: Case = case, features: Any = features, labels: Any = labels
            ) -> float:
                return float(
                    cross_val_score(model, features, labels, cv=case.folds, scoring=case.scoring).mean()
                )

            for algorithm, parts in case.algorithms.items():
                cases[name][algorithm].append(chain(parts, evaluate, seed, options.length))
        lines = [
            f"  {json.dumps(name)}: {{\n"
            + ",\n".join(
                f"    {json.dumps(algorithm)}: [\n      "
                + ",\n      ".join(json.dumps(values) for values in chains)
                + "\n    ]"
                for algorithm, chains in found.items()
            )
            + "\n  }"
            for name, found in cases.items()
        ]
        target.write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(f"seed {seed}: {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
