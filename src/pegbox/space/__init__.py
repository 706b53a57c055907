"""Search spaces: ranges, scaling types, the unit-cube encoding and exact text round trips.

Pure: no I/O, no clock, no random generator. Nothing here knows about models or jobs; every other numerical room
speaks in terms of :class:`Space` and of ``values``, a dict from parameter name to float, int or str. Only :class:`Encoding`
needs numpy, and loads it on first use: checking ranges must stay cheap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pegbox.space.aws import space_from_aws
from pegbox.space.ranges import CategoricalRange, ContinuousRange, IntegerRange, ParameterRange
from pegbox.space.scaling import Scaling
from pegbox.space.space import Space, Value, Values
from pegbox.space.texts import values_from_text, values_to_text

if TYPE_CHECKING:
    from pegbox.space.encoding import Encoding

__all__ = [
    "CategoricalRange",
    "ContinuousRange",
    "Encoding",
    "IntegerRange",
    "ParameterRange",
    "Scaling",
    "Space",
    "Value",
    "Values",
    "space_from_aws",
    "values_from_text",
    "values_to_text",
]


def __getattr__(name: str) -> Any:
    """Load the encoding on first use."""
    if name == "Encoding":
        from pegbox.space.encoding import Encoding

        return Encoding
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
