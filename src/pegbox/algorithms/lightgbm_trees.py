"""Gradient boosting by LightGBM, with AWS's hyperparameters and metric names."""

from __future__ import annotations

import os
from typing import Any

import lightgbm
import numpy as np

from pegbox.algorithms.data import CSV, LIBSVM, PARQUET, RECORDIO, Reading, Table
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import boolean, choice, integer, number, text
from pegbox.algorithms.program import Job

HYPERPARAMETERS = (
    integer("num_boost_round", 100, 1),
    integer("early_stopping_rounds", 10, 1),
    text("metric", "auto"),
    number("learning_rate", 0.1, 0, 1, open_low=True),
    integer("num_leaves", 31, 2, 131_072),
    number("feature_fraction", 1.0, 0, 1, open_low=True),
    number("bagging_fraction", 1.0, 0, 1, open_low=True),
    integer("bagging_freq", 0, 0),
    integer("max_depth", -1),
    integer("min_data_in_leaf", 20, 0),
    number("max_delta_step", 0.0),
    number("lambda_l1", 0.0, 0),
    number("lambda_l2", 0.0, 0),
    choice("boosting", "gbdt", "gbdt", "rf", "dart", "goss"),
    number("min_gain_to_split", 0.0, 0),
    number("scale_pos_weight", 1.0, 0, open_low=True),
    choice(
        "tree_learner", "serial", "serial", "feature", "data", "voting", without_effect="there is one machine"
    ),
    number("feature_fraction_bynode", 1.0, 0, 1, open_low=True),
    boolean("is_unbalance", False),
    integer("max_bin", 255, 2),
    number("tweedie_variance_power", 1.5, 1, 2, open_high=True),
    integer("num_threads", 0, 0),
    integer("verbosity", 1),
    text("objective", "auto"),
    integer("num_class", None, 2),
    integer("seed", 0),
    boolean("use_dask", False, without_effect="there is one machine"),
)
_FORMS = (CSV, PARQUET, LIBSVM, RECORDIO)
_OURS = {
    "num_boost_round",
    "early_stopping_rounds",
    "use_dask",
    "tree_learner",
    "metric",
    "objective",
    "num_class",
}
_MODEL = "model.txt"


def train(job: Job) -> None:
    """Train; logs one line for each round with the metrics of the validation channel, or without one of the train channel."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "validation")
    how = Reading(forms=_FORMS, label_size=1, missing=True)
    table = job.table("train", how)
    validation = job.optional_table("validation", how)
    if validation is not None and validation.width != table.width:
        raise CustomerError(
            f"channel 'validation' has {validation.width} features where 'train' has {table.width}; give both the same"
        )
    parameters = {
        name: value for name, value in values.items() if name not in _OURS and not name.startswith("_")
    }
    parameters |= _task(table.need_labels("train"), values)
    parameters["metric"] = _metrics(job, values) or None
    parameters["verbosity"] = min(values["verbosity"], 0)
    main = _dataset(table, "train")
    watched = _dataset(validation, "validation", main) if validation is not None else main
    name = "validation" if validation is not None else "train"
    callbacks = [_printer(job)]
    if validation is not None:
        callbacks.append(lightgbm.early_stopping(values["early_stopping_rounds"], verbose=False))
    try:
        booster = lightgbm.train(
            {key: value for key, value in parameters.items() if value is not None},
            main,
            num_boost_round=values["num_boost_round"],
            valid_sets=[watched],
            valid_names=[name],
            callbacks=callbacks,
        )
    except lightgbm.basic.LightGBMError as problem:
        raise CustomerError(f"LightGBM refused: {str(problem)[:600]}") from None
    booster.save_model(os.path.join(job.model_dir, _MODEL), num_iteration=booster.best_iteration or None)


def _task(labels: np.ndarray, values: dict[str, Any]) -> dict[str, Any]:
    """The objective: as given, else multiclass with num_class, binary where all labels are 0 or 1, else regression."""
    if values["objective"] != "auto":
        classes = values["num_class"]
        return {"objective": values["objective"], **({"num_class": classes} if classes else {})}
    if values["num_class"] is not None and values["num_class"] > 2:
        return {"objective": "multiclass", "num_class": values["num_class"]}
    return {"objective": "binary" if set(np.unique(labels)) <= {0.0, 1.0} else "regression"}


def _metrics(job: Job, values: dict[str, Any]) -> list[str]:
    names = [] if values["metric"] == "auto" else [name.strip() for name in values["metric"].split(",")]
    if job.objective:
        names = [job.objective, *(name for name in names if name != job.objective)]
    return [name for name in names if name]


def _dataset(table: Table, channel: str, reference: Any = None) -> Any:
    labels = table.need_labels(channel)
    if not np.isfinite(labels).all():
        raise CustomerError(f"channel {channel!r} has a label that is missing or not finite; correct it")
    features = table.features
    if hasattr(features, "toarray"):
        from scipy.sparse import csr_matrix

        features = csr_matrix(features)
    return lightgbm.Dataset(features, label=labels, reference=reference, free_raw_data=False)


def _printer(job: Job) -> Any:
    def tell(found: Any) -> None:
        parts = [f"{name}: {value:.10g}" for _, name, value, _ in found.evaluation_result_list]
        job.say("\t".join([f"[{found.iteration}]", *parts]))

    tell.order = 10  # type: ignore[attr-defined]
    return tell


def load_model(folder: str) -> Any:
    """Return the booster."""
    path = os.path.join(folder, _MODEL)
    try:
        return lightgbm.Booster(model_file=path)
    except lightgbm.basic.LightGBMError as problem:
        raise CustomerError(f"{folder} holds no model of lightgbm: {problem}") from None


def predict(model: Any, features: Any) -> dict[str, Any]:
    """Return ``score`` of rows, ``(n,)`` or ``(n, classes)``."""
    rows = features.tocsr() if hasattr(features, "tocsr") else np.asarray(features, dtype=np.float64)
    found = {"score": np.asarray(model.predict(rows))}
    if found["score"].ndim == 2:
        found["predicted_label"] = found["score"].argmax(axis=1)
    return found
