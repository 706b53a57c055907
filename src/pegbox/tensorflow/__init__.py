"""TensorFlow scripts as training jobs."""

from pegbox.tensorflow.estimator import TensorFlow
from pegbox.tensorflow.model import TensorFlowModel, TensorFlowPredictor

__all__ = ["TensorFlow", "TensorFlowModel", "TensorFlowPredictor"]
