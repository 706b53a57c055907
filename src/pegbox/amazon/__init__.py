"""Estimators of Amazon's built-in algorithms: checked hyperparameters, and record sets made from arrays.

The programs themselves are ``pegbox.algorithms``; nothing here imports them.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return the module of records under its name in the AWS SDK (``from sagemaker.amazon import common``)."""
    if name != "common":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module("pegbox.amazon.records")
