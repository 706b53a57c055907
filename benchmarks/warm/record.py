"""Record the tables of ``families.py``: cross-validation at every grid point, on scikit-learn's own data.

    OMP_NUM_THREADS=1 python benchmarks/warm/record.py [family ...]

takes about half an hour on one core.
"""

from __future__ import annotations

import itertools
import sys
import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from families import FAMILIES, TABLES
from sklearn import datasets
from sklearn.base import clone
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

Data = tuple[np.ndarray, np.ndarray]
MOST = 420


def _digits(kind: str) -> Data:
    x, y = datasets.load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    if kind == "low":
        x, y = x[y < 5], y[y < 5]
    elif kind == "high":
        x, y = x[y >= 5], y[y >= 5]
    elif kind == "top":
        x = x[:, :32]
    else:
        x = x + rng.normal(0, 6.0, x.shape)
    rows = rng.permutation(len(y))[:MOST]
    return x[rows], y[rows]


def _classes(task: str) -> Data:
    if task.startswith("digits"):
        return _digits(task.split("-")[1])
    load = {"cancer": datasets.load_breast_cancer, "wine": datasets.load_wine, "iris": datasets.load_iris}[
        task
    ]
    x, y = load(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:MOST]
    return x[rows], y[rows]


def _numbers(task: str) -> Data:
    if task == "friedman":
        return datasets.make_friedman1(300, n_features=8, noise=2.0, random_state=0)
    x, y = datasets.load_diabetes(return_X_y=True)
    if task in ("diabetes-women", "diabetes-men"):
        rows = (x[:, 1] > 0) == (task == "diabetes-women")
        x, y = x[rows], y[rows]
    elif task == "diabetes-blood":
        x = x[:, 4:]
    elif task == "diabetes-noisy":
        y = y + np.random.default_rng(0).normal(0, 60.0, len(y))
    return x, (y - y.mean()) / y.std()


def _folds(x: np.ndarray, y: np.ndarray, classes: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    kind = StratifiedKFold if classes else KFold
    return list(kind(3, shuffle=True, random_state=0).split(x, y))


def svm(task: str) -> Iterator[tuple[tuple[int, ...], float]]:
    x, y = _classes(task)
    folds = _folds(x, y, True)
    scalers = {"standard": StandardScaler, "minmax": MinMaxScaler, "none": None}
    costs, gammas, kinds = (axis.grid for axis in FAMILIES["svm"].axes)
    for k, kind in enumerate(kinds):
        sets = []
        for train, test in folds:
            a, b = x[train], x[test]
            if scalers[kind] is not None:
                scaler = scalers[kind]().fit(a)
                a, b = scaler.transform(a), scaler.transform(b)
            sets.append((a, y[train], b, y[test]))
        for (i, cost), (j, gamma) in itertools.product(enumerate(costs), enumerate(gammas)):
            wrong = [(SVC(C=cost, gamma=gamma).fit(a, p).predict(b) != q).mean() for a, p, b, q in sets]
            yield (i, j, k), float(np.mean(wrong))


def _scaled(task: str) -> list[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    x, y = _classes(task)
    sets = []
    for train, test in _folds(x, y, True):
        scaler = StandardScaler().fit(x[train])
        sets.append((scaler.transform(x[train]), y[train], scaler.transform(x[test]), y[test]))
    return sets


def _losses(model: Any, sets: list[Any]) -> float:
    found = []
    for a, p, b, q in sets:
        try:
            chances = clone(model).fit(a, p).predict_proba(b)
            ok = np.isfinite(chances).all()
        except ValueError:  # the weights overflowed
            ok = False
        found.append(min(log_loss(q, np.clip(chances, 1e-4, 1)), 5.0) if ok else 5.0)
    return float(np.mean(found))


def _points(family: str) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    axes = FAMILIES[family].axes
    for place in itertools.product(*(range(len(axis.grid)) for axis in axes)):
        yield place, {axis.name: axis.grid[k] for axis, k in zip(axes, place, strict=True)}


def sgd(task: str) -> Iterator[tuple[tuple[int, ...], float]]:
    sets = _scaled(task)
    for place, values in _points("sgd"):
        model = SGDClassifier(
            loss="log_loss", penalty="elasticnet", max_iter=8, tol=None, random_state=0, **values
        )
        yield place, _losses(model, sets)


def mlp(task: str) -> Iterator[tuple[tuple[int, ...], float]]:
    sets = _scaled(task)[:2]
    for place, values in _points("mlp"):
        hidden = values.pop("hidden")
        model = MLPClassifier((hidden,), max_iter=25, batch_size=32, random_state=0, **values)
        yield place, _losses(model, sets)


def boosting(task: str) -> Iterator[tuple[tuple[int, ...], float]]:
    x, y = _numbers(task)
    folds = _folds(x, y, False)
    rates, depths, leaves, stages = (axis.grid for axis in FAMILIES["boosting"].axes)
    for (i, rate), (j, depth), (k, leaf) in itertools.product(
        enumerate(rates), enumerate(depths), enumerate(leaves)
    ):
        errors = np.zeros(len(stages))
        for train, test in folds:
            model = GradientBoostingRegressor(
                learning_rate=rate, max_depth=depth, min_samples_leaf=leaf, n_estimators=max(stages),
                subsample=0.7, random_state=0,
            ).fit(x[train], y[train])  # fmt: skip
            steps = [mean_squared_error(y[test], p) for p in model.staged_predict(x[test])]
            errors += np.array([steps[s - 1] for s in stages]) / len(folds)
        for m, error in enumerate(errors.tolist()):
            yield (i, j, k, m), error


RUNS = {"svm": svm, "sgd": sgd, "boosting": boosting, "mlp": mlp}


def record(name: str) -> None:
    """Evaluate every grid point of the family's tasks that are not in its table yet."""
    family, stored = FAMILIES[name], {}
    if (TABLES / f"{name}.npz").exists():
        with np.load(TABLES / f"{name}.npz") as known:
            stored = dict(known)
    for task in family.tasks + family.strangers:
        if task in stored:
            continue
        start = time.monotonic()
        errors = np.full([len(axis.grid) for axis in family.axes], np.nan)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            for place, error in RUNS[name](task):
                errors[place] = error
        assert np.isfinite(errors).all(), (name, task)
        stored[task] = errors.astype(np.float32)
        print(f"{name} {task}: {errors.size} values in {time.monotonic() - start:.0f} s, best {errors.min():.4f}, "
              f"median {np.median(errors):.4f}", flush=True)  # fmt: skip
        TABLES.mkdir(exist_ok=True)
        np.savez_compressed(TABLES / f"{name}.npz", **stored)


if __name__ == "__main__":
    for wanted in sys.argv[1:] or list(FAMILIES):
        record(wanted)
