"""Losses of the linear learner: value and derivative by the score, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

BINARY = ("logistic", "hinge_loss")
MULTICLASS = ("softmax_loss",)
REGRESSION = (
    "squared_loss",
    "absolute_loss",
    "eps_insensitive_squared_loss",
    "eps_insensitive_absolute_loss",
    "quantile_loss",
    "huber_loss",
)
ALL = (*BINARY, *MULTICLASS, *REGRESSION)


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss: ``value(score, y)`` and ``slope(score, y)``, both of the score's shape (softmax: ``(n, classes)`` scores).

    ``y`` is 0 or 1 for binary losses, a number for regression, and one-hot ``(n, classes)`` for softmax.
    """

    value: Callable[[np.ndarray, np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray, np.ndarray], np.ndarray]


def loss_of(name: str, values: dict[str, Any]) -> Loss:
    """Return a loss.

    Args:
        name: One of :data:`ALL`.
        values: Hyperparameters: ``margin``, ``loss_insensitivity``, ``quantile``, ``huber_delta``.
    """
    margin, slack = values["margin"], values["loss_insensitivity"]
    quantile, delta = values["quantile"], values["huber_delta"]

    def beyond(s: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(np.maximum(np.abs(s - y) - slack, 0.0))

    def sign(y: np.ndarray) -> np.ndarray:
        return 2.0 * y - 1.0

    table: dict[str, Loss] = {
        "logistic": Loss(lambda s, y: np.logaddexp(0.0, s) - y * s, lambda s, y: sigmoid(s) - y),
        "hinge_loss": Loss(
            lambda s, y: np.maximum(margin - sign(y) * s, 0.0),
            lambda s, y: np.where(sign(y) * s < margin, -sign(y), 0.0),
        ),
        "softmax_loss": Loss(
            lambda s, y: -(y * log_softmax(s)).sum(axis=-1), lambda s, y: np.exp(log_softmax(s)) - y
        ),
        "squared_loss": Loss(lambda s, y: (s - y) ** 2, lambda s, y: 2.0 * (s - y)),
        "absolute_loss": Loss(lambda s, y: np.abs(s - y), lambda s, y: np.sign(s - y)),
        "eps_insensitive_squared_loss": Loss(
            lambda s, y: beyond(s, y) ** 2, lambda s, y: 2.0 * beyond(s, y) * np.sign(s - y)
        ),
        "eps_insensitive_absolute_loss": Loss(beyond, lambda s, y: np.sign(s - y) * (np.abs(s - y) > slack)),
        "quantile_loss": Loss(
            lambda s, y: np.maximum(quantile * (y - s), (quantile - 1.0) * (y - s)),
            lambda s, y: np.where(s < y, -quantile, 1.0 - quantile),
        ),
        "huber_loss": Loss(
            lambda s, y: np.where(
                np.abs(s - y) <= delta, 0.5 * (s - y) ** 2, delta * (np.abs(s - y) - 0.5 * delta)
            ),
            lambda s, y: np.clip(s - y, -delta, delta),
        ),
    }
    return table[name]


def sigmoid(score: np.ndarray) -> np.ndarray:
    """Logistic function, without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * score)))


def log_softmax(score: np.ndarray) -> np.ndarray:
    """Logarithms of the class probabilities of ``(..., classes)`` scores."""
    shifted = score - score.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
