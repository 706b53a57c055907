"""Linear models by mini-batch gradient descent: several at once with different settings, of which the best is kept."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from pegbox.algorithms import linear_losses, scores, stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading, Table
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, boolean, choice, integer, number, text
from pegbox.algorithms.linear_losses import loss_of, sigmoid
from pegbox.algorithms.optimizers import Optimizer
from pegbox.algorithms.program import Job, check_finite

_CRITERIA = (
    "accuracy",
    "f1",
    "f_beta",
    "precision_at_target_recall",
    "recall_at_target_precision",
    "cross_entropy_loss",
    "loss_function",
)
HYPERPARAMETERS = (
    integer("feature_dim", "auto", 1, auto=True),
    choice("predictor_type", REQUIRED, "binary_classifier", "multiclass_classifier", "regressor"),
    integer("num_classes", None, 3, 1_000_000),
    integer("accuracy_top_k", 3, 1, 1_000_000),
    boolean("balance_multiclass_weights", False),
    number("beta_1", "auto", 0, 1, auto=True, open_high=True),
    number("beta_2", "auto", 0, 1, auto=True, open_high=True),
    number("bias_lr_mult", "auto", 0, auto=True, open_low=True),
    number("bias_wd_mult", "auto", 0, auto=True),
    choice("binary_classifier_model_selection_criteria", "accuracy", *_CRITERIA),
    integer("early_stopping_patience", 3, 1),
    number("early_stopping_tolerance", 0.001, 0, open_low=True),
    integer("epochs", 15, 1),
    number("f_beta", 1.0, 0, open_low=True),
    number("huber_delta", 1.0, 0),
    number("init_bias", 0.0),
    choice("init_method", "uniform", "uniform", "normal"),
    number("init_scale", 0.07, 0, open_low=True),
    number("init_sigma", 0.01, 0, open_low=True),
    number("l1", "auto", 0, auto=True),
    number("learning_rate", "auto", 0, auto=True, open_low=True),
    choice("loss", "auto", *linear_losses.ALL, auto=True),
    number("loss_insensitivity", 0.01, 0, open_low=True),
    number("lr_scheduler_factor", "auto", 0, 1, auto=True, open_low=True, open_high=True),
    number("lr_scheduler_minimum_lr", "auto", 0, auto=True, open_low=True),
    integer("lr_scheduler_step", "auto", 1, auto=True),
    number("margin", 1.0, 0),
    integer("mini_batch_size", 1000, 1),
    number("momentum", "auto", 0, 1, auto=True, open_high=True),
    boolean("normalize_data", True),
    boolean("normalize_label", "auto", auto=True),
    integer("num_calibration_samples", 10_000_000, 1),
    integer("num_models", "auto", 1, auto=True),
    integer("num_point_for_scaler", 10_000, 1),
    choice("optimizer", "auto", "sgd", "adam", "rmsprop", auto=True),
    text("positive_example_weight_mult", "1.0"),
    number("quantile", 0.5, 0, 1, open_low=True, open_high=True),
    number("target_precision", 0.8, 0, 1),
    number("target_recall", 0.8, 0, 1),
    boolean("unbias_data", "auto", auto=True),
    boolean("unbias_label", "auto", auto=True),
    boolean("use_bias", True),
    boolean("use_lr_scheduler", True),
    number("wd", "auto", 0, auto=True),
    boolean("force_dense", False, without_effect="all data are taken as dense rows"),
)
_FORMS = (RECORDIO, CSV)
_AUTO_LOSS = {
    "binary_classifier": "logistic",
    "multiclass_classifier": "softmax_loss",
    "regressor": "squared_loss",
}
_BY_TYPE = {
    "binary_classifier": (*linear_losses.BINARY, *linear_losses.REGRESSION),
    "multiclass_classifier": linear_losses.MULTICLASS,
    "regressor": linear_losses.REGRESSION,
}
#: Values that models try for what is ``auto``; the first combination is the plain one.
_RATES, _DECAYS, _LASSOS = (0.005, 0.05, 0.5), (1e-7, 1e-4, 1e-2), (0.0, 1e-5)
_AUTO_MODELS = 6
_SCHEDULE = {"lr_scheduler_step": 100, "lr_scheduler_factor": 0.99, "lr_scheduler_minimum_lr": 1e-5}


@dataclass(slots=True)
class _Data:
    """Scaled rows with their labels as the losses take them, and row weights."""

    rows: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


@dataclass(slots=True)
class _Scaler:
    """Shift and scale of features and label."""

    shift: np.ndarray
    scale: np.ndarray
    label_shift: float
    label_scale: float


@dataclass(slots=True)
class _Candidate:
    """One model and its settings."""

    rate: float
    decay: float
    lasso: float
    weights: np.ndarray
    bias: np.ndarray
    optimizer: Optimizer
    steps: int = 0
    threshold: float = 0.5
    #: Its loss after the best epoch, and its parameters then.
    least: float = float("inf")
    kept: tuple[np.ndarray, np.ndarray] | None = None


def train(job: Job) -> None:
    """Train; logs the objective's loss by epoch and the scores of the validation and test channels."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "validation", "test")
    kind = values["predictor_type"]
    loss_name = _check(values)
    width = None if values["feature_dim"] == "auto" else values["feature_dim"]
    started = time.monotonic()
    tables = {}
    for channel in ("train", "validation", "test"):
        how = Reading(forms=_FORMS, label_size=1, width=width)
        table = job.table(channel, how) if channel == "train" else job.optional_table(channel, how)
        if table is not None:
            tables[channel] = (table.dense(), _labels(table, channel, kind, values))
            check_finite(tables[channel][0], f"channel {channel!r}")
            width = table.width
    scaler = _scaler(*tables["train"], kind, values)
    data = {
        name: _scaled(rows, labels, scaler, kind, values, weighted=name == "train")
        for name, (rows, labels) in tables.items()
    }
    loss = loss_of(loss_name, values)
    candidates = _candidates(data["train"], kind, values)
    epochs = _fit(job, data, candidates, loss, values)
    job.throughput(len(tables["train"][0]) * epochs, started)
    judged = "validation" if "validation" in data else "train"
    best = min(
        candidates,
        key=lambda item: _rank(item, data[judged], tables[judged][1], loss, kind, loss_name, values),
    )
    for name in ("validation", "test"):
        if name in data:
            _tell(job, name, best, data[name], tables[name][1], loss, scaler, values, loss_name)
    _store(job, best, scaler, kind, loss_name)


