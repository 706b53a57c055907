"""TensorFlow models under the names that version 1 of the AWS SDK gives them beside its other classes."""

from __future__ import annotations

from pegbox.tensorflow.model import TensorFlowModel as Model
from pegbox.tensorflow.model import TensorFlowPredictor as Predictor

__all__ = ["Model", "Predictor"]
