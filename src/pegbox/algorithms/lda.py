"""Latent Dirichlet allocation by tensor decomposition.

The first three moments of the word counts determine the topics; after whitening, the third is a small orthogonal tensor that
power iterations take apart: Anandkumar, Ge, Hsu, Kakade and Telgarsky, "Tensor decompositions for learning latent variable
models", JMLR 15 (2014). Mixtures of documents follow by variational inference: Blei, Ng and Jordan, JMLR 3 (2003).
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from scipy.special import digamma

from pegbox.algorithms import stored
from pegbox.algorithms.data import CSV, RECORDIO, Reading
from pegbox.algorithms.errors import CustomerError
from pegbox.algorithms.hyperparameters import REQUIRED, integer, number
from pegbox.algorithms.program import Job, check_finite

HYPERPARAMETERS = (
    integer("feature_dim", REQUIRED, 1),
    integer("num_topics", REQUIRED, 1),
    integer("mini_batch_size", REQUIRED, 1, without_effect="the rows are taken at once"),
    number("alpha0", 1.0, 0, open_low=True),
    integer("max_restarts", 10, 1),
    integer("max_iterations", 1000, 1),
    number("tol", 1e-8, 0, open_low=True),
)
_FORMS = (RECORDIO, CSV)
#: Share of each topic that is spread over all words: a word that training did not see keeps a chance.
_SMOOTHING = 1e-3
_SWEEPS, _CLOSE = 200, 1e-5
_ROUNDS = 10


def train(job: Job) -> None:
    """Train; logs the per-word log-likelihood ``pwll`` of the train and test channels."""
    values = job.values(HYPERPARAMETERS)
    job.refuse_other_channels("train", "test")
    how = Reading(forms=_FORMS, width=values["feature_dim"])
    started = time.monotonic()
    counts = _counts(job.table("train", how).dense(), "train")
    test = job.optional_table("test", how)
    long = counts[counts.sum(axis=1) >= 3]
    topics = values["num_topics"]
    if len(long) == 0 or topics > min(long.shape[1], len(long)):
        raise CustomerError(
            f"num_topics={topics} cannot be told from {len(long)} documents of three words or more over {counts.shape[1]} words; "
            "give fewer topics or more documents"
        )
    alpha, beta = _decompose(job, long, values)
    beta = _polished(counts, alpha, beta)
    job.throughput(len(counts), started)
    job.progress(1.0)
    job.quality("train", "pwll", _likelihood(counts, alpha, beta), kind="score")
    if test is not None:
        job.quality("test", "pwll", _likelihood(_counts(test.dense(), "test"), alpha, beta), kind="score")
    stored.save(job.model_dir, "lda", {"alpha": alpha, "beta": beta}, {})


def _counts(rows: np.ndarray, channel: str) -> np.ndarray:
    check_finite(rows, f"channel {channel!r}")
    if (rows < 0).any():
        raise CustomerError(f"channel {channel!r} has negative word counts; give counts of words")
    return rows


def _decompose(job: Job, counts: np.ndarray, values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Topic weights ``(k,)`` that sum to alpha0, and word chances of each topic ``(k, words)``."""
    topics, alpha0 = values["num_topics"], values["alpha0"]
    lengths = counts.sum(axis=1)
    first = (counts / lengths[:, None]).mean(axis=0)
    pairs = lengths * (lengths - 1)
    scaled = counts / pairs[:, None]
    second = (counts.T @ scaled - np.diag(scaled.sum(axis=0))) / len(counts)
    second -= alpha0 / (alpha0 + 1.0) * np.outer(first, first)
    strengths, vectors = np.linalg.eigh(second)
    strengths, vectors = strengths[::-1][:topics], vectors[:, ::-1][:, :topics]
    floor = 1e-12 * max(float(strengths[0]), 1e-300)
    if strengths[-1] <= floor:
        job.warn(f"the documents hold fewer than {topics} topics that can be told apart; some will be alike")
    strengths = np.maximum(strengths, max(floor, 1e-3 * float(strengths[0])))
    whiten, back = vectors / np.sqrt(strengths), vectors * np.sqrt(strengths)
    tensor = _third_moment(counts, lengths, whiten, first @ whiten, alpha0)
    found, sizes = _power_iterations(tensor, values)
    beta = np.maximum(
        (back @ found.T).T * (np.sign(sizes) * (alpha0 + 2.0) / 2.0 * np.abs(sizes))[:, None], 0.0
    )
    totals = beta.sum(axis=1, keepdims=True)
    beta = np.where(totals > 0, beta / np.maximum(totals, 1e-300), first)
    beta = (1.0 - _SMOOTHING) * beta + _SMOOTHING / beta.shape[1]
    alpha = 4.0 * alpha0 * (alpha0 + 1.0) / ((alpha0 + 2.0) ** 2 * np.maximum(sizes**2, 1e-12))
    return alpha0 * alpha / alpha.sum(), beta


