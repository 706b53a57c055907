"""K nearest neighbours."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import ge, isin

__all__ = ["KNN", "KNNModel", "KNNPredictor"]


class KNN(AmazonAlgorithmEstimatorBase):
    """K nearest neighbours.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        k: An integer above 0; required.
        sample_size: An integer above 0; required.
        predictor_type: One of "classifier" or "regressor"; required.
        dimension_reduction_type: One of "sign" or "fjlt".
        dimension_reduction_target: An integer above 0 and less than feature_dim.
        index_type: One of "faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ".
        index_metric: One of "COSINE", "INNER_PRODUCT", "L2".
        faiss_index_ivf_nlists: "auto" or an integer above 0.
        faiss_index_pq_m: An integer above 0.
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "knn"
    repo_version = 1

    k: Any = hp("k", ge(1), "An integer above 0", int)
    sample_size: Any = hp("sample_size", ge(1), "An integer above 0", int)
    predictor_type: Any = hp(
        "predictor_type", isin("classifier", "regressor"), 'One of "classifier" or "regressor"', str
    )
    dimension_reduction_target: Any = hp(
        "dimension_reduction_target", ge(1), "An integer above 0 and less than feature_dim", int
    )
    dimension_reduction_type: Any = hp(
        "dimension_reduction_type", isin("sign", "fjlt"), 'One of "sign" or "fjlt"', str
    )
    index_metric: Any = hp(
        "index_metric", isin("COSINE", "INNER_PRODUCT", "L2"), 'One of "COSINE", "INNER_PRODUCT", "L2"', str
    )
    index_type: Any = hp(
        "index_type",
        isin("faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"),
        'One of "faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"',
        str,
    )
    faiss_index_ivf_nlists: Any = hp("faiss_index_ivf_nlists", (), '"auto" or an integer above 0', str)
    faiss_index_pq_m: Any = hp("faiss_index_pq_m", ge(1), "An integer above 0", int)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        k: Any = None,
        sample_size: Any = None,
        predictor_type: Any = None,
        dimension_reduction_type: Any = None,
        dimension_reduction_target: Any = None,
        index_type: Any = None,
        index_metric: Any = None,
        faiss_index_ivf_nlists: Any = None,
        faiss_index_pq_m: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given, "k", "sample_size", "predictor_type")
        if dimension_reduction_type and not dimension_reduction_target:
            raise ValueError(
                '"dimension_reduction_target" is required when "dimension_reduction_type" is set.'
            )


class KNNPredictor(RecordPredictor):
    """Predictions of KNN at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class KNNModel(AmazonAlgorithmModel):
    """A model of KNN that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = KNN
    default_predictor = KNNPredictor


KNN.model_class = KNNModel
