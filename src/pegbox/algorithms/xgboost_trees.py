"""Gradient boosting by XGBoost, with AWS's hyperparameters, inputs and log lines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import xgboost

from pegbox.algorithms import scores
from pegbox.algorithms.data import CSV, LIBSVM, PARQUET, RECORDIO, Reading, Table
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, Spec, choice, integer, number, text
from pegbox.algorithms.linear_losses import sigmoid
from pegbox.algorithms.program import Job

_CPU = "training uses the CPU of one machine"
_GONE = "this version of XGBoost does not know it any more"

HYPERPARAMETERS = (
    integer("num_round", REQUIRED, 1),
    integer("num_class", None, 2),
    number("alpha", None, 0),
    number("base_score", None),
    choice("booster", "gbtree", "gbtree", "gblinear", "dart"),
    number("colsample_bylevel", None, 0, 1, open_low=True),
    number("colsample_bynode", None, 0, 1, open_low=True),
    number("colsample_bytree", None, 0, 1, open_low=True),
    choice("csv_weights", "0", "0", "1"),
    text("deterministic_histogram", without_effect=_CPU),
    integer("early_stopping_rounds", None, 1),
    number("eta", None, 0, 1),
    text("eval_metric", None),
    number("gamma", None, 0),
    choice("grow_policy", None, "depthwise", "lossguide"),
    number("huber_slope", None, 0, open_low=True),
    text("interaction_constraints", None),
    number("lambda", None, 0),
    number("lambda_bias", None, 0, 1),
    integer("max_bin", None, 2),
    number("max_delta_step", None, 0),
    integer("max_depth", None, 0),
    integer("max_leaves", None, 0),
    number("min_child_weight", None, 0),
    text("monotone_constraints", None),
    choice("normalize_type", None, "tree", "forest"),
    integer("nthread", None, 1),
    integer("num_parallel_tree", None, 1),
    text("objective", "reg:squarederror"),
    number("one_drop", None, 0, 1),
    choice("process_type", None, "default", "update"),
    number("rate_drop", None, 0, 1),
    choice("refresh_leaf", None, "0", "1"),
    choice("sample_type", None, "uniform", "weighted"),
    number("scale_pos_weight", None, 0),
    integer("seed", 0),
    choice("sampling_method", None, "uniform", "gradient_based"),
    text("single_precision_histogram", without_effect=_GONE),
    number("sketch_eps", None, 0, 1, without_effect=_GONE),
    number("skip_drop", None, 0, 1),
    number("subsample", None, 0, 1, open_low=True),
    choice("tree_method", None, "auto", "exact", "approx", "hist", "gpu_hist"),
    number("tweedie_variance_power", None, 1, 2, open_low=True, open_high=True),
    text("updater", None),
    choice("use_dask_gpu_training", "false", "true", "false", without_effect=_CPU),
    integer("verbosity", 1, 0, 3),
    choice("silent", None, "0", "1", without_effect="verbosity replaced it"),
    choice("dsplit", None, "row", "col", without_effect=_CPU),
    text("prob_buffer_row", without_effect=_GONE),
    text("save_model_on_termination", without_effect="a model is stored when training ends"),
)
_ALIASES = {"learning_rate": "eta", "reg_lambda": "lambda", "reg_alpha": "alpha", "min_split_loss": "gamma"}
#: Read by this program, not by the library.
_OURS = {
    "num_round",
    "csv_weights",
    "early_stopping_rounds",
    "eval_metric",
    "silent",
    "dsplit",
    "use_dask_gpu_training",
}
_FORMS = (LIBSVM, CSV, PARQUET, RECORDIO)
_MODEL = "xgboost-model.json"
_MISSING = float("nan")


def _hard(predicted: np.ndarray) -> np.ndarray:
    """Labels from probabilities: of one class, or ``(n, classes)``."""
    return predicted.argmax(axis=1) if predicted.ndim == 2 else (predicted > 0.5).astype(int)


def _averaged(place: int) -> Callable[[np.ndarray, np.ndarray], float]:
    def measure(labels: np.ndarray, predicted: np.ndarray) -> float:
        said = _hard(predicted)
        classes = predicted.shape[1] if predicted.ndim == 2 else 2
        return scores.per_class(labels, said, classes, 1.0)[place]

    return measure


def _of_one(place: int) -> Callable[[np.ndarray, np.ndarray], float]:
    def measure(labels: np.ndarray, predicted: np.ndarray) -> float:
        precision, recall = scores.precision_recall(labels, _hard(predicted))
        return (precision, recall, scores.f_score(precision, recall))[place]

    return measure


def _r2(labels: np.ndarray, predicted: np.ndarray) -> float:
    total = float(((labels - labels.mean()) ** 2).sum())
    return 1.0 - float(((labels - predicted) ** 2).sum()) / total if total else float("nan")


#: Metrics that AWS adds to the library's own.
_ADDED: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda labels, predicted: scores.accuracy(labels, _hard(predicted)),
    "balanced_accuracy": _averaged(1),
    "f1": _averaged(2),
    "f1_binary": _of_one(2),
    "f1_macro": _averaged(2),
    "mse": lambda labels, predicted: float(((labels - predicted) ** 2).mean()),
    "precision": _of_one(0),
    "precision_macro": _averaged(0),
    "precision_micro": lambda labels, predicted: scores.accuracy(labels, _hard(predicted)),
    "r2": _r2,
    "recall": _of_one(1),
    "recall_macro": _averaged(1),
    "recall_micro": lambda labels, predicted: scores.accuracy(labels, _hard(predicted)),
}


class _Printer(xgboost.callback.TrainingCallback):
    """Logs each round as AWS's container does: ``[0]<tab>train-rmse:1.5<tab>validation-rmse:1.6``."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        parts = [
            f"{channel}-{name}:{history[-1]:.10g}"
            for channel, metrics in evals_log.items()
            for name, history in metrics.items()
        ]
        self._job.say("\t".join([f"[{epoch}]", *parts]))
        return False


