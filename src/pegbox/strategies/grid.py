"""Every combination once, in a fixed order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pegbox.space import CategoricalRange, IntegerRange, Space, Values
from pegbox.strategies.records import Suggestion


def suggest_grid(space: Space, used: Iterable[Mapping[str, Any]], count: int) -> list[Suggestion]:
    """The first ``count`` combinations that are not in ``used``; the last parameter varies fastest.

    When all combinations are used the grid starts again, with a warning. A continuous range has no grid: it
    contributes its lower bound, with a warning (jobs that contain one are refused before they start).
    """
    columns = [_column(range_) for range_ in space.parameters]
    total = 1
    for column in columns:
        total *= len(column)
    warnings: tuple[str, ...] = ()
    if space.cardinality is None:
        warnings = ("a continuous range has no grid; its lower bound is used",)
    names = space.names
    seen = {tuple(values.get(name) for name in names) for values in used}
    suggestions: list[Suggestion] = []
    index = 0
    while len(suggestions) < count and index < total:
        values = _combination(names, columns, index)
        index += 1
        key = tuple(values.values())
        if key not in seen:
            seen.add(key)
            suggestions.append(Suggestion(values, "grid", warnings=warnings))
    again = (*warnings, f"all {total} combinations are used; the grid starts again")
    for index in range(count - len(suggestions)):
        suggestions.append(Suggestion(_combination(names, columns, index % total), "repeat", warnings=again))
    return suggestions


def _column(range_: Any) -> range | tuple[Any, ...]:
    if isinstance(range_, CategoricalRange):
        return range_.choices
    if isinstance(range_, IntegerRange):
        return range(range_.low, range_.high + 1)
    return (range_.low,)


def _combination(names: tuple[str, ...], columns: list[Any], index: int) -> Values:
    picked = []
    for column in reversed(columns):
        index, k = divmod(index, len(column))
        picked.append(column[k])
    return dict(zip(names, reversed(picked), strict=True))
