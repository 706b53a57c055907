"""Packages that only some of the SDK needs."""

from __future__ import annotations

import importlib
from typing import Any


def need(module: str, purpose: str) -> Any:
    """Return an optional package.

    Args:
        module: Name to import.
        purpose: What it is needed for.

    Raises:
        ImportError: It is not installed; the message says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"{purpose} need {package}: pip install 'pegbox[analytics]'", name=package
        ) from error
