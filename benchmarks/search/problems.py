"""Problems for `make bench-search`: test functions behind mixed spaces, and real scikit-learn training.

Each problem is a loss to be minimised over a list of plain ranges, so that every peer can be given the same space:
("float", name, low, high, log), ("int", name, low, high, log) or ("cat", name, choices).
"""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Problem:
    """A loss over named ranges.

    Attributes:
        ranges: The space.
        loss: Values to loss; None stands for a failed evaluation.
        live: Whether a model is really trained.
    """

    name: str
    ranges: list[tuple]
    loss: Callable[[dict], float | None]
    live: bool = False


def unit(spec: tuple, value) -> float:
    """Position of a value in its range, 0 to 1, on the range's own scale."""
    if spec[0] == "cat":
        return (spec[2].index(value) + 0.5) / len(spec[2])
    low, high, log = spec[2], spec[3], spec[4]
    if log:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _mixed(kinds: str) -> list[tuple]:
    made = {
        "f": lambda i: ("float", f"x{i}", -2.0, 3.0, False),
        "l": lambda i: ("float", f"x{i}", 1e-5, 1e1, True),
        "i": lambda i: ("int", f"x{i}", 1, 24, False),
        "j": lambda i: ("int", f"x{i}", 2, 4096, True),
        "c": lambda i: ("cat", f"x{i}", ["d", "a", "e", "b", "c"]),
    }
    return [made[kind](i) for i, kind in enumerate(kinds)]


def _synthetic(
    name: str, kinds: str, function: Callable, shift: int, noise: float = 0.0, crash: float = 0.0
) -> Problem:
    ranges = _mixed(kinds)
    rng = np.random.default_rng(shift)
    centre = rng.uniform(0.2, 0.8, len(ranges))
    order = {spec[1]: list(rng.permutation(5)) for spec in ranges if spec[0] == "cat"}
    noise_rng = np.random.default_rng(shift + 1)

    def loss(values: dict) -> float | None:
        u = []
        for spec in ranges:
            if spec[0] == "cat":
                u.append((order[spec[1]][spec[2].index(values[spec[1]])] + 0.5) / 5)
            else:
                u.append(unit(spec, values[spec[1]]))
        if crash and u[0] > 1 - crash:
            return None
        value = float(function(np.array(u) - centre))
        return value + noise * float(noise_rng.standard_normal()) if noise else value

    return Problem(name, ranges, loss)


def _bowl(z):
    return (np.arange(1, len(z) + 1) * z * z).sum()


def _ackley(z):
    z = 12 * z
    return (
        -20 * math.exp(-0.2 * math.sqrt((z * z).mean()))
        - math.exp(np.cos(2 * math.pi * z / 4).mean())
        + 20
        + math.e
    )


def _valley(z):
    z = 3 * z + 1
    return math.log1p((100 * (z[1:] - z[:-1] ** 2) ** 2 + (1 - z[:-1]) ** 2).sum())


def _levy(z):
    w = 1 + 4 * z
    first = math.sin(math.pi * w[0]) ** 2
    middle = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(math.pi * w[:-1] + 1) ** 2)).sum()
    return first + middle + (w[-1] - 1) ** 2 * (1 + math.sin(2 * math.pi * w[-1]) ** 2)


def _sparse(z):
    return float((z[:4] ** 2).sum() + 0.01 * (z[4:] ** 2).sum())


@functools.cache
def _data(name: str, rows: int):
    from sklearn import datasets
    from sklearn.model_selection import KFold

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    chosen = np.random.default_rng(7).permutation(len(y))[:rows]
    return X[chosen], y[chosen], list(KFold(3, shuffle=True, random_state=0).split(chosen))


def _trained(name: str, rows: int, build: Callable) -> Callable[[dict], float]:
    def loss(values: dict) -> float:
        X, y, folds = _data(name, rows)
        scores = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for train, test in folds:
                model = build(values).fit(X[train], y[train])
                if hasattr(model, "classes_"):
                    p = np.clip(model.predict_proba(X[test]), 1e-4, 1)
                    scores.append(
                        -np.log(p[np.arange(len(test)), np.searchsorted(model.classes_, y[test])]).mean()
                    )
                else:
                    scores.append(np.sqrt(np.mean((model.predict(X[test]) - y[test]) ** 2)) / y.std())
        return float(min(np.mean(scores), 10.0))

    return loss


def _boosting(values: dict):
    from sklearn.ensemble import GradientBoostingClassifier

    return GradientBoostingClassifier(random_state=0, n_estimators=15, **values)


def _network(values: dict):
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    width = values["width"]
    rest = {name: value for name, value in values.items() if name != "width"}
    return make_pipeline(
        StandardScaler(), MLPClassifier(hidden_layer_sizes=(width,), max_iter=15, random_state=0, **rest)
    )


def _support_vectors(values: dict):
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVR

    return make_pipeline(StandardScaler(), SVR(max_iter=2000, **values))


def wide_problems() -> list[Problem]:
    """Three problems with fifty parameters: all matter, few matter, mixed kinds."""
    return [
        _synthetic("wide-bowl-50", "fl" * 25, lambda z: (z * z).sum(), 11),
        _synthetic("wide-sparse-50", "flfli" * 10, _sparse, 12),
        _synthetic("wide-levy-50", "fflfc" * 10, lambda z: math.log1p(_levy(z)), 13),
    ]


def problems() -> list[Problem]:
    """Eleven problems, three of which train a model."""
    return [
        _synthetic("bowl-mixed", "flic", _bowl, 1),
        _synthetic("ackley-mixed", "flijc", _ackley, 2),
        _synthetic("valley-4", "flfl", _valley, 3),
        _synthetic("levy-8", "ffllffll", _levy, 4),
        _synthetic("choices-3", "cccf", _ackley, 5),
        _synthetic("noisy-bowl", "ffll", _bowl, 6, noise=0.1),
        _synthetic("crashing-ackley", "ffli", _ackley, 7, crash=0.25),
        _synthetic("wide-20", "f" * 10 + "l" * 10, _sparse, 8),
        Problem(
            "train-boosting",
            [
                ("float", "learning_rate", 1e-3, 1.0, True),
                ("int", "max_depth", 1, 6, False),
                ("float", "subsample", 0.3, 1.0, False),
                ("int", "min_samples_leaf", 1, 30, True),
                ("cat", "max_features", ["sqrt", "log2"]),
            ],
            _trained("wine", 120, _boosting),
            live=True,
        ),
        Problem(
            "train-network",
            [
                ("float", "learning_rate_init", 1e-4, 1.0, True),
                ("float", "alpha", 1e-6, 1e1, True),
                ("int", "width", 2, 64, True),
                ("float", "momentum", 0.1, 0.99, False),
                ("cat", "solver", ["sgd", "adam"]),
                ("cat", "activation", ["relu", "tanh", "logistic", "identity"]),
            ],
            _trained("breast_cancer", 200, _network),
            live=True,
        ),
        Problem(
            "train-svr",
            [
                ("float", "C", 1e-2, 1e4, True),
                ("float", "gamma", 1e-5, 1e1, True),
                ("float", "epsilon", 1e-3, 1e2, True),
                ("cat", "kernel", ["linear", "poly", "rbf", "sigmoid"]),
                ("float", "coef0", -1.0, 1.0, False),
            ],
            _trained("diabetes", 150, _support_vectors),
            live=True,
        ),
    ]
