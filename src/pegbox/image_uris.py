"""Names of images. On the local server a name decides how a program is run; on AWS it is where the image lies."""

from __future__ import annotations

import re
from typing import NamedTuple

from pegbox._sdk import registries

__all__ = ["SCRIPT_IMAGE", "ParsedImage", "parse", "retrieve"]

#: Image of a bare Python script, which only Pegbox's own server runs.
SCRIPT_IMAGE = "pegbox-script:1"
#: LightGBM, which AWS has as a model of JumpStart only; this image exists on Pegbox's own server.
LIGHTGBM_IMAGE = "lightgbm"

_TAG = re.compile(r"(?P<version>\d+(?:\.\d+)*(?:-\d+)?)(?:-(?P<processor>cpu|gpu))?(?:-(?P<py>py\d+))?")

#: Framework -> newest version that its image is named with by default.
DEFAULT_VERSIONS = {
    "sklearn": "1.2-1",
    "xgboost": "1.7-1",
    "pytorch": "2.3.0",
    "tensorflow": "2.14.1",
    "mxnet": "1.9.0",
    "chainer": "5.0.0",
}

_REPOSITORIES = {
    "sklearn": "sagemaker-scikit-learn",
    "xgboost": "sagemaker-xgboost",
    "pytorch": "pytorch-training",
    "tensorflow": "tensorflow-training",
    "mxnet": "mxnet-training",
    "chainer": "sagemaker-chainer",
}
#: Repositories of images that serve, where they are others than those that train.
_SERVING = {
    "pytorch": "pytorch-inference",
    "tensorflow": "tensorflow-inference",
    "mxnet": "mxnet-inference",
}
#: First versions in AWS's deep-learning images; earlier ones have repositories of their own.
_FIRST_DEEP_LEARNING = {"pytorch": (1, 2), "tensorflow": (1, 13), "mxnet": (1, 4, 1)}
_EARLY = {
    "pytorch": "sagemaker-pytorch",
    "tensorflow": "sagemaker-tensorflow-scriptmode",
    "mxnet": "sagemaker-mxnet",
}
_OLD_REPOSITORIES = {
    **{repository: framework for framework, repository in _SERVING.items()},
    **{repository: framework for framework, repository in _EARLY.items()},
    "sagemaker-tensorflow": "tensorflow",
    "sagemaker-tensorflow-serving": "tensorflow",
    "sagemaker-mxnet-serving": "mxnet",
}


class ParsedImage(NamedTuple):
    """What an image name says.

    Attributes:
        framework: ``sklearn``, ``xgboost``, ``pytorch``, ``tensorflow``, ``mxnet``, ``chainer``, or None.
        version: Version of the framework, or None.
        py_version: Version of Python as in ``py3``, or None.
    """

    framework: str | None
    version: str | None
    py_version: str | None


def parse(image: str) -> ParsedImage:
    """Return what an image name says about framework and versions."""
    name, _, tag = image.rsplit("/", 1)[-1].partition(":")
    by_repository = {repository: framework for framework, repository in _REPOSITORIES.items()}
    framework = {**by_repository, **_OLD_REPOSITORIES}.get(name)
    match = _TAG.match(tag)
    if framework is None or match is None:
        return ParsedImage(framework, None, None)
    return ParsedImage(framework, match["version"], match["py"])


def is_built_in_algorithm(image: str) -> bool:
    """Tell whether an image without a script is a built-in algorithm, which brings its own metrics."""
    repository = image.rsplit("/", 1)[-1].partition(":")[0]
    return (
        repository in (LIGHTGBM_IMAGE, _REPOSITORIES["xgboost"]) or repository in registries.ALGORITHM_GROUPS
    )


