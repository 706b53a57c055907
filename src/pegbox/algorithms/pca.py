"""Principal component analysis, exact (covariance) or randomized.

The randomized method is that of Halko, Martinsson and Tropp, "Finding structure with randomness", SIAM Review 53 (2011).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from pegbox.algorithms import stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, boolean, choice, integer
from pegbox.algorithms.program import Job, check_finite

HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1),
    integer("mini_batch_size", REQUIRED, 1, without_effect="the rows are taken at once"),
    integer("num_components", REQUIRED, 1),
    choice("algorithm_mode", "regular", "regular", "randomized"),
    integer("extra_components", -1, -1),
    boolean("subtract_mean", True),
    boolean("force_dense", False, without_effect="all data are taken as dense rows"),
)
_FORMS = (RECORDIO, CSV)


def train(job: Job) -> None:
    """Train; logs the share of variance that the components hold, and the reconstruction error of both channels."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    how = Reading(forms=_FORMS, width=values["feature_dim"])
    started = time.monotonic()
    rows = job.table("train", how).dense()
    check_finite(rows, "channel 'train'")
    test = job.optional_table("test", how)
    count = values["num_components"]
    most = min(rows.shape)
    if count > most:
        raise CustomerError(
            f"num_components={count} is more than the {most} that {rows.shape[0]} rows with {rows.shape[1]} features "
            "have; give a smaller number"
        )
    mean = rows.mean(axis=0) if values["subtract_mean"] else np.zeros(rows.shape[1])
    components, strengths = _components(rows - mean, count, values)
    job.throughput(len(rows), started)
    job.progress(1.0)
    total = float(((rows - mean) ** 2).sum())
    job.quality(
        "train",
        "explained_variance_ratio",
        float((strengths**2).sum()) / total if total else 1.0,
        kind="score",
    )
    for channel, table in (("train", rows), ("test", test.dense() if test is not None else None)):
        if table is not None:
            job.quality(channel, "reconstruction_error", _error(table, mean, components))
    # As in AWS's models, the components are the columns, in order of growing strength.
    arrays = {"mean": mean[None, :], "v": components.T[:, ::-1], "s": strengths[::-1]}
    stored.save(job.model_dir, "pca", {name: value.astype(np.float32) for name, value in arrays.items()}, {})


def _components(centred: np.ndarray, count: int, values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return components ``(count, d)`` and singular values, strongest first."""
    if values["algorithm_mode"] == "randomized":
        # Only this mode needs it, and its import takes longer than most trainings.
        from sklearn.utils.extmath import randomized_svd

        extra = values["extra_components"]
        extra = max(10, count) if extra == -1 else extra
        _, strengths, components = randomized_svd(centred, count, n_oversamples=extra, random_state=0)
        return components, strengths
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred)
    top = np.argsort(eigenvalues)[::-1][:count]
    return vectors[:, top].T, np.sqrt(np.maximum(eigenvalues[top], 0.0))


def _error(rows: np.ndarray, mean: np.ndarray, components: np.ndarray) -> float:
    """Mean squared error per value of rows that are projected and brought back."""
    centred = rows - mean
    return float(((centred - centred @ components.T @ components) ** 2).mean())


def load_model(folder: str) -> dict[str, np.ndarray]:
    """Return ``mean`` ``(1, d)``, components ``v`` ``(d, count)`` and singular values ``s``, weakest first."""
    return {name: array.astype(np.float64) for name, array in stored.load(folder, "pca")[0].items()}


def predict(model: dict[str, np.ndarray], features: Any) -> dict[str, Any]:
    """Return the ``projection`` of rows, ``(n, count)``, weakest component first as AWS's algorithm has it."""
    rows = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    return {"projection": (rows - model["mean"]) @ model["v"]}
