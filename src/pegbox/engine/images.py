"""The image table: from an image name to a runtime.

AWS's framework images run as script-mode processes without any container; so do ``pegbox-script`` and ``python`` under any
registry. Images of built-in algorithms run Pegbox's own programs. Users add entries of their own, which come first. Everything
else is refused when a job is created.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pegbox.domain.builtin_algorithms import algorithm_of
from pegbox.domain.orders import RuntimeOrder
from pegbox.engine.algorithms import has_program, runtime_of_algorithm

_REGISTRY = r"(?:\d{12}\.dkr\.ecr(?:-fips)?\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?|public\.ecr\.aws/[\w-]+)/"
_TAG = r"(?:[:@].*)?"


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """Images that Pegbox knows: a pattern of the whole name, and the framework module that AWS's toolkit would name."""

    name: str
    pattern: str
    framework: str


BUILT_IN: tuple[BuiltIn, ...] = (
    BuiltIn(
        "scikit-learn",
        rf"{_REGISTRY}sagemaker-scikit-learn{_TAG}",
        "sagemaker_sklearn_container.training:main",
    ),
    BuiltIn("xgboost", rf"{_REGISTRY}sagemaker-xgboost{_TAG}", "sagemaker_xgboost_container.training:main"),
    BuiltIn(
        "pytorch",
        rf"{_REGISTRY}(?:pytorch-training|sagemaker-pytorch(?:-training)?){_TAG}",
        "sagemaker_pytorch_container.training:main",
    ),
    BuiltIn(
        "tensorflow",
        rf"{_REGISTRY}(?:tensorflow-training|sagemaker-tensorflow(?:-scriptmode)?){_TAG}",
        "sagemaker_tensorflow_container.training:main",
    ),
    BuiltIn(
        "mxnet",
        rf"{_REGISTRY}(?:mxnet-training|sagemaker-mxnet(?:-training)?){_TAG}",
        "sagemaker_mxnet_container.training:main",
    ),
    BuiltIn("chainer", rf"{_REGISTRY}sagemaker-chainer{_TAG}", "sagemaker_chainer_container.training:main"),
    BuiltIn("script", rf"(?:.+/)?(?:pegbox-script|python){_TAG}", ""),
)


def resolve_image(
    image: str,
    entries: Mapping[str, Mapping[str, Any]],
    default_python: str,
    hyperparameters: Mapping[str, str],
) -> RuntimeOrder | None:
    """Return how programs of an image run, or None when the table does not know it.

    Args:
        image: ``TrainingImage`` of the request.
        entries: The user's entries by name; a name without tag covers all tags.
        default_python: Interpreter of script-mode programs.
        hyperparameters: Those of the request; some images run a script where they name one, else an algorithm.
    """
    for name in (image, _untagged(image)):
        if name in entries:
            entry = entries[name]
            return RuntimeOrder(
                kind=str(entry["kind"]),
                python=str(entry.get("python") or default_python) if entry["kind"] == "script" else "",
                command=tuple(entry.get("command") or ()),
                framework=str(entry.get("framework") or ""),
            )
    algorithm = algorithm_of(image, has_program=has_program(hyperparameters))
    if algorithm is not None:
        return runtime_of_algorithm(algorithm)
    for known in BUILT_IN:
        if re.fullmatch(known.pattern, image):
            return RuntimeOrder(kind="script", python=default_python, framework=known.framework)
    return None


def image_problems(name: str, runtime: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an entry for the image table, each with the remedy."""
    problems = []
    if not re.fullmatch(r"[\w.:/@-]{1,255}", name):
        problems.append(f"image name {name!r}: use up to 255 letters, digits and . _ - : / @")
    kind = runtime.get("kind")
    if kind not in ("script", "command"):
        problems.append(f"kind {kind!r} of image {name!r}: use 'script' or 'command'")
    command = runtime.get("command")
    if kind == "command" and (
        not isinstance(command, (list, tuple)) or not command or not all(isinstance(c, str) for c in command)
    ):
        problems.append(
            f"command {command!r} of image {name!r}: give a program and its arguments as a list of texts"
        )
    unknown = set(runtime) - {"kind", "python", "command", "framework"}
    if unknown:
        problems.append(f"{', '.join(sorted(unknown))} of image {name!r}: no such field; remove it")
    return problems


def _untagged(image: str) -> str:
    head, slash, last = image.rpartition("/")
    return head + slash + re.split(r"[:@]", last, maxsplit=1)[0]
