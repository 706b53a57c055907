"""Apache MXNet scripts as training jobs."""

from pegbox.mxnet.estimator import MXNet
from pegbox.mxnet.model import MXNetModel, MXNetPredictor

__all__ = ["MXNet", "MXNetModel", "MXNetPredictor"]
