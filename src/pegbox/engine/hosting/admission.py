"""Whether a request about models or endpoints is accepted: everything that the service model cannot say.

All problems of a request are told at once, each with field, value and remedy. Runs in the caller's thread; what depends on other
resources (a name in use, room on the machine) is decided by :mod:`pegbox.engine.hosting.handlers`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pegbox.domain.builtin_algorithms import absent
from pegbox.engine.admission import raise_problems
from pegbox.engine.code_checks import archive_problems, interpreter_problems
from pegbox.engine.hosting.orders import (
    PROGRAM_KEY,
    SUBMIT_KEY,
    code_address,
    container_of,
    model_data,
    serving_runtime,
)
from pegbox.engine.outcomes import refusals
from pegbox.engine.parts import Parts
from pegbox.engine.sealing import key_problems
from pegbox.ports.store import Reader
from pegbox.sealing import SealError, is_sealed, read_header

_REMEDY_IMAGE = (
    "use an AWS scikit-learn, XGBoost, PyTorch or TensorFlow image, one of a built-in algorithm, or add it: "
    "pegbox images add NAME -- COMMAND"
)
#: Characters of all names and values of a container's environment.
MAX_ENVIRONMENT = 32 * 1024
#: Gzip's first bytes.
_GZIP = b"\x1f\x8b"


def admit_model(parts: Parts, reader: Reader, request: Mapping[str, Any]) -> None:
    """Check a ``CreateModel`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    problems = refusals(request, "model")
    given = [name for name in ("PrimaryContainer", "Containers") if request.get(name) is not None]
    if len(given) != 1:
        found = "both given" if given else "missing"
        problems.append(f"PrimaryContainer, Containers: {found}; give one of them with one container")
    for name in given:
        prefix = "PrimaryContainer" if name == "PrimaryContainer" else "Containers[0]"
        container = container_of({name: request[name]})
        problems += refusals(container, "container", f"{prefix}.")
        problems += _container(parts, reader, container, prefix)
    raise_problems(problems)


def admit_config(parts: Parts, request: Mapping[str, Any]) -> None:
    """Check a ``CreateEndpointConfig`` request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    problems = refusals(request, "config")
    variants = request["ProductionVariants"]
    names = [item["VariantName"] for item in variants]
    for name in sorted({name for name in names if names.count(name) > 1}):
        problems.append(f"ProductionVariants: {name!r} is given more than once; rename one of them")
    for index, item in enumerate(variants):
        path = f"ProductionVariants[{index}]"
        problems += refusals(item, "variant", f"{path}.")
        problems += _variant(parts, item, path)
    weights = [item.get("InitialVariantWeight") for item in variants]
    if all(weight == 0 for weight in weights):
        problems.append(
            "ProductionVariants: every InitialVariantWeight is 0 and no request could be answered; give one of them more"
        )
    capture = request.get("DataCaptureConfig")
    if capture:
        problems += _output(parts, capture.get("DestinationS3Uri"), "DataCaptureConfig.DestinationS3Uri")
        percentage = capture.get("InitialSamplingPercentage", 100)
        if not 0 <= percentage <= 100:
            problems.append(
                f"DataCaptureConfig.InitialSamplingPercentage: {percentage}: give a number from 0 to 100"
            )
    problems += key_problems(parts, {"KmsKeyId": request.get("KmsKeyId")})
    output = (request.get("AsyncInferenceConfig") or {}).get("OutputConfig") or {}
    sealed = {
        "DataCaptureConfig.KmsKeyId": (capture or {}).get("KmsKeyId"),
        "AsyncInferenceConfig.OutputConfig.KmsKeyId": output.get("KmsKeyId"),
    }
    problems += key_problems(parts, sealed, in_memory=False)
    for name in ("S3OutputPath", "S3FailurePath"):
        if output.get(name):
            problems += _output(parts, output[name], f"AsyncInferenceConfig.OutputConfig.{name}")
    if request.get("AsyncInferenceConfig") and not output.get("S3OutputPath"):
        problems.append(
            "AsyncInferenceConfig.OutputConfig.S3OutputPath: missing; say where answers are to be put"
        )
    raise_problems(problems)


def admit_deployment(request: Mapping[str, Any], scope: Any) -> None:
    """Check what the table of outcomes says of a request.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    raise_problems(refusals(request, scope))


def _container(parts: Parts, reader: Reader, container: Mapping[str, Any], path: str) -> list[str]:
    environment = container.get("Environment") or {}
    problems = _environment(parts, environment, f"{path}.Environment")
    image = container.get("Image")
    if not image:
        if not container.get("ModelPackageName"):
            problems.append(f"{path}.Image: missing; {_REMEDY_IMAGE}")
    elif serving_runtime(image, reader.images(), parts.policy.python, environment) is None:
        problems.append(
            f"{path}.Image: {image!r} is not in the image table and containers are not offered; "
            f"{absent(image) or _REMEDY_IMAGE}"
        )
    if container.get("ModelDataUrl") and container.get("ModelDataSource"):
        problems.append(f"{path}.ModelDataUrl: given together with ModelDataSource; give one of them")
    problems += _data(parts, model_data(container), path)
    return problems + _code(parts, container, f"{path}.Environment")


def _data(parts: Parts, address: str | None, path: str) -> list[str]:
    if address is None:
        return []
    path = f"{path}.ModelDataUrl"
    if not address.endswith(".tar.gz"):
        return [f"{path}: {address!r} does not end in .tar.gz; give the address of a model.tar.gz"]
    refused = parts.artifacts.check_input(address)
    if refused is not None:
        return [f"{path}: Could not access model data at {address}: {refused}"]
    archive = parts.artifacts.locate(address)
    try:
        if is_sealed(archive):
            with open(archive, "rb") as stream:
                key = read_header(stream).key_id
            return key_problems(parts, {f"{path}: {address} is sealed": key})
        with open(archive, "rb") as stream:
            start = stream.read(2)
    except SealError as problem:
        return [f"{path}: {address}: {problem}"]
    except OSError as problem:
        return [f"{path}: Could not access model data at {address}: {problem}"]
    if start != _GZIP:
        return [f"{path}: {address} is no gzip archive; pack the model's files as model.tar.gz"]
    return []


def _code(parts: Parts, container: Mapping[str, Any], path: str) -> list[str]:
    address, program = code_address(container), (container.get("Environment") or {}).get(PROGRAM_KEY)
    if address is None:
        return []
    return archive_problems(
        parts,
        address,
        program,
        address_path=f"{path}.{SUBMIT_KEY}",
        program_path=f"{path}.{PROGRAM_KEY}",
    )


def _environment(parts: Parts, environment: Mapping[str, str], path: str) -> list[str]:
    problems = []
    size = sum(len(name) + len(value) for name, value in environment.items())
    if size > MAX_ENVIRONMENT:
        problems.append(
            f"{path}: its {size} characters are more than {MAX_ENVIRONMENT}; put large values into a file of the model"
        )
    return problems + interpreter_problems(parts, environment, path)


def _variant(parts: Parts, item: Mapping[str, Any], path: str) -> list[str]:
    problems = []
    if not item.get("ModelName"):
        problems.append(f"{path}.ModelName: missing; inference components are not offered, name a model")
    if item.get("InitialInstanceCount") is None and not item.get("ServerlessConfig"):
        problems.append(f"{path}.InitialInstanceCount: missing; give at least 1")
    accelerator = item.get("AcceleratorType")
    offered = parts.policy.accelerators
    if accelerator and accelerator not in offered:
        names = ", ".join(sorted(offered)) or "none (the setting accelerators is empty)"
        problems.append(
            f"{path}.AcceleratorType: {accelerator!r} is not offered; this server offers {names}. Choose one of them or leave "
            "it out"
        )
    return problems


def _output(parts: Parts, address: str | None, path: str) -> list[str]:
    refused = parts.artifacts.check_output(address) if address else "missing; give an s3:// address"
    return [] if refused is None else [f"{path}: {address!r}: {refused}"]


def check_capacities(items: list[Mapping[str, Any]]) -> None:
    """Check the items of ``DesiredWeightsAndCapacities``.

    Raises:
        ValidationException: With every problem found; nothing was changed.
    """
    names = [item["VariantName"] for item in items]
    problems = [
        f"DesiredWeightsAndCapacities: {name!r} is given more than once; give it once"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    problems += [
        f"DesiredWeightsAndCapacities[{index}]: {item['VariantName']!r} is to be changed in nothing; give DesiredWeight or "
        "DesiredInstanceCount"
        for index, item in enumerate(items)
        if item.get("DesiredWeight") is None
        and item.get("DesiredInstanceCount") is None
        and not item.get("ServerlessUpdateConfig")
    ]
    raise_problems(problems)