def _check(values: dict[str, Any]) -> str:
    """The loss by name; refuses what does not fit the kind of predictor."""
    kind = values["predictor_type"]
    if kind == "multiclass_classifier" and values["num_classes"] is None:
        raise CustomerError(
            "hyperparameter num_classes is missing; multiclass_classifier needs it, from 3 on"
        )
    name = _AUTO_LOSS[kind] if values["loss"] == "auto" else str(values["loss"])
    if name not in _BY_TYPE[kind]:
        raise CustomerError(
            f"hyperparameter loss={name} does not go with predictor_type={kind}; give one of {', '.join(_BY_TYPE[kind])}"
        )
    weight = values["positive_example_weight_mult"]
    if weight not in ("balanced", "auto"):
        try:
            fine = float(weight) > 0
        except ValueError:
            fine = False
        if not fine:
            raise CustomerError(
                f"hyperparameter positive_example_weight_mult={weight!r} is not accepted; give a number above 0, balanced or auto"
            )
    return name


def _labels(table: Table, channel: str, kind: str, values: dict[str, Any]) -> np.ndarray:
    labels = table.need_labels(channel)
    check_finite(labels, f"the labels of channel {channel!r}")
    classes = {"binary_classifier": 2, "multiclass_classifier": values["num_classes"]}.get(kind)
    if classes is not None:
        strange = labels[(labels != np.floor(labels)) | (labels < 0) | (labels >= classes)]
        if strange.size:
            raise CustomerError(
                f"channel {channel!r} has the label {strange[0]:g}; {kind} takes whole numbers from 0 to {classes - 1}"
            )
    return labels


