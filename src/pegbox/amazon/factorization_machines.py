"""Factorization machines."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import ge, gt, isin

__all__ = ["FactorizationMachines", "FactorizationMachinesModel", "FactorizationMachinesPredictor"]


class FactorizationMachines(AmazonAlgorithmEstimatorBase):
    """Factorization machines.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        num_factors: An integer above zero; required.
        predictor_type: "binary_classifier" or "regressor"; required.
        epochs: An integer above 0.
        clip_gradient: A number value.
        eps: A number value.
        rescale_grad: A number value.
        bias_lr: A non-negative float.
        linear_lr: A non-negative float.
        factors_lr: A non-negative float.
        bias_wd: A non-negative float.
        linear_wd: A non-negative float.
        factors_wd: A non-negative float.
        bias_init_method: "normal", "uniform" or "constant".
        bias_init_scale: A non-negative float.
        bias_init_sigma: A non-negative float.
        bias_init_value: A number value.
        linear_init_method: "normal", "uniform" or "constant".
        linear_init_scale: A non-negative float.
        linear_init_sigma: A non-negative float.
        linear_init_value: A number value.
        factors_init_method: "normal", "uniform" or "constant".
        factors_init_scale: A non-negative float.
        factors_init_sigma: A non-negative float.
        factors_init_value: A number value.
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "factorization-machines"
    repo_version = 1

    num_factors: Any = hp("num_factors", gt(0), "An integer above zero", int)
    predictor_type: Any = hp(
        "predictor_type",
        isin("binary_classifier", "regressor"),
        'One of "binary_classifier" or "regressor"',
        str,
    )
    epochs: Any = hp("epochs", gt(0), "An integer above 0", int)
    clip_gradient: Any = hp("clip_gradient", (), "A number value", float)
    eps: Any = hp("eps", (), "A number value", float)
    rescale_grad: Any = hp("rescale_grad", (), "A number value", float)
    bias_lr: Any = hp("bias_lr", ge(0), "A non-negative float", float)
    linear_lr: Any = hp("linear_lr", ge(0), "A non-negative float", float)
    factors_lr: Any = hp("factors_lr", ge(0), "A non-negative float", float)
    bias_wd: Any = hp("bias_wd", ge(0), "A non-negative float", float)
    linear_wd: Any = hp("linear_wd", ge(0), "A non-negative float", float)
    factors_wd: Any = hp("factors_wd", ge(0), "A non-negative float", float)
    bias_init_method: Any = hp(
        "bias_init_method",
        isin("normal", "uniform", "constant"),
        'One of "normal", "uniform" or "constant"',
        str,
    )
    bias_init_scale: Any = hp("bias_init_scale", ge(0), "A non-negative float", float)
    bias_init_sigma: Any = hp("bias_init_sigma", ge(0), "A non-negative float", float)
    bias_init_value: Any = hp("bias_init_value", (), "A number value", float)
    linear_init_method: Any = hp(
        "linear_init_method",
        isin("normal", "uniform", "constant"),
        'One of "normal", "uniform" or "constant"',
        str,
    )
    linear_init_scale: Any = hp("linear_init_scale", ge(0), "A non-negative float", float)
    linear_init_sigma: Any = hp("linear_init_sigma", ge(0), "A non-negative float", float)
    linear_init_value: Any = hp("linear_init_value", (), "A number value", float)
    factors_init_method: Any = hp(
        "factors_init_method",
        isin("normal", "uniform", "constant"),
        'One of "normal", "uniform" or "constant"',
        str,
    )
    factors_init_scale: Any = hp("factors_init_scale", ge(0), "A non-negative float", float)
    factors_init_sigma: Any = hp("factors_init_sigma", ge(0), "A non-negative float", float)
    factors_init_value: Any = hp("factors_init_value", (), "A number value", float)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        num_factors: Any = None,
        predictor_type: Any = None,
        epochs: Any = None,
        clip_gradient: Any = None,
        eps: Any = None,
        rescale_grad: Any = None,
        bias_lr: Any = None,
        linear_lr: Any = None,
        factors_lr: Any = None,
        bias_wd: Any = None,
        linear_wd: Any = None,
        factors_wd: Any = None,
        bias_init_method: Any = None,
        bias_init_scale: Any = None,
        bias_init_sigma: Any = None,
        bias_init_value: Any = None,
        linear_init_method: Any = None,
        linear_init_scale: Any = None,
        linear_init_sigma: Any = None,
        linear_init_value: Any = None,
        factors_init_method: Any = None,
        factors_init_scale: Any = None,
        factors_init_sigma: Any = None,
        factors_init_value: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given, "num_factors", "predictor_type")


class FactorizationMachinesPredictor(RecordPredictor):
    """Predictions of FactorizationMachines at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class FactorizationMachinesModel(AmazonAlgorithmModel):
    """A model of FactorizationMachines that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = FactorizationMachines
    default_predictor = FactorizationMachinesPredictor


FactorizationMachines.model_class = FactorizationMachinesModel
