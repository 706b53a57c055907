"""Random cut forest, which scores how unusual rows are."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import ge, le

__all__ = ["RandomCutForest", "RandomCutForestModel", "RandomCutForestPredictor"]


class RandomCutForest(AmazonAlgorithmEstimatorBase):
    """Random cut forest, which scores how unusual rows are.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        num_samples_per_tree: An integer in [1, 2048].
        num_trees: An integer in [50, 1000].
        eval_metrics: A comma separated list of "accuracy" or "precision_recall_fscore".
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "randomcutforest"
    repo_version = 1
    MINI_BATCH_SIZE = 1000

    eval_metrics: Any = hp(
        "eval_metrics", (), 'A comma separated list of "accuracy" or "precision_recall_fscore"', list
    )
    num_trees: Any = hp("num_trees", (ge(50), le(1000)), "An integer in [50, 1000]", int)
    num_samples_per_tree: Any = hp("num_samples_per_tree", (ge(1), le(2048)), "An integer in [1, 2048]", int)
    feature_dim: Any = hp("feature_dim", (ge(1), le(10000)), "An integer in [1, 10000]", int)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        num_samples_per_tree: Any = None,
        num_trees: Any = None,
        eval_metrics: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given)

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        if mini_batch_size not in (None, self.MINI_BATCH_SIZE):
            raise ValueError(f"Random Cut Forest uses a fixed mini_batch_size of {self.MINI_BATCH_SIZE}")
        super()._prepare_for_training(records, mini_batch_size=self.MINI_BATCH_SIZE, job_name=job_name)


class RandomCutForestPredictor(RecordPredictor):
    """Predictions of RandomCutForest at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class RandomCutForestModel(AmazonAlgorithmModel):
    """A model of RandomCutForest that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = RandomCutForest
    default_predictor = RandomCutForestPredictor


RandomCutForest.model_class = RandomCutForestModel
