"""Pegbox: Amazon SageMaker's automatic model tuning, on your own machines, and better.

This module is light: the names below are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegbox import image_uris
    from pegbox.amazon.amazon_estimator import get_image_uri
    from pegbox.analytics import HyperparameterTuningJobAnalytics, TrainingJobAnalytics
    from pegbox.compat import install_as_sagemaker
    from pegbox.estimator import Estimator
    from pegbox.inputs import FileSystemInput, TrainingInput, s3_input
    from pegbox.model import Model
    from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter
    from pegbox.predictor import Predictor, RealTimePredictor
    from pegbox.reporting import report
    from pegbox.session import Session, get_execution_role
    from pegbox.tuner import HyperparameterTuner, WarmStartConfig, WarmStartTypes

__version__ = "0.1.0"

#: Public name -> module that has it.
_HOMES = {
    "CategoricalParameter": "pegbox.parameter",
    "ContinuousParameter": "pegbox.parameter",
    "Estimator": "pegbox.estimator",
    "FileSystemInput": "pegbox.inputs",
    "HyperparameterTuner": "pegbox.tuner",
    "HyperparameterTuningJobAnalytics": "pegbox.analytics",
    "IntegerParameter": "pegbox.parameter",
    "Model": "pegbox.model",
    "ModelPackage": "pegbox.model",
    "Predictor": "pegbox.predictor",
    "RealTimePredictor": "pegbox.predictor",
    "Session": "pegbox.session",
    "TrainingInput": "pegbox.inputs",
    "TrainingJobAnalytics": "pegbox.analytics",
    "WarmStartConfig": "pegbox.tuner",
    "WarmStartTypes": "pegbox.tuner",
    "container_def": "pegbox.session",
    "get_execution_role": "pegbox.session",
    "get_image_uri": "pegbox.amazon.amazon_estimator",
    "install_as_sagemaker": "pegbox.compat",
    "production_variant": "pegbox.session",
    "report": "pegbox.reporting",
    "s3_input": "pegbox.inputs",
}

#: Classes of Amazon's built-in algorithms, which the AWS SDK exports at top level, and their modules.
_ALGORITHMS = {
    "FactorizationMachines": "pegbox.amazon.factorization_machines",
    "IPInsights": "pegbox.amazon.ipinsights",
    "KMeans": "pegbox.amazon.kmeans",
    "KNN": "pegbox.amazon.knn",
    "LDA": "pegbox.amazon.lda",
    "LinearLearner": "pegbox.amazon.linear_learner",
    "NTM": "pegbox.amazon.ntm",
    "Object2Vec": "pegbox.amazon.object2vec",
    "PCA": "pegbox.amazon.pca",
    "RandomCutForest": "pegbox.amazon.randomcutforest",
}
#: Those of them that exist here; each has its models and predictors beside it.
_SERVED = sorted(set(_ALGORITHMS) - {"IPInsights", "NTM", "Object2Vec"})
_ALGORITHMS |= {f"{name}{kind}": _ALGORITHMS[name] for name in _SERVED for kind in ("Model", "Predictor")}

__all__ = [
    "CategoricalParameter",
    "ContinuousParameter",
    "Estimator",
    "FileSystemInput",
    "HyperparameterTuner",
    "HyperparameterTuningJobAnalytics",
    "IntegerParameter",
    "Model",
    "Predictor",
    "RealTimePredictor",
    "Session",
    "TrainingInput",
    "TrainingJobAnalytics",
    "WarmStartConfig",
    "WarmStartTypes",
    "__version__",
    "get_execution_role",
    "get_image_uri",
    "image_uris",
    "install_as_sagemaker",
    "report",
    "s3_input",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562)."""
    import importlib

    if name == "image_uris":
        return importlib.import_module("pegbox.image_uris")
    home = _HOMES.get(name) or _ALGORITHMS.get(name)
    if home is None:
        raise AttributeError(f"module 'pegbox' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *__all__, *_HOMES, *_ALGORITHMS})
