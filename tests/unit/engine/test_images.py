"""The image table."""

from __future__ import annotations

import sys

import pytest

from pegbox.engine.images import image_problems, resolve_image

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"
SCRIPT = {"sagemaker_program": "train.py"}


@pytest.mark.parametrize(
    ("image", "framework"),
    [
        (f"{ECR}/sagemaker-scikit-learn:1.2-1-cpu-py3", "sagemaker_sklearn_container"),
        (
            "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-xgboost:1.7-1",
            "sagemaker_xgboost_container",
        ),
        (
            "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.1-cpu-py310",
            "sagemaker_pytorch_container",
        ),
        (
            "763104351884.dkr.ecr.cn-north-1.amazonaws.com.cn/tensorflow-training:2.14",
            "sagemaker_tensorflow_container",
        ),
        (
            "520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-tensorflow-scriptmode:1.12",
            "sagemaker_tensorflow",
        ),
        ("520713654638.dkr.ecr.us-east-1.amazonaws.com/sagemaker-mxnet:1.4", "sagemaker_mxnet_container"),
        (f"{ECR}/pegbox-script:latest", ""),
        ("pegbox-script", ""),
        ("python", ""),
    ],
)
def test_framework_images_of_any_account_and_region_are_scripts(image: str, framework: str) -> None:
    """They run as processes, with the framework's name for SM_FRAMEWORK_MODULE."""
    runtime = resolve_image(image, {}, "/usr/bin/python3", SCRIPT)
    assert runtime is not None
    assert (runtime.kind, runtime.python) == ("script", "/usr/bin/python3")
    assert runtime.framework.startswith(framework)


@pytest.mark.parametrize(
    "image", ["alpine:3", f"{ECR}/mine:1", f"{ECR}/ntm:1", "sagemaker-scikit-learn", "pythonic"]
)
def test_other_images_are_unknown(image: str) -> None:
    """No guess is made from a part of a name."""
    assert resolve_image(image, {}, "/usr/bin/python3", SCRIPT) is None


def test_entries_of_the_user_come_first_and_cover_all_tags() -> None:
    """An entry without a tag is for every tag; one with a tag for that one only."""
    entries = {
        "me/mine": {"kind": "command", "command": ["/bin/a"]},
        "me/mine:2": {"kind": "script", "python": "/p"},
    }
    first, second = (resolve_image(f"me/mine:{tag}", entries, "/d", SCRIPT) for tag in (1, 2))
    assert first is not None
    assert second is not None
    assert first.command == ("/bin/a",)
    assert (second.kind, second.python) == ("script", "/p")


def test_bad_entries_are_told_with_all_problems() -> None:
    """Name, kind, command and unknown fields."""
    assert image_problems("me/mine:1", {"kind": "command", "command": ["/bin/true", "x"]}) == []
    problems = image_problems("bad name", {"kind": "container", "volume": 1})
    assert len(problems) == 3
    assert "list of texts" in image_problems("a", {"kind": "command", "command": "/bin/true"})[0]


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("382416733822.dkr.ecr.us-east-1.amazonaws.com/pca:1", "pca"),
        ("174872318107.dkr.ecr.us-west-2.amazonaws.com/linear-learner:1", "linear-learner"),
        ("kmeans:1", "kmeans"),
        ("lightgbm", "lightgbm"),
        ("811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:latest", "xgboost"),
        ("683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1", "xgboost"),
    ],
)
def test_images_of_built_in_algorithms_run_our_programs(image: str, name: str) -> None:
    """Whatever the registry, with the server's own Python; an XGBoost image does so when the job brings no script."""
    runtime = resolve_image(image, {}, "/usr/bin/python3", {})
    assert runtime is not None
    assert (runtime.kind, runtime.algorithm) == ("command", name)
    assert runtime.command == (sys.executable, "-m", "pegbox.algorithms", name)


def test_an_image_of_the_user_comes_before_an_algorithm_of_its_name() -> None:
    """Who adds an image named pca means their own."""
    runtime = resolve_image("pca:1", {"pca": {"kind": "command", "command": ["/bin/a"]}}, "/d", {})
    assert runtime is not None
    assert (runtime.command, runtime.algorithm) == (("/bin/a",), "")
