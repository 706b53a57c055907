"""A space from the ``ParameterRanges`` of an AWS request, where every bound is a text."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pegbox.errors import SpaceError
from pegbox.space.ranges import CategoricalRange, ContinuousRange, IntegerRange, ParameterRange
from pegbox.space.scaling import Scaling
from pegbox.space.space import Space, duplicate_names


def space_from_aws(parameter_ranges: Mapping[str, Any]) -> Space:
    """The space that an AWS ``ParameterRanges`` mapping describes.

    Columns follow the order continuous, integer, categorical, each in the order of its list.

    Args:
        parameter_ranges: ``ContinuousParameterRanges``, ``IntegerParameterRanges`` and
            ``CategoricalParameterRanges``, each a list and each optional.

    Raises:
        SpaceError: With every problem of every range, each naming field, value and remedy.
    """
    found: list[str] = []
    ranges: list[ParameterRange] = []
    names: list[str] = []
    for item in parameter_ranges.get("ContinuousParameterRanges") or ():
        name = str(item.get("Name", ""))
        names.append(name)
        low, high = (_number(name, item, field, found) for field in ("MinValue", "MaxValue"))
        scaling = _scaling(name, item, found)
        if low is not None and high is not None:
            ranges.append(ContinuousRange(name, low, high, scaling))
    for item in parameter_ranges.get("IntegerParameterRanges") or ():
        name = str(item.get("Name", ""))
        names.append(name)
        first, last = (_whole(name, item, field, found) for field in ("MinValue", "MaxValue"))
        scaling = _scaling(name, item, found)
        if first is not None and last is not None:
            ranges.append(IntegerRange(name, first, last, scaling))
    for item in parameter_ranges.get("CategoricalParameterRanges") or ():
        name = str(item.get("Name", ""))
        names.append(name)
        ranges.append(CategoricalRange(name, tuple(item.get("Values") or ())))
    found += [problem for range_ in ranges for problem in range_.problems()]
    found += duplicate_names(names)
    if found:
        raise SpaceError(found)
    return Space(ranges)


def _number(name: str, item: Mapping[str, Any], field: str, found: list[str]) -> float | None:
    text = item.get(field)
    try:
        value = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        found.append(f"{field} {text!r} of {name!r} is not a number; write it like '0.001' or '1e-3'")
        return None
    if not math.isfinite(value):
        found.append(f"{field} {text!r} of {name!r} is not finite; give a finite number")
        return None
    return value


def _whole(name: str, item: Mapping[str, Any], field: str, found: list[str]) -> int | None:
    text = item.get(field)
    try:
        return int(str(text))
    except ValueError:
        pass
    value = _number(name, item, field, found)
    if value is None:
        return None
    if value != int(value):
        found.append(
            f"{field} {text!r} of {name!r} is not a whole number; round it or make the range continuous"
        )
        return None
    return int(value)


def _scaling(name: str, item: Mapping[str, Any], found: list[str]) -> Scaling:
    text = item.get("ScalingType") or Scaling.AUTO.value
    try:
        return Scaling(text)
    except ValueError:
        allowed = ", ".join(scaling.value for scaling in Scaling)
        found.append(f"ScalingType {text!r} of {name!r} is unknown; use one of {allowed}")
        return Scaling.AUTO
