"""Estimators of Amazon's built-in algorithms, which come with a later version.

The names can be imported, so that a script that offers them among others loads; making one says what to do instead.
"""

from __future__ import annotations

from typing import Any

from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase, algorithms_come_later

__all__ = [
    "KNN",
    "LDA",
    "NTM",
    "PCA",
    "FactorizationMachines",
    "IPInsights",
    "KMeans",
    "LinearLearner",
    "Object2Vec",
    "RandomCutForest",
]


class _Later(AmazonAlgorithmEstimatorBase):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise algorithms_come_later(type(self).__name__)


class FactorizationMachines(_Later):
    """Factorization machines; comes with a later version."""

    repo_name = "factorization-machines"
    repo_version = "1"


class IPInsights(_Later):
    """IP Insights; comes with a later version."""

    repo_name = "ipinsights"
    repo_version = "1"


class KMeans(_Later):
    """K-means clustering; comes with a later version."""

    repo_name = "kmeans"
    repo_version = "1"


class KNN(_Later):
    """K nearest neighbours; comes with a later version."""

    repo_name = "knn"
    repo_version = "1"


class LDA(_Later):
    """Latent Dirichlet allocation; comes with a later version."""

    repo_name = "lda"
    repo_version = "1"


class LinearLearner(_Later):
    """Linear models; comes with a later version."""

    repo_name = "linear-learner"
    repo_version = "1"


class NTM(_Later):
    """Neural topic model; comes with a later version."""

    repo_name = "ntm"
    repo_version = "1"


class Object2Vec(_Later):
    """Object2Vec embeddings; comes with a later version."""

    repo_name = "object2vec"
    repo_version = "1"


class PCA(_Later):
    """Principal component analysis; comes with a later version."""

    repo_name = "pca"
    repo_version = "1"


class RandomCutForest(_Later):
    """Random cut forest; comes with a later version."""

    repo_name = "randomcutforest"
    repo_version = "1"
