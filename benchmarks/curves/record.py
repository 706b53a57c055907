"""Record real learning curves for ``benchmarks/early_stopping.py``.

Each table holds 120 random configurations of one model on one of scikit-learn's own data sets: the validation value after every
epoch (or boosting round), as a program would print it. A run that diverges is recorded as NaN from there on. All tables take ten
minutes on one core:

    OMP_NUM_THREADS=1 python benchmarks/curves/record.py [table ...]
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.preprocessing import StandardScaler

HERE = Path(__file__).parent
CONFIGURATIONS = 120
Config = dict[str, Any]
Data = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _log(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _choice(rng: np.random.Generator, *options: Any) -> Any:
    return options[int(rng.integers(len(options)))]


def _split(name: str, classes: bool) -> Data:
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    x_train, x_valid, y_train, y_valid = train_test_split(
        x, y, test_size=0.3, random_state=0, stratify=y if classes else None
    )
    scaler = StandardScaler().fit(x_train)
    if not classes:
        y_train, y_valid = (
            (y_train - y_train.mean()) / y_train.std(),
            (y_valid - y_train.mean()) / y_train.std(),
        )
    return scaler.transform(x_train), scaler.transform(x_valid), y_train, y_valid


def _mlp_config(rng: np.random.Generator) -> Config:
    depth = int(rng.integers(1, 4))
    return {
        "hidden_layer_sizes": [int(_log(rng, 4, 128))] * depth,
        "solver": _choice(rng, "adam", "sgd"),
        "activation": _choice(rng, "relu", "tanh", "logistic"),
        "learning_rate_init": _log(rng, 1e-4, 0.5),
        "alpha": _log(rng, 1e-6, 1.0),
        "batch_size": int(_log(rng, 8, 256)),
        "momentum": float(rng.uniform(0.1, 0.99)),
    }


def _sgd_config(rng: np.random.Generator) -> Config:
    return {
        "loss": _choice(rng, "hinge", "log_loss", "modified_huber", "perceptron"),
        "penalty": _choice(rng, "l2", "l1", "elasticnet"),
        "alpha": _log(rng, 1e-7, 1e-1),
        "learning_rate": _choice(rng, "constant", "invscaling", "optimal"),
        "eta0": _log(rng, 1e-5, 1.0),
        "power_t": float(rng.uniform(0.1, 0.9)),
        "average": _choice(rng, False, True),
    }


def _boosting_config(rng: np.random.Generator) -> Config:
    return {
        "learning_rate": _log(rng, 5e-3, 1.0),
        "max_depth": int(rng.integers(1, 8)),
        "subsample": float(rng.uniform(0.2, 1.0)),
        "max_features": float(rng.uniform(0.05, 0.5)),
        "min_samples_leaf": int(_log(rng, 1, 60)),
    }


def _epochs(
    make: Callable[..., Any], score: Callable[..., float], classes: bool
) -> Callable[..., Iterator[float]]:
    def run(config: Config, data: Data, epochs: int, seed: int) -> Iterator[float]:
        x_train, x_valid, y_train, y_valid = data
        model = make(**config, random_state=seed)
        rng = np.random.default_rng(seed)
        for _ in range(epochs):
            order = rng.permutation(len(x_train))
            known = {"classes": np.unique(y_train)} if classes else {}
            model.partial_fit(x_train[order], y_train[order], **known)
            yield score(model, x_valid, y_valid)

    return run


def _stages(
    make: Callable[..., Any], staged: str, score: Callable[..., float]
) -> Callable[..., Iterator[float]]:
    def run(config: Config, data: Data, epochs: int, seed: int) -> Iterator[float]:
        x_train, x_valid, y_train, y_valid = data
        model = make(**config, n_estimators=epochs, random_state=seed).fit(x_train, y_train)
        for predicted in getattr(model, staged)(x_valid):
            yield score(y_valid, predicted)

    return run


def _accuracy(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float(accuracy_score(y, model.predict(x)))


def _loss(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float(log_loss(y, model.predict_proba(x)))


def _error(model: Any, x: np.ndarray, y: np.ndarray) -> float:
    return float(mean_squared_error(y, model.predict(x)))


@dataclass(frozen=True)
class Table:
    """What one table records."""

    data: str
    classes: bool
    epochs: int
    maximize: bool
    metric: str
    draw: Callable[[np.random.Generator], Config]
    run: Callable[..., Iterator[float]]
    seed: int


_mlp = _epochs(MLPClassifier, _loss, True)
_boosting = _stages(GradientBoostingClassifier, "staged_predict_proba", log_loss)
_regression = _stages(GradientBoostingRegressor, "staged_predict", mean_squared_error)
_MSE = "mean squared error"
TABLES = {
    "cancer-boosting": Table("breast_cancer", True, 60, False, "log loss", _boosting_config, _boosting, 0),
    "cancer-mlp": Table("breast_cancer", True, 30, False, "log loss", _mlp_config, _mlp, 1),
    "diabetes-boosting": Table("diabetes", False, 60, False, _MSE, _boosting_config, _regression, 2),
    "diabetes-mlp": Table(
        "diabetes", False, 54, False, _MSE, _mlp_config, _epochs(MLPRegressor, _error, False), 3
    ),
    "digits-boosting": Table(
        "digits",
        True,
        54,
        True,
        "accuracy",
        _boosting_config,
        _stages(GradientBoostingClassifier, "staged_predict", accuracy_score),
        4,
    ),
    "digits-mlp": Table(
        "digits", True, 50, True, "accuracy", _mlp_config, _epochs(MLPClassifier, _accuracy, True), 5
    ),
    "digits-sgd": Table(
        "digits", True, 40, True, "accuracy", _sgd_config, _epochs(SGDClassifier, _accuracy, True), 6
    ),
    "wine-mlp": Table("wine", True, 27, False, "log loss", _mlp_config, _mlp, 7),
    # Recorded after the constants of the rules had been chosen on those above.
    "cancer-sgd": Table(
        "breast_cancer", True, 45, True, "accuracy", _sgd_config, _epochs(SGDClassifier, _accuracy, True), 8
    ),
    "digits-mlp-loss": Table("digits", True, 36, False, "log loss", _mlp_config, _mlp, 9),
    "iris-mlp": Table("iris", True, 60, False, "log loss", _mlp_config, _mlp, 10),
    "wine-boosting": Table("wine", True, 50, False, "log loss", _boosting_config, _boosting, 11),
}


def record(name: str) -> None:
    """Train the configurations of one table and write it."""
    table = TABLES[name]
    data = _split(table.data, table.classes)
    rng = np.random.default_rng(table.seed)
    curves = np.full((CONFIGURATIONS, table.epochs), np.nan, dtype=np.float32)
    configs = []
    for i in range(CONFIGURATIONS):
        config = table.draw(rng)
        configs.append(config)
        try:
            with np.errstate(all="ignore"):
                for e, value in enumerate(table.run(config, data, table.epochs, seed=i)):
                    curves[i, e] = value
        except (ValueError, FloatingPointError) as problem:
            print(
                f"{name} {i}: diverged after {int(np.isfinite(curves[i]).sum())} epochs ({str(problem)[:60]})"
            )
    np.savez_compressed(
        HERE / f"{name}.npz",
        curves=curves,
        maximize=np.array(table.maximize),
        metric=np.array(table.metric),
        configurations=np.array(json.dumps(configs)),
    )
    last = curves[:, -1]
    print(
        name,
        curves.shape,
        "final: best",
        np.nanmax(last) if table.maximize else np.nanmin(last),
        "median",
        np.nanmedian(last),
    )


def main(names: list[str]) -> None:
    """Record the named tables, or all."""
    warnings.simplefilter("ignore")
    for name in names or list(TABLES):
        record(name)


if __name__ == "__main__":
    main(sys.argv[1:])
