"""Values as the texts that travel in requests and hyperparameter files, and back, exactly.

Integers are integer text, real numbers the shortest text that reads back to the same double, choices verbatim.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.errors import SpaceError
from pegbox.space.ranges import CategoricalRange, IntegerRange
from pegbox.space.space import Space, Values


def values_to_text(space: Space, values: Mapping[str, Any]) -> dict[str, str]:
    """The text of each parameter's value, in the order of the space."""
    texts = {}
    for range_ in space.parameters:
        value = values[range_.name]
        if isinstance(range_, CategoricalRange):
            texts[range_.name] = str(value)
        elif isinstance(range_, IntegerRange):
            texts[range_.name] = str(int(value))
        else:
            texts[range_.name] = repr(float(value))
    return texts


def values_from_text(space: Space, texts: Mapping[str, str]) -> Values:
    """The values that :func:`values_to_text` wrote; texts of parameters outside the space are left out.

    Raises:
        SpaceError: Listing every missing, unreadable or out-of-range value.
    """
    values: Values = {}
    found: list[str] = []
    for range_ in space.parameters:
        if range_.name not in texts:
            found.append(f"{range_.name!r} is missing; give a value for it")
            continue
        text = texts[range_.name]
        try:
            value: float | int | str
            if isinstance(range_, CategoricalRange):
                value = text
            elif isinstance(range_, IntegerRange):
                value = int(text)
            else:
                value = float(text)
        except ValueError:
            found.append(f"{text!r} of {range_.name!r} is not a number; write it like '3' or '1e-3'")
            continue
        if range_.contains(value):
            values[range_.name] = value
        else:
            found.append(f"{text!r} is not in the range of {range_.name!r}; choose a value within it")
    if found:
        raise SpaceError(found)
    return values
