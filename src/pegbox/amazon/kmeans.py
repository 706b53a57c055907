"""K-means clustering."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import ge, gt, isin, le

__all__ = ["KMeans", "KMeansModel", "KMeansPredictor"]


class KMeans(AmazonAlgorithmEstimatorBase):
    """K-means clustering.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        k: An integer above 1; required.
        init_method: One of "random", "kmeans++".
        max_iterations: An integer above 0 (``local_lloyd_max_iter``).
        tol: A number in [0, 1] (``local_lloyd_tol``).
        num_trials: An integer above 0 (``local_lloyd_num_trials``).
        local_init_method: One of "random", "kmeans++" (``local_lloyd_init_method``).
        half_life_time_size: An integer at least 0.
        epochs: An integer above 0.
        center_factor: An integer above 0 (``extra_center_factor``).
        eval_metrics: A comma separated list of "msd" or "ssd".
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "kmeans"
    repo_version = 1

    k: Any = hp("k", gt(1), "An integer above 1", int)
    init_method: Any = hp("init_method", isin("random", "kmeans++"), 'One of "random", "kmeans++"', str)
    max_iterations: Any = hp("local_lloyd_max_iter", gt(0), "An integer above 0", int)
    tol: Any = hp("local_lloyd_tol", (ge(0), le(1)), "A number in [0, 1]", float)
    num_trials: Any = hp("local_lloyd_num_trials", gt(0), "An integer above 0", int)
    local_init_method: Any = hp(
        "local_lloyd_init_method", isin("random", "kmeans++"), 'One of "random", "kmeans++"', str
    )
    half_life_time_size: Any = hp("half_life_time_size", ge(0), "An integer of at least 0", int)
    epochs: Any = hp("epochs", gt(0), "An integer above 0", int)
    center_factor: Any = hp("extra_center_factor", gt(0), "An integer above 0", int)
    eval_metrics: Any = hp("eval_metrics", (), 'A comma separated list of "msd" or "ssd"', list)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        k: Any = None,
        init_method: Any = None,
        max_iterations: Any = None,
        tol: Any = None,
        num_trials: Any = None,
        local_init_method: Any = None,
        half_life_time_size: Any = None,
        epochs: Any = None,
        center_factor: Any = None,
        eval_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given, "k")

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = 5000, job_name: str | None = None
    ) -> None:
        super()._prepare_for_training(records, mini_batch_size=mini_batch_size, job_name=job_name)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters that are set, as text."""
        # The algorithm takes record sets only with this one.
        return {"force_dense": "True", **super().hyperparameters()}


class KMeansPredictor(RecordPredictor):
    """Predictions of KMeans at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class KMeansModel(AmazonAlgorithmModel):
    """A model of KMeans that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = KMeans
    default_predictor = KMeansPredictor


KMeans.model_class = KMeansModel
