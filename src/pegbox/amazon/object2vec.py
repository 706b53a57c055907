"""Object2Vec embeddings: an algorithm of AWS that does not exist here."""

from __future__ import annotations

from typing import Any

from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase, algorithm_is_absent

__all__ = ["Object2Vec"]


class Object2Vec(AmazonAlgorithmEstimatorBase):
    """Object2Vec embeddings; the name can be imported, so that a script that offers it among others loads.

    Raises:
        NotHere: Always; the message says what to do instead.
    """

    repo_name = "object2vec"
    repo_version = 1

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise algorithm_is_absent("Object2Vec")
