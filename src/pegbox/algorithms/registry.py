"""The built-in algorithms by name, each loaded when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pegbox.algorithms.errors import CustomerError, MissingLibrary

_MODULES = {
    "factorization-machines": "factorization_machines",
    "kmeans": "kmeans",
    "knn": "knn",
    "lda": "lda",
    "lightgbm": "lightgbm_trees",
    "linear-learner": "linear_learner",
    "pca": "pca",
    "randomcutforest": "random_cut_forest",
    "xgboost": "xgboost_trees",
}
#: Algorithms that exist.
NAMES = tuple(sorted(_MODULES))
#: Number of features that a trained model takes.
_WIDTHS: dict[str, Callable[[Any], int]] = {
    "factorization-machines": lambda model: len(model[0]["linear"]),
    "kmeans": lambda model: model.shape[1],
    "knn": lambda model: (
        model[0]["projection"].shape[0] if "projection" in model[0] else model[0]["rows"].shape[1]
    ),
    "lda": lambda model: model["beta"].shape[1],
    "lightgbm": lambda model: model.num_feature(),
    "linear-learner": lambda model: model[0]["weights"].shape[0],
    "pca": lambda model: model["v"].shape[0],
    "randomcutforest": lambda model: model[0]["low"].shape[1],
    "xgboost": lambda model: model.num_features(),
}
#: Libraries whose package has another name.
_PACKAGES = {"sklearn": "scikit-learn"}


def module_of(name: str) -> ModuleType:
    """Return an algorithm's module: ``HYPERPARAMETERS``, ``train(job)``, ``load_model(folder)``, ``predict(model, features)``.

    Raises:
        CustomerError: There is no such algorithm.
        MissingLibrary: A library of it is not installed.
    """
    if name not in _MODULES:
        raise CustomerError(f"algorithm {name!r} does not exist; there are {', '.join(NAMES)}")
    try:
        return importlib.import_module(f"pegbox.algorithms.{_MODULES[name]}")
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "pegbox":
            raise
        raise MissingLibrary(_PACKAGES.get(package, package)) from None


def training_of(name: str) -> Callable[[Any], None]:
    """Return an algorithm's training program."""

    def run(job: Any) -> None:
        module_of(name).train(job)

    return run


def load_model(name: str, folder: str) -> Any:
    """Return a trained model for :func:`predict`.

    Args:
        name: The algorithm.
        folder: Folder with the files of its ``model.tar.gz``.
    """
    return module_of(name).load_model(folder)


def predict(name: str, model: Any, features: Any) -> dict[str, Any]:
    """Return predictions for rows as arrays by AWS's response fields, such as ``score`` and ``predicted_label``.

    Args:
        name: The algorithm.
        model: What :func:`load_model` returned.
        features: ``(n, d)`` array or sparse matrix.
    """
    found: dict[str, Any] = module_of(name).predict(model, features)
    return found


def width(name: str, model: Any) -> int:
    """Return the number of features that a model was trained with.

    Args:
        name: The algorithm.
        model: What :func:`load_model` returned.
    """
    return int(_WIDTHS[name](model))
