"""Latent Dirichlet allocation, a model of topics."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import gt

__all__ = ["LDA", "LDAModel", "LDAPredictor"]


class LDA(AmazonAlgorithmEstimatorBase):
    """Latent Dirichlet allocation, a model of topics.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        num_topics: An integer above zero; required.
        alpha0: A positive float.
        max_restarts: An integer above zero.
        max_iterations: An integer above zero.
        tol: A positive float.
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "lda"
    repo_version = 1

    num_topics: Any = hp("num_topics", gt(0), "An integer above zero", int)
    alpha0: Any = hp("alpha0", gt(0), "A positive float", float)
    max_restarts: Any = hp("max_restarts", gt(0), "An integer above zero", int)
    max_iterations: Any = hp("max_iterations", gt(0), "An integer above zero", int)
    tol: Any = hp("tol", gt(0), "A positive float", float)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_type: str | None = None,
        num_topics: Any = None,
        alpha0: Any = None,
        max_restarts: Any = None,
        max_iterations: Any = None,
        tol: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        if kwargs.pop("instance_count", 1) != 1:
            print(f"LDA only supports single instance training. Defaulting to 1 {instance_type}.")
        super().__init__(role, 1, instance_type, **kwargs)
        self._take(given, "num_topics")

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        if mini_batch_size is None:
            raise ValueError("mini_batch_size must be set")
        super()._prepare_for_training(records, mini_batch_size=mini_batch_size, job_name=job_name)


class LDAPredictor(RecordPredictor):
    """Predictions of LDA at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class LDAModel(AmazonAlgorithmModel):
    """A model of LDA that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = LDA
    default_predictor = LDAPredictor


LDA.model_class = LDAModel
