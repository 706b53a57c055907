"""Chains of models behind one endpoint, which Pegbox does not have."""

from __future__ import annotations

from typing import Any

from pegbox.errors import NotHere

__all__ = ["PipelineModel"]


class PipelineModel:
    """Several models, one after the other, at one endpoint.

    Raises:
        NotHere: Always; the message says what to do instead.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotHere(
            "PipelineModel is not offered: a model of Pegbox has one container; call the models one after the other in "
            "predict_fn of a script of your own"
        )
