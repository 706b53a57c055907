"""Principal component analysis."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import gt, isin

__all__ = ["PCA", "PCAModel", "PCAPredictor"]


class PCA(AmazonAlgorithmEstimatorBase):
    """Principal component analysis.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        num_components: An integer above zero; required.
        algorithm_mode: One of "regular" and "randomized".
        subtract_mean: True or False.
        extra_components: An integer of at least 0, or -1.
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "pca"
    repo_version = 1
    DEFAULT_MINI_BATCH_SIZE = 500

    num_components: Any = hp("num_components", gt(0), "Value must be an integer greater than zero", int)
    algorithm_mode: Any = hp(
        "algorithm_mode",
        isin("regular", "randomized"),
        'Value must be one of "regular" and "randomized"',
        str,
    )
    subtract_mean: Any = hp("subtract_mean", (), "True or False", bool)
    extra_components: Any = hp("extra_components", (), "An integer of at least 0, or -1.", int)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        num_components: Any = None,
        algorithm_mode: Any = None,
        subtract_mean: Any = None,
        extra_components: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given, "num_components")

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        size = self._batch_of(records, mini_batch_size, self.DEFAULT_MINI_BATCH_SIZE)
        super()._prepare_for_training(records, mini_batch_size=size, job_name=job_name)


class PCAPredictor(RecordPredictor):
    """Predictions of PCA at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class PCAModel(AmazonAlgorithmModel):
    """A model of PCA that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = PCA
    default_predictor = PCAPredictor


PCA.model_class = PCAModel
