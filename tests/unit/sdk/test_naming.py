"""Names: of jobs, of classes on the wire, of renamed arguments."""

from __future__ import annotations

import re

import pytest

from pegbox._sdk import naming
from pegbox._sdk.class_names import load_class, local_module, wire_module
from pegbox._sdk.naming import base_name_from_image, name_from_base, numbered
from pegbox.estimator import Estimator
from pegbox.sklearn import SKLearn


def test_short_names_fit_and_end_with_the_minute() -> None:
    """A tuning job's generated name has at most 32 characters and local time to the minute."""
    name = name_from_base("a-very-long-base-name-indeed-it-is", max_length=32, short=True)
    assert len(name) == 32
    assert re.fullmatch(r"a-very-long-base-nam-\d{6}-\d{4}", name)


def test_long_names_have_milliseconds() -> None:
    """A training job's generated name has UTC to the millisecond and at most 63 characters."""
    assert re.fullmatch(r"b-\d{4}-\d\d-\d\d-\d\d-\d\d-\d\d-\d{3}", name_from_base("b"))
    assert len(name_from_base("x" * 100)) == 63


def test_numbered_names_stay_within_the_limit() -> None:
    """The number of a second job in one minute costs characters of the base, not of the time."""
    assert numbered("base-261123-1822", 2, 32) == "base-261123-1822-2"
    long = name_from_base("b" * 40, max_length=32, short=True)
    assert numbered(long, 12, 32) == "b" * 17 + long[-12:] + "-12"


@pytest.mark.parametrize(
    ("image", "base"),
    [
        (
            "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:0.23-1-cpu-py3",
            "sagemaker-scikit-learn",
        ),
        ("image", "image"),
        ("my/own_image:latest", "own-image"),
        ("localhost:5000/a/b", "b"),
    ],
)
def test_base_name_of_an_image(image: str, base: str) -> None:
    """Registry, path and tag go, and what a job name cannot hold becomes a hyphen."""
    assert base_name_from_image(image) == base


def test_classes_are_sagemakers_on_the_wire() -> None:
    """Our modules are named as the AWS SDK's, both ways; a user's own stay."""
    assert wire_module(SKLearn) == "sagemaker.sklearn.estimator"
    assert wire_module(Estimator) == "sagemaker.estimator"
    assert local_module("sagemaker.estimator") == "pegbox.estimator"
    assert local_module("mine.estimators") == "mine.estimators"
    assert load_class("sagemaker.sklearn.estimator", "SKLearn") is SKLearn
    mine = type("Mine", (Estimator,), {"__module__": "sagemaker_things.mine"})
    assert wire_module(mine) == "sagemaker_things.mine"


def test_unknown_classes_say_what_to_do() -> None:
    """A class that is not there names the argument that helps."""
    with pytest.raises(ValueError, match=r"sagemaker\.rl\.estimator\.RLEstimator.*estimator_cls="):
        load_class("sagemaker.rl.estimator", "RLEstimator")


def test_old_and_new_argument_names_mean_the_same() -> None:
    """Version 1's names reach the same attributes, which both names read and write."""
    old = Estimator(
        image_name="i", train_instance_count=2, train_instance_type="ml.m5.large", train_max_run=7
    )
    new = Estimator("i", None, 2, "ml.m5.large", max_run=7)
    for name in (
        "image_uri",
        "image_name",
        "instance_count",
        "train_instance_type",
        "train_max_run",
        "max_run",
    ):
        assert getattr(old, name) == getattr(new, name)
    old.train_volume_size = 99
    assert old.volume_size == 99
    assert old.train_image() == old.training_image_uri() == "i"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"train_instance_count": 1, "instance_count": 1}, "train_instance_count and instance_count"),
        ({"image_name": "a", "image_uri": "b"}, "image_name and image_uri"),
        ({"train_max_wait": 1, "max_wait": 2, "image_uri": "a"}, "train_max_wait and max_wait"),
    ],
)
def test_both_names_at_once_are_refused(arguments: dict[str, object], named: str) -> None:
    """The error names both names."""
    with pytest.raises(ValueError, match=named):
        Estimator(**{"image_uri": "x", **arguments} if "image_name" not in arguments else arguments)  # type: ignore[arg-type]


def test_old_name_beside_a_positional_argument_is_refused() -> None:
    """A value given by position counts as given."""
    with pytest.raises(ValueError, match="image_name and image_uri"):
        Estimator("i", image_name="j")


def test_names_of_the_other_forms() -> None:
    """A name made from an image's, one that is unique at once, and the two forms of the time alone."""
    assert re.fullmatch(r"my-image-\d{4}(-\d\d){5}-\d{3}", naming.name_from_image("registry/my_image:1"))
    names = {naming.unique_name_from_base("x" * 80) for _ in range(20)}
    assert all(len(name) == 63 and re.fullmatch(r"x+-\d+-[0-9a-f]{4}", name) for name in names)
    assert len(names) > 1
    assert re.fullmatch(r"\d{4}(-\d\d){5}-\d{3}", naming.sagemaker_timestamp())
    assert re.fullmatch(r"\d{6}-\d{4}", naming.sagemaker_short_timestamp())
