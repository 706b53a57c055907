"""Factorization machines: Rendle, "Factorization machines", ICDM 2010, trained by Adam on mini-batches."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pegbox.algorithms import scores, stored
from pegbox.algorithms.data import RECORDIO, Reading, Table
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, Spec, choice, integer, number
from pegbox.algorithms.linear_losses import sigmoid
from pegbox.algorithms.optimizers import Optimizer
from pegbox.algorithms.program import Job, check_finite


def _of_term(name: str, rate: float, decay: float, sigma: float) -> tuple[Spec, ...]:
    return (
        choice(f"{name}_init_method", "normal", "normal", "uniform", "constant"),
        number(f"{name}_init_scale", None, 0),
        number(f"{name}_init_sigma", sigma, 0),
        number(f"{name}_init_value", None),
        number(f"{name}_lr", rate, 0),
        number(f"{name}_wd", decay, 0),
    )


HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1),
    integer("num_factors", REQUIRED, 1),
    choice("predictor_type", REQUIRED, "binary_classifier", "regressor"),
    *_of_term("bias", 0.1, 0.01, 0.01),
    *_of_term("linear", 0.001, 0.001, 0.01),
    *_of_term("factors", 0.0001, 0.00001, 0.001),
    number("clip_gradient", None, 0, open_low=True),
    integer("epochs", 1, 1),
    number("eps", None, 0, open_low=True),
    integer("mini_batch_size", 1000, 1),
    number("rescale_grad", None, 0, open_low=True),
)
_FORMS = (RECORDIO,)
_TERMS = ("bias", "linear", "factors")


def train(job: Job) -> None:
    """Train; logs the scores of the train channel by epoch and those of the test channel."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    how = Reading(forms=_FORMS, label_size=1, width=values["feature_dim"])
    started = time.monotonic()
    tables = {"train": job.table("train", how)}
    test = job.optional_table("test", how)
    if test is not None:
        tables["test"] = test
    data = {name: (csr_array(table.features), _labels(table, name, values)) for name, table in tables.items()}
    random = np.random.RandomState(0)
    width, count = values["feature_dim"], values["num_factors"]
    shapes: dict[str, tuple[int, ...]] = {"bias": (1,), "linear": (width,), "factors": (width, count)}
    model = {name: _start(name, shape, values, random) for name, shape in shapes.items()}
    optimizer = Optimizer("adam", small=values["eps"] or 1e-8)
    rows, labels = data["train"]
    for epoch in range(values["epochs"]):
        order = random.permutation(rows.shape[0])
        for start in range(0, len(order), values["mini_batch_size"]):
            part = order[start : start + values["mini_batch_size"]]
            _step(model, optimizer, rows[part], labels[part], values)
        _tell(job, "train", model, rows, labels, values, epoch)
        job.progress((epoch + 1) / values["epochs"])
    job.throughput(rows.shape[0] * values["epochs"], started)
    if "test" in data:
        _tell(job, "test", model, *data["test"], values)
    stored.save(job.model_dir, "factorization-machines", model, {"predictor_type": values["predictor_type"]})


def _labels(table: Table, channel: str, values: dict[str, Any]) -> np.ndarray:
    labels = table.need_labels(channel)
    check_finite(labels, f"the labels of channel {channel!r}")
    check_finite(
        table.features.data if hasattr(table.features, "tocsr") else table.features, f"channel {channel!r}"
    )
    if values["predictor_type"] == "binary_classifier" and not set(np.unique(labels)) <= {0.0, 1.0}:
        raise CustomerError(
            f"channel {channel!r} has labels other than 0 and 1; binary_classifier takes just these"
        )
    return labels


def _start(
    name: str, shape: tuple[int, ...], values: dict[str, Any], random: np.random.RandomState
) -> np.ndarray:
    method = values[f"{name}_init_method"]
    if method == "normal":
        return random.normal(0.0, values[f"{name}_init_sigma"], shape)
    needed = values[f"{name}_init_{'scale' if method == 'uniform' else 'value'}"]
    if needed is None:
        raise CustomerError(
            f"{name}_init_method={method} needs {name}_init_{'scale' if method == 'uniform' else 'value'}; give it"
        )
    return random.uniform(-needed, needed, shape) if method == "uniform" else np.full(shape, float(needed))


def _raw(model: dict[str, np.ndarray], rows: Any) -> tuple[np.ndarray, np.ndarray]:
    """Scores of rows, and the sums over their features of value times factor."""
    sums = rows @ model["factors"]
    squares = rows.multiply(rows).tocsr() @ model["factors"] ** 2
    pairs = 0.5 * (sums**2 - squares).sum(axis=1)
    return np.asarray(model["bias"][0] + rows @ model["linear"] + pairs), np.asarray(sums)


def _step(
    model: dict[str, np.ndarray], optimizer: Optimizer, rows: Any, labels: np.ndarray, values: dict[str, Any]
) -> None:
    raw, sums = _raw(model, rows)
    slope = sigmoid(raw) - labels if values["predictor_type"] == "binary_classifier" else raw - labels
    weighted = rows.multiply(slope[:, None]).tocsr()
    squares = rows.multiply(rows).multiply(slope[:, None]).tocsr()
    own = np.asarray(squares.sum(axis=0)).ravel()
    gradients = {
        "bias": np.array([slope.sum()]),
        "linear": np.asarray(weighted.sum(axis=0)).ravel(),
        "factors": weighted.T @ sums - own[:, None] * model["factors"],
    }
    scale = values["rescale_grad"] or 1.0 / len(labels)
    limit = values["clip_gradient"]
    for name in _TERMS:
        gradient = gradients[name] * scale
        if limit is not None:
            gradient = np.clip(gradient, -limit, limit)
        gradient = gradient + values[f"{name}_wd"] * model[name]
        optimizer.step(name, model[name], gradient, values[f"{name}_lr"])


def _tell(
    job: Job,
    channel: str,
    model: dict[str, np.ndarray],
    rows: Any,
    labels: np.ndarray,
    values: dict[str, Any],
    epoch: int | None = None,
) -> None:
    raw = _raw(model, rows)[0]
    if values["predictor_type"] == "regressor":
        job.quality(channel, "rmse", float(np.sqrt(((raw - labels) ** 2).mean())), epoch=epoch)
        return
    said = (raw > 0).astype(int)
    loss = float((np.logaddexp(0.0, raw) - labels * raw).mean())
    job.quality(channel, "binary_classification_cross_entropy", loss, epoch=epoch)
    job.quality(
        channel, "binary_classification_accuracy", scores.accuracy(labels, said), epoch=epoch, kind="score"
    )


def load_model(folder: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return ``bias``, ``linear`` and ``factors``, and the model's facts."""
    return stored.load(folder, "factorization-machines")


def predict(model: tuple[dict[str, np.ndarray], dict[str, Any]], features: Any) -> dict[str, Any]:
    """Return ``score`` of rows, and for classifiers ``predicted_label``."""
    arrays, facts = model
    raw = _raw(arrays, csr_array(features))[0]
    if facts["predictor_type"] == "regressor":
        return {"score": raw}
    return {"score": sigmoid(raw), "predicted_label": (raw > 0).astype(int)}
