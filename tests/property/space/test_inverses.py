"""Properties of scaling, encoding and texts."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pegbox.space import (
    CategoricalRange,
    ContinuousRange,
    IntegerRange,
    ParameterRange,
    Scaling,
    Space,
    values_from_text,
    values_to_text,
)

positive = st.floats(1e-300, 1e300)
finite = st.floats(-1e308, 1e308)
fraction = st.floats(0.0, 0.999999)


@st.composite
def ranges(draw: st.DrawFn) -> ParameterRange:
    """Any range that is one."""
    kind = draw(
        st.sampled_from(["linear", "log", "reverse", "auto", "integer", "log integer", "categorical"])
    )
    if kind == "categorical":
        return CategoricalRange(
            "p", tuple(draw(st.lists(st.text("ab 1é", max_size=4), min_size=1, max_size=9, unique=True)))
        )
    if kind in ("integer", "log integer"):
        scaling = Scaling.LINEAR if kind == "integer" else Scaling.LOGARITHMIC
        least = 1 if kind == "log integer" else -(10**9)
        a, b = sorted([draw(st.integers(least, 10**9)), draw(st.integers(least, 10**9))])
        return IntegerRange("p", a, b, scaling)
    source = {"linear": finite, "auto": finite, "log": positive, "reverse": fraction}[kind]
    scaling = {"log": Scaling.LOGARITHMIC, "reverse": Scaling.REVERSE_LOGARITHMIC, "auto": Scaling.AUTO}.get(
        kind, Scaling.LINEAR
    )
    low, high = sorted([draw(source), draw(source)])
    return ContinuousRange("p", low, high, scaling)


@given(ranges(), st.floats(0.0, 1.0))
def test_every_point_of_the_cube_is_a_value_of_the_range(range_: ParameterRange, u: float) -> None:
    """Decoding stays within the inclusive bounds, and snapping is idempotent."""
    space = Space([range_])
    codes = space.encoding.from_cube(np.array([[u]]))
    values = space.decode(codes[0])
    assert range_.contains(values["p"])
    again = space.encoding.snap(codes)
    assert np.allclose(again, codes, rtol=0, atol=1e-9)


@given(ranges(), st.floats(0.0, 1.0))
def test_encoding_inverts_decoding(range_: ParameterRange, u: float) -> None:
    """A value decoded, encoded and decoded again is the same (reals: to rounding on their own scale)."""
    space = Space([range_])
    first = space.decode(space.encoding.from_cube(np.array([[u]]))[0])
    code = space.encode(first)
    second = space.decode(code)
    if isinstance(range_, ContinuousRange):
        assert np.allclose(space.encode(second), code, rtol=0, atol=1e-9)
    else:
        assert second == first


@given(ranges())
def test_bounds_are_reached_exactly(range_: ParameterRange) -> None:
    """Both ends of a numeric range are values, exactly as given."""
    if isinstance(range_, CategoricalRange):
        return
    space = Space([range_])
    assert space.decode(np.array([0.0]))["p"] == range_.low
    assert space.decode(np.array([1.0]))["p"] == range_.high


@given(ranges(), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_scaling_is_monotone(range_: ParameterRange, u: float, v: float) -> None:
    """A larger position never gives a smaller number."""
    if isinstance(range_, CategoricalRange):
        return
    space = Space([range_])
    low, high = sorted([u, v])
    a, b = space.decode(np.array([low]))["p"], space.decode(np.array([high]))["p"]
    assert float(a) <= float(b) * (1 + 1e-12) if float(b) >= 0 else float(a) <= float(b) * (1 - 1e-12)


@given(ranges(), st.floats(0.0, 1.0))
def test_texts_round_trip_exactly(range_: ParameterRange, u: float) -> None:
    """Values come back from their texts bit for bit."""
    space = Space([range_])
    values = space.decode(space.encoding.from_cube(np.array([[u]]))[0])
    assert values_from_text(space, values_to_text(space, values)) == values
