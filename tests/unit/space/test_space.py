"""Spaces: what they accept, refuse and hold."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pegbox.errors import SpaceError
from pegbox.space import (
    CategoricalRange,
    ContinuousRange,
    IntegerRange,
    Scaling,
    Space,
    space_from_aws,
    values_from_text,
    values_to_text,
)

MIXED = Space(
    [
        ContinuousRange("rate", 1e-5, 1e1, Scaling.LOGARITHMIC),
        ContinuousRange("momentum", 0.5, 0.999, Scaling.REVERSE_LOGARITHMIC),
        IntegerRange("layers", 1, 4),
        CategoricalRange("kind", ("a", "b", "c")),
    ]
)


def test_every_problem_of_an_aws_request_is_reported_at_once() -> None:
    """One error names each bad field with its value and a remedy, across all three kinds."""
    with pytest.raises(SpaceError) as caught:
        space_from_aws(
            {
                "ContinuousParameterRanges": [
                    {"Name": "a", "MinValue": "x", "MaxValue": "1"},
                    {"Name": "b", "MinValue": "2", "MaxValue": "1"},
                    {"Name": "c", "MinValue": "0", "MaxValue": "1", "ScalingType": "Logarithmic"},
                    {"Name": "d", "MinValue": "0.5", "MaxValue": "1", "ScalingType": "ReverseLogarithmic"},
                    {"Name": "e", "MinValue": "nan", "MaxValue": "1"},
                    {"Name": "f", "MinValue": "0", "MaxValue": "1", "ScalingType": "Cubic"},
                ],
                "IntegerParameterRanges": [
                    {"Name": "g", "MinValue": "1.5", "MaxValue": "3"},
                    {"Name": "h", "MinValue": "0", "MaxValue": "3", "ScalingType": "ReverseLogarithmic"},
                    {"Name": "a", "MinValue": "0", "MaxValue": "3"},
                ],
                "CategoricalParameterRanges": [
                    {"Name": "i", "Values": []},
                    {"Name": "j", "Values": ["u", "u"]},
                ],
            }
        )
    problems = caught.value.problems
    expected = [
        "MinValue 'x' of 'a' is not a number",
        "MinValue 2.0 of 'b' is above MaxValue 1.0",
        "MinValue 0.0 of 'c' is not above 0",
        "of 'd' do not lie in [0, 1)",
        "MinValue 'nan' of 'e' is not finite",
        "ScalingType 'Cubic' of 'f' is unknown",
        "MinValue '1.5' of 'g' is not a whole number",
        "ScalingType ReverseLogarithmic of 'h' is for continuous",
        "Values of 'i' is empty",
        "Values of 'j' holds 'u' more than once",
        "Name 'a' is used by more than one parameter",
    ]
    for text in expected:
        assert any(text in problem for problem in problems), text
    assert len(problems) == len(expected)


def test_aws_ranges_become_a_space_in_order() -> None:
    """Texts become numbers, kinds keep their lists' order, and Auto is the default scaling."""
    space = space_from_aws(
        {
            "CategoricalParameterRanges": [{"Name": "k", "Values": ["u", "v"]}],
            "IntegerParameterRanges": [{"Name": "n", "MinValue": "1", "MaxValue": "1e2"}],
            "ContinuousParameterRanges": [
                {"Name": "x", "MinValue": "1e-3", "MaxValue": "1", "ScalingType": "Linear"}
            ],
        }
    )
    assert space.parameters == (
        ContinuousRange("x", 1e-3, 1.0, Scaling.LINEAR),
        IntegerRange("n", 1, 100, Scaling.AUTO),
        CategoricalRange("k", ("u", "v")),
    )


@pytest.mark.parametrize(
    ("low", "high", "scale"),
    [
        (1e-4, 1e-1, Scaling.LOGARITHMIC),
        (1.0, 100.0, Scaling.LOGARITHMIC),
        (1.0, 99.0, Scaling.LINEAR),
        (0.0, 1e6, Scaling.LINEAR),
        (-1.0, 1e6, Scaling.LINEAR),
    ],
)
def test_auto_is_logarithmic_for_wide_positive_ranges_only(low: float, high: float, scale: Scaling) -> None:
    """Auto resolves to a log scale from a ratio of 100 on, and never where zero is reachable."""
    assert ContinuousRange("x", low, high).scale is scale


def test_cardinality_counts_countable_spaces_only() -> None:
    """The product of the sizes, or None as soon as a real interval takes part."""
    assert MIXED.cardinality is None
    assert Space([IntegerRange("n", 1, 3), CategoricalRange("k", ("a", "b"))]).cardinality == 6
    assert Space([IntegerRange("n", 1, 3), ContinuousRange("x", 2.0, 2.0)]).cardinality == 3
    assert Space([]).cardinality == 1


def test_integers_get_their_share_of_the_cube() -> None:
    """Uniform points of the cube hit each integer of a linear range equally often, the bounds included."""
    encoding = Space([IntegerRange("n", 1, 4, Scaling.LINEAR)]).encoding
    codes = encoding.from_cube((np.arange(4000)[:, None] + 0.5) / 4000)
    values = [encoding.decode(code)["n"] for code in codes]
    assert [values.count(k) for k in (1, 2, 3, 4)] == [1000] * 4


def test_extreme_bounds_do_not_overflow() -> None:
    """A range as wide as doubles go encodes and decodes without a warning."""
    space = Space([ContinuousRange("x", -1.7e308, 1.7e308, Scaling.LINEAR)])
    assert space.decode(np.array([0.0]))["x"] == -1.7e308
    assert space.decode(np.array([1.0]))["x"] == 1.7e308
    assert space.encode({"x": 0.0})[0] == 0.5


def test_unreadable_texts_are_all_reported() -> None:
    """Missing, malformed and out-of-range texts are named together; unknown names are left out."""
    with pytest.raises(SpaceError) as caught:
        values_from_text(MIXED, {"rate": "fast", "layers": "9", "kind": "a", "static": "1"})
    assert len(caught.value.problems) == 3
    good = values_from_text(
        MIXED, {"rate": "0.1", "momentum": "0.9", "layers": "2", "kind": "a", "static": "1"}
    )
    assert good == {"rate": 0.1, "momentum": 0.9, "layers": 2, "kind": "a"}


def test_integers_travel_as_integer_text() -> None:
    """An integer's text has no decimal point, a real number's text reads back to the same double."""
    values = {"rate": 0.1 + 0.2, "momentum": 0.9, "layers": 3, "kind": "b"}
    texts = values_to_text(MIXED, values)
    assert texts["layers"] == "3"
    assert float(texts["rate"]) == values["rate"]
    assert values_from_text(MIXED, texts) == values


def test_json_round_trip() -> None:
    """A space survives JSON."""
    assert Space.from_json(MIXED.to_json()) == MIXED


def test_problems_of_values() -> None:
    """Missing, unknown and out-of-range values are told apart; a bool is no number."""
    assert MIXED.problems({"rate": 1.0, "momentum": 0.9, "layers": 1, "kind": "a"}) == []
    assert (
        len(MIXED.problems({"rate": math.nan, "momentum": True, "layers": 1.0, "kind": "z", "more": 1})) == 5
    )
