"""Linear models for classification and regression."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import ESTIMATOR_NAMES, accepts_old_names
from pegbox.amazon.algorithm_model import AmazonAlgorithmModel, RecordPredictor
from pegbox.amazon.amazon_estimator import AmazonAlgorithmEstimatorBase
from pegbox.amazon.hyperparameter import Hyperparameter as hp
from pegbox.amazon.validation import ge, gt, isin, le, lt

__all__ = ["LinearLearner", "LinearLearnerModel", "LinearLearnerPredictor"]


class LinearLearner(AmazonAlgorithmEstimatorBase):
    """Linear models for classification and regression.

    The hyperparameters are attributes, checked when they are set; ``docs/algorithms.md`` tells what each means.

    Args:
        role: See :class:`AmazonAlgorithmEstimatorBase`, like all arguments that are not named below.
        predictor_type: One of "binary_classifier" or "multiclass_classifier" or "regressor"; required.
        binary_classifier_model_selection_criteria: What the best model and its threshold are chosen by, such as ``f1``.
        target_recall: A number in (0,1).
        target_precision: A number in (0,1).
        positive_example_weight_mult: A number above 0 or 'auto' or 'balanced'.
        epochs: An integer above 0.
        use_bias: True or False.
        num_models: An integer above 0.
        num_calibration_samples: An integer above 0.
        init_method: One of "uniform" or "normal".
        init_scale: A number above 0.
        init_sigma: A number above 0.
        init_bias: A number.
        optimizer: One of "sgd", "adam", "rmsprop" or "auto.
        loss: Name of a loss, or ``auto``.
        wd: A number of at least 0.
        l1: A number of at least 0.
        momentum: A number in [0,1).
        learning_rate: A number above 0.
        beta_1: A number in [0,1).
        beta_2: A number in [0,1).
        bias_lr_mult: A number above 0.
        bias_wd_mult: A number of at least 0.
        use_lr_scheduler: True or False.
        lr_scheduler_step: An integer above 0.
        lr_scheduler_factor: A number in (0,1).
        lr_scheduler_minimum_lr: A number above 0.
        normalize_data: True or False.
        normalize_label: True or False.
        unbias_data: True or False.
        unbias_label: True or False.
        num_point_for_scaler: An integer above 0.
        margin: A number of at least 0.
        quantile: A number in (0,1).
        loss_insensitivity: A number above 0.
        huber_delta: A number of at least 0.
        early_stopping_patience: An integer above 0.
        early_stopping_tolerance: A number above 0.
        num_classes: An integer in [1,1000000].
        accuracy_top_k: An integer in [1,1000000].
        f_beta: A number above 0.
        balance_multiclass_weights: True or False.
        **kwargs: See :class:`AmazonAlgorithmEstimatorBase`.

    Raises:
        ValueError: A hyperparameter is missing or not acceptable.
    """

    repo_name = "linear-learner"
    repo_version = 1
    DEFAULT_MINI_BATCH_SIZE = 1000

    binary_classifier_model_selection_criteria: Any = hp(
        "binary_classifier_model_selection_criteria",
        isin(
            "accuracy",
            "f1",
            "f_beta",
            "precision_at_target_recall",
            "recall_at_target_precision",
            "cross_entropy_loss",
            "loss_function",
        ),
        "accuracy, f1, f_beta, precision_at_target_recall, recall_at_target_precision, cross_entropy_loss or loss_function",
        str,
    )
    target_recall: Any = hp("target_recall", (gt(0), lt(1)), "A number in (0,1)", float)
    target_precision: Any = hp("target_precision", (gt(0), lt(1)), "A number in (0,1)", float)
    positive_example_weight_mult: Any = hp(
        "positive_example_weight_mult", (), "A number above 0 or 'auto' or 'balanced'", str
    )
    epochs: Any = hp("epochs", gt(0), "An integer above 0", int)
    predictor_type: Any = hp(
        "predictor_type",
        isin("binary_classifier", "regressor", "multiclass_classifier"),
        'One of "binary_classifier" or "multiclass_classifier" or "regressor"',
        str,
    )
    use_bias: Any = hp("use_bias", (), "True or False", bool)
    num_models: Any = hp("num_models", gt(0), "An integer above 0", int)
    num_calibration_samples: Any = hp("num_calibration_samples", gt(0), "An integer above 0", int)
    init_method: Any = hp("init_method", isin("uniform", "normal"), 'One of "uniform" or "normal"', str)
    init_scale: Any = hp("init_scale", gt(0), "A number above 0", float)
    init_sigma: Any = hp("init_sigma", gt(0), "A number above 0", float)
    init_bias: Any = hp("init_bias", (), "A number", float)
    optimizer: Any = hp(
        "optimizer", isin("sgd", "adam", "rmsprop", "auto"), 'One of "sgd", "adam", "rmsprop" or "auto', str
    )
    loss: Any = hp(
        "loss",
        isin(
            "logistic",
            "squared_loss",
            "absolute_loss",
            "hinge_loss",
            "eps_insensitive_squared_loss",
            "eps_insensitive_absolute_loss",
            "quantile_loss",
            "huber_loss",
            "softmax_loss",
            "auto",
        ),
        'A loss such as "logistic", "squared_loss" or "hinge_loss", or "auto"',
        str,
    )
    wd: Any = hp("wd", ge(0), "A number of at least 0", float)
    l1: Any = hp("l1", ge(0), "A number of at least 0", float)
    momentum: Any = hp("momentum", (ge(0), lt(1)), "A number in [0,1)", float)
    learning_rate: Any = hp("learning_rate", gt(0), "A number above 0", float)
    beta_1: Any = hp("beta_1", (ge(0), lt(1)), "A number in [0,1)", float)
    beta_2: Any = hp("beta_2", (ge(0), lt(1)), "A number in [0,1)", float)
    bias_lr_mult: Any = hp("bias_lr_mult", gt(0), "A number above 0", float)
    bias_wd_mult: Any = hp("bias_wd_mult", ge(0), "A number of at least 0", float)
    use_lr_scheduler: Any = hp("use_lr_scheduler", (), "True or False", bool)
    lr_scheduler_step: Any = hp("lr_scheduler_step", gt(0), "An integer above 0", int)
    lr_scheduler_factor: Any = hp("lr_scheduler_factor", (gt(0), lt(1)), "A number in (0,1)", float)
    lr_scheduler_minimum_lr: Any = hp("lr_scheduler_minimum_lr", gt(0), "A number above 0", float)
    normalize_data: Any = hp("normalize_data", (), "True or False", bool)
    normalize_label: Any = hp("normalize_label", (), "True or False", bool)
    unbias_data: Any = hp("unbias_data", (), "True or False", bool)
    unbias_label: Any = hp("unbias_label", (), "True or False", bool)
    num_point_for_scaler: Any = hp("num_point_for_scaler", gt(0), "An integer above 0", int)
    margin: Any = hp("margin", ge(0), "A number of at least 0", float)
    quantile: Any = hp("quantile", (gt(0), lt(1)), "A number in (0,1)", float)
    loss_insensitivity: Any = hp("loss_insensitivity", gt(0), "A number above 0", float)
    huber_delta: Any = hp("huber_delta", ge(0), "A number of at least 0", float)
    early_stopping_patience: Any = hp("early_stopping_patience", gt(0), "An integer above 0", int)
    early_stopping_tolerance: Any = hp("early_stopping_tolerance", gt(0), "A number above 0", float)
    num_classes: Any = hp("num_classes", (gt(0), le(1000000)), "An integer in [1,1000000]", int)
    accuracy_top_k: Any = hp("accuracy_top_k", (gt(0), le(1000000)), "An integer in [1,1000000]", int)
    f_beta: Any = hp("f_beta", gt(0), "A number above 0", float)
    balance_multiclass_weights: Any = hp("balance_multiclass_weights", (), "True or False", bool)

    @accepts_old_names(ESTIMATOR_NAMES)
    def __init__(
        self,
        role: str | None = None,
        instance_count: int | None = None,
        instance_type: str | None = None,
        predictor_type: Any = None,
        binary_classifier_model_selection_criteria: Any = None,
        target_recall: Any = None,
        target_precision: Any = None,
        positive_example_weight_mult: Any = None,
        epochs: Any = None,
        use_bias: Any = None,
        num_models: Any = None,
        num_calibration_samples: Any = None,
        init_method: Any = None,
        init_scale: Any = None,
        init_sigma: Any = None,
        init_bias: Any = None,
        optimizer: Any = None,
        loss: Any = None,
        wd: Any = None,
        l1: Any = None,
        momentum: Any = None,
        learning_rate: Any = None,
        beta_1: Any = None,
        beta_2: Any = None,
        bias_lr_mult: Any = None,
        bias_wd_mult: Any = None,
        use_lr_scheduler: Any = None,
        lr_scheduler_step: Any = None,
        lr_scheduler_factor: Any = None,
        lr_scheduler_minimum_lr: Any = None,
        normalize_data: Any = None,
        normalize_label: Any = None,
        unbias_data: Any = None,
        unbias_label: Any = None,
        num_point_for_scaler: Any = None,
        margin: Any = None,
        quantile: Any = None,
        loss_insensitivity: Any = None,
        huber_delta: Any = None,
        early_stopping_patience: Any = None,
        early_stopping_tolerance: Any = None,
        num_classes: Any = None,
        accuracy_top_k: Any = None,
        f_beta: Any = None,
        balance_multiclass_weights: Any = None,
        **kwargs: Any,
    ) -> None:
        given = dict(locals())
        super().__init__(role, instance_count, instance_type, **kwargs)
        self._take(given, "predictor_type")
        if self.predictor_type == "multiclass_classifier" and (num_classes is None or int(num_classes) < 3):
            raise ValueError(
                "For predictor_type 'multiclass_classifier', 'num_classes' should be set to a value above 2."
            )

    def _prepare_for_training(  # type: ignore[override]
        self, records: Any, mini_batch_size: int | None = None, job_name: str | None = None
    ) -> None:
        size = self._batch_of(records, mini_batch_size, self.DEFAULT_MINI_BATCH_SIZE)
        super()._prepare_for_training(records, mini_batch_size=size, job_name=job_name)


class LinearLearnerPredictor(RecordPredictor):
    """Predictions of LinearLearner at an endpoint: rows of an array there, records back; see :class:`RecordPredictor`."""


class LinearLearnerModel(AmazonAlgorithmModel):
    """A model of LinearLearner that can be served; see :class:`AmazonAlgorithmModel`."""

    estimator_class = LinearLearner
    default_predictor = LinearLearnerPredictor


LinearLearner.model_class = LinearLearnerModel
