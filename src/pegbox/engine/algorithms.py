"""Built-in algorithms in requests: which one is meant, and what their owner cannot choose."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Collection, Mapping
from typing import Any

from pegbox.domain.builtin_algorithms import ALGORITHMS, BuiltInAlgorithm
from pegbox.domain.orders import RuntimeOrder


def has_program(hyperparameters: Mapping[str, str]) -> bool:
    """Tell whether a request brings a script."""
    return "sagemaker_program" in hyperparameters


def runtime_of_algorithm(algorithm: BuiltInAlgorithm) -> RuntimeOrder:
    """Return how a built-in algorithm runs: with the server's own Python, where its libraries were looked for."""
    return RuntimeOrder(
        kind="command",
        command=(sys.executable, "-m", "pegbox.algorithms", algorithm.name),
        algorithm=algorithm.name,
    )


def metric_definitions_of(
    runtime: RuntimeOrder, specification: Mapping[str, Any]
) -> tuple[dict[str, str], ...]:
    """Return the metric definitions that count for a request: its own, or those of the built-in algorithm it runs.

    Args:
        runtime: How its program runs.
        specification: ``AlgorithmSpecification``.
    """
    if runtime.algorithm:
        return tuple(item.definition() for item in ALGORITHMS[runtime.algorithm].metrics)
    return tuple(dict(item) for item in specification.get("MetricDefinitions") or ())


def algorithm_problems(
    algorithm: BuiltInAlgorithm,
    specification: Mapping[str, Any],
    *,
    prefix: str,
    hyperparameters: str,
    static: Collection[str],
    tuned: Collection[str],
    objective: tuple[str, str | None] | None,
    channels: Collection[str] = (),
) -> list[str]:
    """Return everything wrong with a request for a built-in algorithm.

    Args:
        algorithm: The algorithm.
        specification: ``AlgorithmSpecification``.
        prefix: Put before each path.
        hyperparameters: The field of static hyperparameters.
        static: Their names.
        tuned: Names of tuned hyperparameters.
        objective: Metric and type (``Minimize`` or ``Maximize``, or None if it is not known) that are tuned, or None.
        channels: Names of the channels.
    """
    image = specification.get("TrainingImage")
    problems = []
    own = [item.definition() for item in algorithm.metrics]
    if any(dict(item) not in own for item in specification.get("MetricDefinitions") or ()):
        problems.append(
            "You can't override the metric definitions for Amazon SageMaker algorithms. Please retry your request without "
            f"specifying metric definitions. ({prefix}AlgorithmSpecification.MetricDefinitions)"
        )
    problems += _channels(algorithm, channels, prefix)
    problems += _missing_libraries(algorithm, f"{prefix}AlgorithmSpecification.TrainingImage: {image!r}")
    known = ", ".join(sorted(name for name in algorithm.hyperparameters if not name.startswith("_")))
    own_names = {name for name in static if name.startswith(("sagemaker_", "_tuning_"))}
    strangers = sorted({*static} - algorithm.hyperparameters - own_names)
    problems += [
        f"{prefix}{hyperparameters}: {name!r} is not known to {algorithm.name}; remove it (known: {known})"
        for name in strangers
    ]
    untunable = sorted({*tuned} - algorithm.hyperparameters)
    if untunable:
        problems.append(
            f"The hyperparameter tuning job you requested has the following untunable hyperparameters: "
            f"[{', '.join(untunable)}]. For the algorithm, {image}, you can tune only [{known}]. "
            "Delete untunable hyperparameters."
        )
    if objective is not None:
        problems += _objective(algorithm, image, *objective) or _missing_channel(
            objective[0], channels, prefix
        )
    return problems


def _missing_libraries(algorithm: BuiltInAlgorithm, path: str) -> list[str]:
    missing = [
        package for module, package in algorithm.libraries.items() if importlib.util.find_spec(module) is None
    ]
    if not missing:
        return []
    return [
        f"{path}: {algorithm.name} needs {', '.join(missing)}, not installed in the server's Python {sys.executable}: "
        f"pip install 'pegbox[{algorithm.extra}]' there and restart the server"
    ]


def _objective(algorithm: BuiltInAlgorithm, image: Any, name: str, kind: str | None) -> list[str]:
    metric = algorithm.metric(name)
    if metric is None or metric.direction is None:
        choices = ", ".join(item.name for item in algorithm.metrics if item.direction)
        return [
            f"The objective metric, [{name}], that you specified isn't valid for the {image} algorithm. "
            f"Choose one of [{choices}]."
        ]
    if kind is not None and metric.direction != kind:
        return [
            f"The objective metric type, [{kind}], that you specified for objective metric, [{name}], isn't valid for the "
            f"{image} algorithm. Choose a valid objective metric type: {metric.direction}."
        ]
    return []


def _channels(algorithm: BuiltInAlgorithm, channels: Collection[str], prefix: str) -> list[str]:
    known = ", ".join(algorithm.channels)
    there = ", ".join(channels) or "none"
    problems = [
        f"{prefix}InputDataConfig: channel {name!r} is not known to {algorithm.name}, which reads {known}; rename or remove it"
        for name in channels
        if name not in algorithm.channels
    ]
    if algorithm.channels[0] not in channels:
        problems.append(
            f"{prefix}InputDataConfig: channel {algorithm.channels[0]!r} is missing (there is {there}); add it"
        )
    return problems


def _missing_channel(metric: str, channels: Collection[str], prefix: str) -> list[str]:
    channel, colon, _ = metric.partition(":")
    if not colon or channel in channels:
        return []
    there = ", ".join(channels) or "none"
    return [
        f"{prefix}InputDataConfig: the objective {metric!r} is measured on channel {channel!r}, which is not there (there is "
        f"{there}); add it, or choose another objective"
    ]
