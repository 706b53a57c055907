"""Hyperparameter ranges."""

from __future__ import annotations

import pytest

from pegbox.parameter import CategoricalParameter, ContinuousParameter, IntegerParameter, ParameterRange


def test_kinds_and_casts() -> None:
    """Instances name their kind as the AWS SDK does, and cast to its types."""
    assert [ContinuousParameter(0, 1).__name__, IntegerParameter(0, 1).__name__] == ["Continuous", "Integer"]
    assert CategoricalParameter(["a"]).__name__ == "Categorical"
    assert ParameterRange.__all_types__ == ("Continuous", "Categorical", "Integer")
    assert (ContinuousParameter.cast_to_type("1"), IntegerParameter.cast_to_type("3")) == (1.0, 3)
    assert CategoricalParameter.cast_to_type(4) == "4"
    with pytest.raises(ValueError, match=r"1\.5"):
        IntegerParameter.cast_to_type("1.5")


def test_request_form_keeps_the_users_text() -> None:
    """Bounds go to the service as Python's own text of what was given."""
    assert ContinuousParameter(1e-05, 0.01, "Logarithmic").as_tuning_range("lr") == {
        "Name": "lr",
        "MinValue": "1e-05",
        "MaxValue": "0.01",
        "ScalingType": "Logarithmic",
    }
    assert IntegerParameter(1, 10).as_tuning_range("n")["ScalingType"] == "Auto"


@pytest.mark.parametrize("values", [("b", "a"), ["b", "a"], iter(["b", "a"])])
def test_categorical_takes_any_iterable(values: object) -> None:
    """A tuple or other iterable is a list of values, not one value."""
    assert CategoricalParameter(values).values == ["b", "a"]


def test_categorical_of_a_set_is_sorted_and_of_a_scalar_is_one_value() -> None:
    """A set's order does not depend on the process; text, numbers, True and None are single values."""
    assert CategoricalParameter({"c", "a", "b"}).values == ["a", "b", "c"]
    assert [CategoricalParameter(value).values for value in ("ab", 3, True, None)] == [
        ["ab"],
        ["3"],
        ["True"],
        ["None"],
    ]
    assert CategoricalParameter(range(3)).values == ["0", "1", "2"]
    with pytest.raises(ValueError, match="values is empty"):
        CategoricalParameter([])


def test_categorical_forms() -> None:
    """JSON ranges wrap the text once more; membership is among texts."""
    parameter = CategoricalParameter([1, "x"])
    assert parameter.as_tuning_range("c") == {"Name": "c", "Values": ["1", "x"]}
    assert parameter.as_json_range("c") == {"Name": "c", "Values": ['"1"', '"x"']}
    assert parameter.is_valid("1")
    assert not parameter.is_valid(1)


def test_bounds_are_inclusive() -> None:
    """Both bounds belong to the range."""
    parameter = IntegerParameter(1, 5)
    assert [parameter.is_valid(value) for value in (0, 1, 3, 5, 6)] == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: ContinuousParameter(5, 1), "min_value=5 is above max_value=1"),
        (lambda: IntegerParameter(float("nan"), 1), "min_value=nan must be finite"),
        (lambda: ContinuousParameter(0, "much"), "max_value='much' must be a number"),
        (lambda: ContinuousParameter(None, 1), "min_value=None must be a number"),
        (lambda: ContinuousParameter(0, 1, "log"), "scaling_type='log' must be one of Auto"),
    ],
)
def test_impossible_ranges_are_refused(make: object, named: str) -> None:
    """The error names field and value."""
    with pytest.raises(ValueError, match=named):
        make()  # type: ignore[operator]
