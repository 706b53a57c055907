"""Which keys a request names, whether they can be used, and what an order says of them.

Files of such a job lie on memory-backed storage while its program runs, and reach the disk sealed. A key that was usable when
the request was accepted may be disabled before an attempt starts: then the order says why it cannot run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pegbox.domain.orders import AttemptOrder, ServingOrder
from pegbox.engine.parts import Parts
from pegbox.errors import PegboxError
from pegbox.sealing import is_sealed, read_header


def key_problems(parts: Parts, named: Mapping[str, str | None], *, in_memory: bool = True) -> list[str]:
    """Return what is wrong with the keys that a request names.

    Args:
        parts: The engine's parts.
        named: Key (or None) by the member that names it.
        in_memory: Whether files have to lie on memory-backed storage.
    """
    problems = []
    for path, key in named.items():
        if not key:
            continue
        if in_memory and not parts.policy.memory_path:
            problem: str | None = (
                "this machine has no memory-backed storage (/dev/shm) where plaintext could lie; leave it out"
            )
        else:
            problem = parts.keys.check(key)
        if problem is not None:
            problems.append(f"{path}: {key!r}: {problem}")
    return problems


def definition_keys(definition: Mapping[str, Any], prefix: str) -> dict[str, str | None]:
    """Return the keys that a training job's request, or a definition, names."""
    tuning = definition.get("HyperParameterTuningResourceConfig") or {}
    return {
        f"{prefix}OutputDataConfig.KmsKeyId": definition["OutputDataConfig"].get("KmsKeyId"),
        f"{prefix}ResourceConfig.VolumeKmsKeyId": (definition.get("ResourceConfig") or {}).get(
            "VolumeKmsKeyId"
        ),
        f"{prefix}HyperParameterTuningResourceConfig.VolumeKmsKeyId": tuning.get("VolumeKmsKeyId"),
    }


def sealed_attempt(parts: Parts, order: AttemptOrder, request: Mapping[str, Any]) -> AttemptOrder:
    """Return the order of an attempt with what its keys ask for."""
    keys = {path: key for path, key in definition_keys(request, "").items() if key}
    if not keys:
        return order
    order = replace(order, memory_path=f"{parts.policy.memory_path}/{order.attempt_id}")
    output = keys.get("OutputDataConfig.KmsKeyId")
    problems = key_problems(parts, keys)
    try:
        if output is not None and not problems:
            made = {name: parts.keys.new_data_key(output).to_json() for name in ("model", "output")}
            order = replace(order, seals=made)
    except PegboxError as error:
        problems.append(f"OutputDataConfig.KmsKeyId: {error}")
    return replace(order, refused="; ".join(problems)) if problems else order


def sealed_instance(parts: Parts, order: ServingOrder, key: str | None) -> ServingOrder:
    """Return the order of an instance with what its configuration's key and a sealed model ask for.

    Args:
        parts: The engine's parts.
        order: The order so far.
        key: ``KmsKeyId`` of the endpoint configuration, or None.
    """
    sealed = order.model_archive is not None and is_sealed(order.model_archive)
    if not sealed and not key:
        return order
    order = replace(order, memory_path=f"{parts.policy.memory_path}/{order.attempt_id}")
    problems = key_problems(parts, {"KmsKeyId of the endpoint configuration": key})
    try:
        if sealed and order.model_archive is not None:
            with open(order.model_archive, "rb") as file:
                header = read_header(file)
            order = replace(order, unseal=parts.keys.unwrap(header.key_id, header.wrapped).to_json())
    except (PegboxError, OSError) as error:
        problems.append(f"the model archive {order.model_archive} cannot be opened: {error}")
    return replace(order, refused="; ".join(problems)) if problems else order
