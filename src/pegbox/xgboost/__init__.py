"""XGBoost scripts as training jobs."""

from pegbox.xgboost.estimator import XGBoost
from pegbox.xgboost.model import XGBoostModel, XGBoostPredictor

__all__ = ["XGBoost", "XGBoostModel", "XGBoostPredictor"]
