"""Models as files that are safe to load: arrays in ``.npz`` without pickles, the rest as JSON."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from pegbox.algorithms.errors import CustomerError

_ARRAYS, _FACTS = "model.npz", "model.json"


def save(folder: str, algorithm: str, arrays: dict[str, np.ndarray], facts: dict[str, Any]) -> None:
    """Write a model.

    Args:
        folder: The model folder.
        algorithm: Name of the algorithm, kept with the model.
        arrays: Its arrays by name; none of objects.
        facts: What else it needs, as JSON values.
    """
    with open(os.path.join(folder, _ARRAYS), "wb") as stream:
        np.savez(stream, **arrays)  # type: ignore[arg-type]
    with open(os.path.join(folder, _FACTS), "w", encoding="utf-8") as text:
        json.dump({"algorithm": algorithm, "format": 1, **facts}, text, indent=1)


def load(folder: str, algorithm: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Return a model's arrays and facts.

    Raises:
        CustomerError: There is no model of this algorithm.
    """
    try:
        with open(os.path.join(folder, _FACTS), encoding="utf-8") as text:
            facts = json.load(text)
        with np.load(os.path.join(folder, _ARRAYS), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError) as problem:
        raise CustomerError(
            f"{folder} holds no model of {algorithm}: {problem}; give the folder of one"
        ) from None
    if facts.get("algorithm") != algorithm or facts.get("format") != 1:
        raise CustomerError(
            f"{folder} holds a model of {facts.get('algorithm')!r} in format {facts.get('format')!r}, not of {algorithm}"
        )
    return arrays, facts
