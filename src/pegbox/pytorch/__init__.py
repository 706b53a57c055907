"""PyTorch scripts as training jobs."""

from pegbox.pytorch.estimator import PyTorch
from pegbox.pytorch.model import PyTorchModel, PyTorchPredictor

__all__ = ["PyTorch", "PyTorchModel", "PyTorchPredictor"]
