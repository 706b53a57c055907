"""Random cut forest: how unusual a row is, by how early random cuts set it apart.

The trees are those of Guha, Mishra, Roy and Schrijvers, "Robust random cut forest based anomaly detection on streams",
ICML 2016: a node is cut in a dimension chosen by its share of the box's total range, at a uniform place.
"""

from __future__ import annotations

import itertools
import time
from typing import Any

import numpy as np

from pegbox.algorithms import scores, stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, boolean, integer, words
from pegbox.algorithms.program import Job, check_finite

HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1, 10_000),
    integer("num_trees", 100, 50, 1000),
    integer("num_samples_per_tree", 256, 1, 2048),
    words("eval_metrics", ["accuracy", "precision_recall_fscore"], "accuracy", "precision_recall_fscore"),
    integer("mini_batch_size", 1000, 1, without_effect="the rows are taken at once"),
    boolean("force_dense", False, without_effect="all data are taken as dense rows"),
)
_FORMS = (RECORDIO, CSV)
#: A row is unusual when its score is so many standard deviations above the mean score of the training rows.
_DEVIATIONS = 3.0
_LEAF = -1
_MOST_SCORED = 5000


def train(job: Job) -> None:
    """Train; logs ``f1`` and other scores of a test channel with labels (1 is unusual)."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    width = values["feature_dim"]
    started = time.monotonic()
    rows = job.table("train", Reading(forms=_FORMS, width=width)).dense()
    check_finite(rows, "channel 'train'")
    test = job.optional_table("test", Reading(forms=_FORMS, label_size=1, width=width))
    random = np.random.RandomState(0)
    trees = []
    for index in range(values["num_trees"]):
        sample = rows[random.permutation(len(rows))[: values["num_samples_per_tree"]]]
        trees.append(_tree(sample, random))
        if (index + 1) % max(1, values["num_trees"] // 10) == 0:
            job.progress((index + 1) / values["num_trees"])
    arrays = _joined(trees)
    known = _scores(arrays, rows[random.permutation(len(rows))[:_MOST_SCORED]])
    facts = {"threshold": float(known.mean() + _DEVIATIONS * known.std())}
    stored.save(job.model_dir, "randomcutforest", arrays, facts)
    job.throughput(len(rows), started)
    if test is not None:
        _tell(
            job,
            _scores(arrays, test.dense()),
            test.need_labels("test"),
            facts["threshold"],
            values["eval_metrics"],
        )


def _tell(job: Job, found: np.ndarray, labels: np.ndarray, threshold: float, metrics: list[str]) -> None:
    if not set(np.unique(labels)) <= {0.0, 1.0}:
        raise CustomerError("channel 'test' has labels other than 0 (usual) and 1 (unusual); correct them")
    said = (found > threshold).astype(int)
    precision, recall = scores.precision_recall(labels, said)
    if "accuracy" in metrics or job.objective == "test:accuracy":
        job.quality("test", "accuracy", scores.accuracy(labels, said), kind="score")
    if "precision_recall_fscore" in metrics or job.objective not in (None, "test:accuracy"):
        job.quality("test", "precision", precision, kind="score")
        job.quality("test", "recall", recall, kind="score")
        job.quality("test", "f1", scores.f_score(precision, recall), kind="score")


def _tree(sample: np.ndarray, random: np.random.RandomState) -> dict[str, np.ndarray]:
    """Nodes of a tree as arrays: cut dimension (-1 for a leaf), cut place, children, number of rows, box."""
    dimension, place, left, right, size, low, high = [], [], [], [], [], [], []  # type: ignore[var-annotated]
    pending = [(np.arange(len(sample)), -1, False)]
    while pending:
        rows, parent, is_right = pending.pop()
        node = len(size)
        if parent >= 0:
            (right if is_right else left)[parent] = node
        points = sample[rows]
        bottom, top = points.min(axis=0), points.max(axis=0)
        spans = top - bottom
        total = float(spans.sum())
        size.append(len(rows))
        low.append(bottom)
        high.append(top)
        left.append(0)
        right.append(0)
        if len(rows) == 1 or total <= 0.0:
            dimension.append(_LEAF)
            place.append(0.0)
            continue
        cut = int(np.searchsorted(np.cumsum(spans), random.uniform(0.0, total)))
        cut = min(cut, len(spans) - 1)
        at = random.uniform(bottom[cut], top[cut])
        below = points[:, cut] <= at
        if below.all():
            # Rounding put the cut on the upper edge.
            at = bottom[cut]
            below = points[:, cut] <= at
        dimension.append(cut)
        place.append(at)
        pending.append((rows[~below], node, True))
        pending.append((rows[below], node, False))
    return {
        "dimension": np.array(dimension, np.int32),
        "place": np.array(place),
        "left": np.array(left, np.int32),
        "right": np.array(right, np.int32),
        "size": np.array(size, np.int32),
        "low": np.array(low),
        "high": np.array(high),
    }


def _joined(trees: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    starts = np.cumsum([0, *(len(tree["size"]) for tree in trees)])
    arrays = {name: np.concatenate([tree[name] for tree in trees]) for name in trees[0]}
    arrays["starts"] = starts
    return arrays


def _scores(arrays: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Mean over the trees of the expected 1 / (depth + 1) at which a new row would be cut from the rest."""
    total = np.zeros(len(rows))
    starts = arrays["starts"]
    for start, end in itertools.pairwise(starts):
        tree = {name: array[start:end] for name, array in arrays.items() if name != "starts"}
        total += _of_tree(tree, rows)
    return np.asarray(total / (len(starts) - 1))


def _of_tree(tree: dict[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """One tree's scores; all rows go down level by level."""
    score, left_over = np.zeros(len(rows)), np.ones(len(rows))
    which, nodes, depth = np.arange(len(rows)), np.zeros(len(rows), np.int64), 0
    spans = (tree["high"] - tree["low"]).sum(axis=1)
    while which.size:
        points = rows[which]
        # How much the box grows by the row is the chance that the next cut sets the row apart.
        apart = np.maximum(tree["low"][nodes] - points, 0.0).sum(axis=1)
        apart += np.maximum(points - tree["high"][nodes], 0.0).sum(axis=1)
        chance = np.divide(apart, apart + spans[nodes], out=np.zeros(len(apart)), where=apart > 0)
        score[which] += left_over[which] * chance / (depth + 1.0)
        left_over[which] *= 1.0 - chance
        cut = tree["dimension"][nodes]
        leaf = cut == _LEAF
        # It equals the leaf's rows: as hard to set apart as they are many.
        here = which[leaf]
        score[here] += left_over[here] / (depth + 1.0 + np.log2(tree["size"][nodes[leaf]] + 1.0))
        which, nodes, cut, points = which[~leaf], nodes[~leaf], cut[~leaf], points[~leaf]
        below = points[np.arange(len(which)), cut] <= tree["place"][nodes]
        nodes = np.where(below, tree["left"][nodes], tree["right"][nodes])
        depth += 1
    return score


def load_model(folder: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return the forest's nodes, and the score above which a row is unusual."""
    return stored.load(folder, "randomcutforest")


def predict(model: tuple[dict[str, np.ndarray], dict[str, Any]], features: Any) -> dict[str, Any]:
    """Return the anomaly ``score`` of rows; the higher the more unusual."""
    rows = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    return {"score": _scores(model[0], rows)}
