"""scikit-learn scripts as training jobs."""

from pegbox.sklearn.estimator import SKLearn
from pegbox.sklearn.model import SKLearnModel, SKLearnPredictor

__all__ = ["SKLearn", "SKLearnModel", "SKLearnPredictor"]