def train(job: Job) -> None:
    """Train; logs the evaluation metrics of the train and validation channels after each round."""
    values = job.values(HYPERPARAMETERS, _ALIASES)
    job.refuse_other_channels("train", "validation")
    how = Reading(forms=_FORMS, label_size=1, missing=True, weights=values["csv_weights"] == "1")
    table = job.table("train", how)
    validation = job.optional_table("validation", how)
    width = max(item.width for item in (table, validation) if item is not None)
    evals = [(_matrix(table, "train", width), "train")]
    if validation is not None:
        evals.append((_matrix(validation, "validation", width), "validation"))
    parameters = {
        name: value
        for name, value in values.items()
        if value is not None and name not in _OURS and not name.startswith("_") and not _without_effect(name)
    }
    if parameters["objective"] == "reg:linear":
        # Its name before version 0.90.
        parameters["objective"] = "reg:squarederror"
    if parameters.get("tree_method") == "gpu_hist":
        job.warn(f"tree_method=gpu_hist is computed as hist: {_CPU}")
        parameters["tree_method"] = "hist"
    native, added, tuned = _metrics(job, values, [name for _, name in evals])
    if native:
        parameters["eval_metric"] = native
    if added:
        parameters["disable_default_eval_metric"] = not native
    try:
        booster = xgboost.train(
            parameters,
            evals[0][0],
            num_boost_round=values["num_round"],
            evals=evals,
            custom_metric=_custom(added, parameters) if added else None,
            verbose_eval=False,
            callbacks=[_Printer(job), *_stopping(values, validation, tuned)],
        )
    except (xgboost.core.XGBoostError, ValueError, TypeError) as problem:
        raise CustomerError(f"XGBoost refused: {_words(problem)}") from None
    booster.save_model(os.path.join(job.model_dir, _MODEL))


def _words(problem: Exception) -> str:
    """What the library says, without its places in C++."""
    lines = [re.sub(r"^\[[\d:]+\] \S+:\d+: ", "", line.strip()) for line in str(problem).splitlines()]
    return " ".join(line for line in lines if line and "[bt]" not in line and "Stack trace" not in line)[:600]


