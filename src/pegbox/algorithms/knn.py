"""K nearest neighbours in a sample of the rows, found exactly.

Dimension reduction by random signs: Achlioptas, "Database-friendly random projections", JCSS 66 (2003); by the fast
Johnson-Lindenstrauss transform: Ailon and Chazelle, SIAM J. Comput. 39 (2009).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pegbox.algorithms import scores, stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, choice, integer, text
from pegbox.algorithms.program import Job, check_finite

_EXACT = "neighbours are found exactly, which is what such an index approximates"
HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1),
    integer("k", REQUIRED, 1, 1024),
    choice("predictor_type", REQUIRED, "classifier", "regressor"),
    integer("sample_size", REQUIRED, 1),
    integer("dimension_reduction_target", None, 1),
    choice("dimension_reduction_type", None, "sign", "fjlt"),
    text("faiss_index_ivf_nlists", "auto", without_effect=_EXACT),
    integer("faiss_index_pq_m", None, 1, without_effect=_EXACT),
    choice("index_metric", "L2", "COSINE", "INNER_PRODUCT", "L2"),
    choice("index_type", "faiss.Flat", "faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ", without_effect=_EXACT),
    integer("mini_batch_size", 5000, 1, without_effect="the rows are taken at once"),
)
_FORMS = (RECORDIO, CSV)


def train(job: Job) -> None:
    """Train; logs ``accuracy`` or ``mse`` of the test channel."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    how = Reading(forms=_FORMS, label_size=1, width=values["feature_dim"])
    started = time.monotonic()
    table = job.table("train", how)
    rows, labels = table.dense(), table.need_labels("train")
    check_finite(rows, "channel 'train'")
    check_finite(labels, "the labels of channel 'train'")
    test = job.optional_table("test", how)
    random = np.random.RandomState(0)
    kept = np.sort(random.permutation(len(rows))[: values["sample_size"]])
    if values["k"] > len(kept):
        raise CustomerError(
            f"k={values['k']} is more than the {len(kept)} rows of the sample; give a smaller k"
        )
    projection = _projection(values, random)
    reduced = rows[kept] if projection is None else rows[kept] @ projection
    arrays = {"rows": reduced.astype(np.float32), "labels": labels[kept]}
    if projection is not None:
        arrays["projection"] = projection
    facts = {name: values[name] for name in ("k", "predictor_type", "index_metric")}
    stored.save(job.model_dir, "knn", arrays, facts)
    job.throughput(len(rows), started)
    job.progress(1.0)
    if test is not None:
        found = predict((arrays, facts), test.dense())["predicted_label"]
        truth = test.need_labels("test")
        if values["predictor_type"] == "classifier":
            job.quality("test", "accuracy", scores.accuracy(truth, found), kind="score")
        else:
            job.quality("test", "mse", float(((truth - found) ** 2).mean()))


def _projection(values: dict[str, Any], random: np.random.RandomState) -> np.ndarray | None:
    """Matrix ``(d, target)`` that keeps distances in expectation, or None."""
    kind, target, width = (
        values[name] for name in ("dimension_reduction_type", "dimension_reduction_target", "feature_dim")
    )
    if kind is None:
        if target is not None:
            raise CustomerError(
                "dimension_reduction_target goes with dimension_reduction_type; give sign or fjlt, or neither"
            )
        return None
    if target is None or target >= width:
        raise CustomerError(
            f"dimension_reduction_target={target} must be given and below feature_dim={width} with dimension_reduction_type"
        )
    if kind == "sign":
        return np.asarray(random.choice([-1.0, 1.0], (width, target)) / np.sqrt(target))
    from scipy.linalg import hadamard

    size = 1 << max(0, width - 1).bit_length()
    signs = random.choice([-1.0, 1.0], width)
    mixed = signs[:, None] * hadamard(size)[:width] / np.sqrt(size)
    density = min(1.0, np.log(max(size, 2)) ** 2 / size)
    sparse = random.normal(0.0, 1.0 / np.sqrt(density), (size, target)) * (
        random.uniform(size=(size, target)) < density
    )
    return np.asarray(mixed @ sparse / np.sqrt(target))


def _nearest(rows: np.ndarray, queries: np.ndarray, k: int, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Indices and distances of the ``k`` nearest rows of each query, nearest first."""
    if metric == "COSINE":
        rows, queries = (
            item / np.maximum(np.linalg.norm(item, axis=1, keepdims=True), 1e-12) for item in (rows, queries)
        )
    products = queries @ rows.T
    if metric == "L2":
        far = (queries**2).sum(axis=1)[:, None] - 2.0 * products + (rows**2).sum(axis=1)
    else:
        far = -products
    some = (
        np.argpartition(far, k - 1, axis=1)[:, :k]
        if k < len(rows)
        else np.tile(np.arange(len(rows)), (len(far), 1))
    )
    order = np.take_along_axis(far, some, axis=1).argsort(axis=1, kind="stable")
    indices = np.take_along_axis(some, order, axis=1)
    return indices, np.take_along_axis(far, indices, axis=1)


def load_model(folder: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the sample with its labels, and the model's facts."""
    return stored.load(folder, "knn")


def predict(model: tuple[dict[str, np.ndarray], dict[str, Any]], features: Any) -> dict[str, Any]:
    """Return ``predicted_label`` of rows, with the ``distances`` and ``labels`` of their neighbours, nearest first."""
    arrays, facts = model
    rows = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    if "projection" in arrays:
        rows = rows @ arrays["projection"]
    found, distances, near = [], [], []
    sample = arrays["rows"].astype(np.float64)
    for start in range(0, len(rows), 1024):
        indices, far = _nearest(sample, rows[start : start + 1024], facts["k"], facts["index_metric"])
        labels = arrays["labels"][indices]
        near.append(labels)
        distances.append(np.sqrt(np.maximum(far, 0.0)) if facts["index_metric"] == "L2" else far)
        found.append(labels.mean(axis=1) if facts["predictor_type"] == "regressor" else _votes(labels))
    return {
        "predicted_label": np.concatenate(found),
        "distances": np.concatenate(distances),
        "labels": np.concatenate(near),
    }


def _votes(labels: np.ndarray) -> np.ndarray:
    """The most frequent label of each row; among equals the one that is nearest."""
    known, codes = np.unique(labels, return_inverse=True)
    codes = codes.reshape(labels.shape)
    counts = np.zeros((len(labels), len(known)))
    # The share by distance is too small to outvote a neighbour.
    closeness = 1.0 + 1e-6 * (labels.shape[1] - np.arange(labels.shape[1])) / labels.shape[1] ** 2
    np.add.at(counts, (np.arange(len(labels))[:, None], codes), closeness)
    return np.asarray(known[counts.argmax(axis=1)])
