"""Measures of predictions against labels, by the names that AWS's algorithms log them under."""

from __future__ import annotations

import numpy as np


def accuracy(labels: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows whose label was predicted."""
    return float(np.mean(labels == predicted))


def confusion(labels: np.ndarray, predicted: np.ndarray) -> tuple[float, float, float]:
    """True positives, false positives and false negatives of labels 0 and 1."""
    truth, said = labels == 1, predicted == 1
    return float(np.sum(truth & said)), float(np.sum(~truth & said)), float(np.sum(truth & ~said))


def precision_recall(labels: np.ndarray, predicted: np.ndarray) -> tuple[float, float]:
    """Precision and recall of label 1; 0 where nothing can be divided by."""
    right, wrong, missed = confusion(labels, predicted)
    return (right / (right + wrong) if right else 0.0, right / (right + missed) if right else 0.0)


def f_score(precision: float, recall: float, beta: float = 1.0) -> float:
    """Weighted harmonic mean of precision and recall."""
    below = beta**2 * precision + recall
    return (1.0 + beta**2) * precision * recall / below if below else 0.0


def roc_auc(labels: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve by the rank sum, ties counting half; NaN when only one class is there."""
    from scipy.stats import rankdata

    positive = labels == 1
    ones, zeros = int(positive.sum()), int((~positive).sum())
    if not ones or not zeros:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))


def per_class(
    labels: np.ndarray, predicted: np.ndarray, classes: int, beta: float
) -> tuple[float, float, float]:
    """Precision, recall and F score, each the mean over the classes."""
    pairs = [
        precision_recall((labels == item).astype(int), (predicted == item).astype(int))
        for item in range(classes)
    ]
    precision, recall = (float(np.mean([pair[place] for pair in pairs])) for place in (0, 1))
    return precision, recall, float(np.mean([f_score(*pair, beta) for pair in pairs]))


def top_k(labels: np.ndarray, scores: np.ndarray, k: int) -> float:
    """Share of rows whose label is among the ``k`` highest scores; ``scores`` is ``(n, classes)``."""
    k = min(k, scores.shape[1])
    best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
    return float(np.mean((best == labels[:, None].astype(int)).any(axis=1)))


def gain(labels: np.ndarray, scores: np.ndarray) -> float:
    """Mean discounted cumulative gain of each row's one relevant class: 1 / log2(1 + its rank)."""
    own = np.take_along_axis(scores, labels[:, None].astype(int), axis=1)
    ranks = 1 + (scores > own).sum(axis=1)
    return float(np.mean(1.0 / np.log2(1.0 + ranks)))
