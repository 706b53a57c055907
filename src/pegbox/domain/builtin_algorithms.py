"""Amazon's built-in algorithms as the service knows them: image names, metrics with their patterns, hyperparameter names.

Clients give no metric definitions for these; the table does. Names and directions are those of "Tune a ... model" in the
SageMaker developer guide; the entries marked so are Pegbox's own. That the training programs print and accept just these
is shown by tests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["Minimize", "Maximize"]

_NUMBER = r"([-+]?(?:[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|nan|inf))"


@dataclass(frozen=True, slots=True)
class AlgorithmMetric:
    """A metric that an algorithm logs."""

    name: str
    regex: str
    #: How it is optimised; None means that it cannot be.
    direction: Direction | None

    def definition(self) -> dict[str, str]:
        """Return the metric as an item of ``MetricDefinitions``."""
        return {"Name": self.name, "Regex": self.regex}


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltInAlgorithm:
    """A built-in algorithm."""

    #: Name of its training program; also the repository of its image.
    name: str
    metrics: tuple[AlgorithmMetric, ...]
    hyperparameters: frozenset[str]
    #: Channels that it reads; the first is required.
    channels: tuple[str, ...]
    #: Modules that the program imports -> the package that has them.
    libraries: Mapping[str, str]
    #: Part of Pegbox that brings these packages.
    extra: str = "algorithms"

    def metric(self, name: str) -> AlgorithmMetric | None:
        """Return a metric by name."""
        return next((item for item in self.metrics if item.name == name), None)


def algorithm_of(image: str, *, has_program: bool = False) -> BuiltInAlgorithm | None:
    """Return the built-in algorithm of an image, whatever its registry, or None.

    Args:
        image: Name of the image.
        has_program: Whether the job brings a script; AWS's ``sagemaker-xgboost`` then runs that instead of the algorithm.
    """
    repository, _, tag = image.rpartition("/")[2].partition(":")
    if repository == "sagemaker-xgboost" and not has_program:
        return ALGORITHMS["xgboost"]
    found = ALGORITHMS.get(repository)
    return found if found is not None and _TAG.fullmatch(tag or "1") else None


_TAG = re.compile(r"1|latest|\d+\.\d+(?:-\d+)?(?:-cpu-py3)?")


def _quality(channel: str, name: str, direction: Direction, kind: str = "(?:loss|score)") -> AlgorithmMetric:
    pattern = rf"#quality_metric: host=\S+,(?: epoch=\S+,)? {channel} {re.escape(name)} <{kind}>={_NUMBER}"
    return AlgorithmMetric(f"{channel}:{name}", pattern, direction)


_THROUGHPUT = AlgorithmMetric(
    "train:throughput", rf"#throughput_metric: host=\S+, train throughput={_NUMBER} records/second", None
)
_PROGRESS = AlgorithmMetric("train:progress", rf"#progress_metric: host=\S+, completed {_NUMBER} %", None)


def _names(text: str) -> frozenset[str]:
    return frozenset([*text.split(), "_log_level", "_kvstore", "_num_kv_servers", "_num_gpus"])


def _best(direction: Direction, text: str) -> dict[str, Direction]:
    return dict.fromkeys(text.split(), direction)


_LINEAR = {
    **_best("Minimize", "absolute_loss mse rmse objective_loss"),
    **_best(
        "Maximize",
        "binary_classification_accuracy binary_f_beta dcg macro_f_beta macro_precision macro_recall",
    ),
    **_best("Maximize", "multiclass_accuracy multiclass_top_k_accuracy precision recall roc_auc_score"),
}
_FACTORIZATION = {
    **_best("Minimize", "rmse binary_classification_cross_entropy"),
    **_best("Maximize", "binary_classification_accuracy"),
}
_XGBOOST = {
    **_best(
        "Minimize", "error logloss mae mape merror mlogloss mphe mse rmse rmsle poisson-nloglik gamma-nloglik"
    ),
    **_best("Minimize", "gamma-deviance tweedie-nloglik"),
    **_best(
        "Maximize",
        "accuracy auc aucpr balanced_accuracy f1 f1_binary f1_macro map ndcg precision precision_macro",
    ),
    **_best("Maximize", "precision_micro r2 recall recall_macro recall_micro"),
}
_LIGHTGBM = {
    **_best(
        "Minimize", "rmse l1 l2 mape huber fair quantile poisson gamma tweedie binary_logloss binary_error"
    ),
    **_best("Minimize", "multi_logloss multi_error cross_entropy"),
    **_best("Maximize", "auc auc_mu average_precision"),
}


def _boosted(channel: str, name: str, direction: Direction) -> AlgorithmMetric:
    pattern = rf"\[\d+\].*\s{channel}-{re.escape(name)}:{_NUMBER}(?:\s|$)"
    return AlgorithmMetric(f"{channel}:{name}", pattern, direction)


_SKLEARN = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn"}

_ALL = (
    BuiltInAlgorithm(
        name="kmeans",
        channels=("train", "test"),
        metrics=(
            *(
                _quality(channel, name, "Minimize")
                for channel in ("test", "train")
                for name in ("msd", "ssd")
            ),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim k mini_batch_size epochs extra_center_factor half_life_time_size init_method "
            "local_lloyd_init_method local_lloyd_max_iter local_lloyd_num_trials local_lloyd_tol eval_metrics force_dense"
        ),
        libraries=_SKLEARN,
    ),
    BuiltInAlgorithm(
        name="pca",
        channels=("train", "test"),
        # AWS names no metric to tune PCA by; these are Pegbox's own.
        metrics=(
            _quality("train", "explained_variance_ratio", "Maximize"),
            *(_quality(channel, "reconstruction_error", "Minimize") for channel in ("test", "train")),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim mini_batch_size num_components algorithm_mode extra_components subtract_mean force_dense"
        ),
        libraries=_SKLEARN,
    ),
    BuiltInAlgorithm(
        name="linear-learner",
        channels=("train", "validation", "test"),
        metrics=(
            *(
                _quality(channel, name, direction)
                for channel in ("validation", "test")
                for name, direction in _LINEAR.items()
            ),
            _quality("train", "objective_loss", "Minimize"),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim predictor_type num_classes accuracy_top_k balance_multiclass_weights beta_1 beta_2 bias_lr_mult "
            "bias_wd_mult binary_classifier_model_selection_criteria early_stopping_patience early_stopping_tolerance epochs "
            "f_beta huber_delta init_bias init_method init_scale init_sigma l1 learning_rate loss loss_insensitivity "
            "lr_scheduler_factor lr_scheduler_minimum_lr lr_scheduler_step margin mini_batch_size momentum normalize_data "
            "normalize_label num_calibration_samples num_models num_point_for_scaler optimizer positive_example_weight_mult "
            "quantile target_precision target_recall unbias_data unbias_label use_bias use_lr_scheduler wd force_dense"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy"},
    ),
    BuiltInAlgorithm(
        name="knn",
        channels=("train", "test"),
        metrics=(
            _quality("test", "accuracy", "Maximize"),
            _quality("test", "mse", "Minimize"),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim k predictor_type sample_size dimension_reduction_target dimension_reduction_type faiss_index_ivf_nlists "
            "faiss_index_pq_m index_metric index_type mini_batch_size"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy"},
    ),
    BuiltInAlgorithm(
        name="randomcutforest",
        channels=("train", "test"),
        metrics=(
            *(_quality("test", name, "Maximize") for name in ("f1", "accuracy", "precision", "recall")),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim num_trees num_samples_per_tree eval_metrics mini_batch_size force_dense"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy"},
    ),
    BuiltInAlgorithm(
        name="factorization-machines",
        channels=("train", "test"),
        metrics=(
            *(
                _quality(channel, name, direction)
                for channel in ("test", "train")
                for name, direction in _FACTORIZATION.items()
            ),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim num_factors predictor_type bias_init_method bias_init_scale bias_init_sigma bias_init_value bias_lr "
            "bias_wd clip_gradient epochs eps factors_init_method factors_init_scale factors_init_sigma factors_init_value "
            "factors_lr factors_wd linear_lr linear_init_method linear_init_scale linear_init_sigma linear_init_value linear_wd "
            "mini_batch_size rescale_grad"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy"},
    ),
    BuiltInAlgorithm(
        name="lda",
        channels=("train", "test"),
        metrics=(
            _quality("test", "pwll", "Maximize"),
            _quality("train", "pwll", "Maximize"),
            _THROUGHPUT,
            _PROGRESS,
        ),
        hyperparameters=_names(
            "feature_dim num_topics mini_batch_size alpha0 max_restarts max_iterations tol"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy"},
    ),
    BuiltInAlgorithm(
        name="xgboost",
        channels=("train", "validation"),
        metrics=tuple(
            _boosted(channel, name, direction)
            for channel in ("validation", "train")
            for name, direction in _XGBOOST.items()
        ),
        hyperparameters=_names(
            "num_round num_class alpha base_score booster colsample_bylevel colsample_bynode colsample_bytree csv_weights "
            "deterministic_histogram early_stopping_rounds eta eval_metric gamma grow_policy interaction_constraints lambda "
            "lambda_bias max_bin max_delta_step max_depth max_leaves min_child_weight monotone_constraints normalize_type "
            "nthread num_parallel_tree objective one_drop process_type rate_drop refresh_leaf sample_type scale_pos_weight "
            "seed sampling_method single_precision_histogram sketch_eps skip_drop subsample tree_method "
            "tweedie_variance_power updater use_dask_gpu_training verbosity silent huber_slope dsplit prob_buffer_row "
            "save_model_on_termination"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy", "xgboost": "xgboost-cpu"},
    ),
    BuiltInAlgorithm(
        name="lightgbm",
        channels=("train", "validation"),
        # AWS names these metrics without their channel; each is the validation channel's, or without one the train channel's.
        metrics=tuple(
            AlgorithmMetric(name, rf"\[\d+\].*\s{re.escape(name)}: {_NUMBER}(?:\s|$)", direction)
            for name, direction in _LIGHTGBM.items()
        ),
        hyperparameters=_names(
            "num_boost_round early_stopping_rounds metric learning_rate num_leaves feature_fraction bagging_fraction "
            "bagging_freq max_depth min_data_in_leaf max_delta_step lambda_l1 lambda_l2 boosting min_gain_to_split "
            "scale_pos_weight tree_learner feature_fraction_bynode is_unbalance max_bin tweedie_variance_power num_threads "
            "verbosity objective num_class seed use_dask"
        ),
        libraries={"numpy": "numpy", "scipy": "scipy", "lightgbm": "lightgbm"},
    ),
)

#: Built-in algorithms by name.
ALGORITHMS: Mapping[str, BuiltInAlgorithm] = {item.name: item for item in _ALL}

#: Algorithms of AWS that Pegbox does not have -> what to do.
ABSENT: Mapping[str, str] = dict.fromkeys(
    (
        "ntm",
        "object2vec",
        "ipinsights",
        "blazingtext",
        "forecasting-deepar",
        "image-classification",
        "object-detection",
        "semantic-segmentation",
        "seq2seq",
    ),
    "this built-in algorithm of AWS does not exist here; run a script of your own, for example Estimator(entry_point=...)",
)


def absent(image: str) -> str | None:
    """Return what to do instead of an algorithm of AWS that Pegbox does not have, or None for any other image."""
    return ABSENT.get(image.rpartition("/")[2].partition(":")[0])
