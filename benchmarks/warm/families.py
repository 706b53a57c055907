"""Families of related tuning tasks: one model, several tasks, a dense grid of real evaluations of each.

An axis is a hyperparameter with the values at which it was evaluated; between them the recorded errors are interpolated
linearly on the parameter's own scale, so that a task is a function of any values and costs nothing. ``record.py`` made
the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy.interpolate import RegularGridInterpolator

from pegbox.space import CategoricalRange, ContinuousRange, IntegerRange, Scaling, Space

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Axis:
    """One hyperparameter: bounds and number of grid values, or choices."""

    name: str
    low: float = 0.0
    high: float = 1.0
    points: int = 0
    log: bool = False
    integer: bool = False
    choices: tuple[str, ...] = ()

    @property
    def grid(self) -> list[Any]:
        """The values at which a task was evaluated."""
        if self.choices:
            return list(self.choices)
        spread = np.geomspace if self.log else np.linspace
        values = spread(self.low, self.high, self.points)
        return sorted({round(v) for v in values.tolist()}) if self.integer else values.tolist()

    @property
    def range(self) -> ContinuousRange | IntegerRange | CategoricalRange:
        """What is tuned."""
        scaling = Scaling.LOGARITHMIC if self.log else Scaling.LINEAR
        if self.choices:
            return CategoricalRange(self.name, self.choices)
        if self.integer:
            return IntegerRange(self.name, round(self.low), round(self.high), scaling)
        return ContinuousRange(self.name, self.low, self.high, scaling)

    def position(self, value: Any) -> float:
        """Where a value stands on the scale that is interpolated."""
        if self.choices:
            return float(self.choices.index(value))
        return float(np.log(value)) if self.log else float(value)


@dataclass(frozen=True)
class Family:
    """A model's hyperparameters and the tasks that it was evaluated on; errors, smaller is better.

    ``tasks`` are of one kind; ``strangers`` are tasks of another kind.
    """

    axes: tuple[Axis, ...]
    tasks: tuple[str, ...]
    strangers: tuple[str, ...]
    metric: str

    @property
    def space(self) -> Space:
        """What is tuned."""
        return Space([axis.range for axis in self.axes])


FAMILIES = {
    "svm": Family(
        (
            Axis("C", 1e-2, 1e4, 13, log=True),
            Axis("gamma", 1e-5, 1e1, 13, log=True),
            Axis("scaling", choices=("standard", "minmax", "none")),
        ),
        ("digits-low", "digits-high", "digits-top", "digits-noisy"),
        ("cancer", "wine"),
        "share of wrong classes",
    ),
    "sgd": Family(
        (
            Axis("alpha", 1e-7, 1.0, 9, log=True),
            Axis("eta0", 1e-5, 1.0, 9, log=True),
            Axis("l1_ratio", 0.0, 1.0, 4),
            Axis("learning_rate", choices=("constant", "invscaling")),
        ),
        ("digits-low", "digits-high", "digits-top", "digits-noisy"),
        ("cancer", "wine", "iris"),
        "log loss",
    ),
    "boosting": Family(
        (
            Axis("learning_rate", 5e-3, 1.0, 8, log=True),
            Axis("max_depth", 1, 7, 5, integer=True),
            Axis("min_samples_leaf", 1, 60, 4, log=True, integer=True),
            Axis("n_estimators", 4, 128, 6, log=True, integer=True),
        ),
        ("diabetes", "diabetes-women", "diabetes-men", "diabetes-blood", "diabetes-noisy"),
        ("friedman",),
        "mean squared error",
    ),
    "mlp": Family(
        (
            Axis("learning_rate_init", 1e-4, 0.3, 9, log=True),
            Axis("hidden", 4, 64, 5, log=True, integer=True),
            Axis("alpha", 1e-5, 10.0, 5, log=True),
            Axis("activation", choices=("relu", "tanh")),
        ),
        ("digits-low", "digits-high", "digits-top", "digits-noisy"),
        ("cancer",),
        "log loss",
    ),
}


@dataclass(frozen=True)
class Task:
    """One recorded task."""

    family: str
    name: str

    @cached_property
    def errors(self) -> np.ndarray:
        """The recorded errors, one axis per hyperparameter."""
        with np.load(TABLES / f"{self.family}.npz") as stored:
            return np.asarray(stored[self.name], dtype=float)

    @cached_property
    def _interpolator(self) -> RegularGridInterpolator:
        axes = FAMILIES[self.family].axes
        points = [np.array([axis.position(v) for v in axis.grid]) for axis in axes]
        return RegularGridInterpolator(points, self.errors, bounds_error=False, fill_value=None)

    def __call__(self, values: Mapping[str, Any]) -> float:
        """The error at any values of the space."""
        axes = FAMILIES[self.family].axes
        return float(self._interpolator([[axis.position(values[axis.name]) for axis in axes]])[0])

    @cached_property
    def best(self) -> float:
        """The smallest error: linear interpolation is nowhere below the grid's best value."""
        return float(self.errors.min())

    @cached_property
    def usual(self) -> float:
        """The median error."""
        return float(np.median(self.errors))
