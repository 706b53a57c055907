"""How Amazon marks what is made from that collection."""

from __future__ import annotations

from enum import Enum

__all__ = ["JumpStartTag"]


class JumpStartTag(str, Enum):
    """Keys of tags."""

    INFERENCE_MODEL_URI = "aws-jumpstart-inference-model-uri"
    INFERENCE_SCRIPT_URI = "aws-jumpstart-inference-script-uri"
    TRAINING_MODEL_URI = "aws-jumpstart-training-model-uri"
    TRAINING_SCRIPT_URI = "aws-jumpstart-training-script-uri"