def _without_effect(name: str) -> bool:
    return any(
        isinstance(spec, Spec) and spec.name == name and spec.without_effect for spec in HYPERPARAMETERS
    )


def _matrix(table: Table, channel: str, width: int) -> Any:
    labels = table.need_labels(channel)
    features = table.features
    if hasattr(features, "toarray"):
        from scipy.sparse import csr_matrix

        features = csr_matrix((features.data, features.indices, features.indptr), shape=(table.rows, width))
    elif table.width != width:
        raise CustomerError(
            f"channel {channel!r} has {table.width} features where another channel has {width}; give both the same"
        )
    if not np.isfinite(labels).all():
        raise CustomerError(f"channel {channel!r} has a label that is missing or not finite; correct it")
    return xgboost.DMatrix(features, label=labels, weight=table.weights, missing=_MISSING)


def _metrics(
    job: Job, values: dict[str, Any], channels: list[str]
) -> tuple[list[str], list[str], str | None]:
    """The library's and our own metrics to evaluate, and the one that early stopping goes by."""
    names = [item.strip() for item in (values["eval_metric"] or "").strip("[]").replace('"', "").split(",")]
    names = [name for name in names if name]
    channel, _, tuned = (job.objective or "").partition(":")
    if tuned:
        if channel not in channels:
            raise CustomerError(
                f"the objective {job.objective} needs channel {channel!r}; give it, or tune train:{tuned}"
            )
        names = [*(name for name in names if name != tuned), tuned]
    native = [name for name in names if name not in _ADDED]
    return native, [name for name in names if name in _ADDED], names[-1] if names else None


def _custom(
    names: list[str], parameters: dict[str, Any]
) -> Callable[[np.ndarray, Any], list[tuple[str, float]]]:
    def measure(predicted: np.ndarray, matrix: Any) -> list[tuple[str, float]]:
        labels = matrix.get_label()
        if parameters["objective"] == "multi:softmax":
            # It predicts labels where the measures want a column for each class.
            predicted = np.eye(parameters["num_class"])[predicted.astype(int)]
        elif parameters["objective"] == "binary:logitraw":
            predicted = sigmoid(predicted)
        return [(name, _ADDED[name](labels, predicted)) for name in names]

    return measure


def _stopping(values: dict[str, Any], validation: Table | None, metric: str | None) -> list[Any]:
    rounds = values["early_stopping_rounds"]
    if rounds is None:
        return []
    if validation is None:
        raise CustomerError(
            "early_stopping_rounds needs channel 'validation'; give it or leave the hyperparameter out"
        )
    # Whether more is better the library knows of its own metrics only.
    up = metric != "mse" if metric in _ADDED else None
    return [
        xgboost.callback.EarlyStopping(rounds=rounds, metric_name=metric, data_name="validation", maximize=up)
    ]


def load_model(folder: str) -> Any:
    """Return the booster."""
    booster = xgboost.Booster()
    try:
        booster.load_model(os.path.join(folder, _MODEL))
    except xgboost.core.XGBoostError as problem:
        raise CustomerError(f"{folder} holds no model of xgboost: {str(problem)[:200]}") from None
    return booster


def predict(model: Any, features: Any) -> dict[str, Any]:
    """Return ``score`` of rows: what the objective predicts, ``(n,)`` or ``(n, classes)``."""
    objective = json.loads(model.save_config())["learner"]["objective"]["name"]
    rows = np.asarray(features) if not hasattr(features, "tocsr") else features.tocsr()
    found = {
        "score": model.predict(xgboost.DMatrix(rows, missing=_MISSING), iteration_range=_best_rounds(model))
    }
    if objective == "multi:softprob":
        found["predicted_label"] = found["score"].argmax(axis=1)
    return found


def _best_rounds(model: Any) -> tuple[int, int]:
    best = model.attributes().get("best_iteration")
    return (0, int(best) + 1) if best is not None else (0, 0)
