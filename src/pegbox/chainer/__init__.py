"""Chainer scripts as training jobs."""

from pegbox.chainer.estimator import Chainer
from pegbox.chainer.model import ChainerModel, ChainerPredictor

__all__ = ["Chainer", "ChainerModel", "ChainerPredictor"]
