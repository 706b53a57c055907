"""What can be wrong with a training job's definition: image, code, metrics, data, resources, limits."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from pegbox.domain.builtin_algorithms import ALGORITHMS, absent
from pegbox.domain.orders import RuntimeOrder
from pegbox.engine.algorithms import algorithm_problems
from pegbox.engine.channels import channel_problems
from pegbox.engine.code_checks import archive_problems, interpreter_problems
from pegbox.engine.images import resolve_image
from pegbox.engine.parts import Parts
from pegbox.engine.sealing import definition_keys, key_problems
from pegbox.engine.specs import DEFAULT_RUNTIME, plain_text
from pegbox.ports.store import Reader
from pegbox.wire.limits import Quotas

_REMEDY_IMAGE = (
    "use an AWS scikit-learn, XGBoost, PyTorch or TensorFlow image with sagemaker_program, or add it: "
    "pegbox images add NAME -- COMMAND"
)


def definition_problems(
    parts: Parts,
    reader: Reader,
    definition: Mapping[str, Any],
    statics: Mapping[str, str],
    *,
    prefix: str,
    hyperparameters: str,
    objective: str | None,
    limits: Quotas,
    objective_type: str | None = None,
    tuned: Collection[str] = (),
) -> list[str]:
    """Return everything wrong with a definition or training-job request, each with field, value and remedy.

    Args:
        parts: Ports and values.
        reader: Committed state (the image table).
        definition: ``TrainingJobDefinition`` or the whole ``CreateTrainingJob`` request.
        statics: Its hyperparameters.
        prefix: Put before each path.
        hyperparameters: The field that holds ``statics``.
        objective: The metric to tune, or None.
        limits: Quotas of the server's mode.
        objective_type: ``Minimize`` or ``Maximize``, where there is an objective.
        tuned: Names of tuned hyperparameters.
    """
    algorithm = definition.get("AlgorithmSpecification") or {}
    problems, runtime = _image(parts, reader, algorithm, prefix, statics)
    if runtime is not None and runtime.kind == "script":
        problems += _code(parts, statics, f"{prefix}{hyperparameters}")
    if runtime is not None and runtime.algorithm:
        problems += algorithm_problems(
            ALGORITHMS[runtime.algorithm],
            algorithm,
            prefix=prefix,
            hyperparameters=hyperparameters,
            static=statics,
            tuned=tuned,
            objective=None if objective is None else (objective, objective_type),
            channels=[item["ChannelName"] for item in definition.get("InputDataConfig") or ()],
        )
    else:
        problems += _metrics(algorithm, objective, prefix, limits)
    problems += _data(parts, definition, prefix)
    problems += _resources(definition, prefix)
    problems += _stopping(definition, prefix, limits)
    problems += interpreter_problems(parts, definition.get("Environment") or {}, f"{prefix}Environment")
    return problems


def _image(
    parts: Parts, reader: Reader, algorithm: Mapping[str, Any], prefix: str, statics: Mapping[str, str]
) -> tuple[list[str], RuntimeOrder | None]:
    path = f"{prefix}AlgorithmSpecification.TrainingImage"
    image = algorithm.get("TrainingImage")
    if not image:
        # An AlgorithmName is refused by the table of outcomes, with its own remedy.
        return ([] if algorithm.get("AlgorithmName") else [f"{path}: missing; {_REMEDY_IMAGE}"]), None
    runtime = resolve_image(image, reader.images(), parts.policy.python, statics)
    if runtime is None:
        return [
            f"{path}: {image!r} is not in the image table and containers are not offered; {absent(image) or _REMEDY_IMAGE}"
        ], None
    return [], runtime


def _code(parts: Parts, statics: Mapping[str, str], path: str) -> list[str]:
    program = plain_text(statics.get("sagemaker_program"))
    address = plain_text(statics.get("sagemaker_submit_directory"))
    problems = [
        f"{path}.{name}: missing; a script image runs an entry point of a code archive. Give both sagemaker_program "
        "and sagemaker_submit_directory"
        for name, value in (("sagemaker_program", program), ("sagemaker_submit_directory", address))
        if not value
    ]
    if problems or not address or not program:
        return problems
    return archive_problems(
        parts,
        address,
        program,
        address_path=f"{path}.sagemaker_submit_directory",
        program_path=f"{path}.sagemaker_program",
    )


def _metrics(algorithm: Mapping[str, Any], objective: str | None, prefix: str, limits: Quotas) -> list[str]:
    path = f"{prefix}AlgorithmSpecification.MetricDefinitions"
    metrics = algorithm.get("MetricDefinitions") or ()
    names = [item["Name"] for item in metrics]
    problems = [
        f"{path}: {name!r} is defined more than once; give each metric one Regex"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for item in metrics:
        fault = regex_fault(item["Regex"])
        if fault:
            problems.append(
                f"{path}: Regex {item['Regex']!r} of {item['Name']!r} does not compile: {fault}; correct it"
            )
    if objective is not None and objective not in names:
        problems.append(
            f"A metric is required for this hyperparameter tuning job objective. Provide a metric in the metric "
            f"definitions. ({path} defines {', '.join(map(repr, names)) or 'none'}; the objective is {objective!r})"
        )
    if limits.metric_definitions is not None and len(names) > limits.metric_definitions:
        problems.append(
            f"{path}: {len(names)} are above the quota of {limits.metric_definitions}; define fewer"
        )
    return problems


@lru_cache(maxsize=512)
def regex_fault(regex: str) -> str | None:
    """Return why a metric pattern does not compile, or None.

    Patterns run in RE2; what only Python's engine knows (look-around) runs there, in bounded time.
    """
    # Its import costs more than most requests; a server without metric patterns never pays.
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex, options)
        return None
    except re2.error:
        pass
    try:
        re.compile(regex)
        return None
    except (re.error, RecursionError, OverflowError) as problem:
        return str(problem)


def _data(parts: Parts, definition: Mapping[str, Any], prefix: str) -> list[str]:
    problems = channel_problems(parts, definition, prefix)
    output = definition["OutputDataConfig"].get("S3OutputPath")
    refused = parts.artifacts.check_output(output) if output else "missing; give an s3:// address"
    if refused is not None:
        problems.append(f"{prefix}OutputDataConfig.S3OutputPath: {output!r}: {refused}")
    problems += key_problems(parts, definition_keys(definition, prefix))
    checkpoint = definition.get("CheckpointConfig") or {}
    if checkpoint:
        refused = parts.artifacts.check_output(checkpoint["S3Uri"])
        if refused is not None:
            problems.append(f"{prefix}CheckpointConfig.S3Uri: {checkpoint['S3Uri']!r}: {refused}")
        local = os.path.normpath(checkpoint.get("LocalPath") or "/opt/ml/checkpoints")
        taken = ("input", "model", "output", "code")
        if not local.startswith("/opt/ml/") or local.split("/")[3] in taken:
            problems.append(
                f"{prefix}CheckpointConfig.LocalPath: {local!r} is not a folder of its own below /opt/ml; "
                "use /opt/ml/checkpoints"
            )
    return problems


def _resources(definition: Mapping[str, Any], prefix: str) -> list[str]:
    if definition.get("ResourceConfig") and definition.get("HyperParameterTuningResourceConfig"):
        return [
            f"{prefix}ResourceConfig: given together with HyperParameterTuningResourceConfig; give one of them"
        ]
    return []


def _stopping(definition: Mapping[str, Any], prefix: str, limits: Quotas) -> list[str]:
    condition = definition.get("StoppingCondition") or {}
    path = f"{prefix}StoppingCondition"
    problems = []
    runtime = condition.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME)
    wait = condition.get("MaxWaitTimeInSeconds")
    most = limits.training_runtime_seconds
    if most is not None and runtime > most:
        problems.append(
            f"{path}.MaxRuntimeInSeconds: {runtime} is above the quota of {most}; lower it, or use mode = extended"
        )
    if wait is not None and wait < runtime:
        problems.append(
            f"{path}.MaxWaitTimeInSeconds: {wait} is below MaxRuntimeInSeconds {runtime}; give at least as much"
        )
    if wait is not None and not definition.get("EnableManagedSpotTraining"):
        problems.append(
            f"{path}.MaxWaitTimeInSeconds: {wait} goes with EnableManagedSpotTraining only; leave it out"
        )
    return problems
