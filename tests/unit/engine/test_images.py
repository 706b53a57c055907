"""The image table."""

from __future__ import annotations

import pytest

from pegbox.engine.images import image_problems, resolve_image

ECR = "683313688378.dkr.ecr.us-east-1.amazonaws.com"


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
    runtime = resolve_image(image, {}, "/usr/bin/python3")
    assert runtime is not None
    assert (runtime.kind, runtime.python) == ("script", "/usr/bin/python3")
    assert runtime.framework.startswith(framework)


@pytest.mark.parametrize(
    "image", ["alpine:3", f"{ECR}/mine:1", f"{ECR}/pca:1", "sagemaker-scikit-learn", "pythonic"]
)
def test_other_images_are_unknown(image: str) -> None:
    """No guess is made from a part of a name."""
    assert resolve_image(image, {}, "/usr/bin/python3") is None


def test_entries_of_the_user_come_first_and_cover_all_tags() -> None:
    """An entry without a tag is for every tag; one with a tag for that one only."""
    entries = {
        "me/mine": {"kind": "command", "command": ["/bin/a"]},
        "me/mine:2": {"kind": "script", "python": "/p"},
    }
    first, second = (resolve_image(f"me/mine:{tag}", entries, "/d") for tag in (1, 2))
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