def _third_moment(
    counts: np.ndarray, lengths: np.ndarray, whiten: np.ndarray, mean: np.ndarray, alpha0: float
) -> np.ndarray:
    """The whitened third moment, ``(k, k, k)``."""
    weights = 1.0 / (lengths * (lengths - 1) * (lengths - 2)) / len(counts)
    low = counts @ whiten
    tensor = np.einsum("n,na,nb,nc->abc", weights, low, low, low, optimize=True)
    # A word is not paired with itself: take out the terms where two or three positions are one.
    weighted = (counts * weights[:, None]).T @ low
    twice = np.einsum("wa,wb,wc->abc", whiten, whiten, weighted, optimize=True)
    tensor -= _over_places(twice)
    tensor += 2.0 * np.einsum("w,wa,wb,wc->abc", counts.T @ weights, whiten, whiten, whiten, optimize=True)
    pairs = 1.0 / (lengths * (lengths - 1)) / len(counts)
    double = np.einsum("n,na,nb->ab", pairs, low, low) - np.einsum(
        "w,wa,wb->ab", counts.T @ pairs, whiten, whiten
    )
    mixed = np.einsum("ab,c->abc", double, mean)
    tensor -= alpha0 / (alpha0 + 2.0) * _over_places(mixed)
    cube = np.einsum("a,b,c->abc", mean, mean, mean)
    return np.asarray(tensor + 2.0 * alpha0**2 / ((alpha0 + 1.0) * (alpha0 + 2.0)) * cube)


def _over_places(tensor: np.ndarray) -> np.ndarray:
    """Sum over the three places of the last index of a tensor that is symmetric in the first two."""
    return np.asarray(tensor + tensor.transpose(0, 2, 1) + tensor.transpose(2, 0, 1))


def _power_iterations(tensor: np.ndarray, values: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvectors ``(k, k)`` by rows, and eigenvalues, largest first."""
    random = np.random.RandomState(0)
    left, vectors, sizes = tensor.copy(), [], []
    for _ in range(tensor.shape[0]):
        best: np.ndarray = np.zeros(tensor.shape[0])
        most = -np.inf
        for _ in range(values["max_restarts"]):
            vector: np.ndarray = random.normal(size=(tensor.shape[0],))
            vector /= np.linalg.norm(vector)
            for _ in range(values["max_iterations"]):
                moved = np.einsum("abc,b,c->a", left, vector, vector)
                norm = float(np.linalg.norm(moved))
                if norm == 0.0:
                    break
                moved /= norm
                near = float(np.linalg.norm(moved - vector)) < values["tol"]
                vector = moved
                if near:
                    break
            size = float(np.einsum("abc,a,b,c->", left, vector, vector, vector))
            if size > most:
                best, most = vector, size
        vectors.append(best)
        sizes.append(most)
        left = left - most * np.einsum("a,b,c->abc", best, best, best)
    return np.array(vectors), np.array(sizes)


def _mixtures(counts: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Dirichlet parameters of each document's mixture, ``(n, k)``."""
    gamma = alpha + counts.sum(axis=1, keepdims=True) / len(alpha)
    for _ in range(_SWEEPS):
        shares = np.exp(digamma(gamma) - digamma(gamma.sum(axis=1, keepdims=True)))
        moved = alpha + shares * ((counts / np.maximum(shares @ beta, 1e-300)) @ beta.T)
        near = float(np.abs(moved - gamma).mean()) < _CLOSE
        gamma = moved
        if near:
            break
    return np.asarray(gamma)


def _polished(counts: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Topics after some rounds of variational EM, which mend what the moments of few or like documents do not tell."""
    for _ in range(_ROUNDS):
        gamma = _mixtures(counts, alpha, beta)
        shares = np.exp(digamma(gamma) - digamma(gamma.sum(axis=1, keepdims=True)))
        moved = beta * (shares.T @ (counts / np.maximum(shares @ beta, 1e-300)))
        moved /= np.maximum(moved.sum(axis=1, keepdims=True), 1e-300)
        beta = (1.0 - _SMOOTHING) * moved + _SMOOTHING / beta.shape[1]
    return beta


def _likelihood(counts: np.ndarray, alpha: np.ndarray, beta: np.ndarray) -> float:
    gamma = _mixtures(counts, alpha, beta)
    chances = gamma / gamma.sum(axis=1, keepdims=True) @ beta
    return float((counts * np.log(np.maximum(chances, 1e-300))).sum() / max(1.0, float(counts.sum())))


def load_model(folder: str) -> dict[str, np.ndarray]:
    """Return ``alpha`` ``(k,)`` and ``beta`` ``(k, words)``."""
    return stored.load(folder, "lda")[0]


def predict(model: dict[str, np.ndarray], features: Any) -> dict[str, Any]:
    """Return the ``topic_mixture`` of documents, ``(n, k)``."""
    counts = np.asarray(features.toarray() if hasattr(features, "toarray") else features, dtype=np.float64)
    gamma = _mixtures(counts, model["alpha"], model["beta"])
    return {"topic_mixture": gamma / gamma.sum(axis=1, keepdims=True)}