def retrieve(
    framework: str,
    region: str | None = None,
    version: str | None = None,
    py_version: str | None = None,
    instance_type: str | None = None,
    accelerator_type: str | None = None,
    image_scope: str | None = None,
) -> str:
    """Return the image of a framework or built-in algorithm.

    Args:
        framework: ``sklearn``, ``xgboost``, ``pytorch``, ``tensorflow``, ``mxnet``, ``chainer``, or the name of a
            built-in algorithm such as ``kmeans``.
        region: Region whose registry is named; ``us-east-1`` by default.
        version: Version of the framework or algorithm; a recent one by default.
        py_version: Version of Python as in ``py3``; the image's own by default.
        instance_type: Kind of machine, which decides between the CPU and the GPU image.
        accelerator_type: Elastic inference; refused, AWS ended it.
        image_scope: ``training`` or None for the image that trains, ``inference`` for the one that serves.

    Raises:
        ValueError: Something is unknown or refused; the message lists what is accepted.
    """
    if accelerator_type is not None:
        raise ValueError(f"accelerator_type={accelerator_type!r} is not offered: AWS ended elastic inference")
    if image_scope not in (None, "training", "inference"):
        raise ValueError(f"image_scope={image_scope!r} must be 'training' or 'inference'")
    region = region or "us-east-1"
    if framework == "xgboost" and version in ("1", "latest"):
        return f"{registries.host('xgboost', region)}/xgboost:{version}"
    if framework in _REPOSITORIES:
        version = version or DEFAULT_VERSIONS[framework]
        tag = _framework_tag(framework, version, py_version, instance_type)
        serves = image_scope == "inference"
        if serves and framework == "tensorflow":
            # TensorFlow Serving is no Python.
            tag = tag.rpartition("-")[0]
        registry, repository = _place(framework, _numbers(version), serves)
        return f"{registries.host(registry, region)}/{repository}:{tag}"
    if framework == LIGHTGBM_IMAGE:
        return f"{LIGHTGBM_IMAGE}:{version or '1'}"
    if framework in registries.ALGORITHM_GROUPS:
        return f"{registries.host(framework, region)}/{framework}:{version or '1'}"
    known = sorted({*_REPOSITORIES, *registries.ALGORITHM_GROUPS, LIGHTGBM_IMAGE})
    raise ValueError(f"framework={framework!r} is unknown; known are {', '.join(known)}")


def _place(framework: str, version: tuple[int, ...], serves: bool) -> tuple[str, str]:
    """Registry and repository of a framework's image."""
    if version >= _FIRST_DEEP_LEARNING.get(framework, ()):
        repository = _SERVING.get(framework) if serves else None
        return _registry(framework), repository or _REPOSITORIES[framework]
    # All early images are where Chainer's are.
    if serves and framework == "tensorflow":
        return "chainer", "sagemaker-tensorflow-serving"
    if serves and framework == "mxnet" and version >= (1, 4):
        return "chainer", "sagemaker-mxnet-serving"
    return "chainer", _EARLY[framework]


def _registry(framework: str) -> str:
    return (
        framework
        if framework in ("sklearn", "chainer")
        else "sklearn"
        if framework == "xgboost"
        else "deep-learning"
    )


def _framework_tag(framework: str, version: str, py_version: str | None, instance_type: str | None) -> str:
    if framework == "sklearn":
        return f"{version}-cpu-{py_version or 'py3'}"
    if framework == "xgboost":
        # Versions from 1.2-1 on are tagged by version alone.
        return version if _numbers(version) >= (1, 2) else f"{version}-cpu-{py_version or 'py3'}"
    processor = "gpu" if _has_gpu(instance_type) else "cpu"
    return f"{version}-{processor}-{py_version or _python_of(framework, _numbers(version))}"


def _has_gpu(instance_type: str | None) -> bool:
    return bool(instance_type) and bool(re.match(r"local_gpu$|ml\.[pg]\d", instance_type or ""))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.split("-")[0]))


def _python_of(framework: str, version: tuple[int, ...]) -> str:
    """Python of AWS's deep-learning images by framework version."""
    steps = {
        "pytorch": [
            ((2, 6), "py312"),
            ((2, 3), "py311"),
            ((2, 0), "py310"),
            ((1, 13), "py39"),
            ((1, 9), "py38"),
        ],
        "tensorflow": [
            ((2, 19), "py312"),
            ((2, 12), "py310"),
            ((2, 8), "py39"),
            ((2, 6), "py38"),
            ((2, 2), "py37"),
        ],
        "mxnet": [((1, 9), "py38"), ((1, 8), "py37")],
    }
    for since, python in steps.get(framework, ()):
        if version >= since:
            return python
    return "py3"
