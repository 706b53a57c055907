"""K-means clustering in two stages: a pass over the stream with more centres than wanted, then Lloyd's algorithm on those.

The stream stage (mini-batches, counts per centre that may decay) is web-scale k-means: Sculley, "Web-scale k-means
clustering", WWW 2010. The start values are those of k-means++: Arthur and Vassilvitskii, SODA 2007.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.cluster import KMeans, kmeans_plusplus

from pegbox.algorithms import stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, boolean, choice, integer, number, words
from pegbox.algorithms.program import Job, check_finite

HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1),
    integer("k", REQUIRED, 2),
    integer("mini_batch_size", 5000, 1),
    integer("epochs", 1, 1),
    integer("extra_center_factor", "auto", 1, auto=True),
    integer("half_life_time_size", 0, 0),
    choice("init_method", "random", "random", "kmeans++"),
    choice("local_lloyd_init_method", "kmeans++", "random", "kmeans++"),
    integer("local_lloyd_max_iter", 300, 1),
    integer("local_lloyd_num_trials", "auto", 1, auto=True),
    number("local_lloyd_tol", 0.0001, 0, 1),
    words("eval_metrics", ["msd"], "msd", "ssd"),
    boolean("force_dense", False, without_effect="all data are clustered as dense rows"),
)
_FORMS = (RECORDIO, CSV)
_AUTO_TRIALS = 10


def train(job: Job) -> None:
    """Train; logs ``msd`` and ``ssd`` of the test channel (and of the train channel)."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    how = Reading(forms=_FORMS, width=values["feature_dim"])
    started = time.monotonic()
    rows = job.table("train", how).dense()
    check_finite(rows, "channel 'train'")
    test = job.optional_table("test", how)
    if len(rows) < values["k"]:
        raise CustomerError(
            f"k={values['k']} is more than the {len(rows)} rows of channel 'train'; give a smaller k"
        )
    random = np.random.RandomState(0)
    centres, weights = _stream(job, rows, values, random)
    fitted = _reduce(centres, weights, values, random)
    job.throughput(len(rows) * values["epochs"], started)
    _tell(job, "train", rows, fitted, values["eval_metrics"])
    if test is not None:
        _tell(job, "test", test.dense(), fitted, values["eval_metrics"])
    stored.save(job.model_dir, "kmeans", {"centroids": fitted.astype(np.float32)}, {})


def _stream(
    job: Job, rows: np.ndarray, values: dict[str, Any], random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Return centres and how many rows each stands for."""
    factor, size = values["extra_center_factor"], values["mini_batch_size"]
    wanted = values["k"] * (max(1, min(10, len(rows) // (4 * values["k"]))) if factor == "auto" else factor)
    wanted = min(wanted, len(rows))
    first = rows[random.permutation(len(rows))[: max(size, wanted)]]
    if values["init_method"] == "kmeans++":
        centres = kmeans_plusplus(first, wanted, random_state=random)[0].astype(np.float64)
    else:
        centres = first[random.permutation(len(first))[:wanted]].copy()
    counts = np.zeros(len(centres))
    half_life = values["half_life_time_size"]
    for epoch in range(values["epochs"]):
        order = random.permutation(len(rows))
        for start in range(0, len(rows), size):
            batch = rows[order[start : start + size]]
            if half_life:
                counts *= 0.5 ** (len(batch) / half_life)
            nearest = _distances(batch, centres).argmin(axis=1)
            added = np.bincount(nearest, minlength=len(centres))
            sums = np.zeros_like(centres)
            np.add.at(sums, nearest, batch)
            hit = added > 0
            total = counts[hit] + added[hit]
            centres[hit] += (sums[hit] - added[hit, None] * centres[hit]) / total[:, None]
            counts[hit] = total
        job.progress((epoch + 1) / values["epochs"])
    return centres, np.maximum(counts, 1e-12)


def _reduce(
    centres: np.ndarray, weights: np.ndarray, values: dict[str, Any], random: np.random.RandomState
) -> np.ndarray:
    if len(centres) <= values["k"]:
        return centres
    trials = values["local_lloyd_num_trials"]
    fitted = KMeans(
        values["k"],
        init="k-means++" if values["local_lloyd_init_method"] == "kmeans++" else "random",
        n_init=_AUTO_TRIALS if trials == "auto" else trials,
        max_iter=values["local_lloyd_max_iter"],
        tol=values["local_lloyd_tol"],
        random_state=random,
    ).fit(centres, sample_weight=weights)
    return np.asarray(fitted.cluster_centers_)


def _distances(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Squared distances, ``(n, k)``."""
    squared = (rows**2).sum(axis=1)[:, None] - 2.0 * rows @ centres.T + (centres**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0.0))


def _tell(job: Job, channel: str, rows: np.ndarray, centres: np.ndarray, metrics: list[str]) -> None:
    sizes = range(0, len(rows), 4096)
    total = sum(float(_distances(rows[start : start + 4096], centres).min(axis=1).sum()) for start in sizes)
    for name in ("msd", "ssd"):
        if name in metrics or job.objective == f"{channel}:{name}":
            job.quality(channel, name, total / len(rows) if name == "msd" else total)


def load_model(folder: str) -> np.ndarray:
    """Return the centroids, ``(k, d)``."""
    return stored.load(folder, "kmeans")[0]["centroids"].astype(np.float64)


def predict(model: np.ndarray, features: Any) -> dict[str, Any]:
    """Return ``closest_cluster`` and ``distance_to_cluster`` of rows."""
    rows = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    squared = _distances(rows, model)
    return {"closest_cluster": squared.argmin(axis=1), "distance_to_cluster": np.sqrt(squared.min(axis=1))}
