"""Metric reports from a training program, with or without Pegbox around it.

Standard library only, so that the one file can be handed to programs whose interpreter has no Pegbox.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Mapping
from typing import Any

__all__ = ["report"]

#: Environment variable naming the file that takes reports; without it they are printed.
REPORT_FILE_VARIABLE = "PEGBOX_REPORT_FILE"


def report(metrics: Mapping[str, Any] | None = None, /, *, step: int | None = None, **more: Any) -> None:
    """Report values of metrics, for example ``report(accuracy=0.93, step=4)``.

    Inside a Pegbox training job one JSON line is appended to the job's report file. Anywhere else one line
    ``[pegbox] name=value`` per metric is printed, which the default metric definition of
    :class:`pegbox.tuner.HyperparameterTuner` reads from the log, also on AWS.

    Args:
        metrics: Values by metric name; the form for names that are no Python identifiers
            (``report({"validation:auc": 0.9})``).
        step: Epoch or other count of progress, or None.
        **more: Values by metric name. Numbers, or anything ``float()`` takes; NaN and infinities are allowed.

    Raises:
        ValueError: No metric was given, a name was given twice or is empty or has a line break, or ``step``
            is no whole number.
        TypeError: A value is no number.
    """
    values = dict(metrics or {})
    twice = sorted(values.keys() & more.keys())
    if twice:
        raise ValueError(
            f"report() got {', '.join(twice)} twice: in the mapping and as keyword; give each once"
        )
    values.update(more)
    if not values:
        raise ValueError("report() needs at least one metric, for example report(accuracy=0.93)")
    numbers = {_checked_name(name): _number(name, value) for name, value in values.items()}
    if step is not None:
        step = _whole(step)
    target = os.environ.get(REPORT_FILE_VARIABLE)
    if target:
        _append(target, numbers, step)
    else:
        _print(numbers, step)


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not name or "\n" in name or "\r" in name:
        raise ValueError(f"metric name {name!r} must be non-empty text on one line")
    return name


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"metric {name!r} must be a number, got {value!r}") from None


def _whole(step: Any) -> int:
    try:
        whole = int(step)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"step must be a whole number, got {step!r}") from None
    if whole != step:
        raise ValueError(f"step must be a whole number, got {step!r}")
    return whole


def _append(target: str, numbers: Mapping[str, float], step: int | None) -> None:
    line = json.dumps({"metrics": dict(numbers), "step": step, "time": time.time()}) + "\n"
    # One write to a descriptor in append mode, so that reports of several processes never mix within a line.
    descriptor = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def _print(numbers: Mapping[str, float], step: int | None) -> None:
    tail = "" if step is None else f" step={step}"
    text = "".join(f"[pegbox] {name}={value!r}{tail}\n" for name, value in numbers.items())
    sys.stdout.write(text)
    sys.stdout.flush()
