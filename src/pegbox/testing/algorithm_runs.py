"""Training programs in a fake ``/opt/ml``: inputs from arrays, metrics from the log by the server's own patterns."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pegbox._sdk.recordio import write_numpy_to_dense_tensor, write_spmatrix_to_sparse_tensor
from pegbox.algorithms.hyperparameters import REQUIRED
from pegbox.algorithms.registry import load_model, module_of, predict
from pegbox.domain.builtin_algorithms import ALGORITHMS


@dataclass
class Run:
    """What a program left.

    Attributes:
        name: The algorithm.
        code: Its exit code.
        log: Its log.
        base: Its ``/opt/ml``.
    """

    name: str
    code: int
    log: str
    base: Path

    @property
    def failure(self) -> str:
        """The failure file, or nothing."""
        path = self.base / "output" / "failure"
        return path.read_text() if path.exists() else ""

    def metric(self, name: str) -> list[float]:
        """All values of a metric that the server's own pattern finds in the log."""
        found = ALGORITHMS[self.name].metric(name)
        assert found is not None
        return [float(match[1]) for match in re.finditer(found.regex, self.log)]

    def predict(self, features: Any) -> dict[str, Any]:
        """Predictions of the stored model."""
        return predict(self.name, load_model(self.name, str(self.base / "model")), features)


def records(features: Any, labels: Any = None) -> bytes:
    """recordIO-protobuf of an array or sparse matrix."""
    packed = io.BytesIO()
    write = write_spmatrix_to_sparse_tensor if hasattr(features, "tocsr") else write_numpy_to_dense_tensor
    write(packed, features, labels)
    return packed.getvalue()


def csv(features: np.ndarray, labels: np.ndarray | None = None) -> bytes:
    """CSV of an array, label first."""
    columns = features if labels is None else np.column_stack([labels, features])
    packed = io.BytesIO()
    np.savetxt(packed, columns, delimiter=",", fmt="%.9g")
    return packed.getvalue()


def hyperparameter_tables() -> str:
    """The tables of ``docs/algorithms.md``: hyperparameters and metrics of every algorithm, from the programs themselves."""
    parts = []
    for name, algorithm in ALGORITHMS.items():
        lines = [f"### {name}", "", "| Hyperparameter | Default | Accepted |", "|---|---|---|"]
        for spec in module_of(name).HYPERPARAMETERS:
            default = (
                "required"
                if spec.default is REQUIRED
                else ""
                if spec.default is None
                else f"`{spec.default}`"
            )
            note = f"; no effect: {spec.without_effect}" if spec.without_effect else ""
            lines.append(f"| `{spec.name}` | {default} | {spec.accepted}{note} |")
        lines += ["", "| Metric | Tuned by |", "|---|---|"]
        lines += [f"| `{item.name}` | {item.direction or 'not tunable'} |" for item in algorithm.metrics]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"