def _scaler(rows: np.ndarray, labels: np.ndarray, kind: str, values: dict[str, Any]) -> _Scaler:
    seen = rows[: values["num_point_for_scaler"]]
    width = rows.shape[1]
    unbias = values["unbias_data"] is True or (values["unbias_data"] == "auto" and values["use_bias"])
    shift = seen.mean(axis=0) if unbias and values["normalize_data"] else np.zeros(width)
    scale = seen.std(axis=0) if values["normalize_data"] else np.ones(width)
    scale[scale == 0] = 1.0
    known = labels[: values["num_point_for_scaler"]]
    regression = kind == "regressor"
    unbias_label = regression and values["unbias_label"] in ("auto", True) and values["use_bias"]
    normalize_label = regression and values["normalize_label"] in ("auto", True)
    label_scale = float(known.std()) if normalize_label else 1.0
    return _Scaler(shift, scale, float(known.mean()) if unbias_label else 0.0, label_scale or 1.0)


def _scaled(
    rows: np.ndarray,
    labels: np.ndarray,
    scaler: _Scaler,
    kind: str,
    values: dict[str, Any],
    *,
    weighted: bool,
) -> _Data:
    weights = np.ones(len(rows))
    if kind == "multiclass_classifier":
        targets = np.eye(values["num_classes"])[labels.astype(int)]
        if weighted and values["balance_multiclass_weights"]:
            counts = np.bincount(labels.astype(int), minlength=values["num_classes"])
            weights = (len(labels) / (np.maximum(counts, 1) * max(1, (counts > 0).sum())))[labels.astype(int)]
    else:
        targets = (labels[:, None] - scaler.label_shift) / scaler.label_scale
        multiple = values["positive_example_weight_mult"]
        if weighted and kind == "binary_classifier":
            ones = max(1.0, float(labels.sum()))
            by_count = (len(labels) - ones) / ones
            weights = np.where(
                labels == 1, by_count if multiple in ("balanced", "auto") else float(multiple), 1.0
            )
    return _Data((rows - scaler.shift) / scaler.scale, targets, weights)


def _candidates(data: _Data, kind: str, values: dict[str, Any]) -> list[_Candidate]:
    grid = [
        choices if values[name] == "auto" else (values[name],)
        for name, choices in (("wd", _DECAYS), ("l1", _LASSOS), ("learning_rate", _RATES))
    ]
    settings = list(itertools.product(*grid))
    wanted = min(_AUTO_MODELS, len(settings)) if values["num_models"] == "auto" else values["num_models"]
    # With more models than settings, models differ in their start values.
    chosen = [settings[index % len(settings)] for index in range(wanted)]
    if wanted < len(settings):
        chosen = [
            settings[round(index * (len(settings) - 1) / max(1, wanted - 1))] for index in range(wanted)
        ]
    random = np.random.RandomState(0)
    shape = (data.rows.shape[1], data.targets.shape[1])
    found = []
    for decay, lasso, rate in chosen:
        if values["init_method"] == "uniform":
            weights = random.uniform(-values["init_scale"], values["init_scale"], shape)
        else:
            weights = random.normal(0.0, values["init_sigma"], shape)
        bias = np.full(shape[1], float(values["init_bias"])) if values["use_bias"] else np.zeros(shape[1])
        auto = {"momentum": 0.0, "beta_1": 0.9, "beta_2": 0.999}
        settled = {name: other if values[name] == "auto" else values[name] for name, other in auto.items()}
        optimizer = Optimizer("adam" if values["optimizer"] == "auto" else values["optimizer"], **settled)
        found.append(_Candidate(rate, decay, lasso, weights, bias, optimizer))
    return found


def _fit(
    job: Job, data: dict[str, _Data], candidates: list[_Candidate], loss: Any, values: dict[str, Any]
) -> int:
    """Train all candidates; return the number of epochs."""
    rows = data["train"].rows
    size = min(values["mini_batch_size"], len(rows))
    random = np.random.RandomState(1)
    history: list[float] = []
    for epoch in range(values["epochs"]):
        order = random.permutation(len(rows))
        for start in range(0, len(rows), size):
            part = order[start : start + size]
            for item in candidates:
                _step(item, data["train"], part, loss, values)
        losses = {}
        for name in ("train", "validation"):
            if name in data:
                found = [_mean_loss(item, data[name], loss) for item in candidates]
                losses[name] = min(found)
        # The last channel decides, which is the validation channel where there is one.
        for item, value in zip(candidates, found, strict=True):
            if value < item.least:
                item.least, item.kept = value, (item.weights.copy(), item.bias.copy())
        for name, value in losses.items():
            job.quality(name, "objective_loss", value, epoch=epoch)
        job.progress((epoch + 1) / values["epochs"])
        history.append(losses.get("validation", losses["train"]))
        if _no_better(history, values["early_stopping_patience"], values["early_stopping_tolerance"]):
            job.say(f"stopped after epoch {epoch}: no improvement within early_stopping_patience")
            break
    for item in candidates:
        if item.kept is not None:
            item.weights, item.bias = item.kept
    return len(history)


def _step(item: _Candidate, data: _Data, part: np.ndarray, loss: Any, values: dict[str, Any]) -> None:
    rows = data.rows[part]
    slope = loss.slope(rows @ item.weights + item.bias, data.targets[part]) * data.weights[part][:, None]
    rate = item.rate
    if values["use_lr_scheduler"]:
        step, factor, least = (
            other if values[name] == "auto" else values[name] for name, other in _SCHEDULE.items()
        )
        rate = max(least, rate * factor ** (item.steps // step)) if rate > least else rate
    item.steps += 1
    gradient = rows.T @ slope / len(part) + item.decay * item.weights
    item.optimizer.step("weights", item.weights, gradient, rate)
    if item.lasso:
        # The proximal step of the L1 norm, which gives exact zeros.
        shrunk = np.abs(item.weights) - rate * item.lasso
        item.weights[...] = np.sign(item.weights) * np.maximum(shrunk, 0.0)
    if values["use_bias"]:
        lr_mult = 10.0 if values["bias_lr_mult"] == "auto" else values["bias_lr_mult"]
        wd_mult = 0.0 if values["bias_wd_mult"] == "auto" else values["bias_wd_mult"]
        bias_slope = slope.mean(axis=0) + wd_mult * item.decay * item.bias
        item.optimizer.step("bias", item.bias, bias_slope, rate * lr_mult)


def _mean_loss(item: _Candidate, data: _Data, loss: Any) -> float:
    value = loss.value(data.rows @ item.weights + item.bias, data.targets)
    mean = float(np.mean(value))
    return mean if np.isfinite(mean) else float("inf")


def _no_better(history: list[float], patience: int, tolerance: float) -> bool:
    if len(history) <= patience:
        return False
    before = min(history[:-patience])
    return min(history[-patience:]) > before - tolerance * abs(before)


def _rank(
    item: _Candidate,
    data: _Data,
    labels: np.ndarray,
    loss: Any,
    kind: str,
    loss_name: str,
    values: dict[str, Any],
) -> tuple[float, float]:
    """The lower the better; sets a binary classifier's threshold on the way."""
    mean = _mean_loss(item, data, loss)
    criterion = values["binary_classifier_model_selection_criteria"]
    if kind != "binary_classifier":
        return mean, mean
    most = values["num_calibration_samples"]
    score = _probability((data.rows[:most] @ item.weights + item.bias)[:, 0], loss_name)
    item.threshold, value = _threshold(labels[:most], score, criterion, values)
    if criterion == "cross_entropy_loss":
        clipped = np.clip(score, 1e-15, 1 - 1e-15)
        value = -float(-(labels[:most] * np.log(clipped) + (1 - labels[:most]) * np.log(1 - clipped)).mean())
    return (mean, mean) if criterion == "loss_function" else (-value, mean)


def _probability(score: np.ndarray, loss_name: str) -> np.ndarray:
    return sigmoid(score) if loss_name in linear_losses.BINARY else score


def _threshold(
    labels: np.ndarray, score: np.ndarray, criterion: str, values: dict[str, Any]
) -> tuple[float, float]:
    """The threshold that is best by the criterion, and the criterion's value there."""
    if criterion in ("cross_entropy_loss", "loss_function"):
        return 0.5, 0.0
    order = np.argsort(-score, kind="stable")
    ranked, sums = score[order], np.cumsum(labels[order] == 1)
    # Only between different scores can a threshold lie.
    ends = np.flatnonzero(np.append(ranked[:-1] != ranked[1:], True))
    taken, right = ends + 1.0, sums[ends].astype(float)
    positives = max(1.0, float((labels == 1).sum()))
    precision, recall = right / taken, right / positives
    beta = 1.0 if criterion == "f1" else values["f_beta"]
    negatives_right = (len(labels) - positives) - (taken - right)
    found = {
        "accuracy": (right + negatives_right) / len(labels),
        "precision_at_target_recall": np.where(recall >= values["target_recall"], precision, -1.0),
        "recall_at_target_precision": np.where(precision >= values["target_precision"], recall, -1.0),
    }.get(criterion)
    if found is None:
        found = (1 + beta**2) * precision * recall / np.maximum(beta**2 * precision + recall, 1e-12)
    best = int(np.argmax(found))
    nobody = float((labels != 1).mean())
    if criterion == "accuracy" and nobody > found[best]:
        return float(ranked[0]), nobody
    below = ranked[ends[best] + 1] if ends[best] + 1 < len(ranked) else ranked[-1] - 1e-9
    return float((ranked[ends[best]] + below) / 2), float(found[best])


def _tell(
    job: Job,
    channel: str,
    item: _Candidate,
    data: _Data,
    labels: np.ndarray,
    loss: Any,
    scaler: _Scaler,
    values: dict[str, Any],
    loss_name: str,
) -> None:
    raw = data.rows @ item.weights + item.bias
    found: dict[str, float] = {"objective_loss": _mean_loss(item, data, loss)}
    if values["predictor_type"] == "regressor":
        error = raw[:, 0] * scaler.label_scale + scaler.label_shift - labels
        mse = float((error**2).mean())
        found |= {"mse": mse, "rmse": mse**0.5, "absolute_loss": float(np.abs(error).mean())}
    elif values["predictor_type"] == "binary_classifier":
        score = _probability(raw[:, 0], loss_name)
        said = (score > item.threshold).astype(int)
        precision, recall = scores.precision_recall(labels, said)
        found |= {
            "binary_classification_accuracy": scores.accuracy(labels, said),
            "precision": precision,
            "recall": recall,
            "binary_f_beta": scores.f_score(precision, recall, values["f_beta"]),
            "roc_auc_score": scores.roc_auc(labels, score),
        }
    else:
        precision, recall, f_beta = scores.per_class(
            labels, raw.argmax(axis=1), raw.shape[1], values["f_beta"]
        )
        found |= {
            "multiclass_accuracy": scores.accuracy(labels, raw.argmax(axis=1)),
            "multiclass_top_k_accuracy": scores.top_k(labels, raw, values["accuracy_top_k"]),
            "dcg": scores.gain(labels, raw),
            "macro_precision": precision,
            "macro_recall": recall,
            "macro_f_beta": f_beta,
        }
    for name, value in found.items():
        job.quality(channel, name, value, kind="loss" if name.endswith("loss") else "score")


def _store(job: Job, item: _Candidate, scaler: _Scaler, kind: str, loss_name: str) -> None:
    weights = item.weights / scaler.scale[:, None] * scaler.label_scale
    bias = item.bias * scaler.label_scale + scaler.label_shift - scaler.shift @ weights
    facts = {"predictor_type": kind, "loss": loss_name, "threshold": item.threshold}
    stored.save(job.model_dir, "linear-learner", {"weights": weights, "bias": bias}, facts)


def load_model(folder: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return weights ``(d, outputs)`` and bias, for features as they come, and the model's facts."""
    return stored.load(folder, "linear-learner")


def predict(model: tuple[dict[str, np.ndarray], dict[str, Any]], features: Any) -> dict[str, Any]:
    """Return ``score`` of rows, and for classifiers ``predicted_label``."""
    arrays, facts = model
    rows = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    raw = rows @ arrays["weights"] + arrays["bias"]
    if facts["predictor_type"] == "regressor":
        return {"score": raw[:, 0]}
    if facts["predictor_type"] == "binary_classifier":
        score = _probability(raw[:, 0], facts["loss"])
        return {"score": score, "predicted_label": (score > facts["threshold"]).astype(int)}
    return {"score": np.exp(linear_losses.log_softmax(raw)), "predicted_label": raw.argmax(axis=1)}
