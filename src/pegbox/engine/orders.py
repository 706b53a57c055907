"""From a training job's record to the order an executor is given, with every address resolved."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

from pegbox.domain.orders import AttemptOrder, RuntimeOrder
from pegbox.domain.records import Attempt, TrainingJob
from pegbox.engine.algorithms import metric_definitions_of
from pegbox.engine.channels import channel_order
from pegbox.engine.identity import attempt_token
from pegbox.engine.images import resolve_image
from pegbox.engine.lifecycle.training import TrialRules, runtime_used
from pegbox.engine.parts import Parts
from pegbox.engine.sealing import sealed_attempt
from pegbox.engine.specs import INTERPRETER_KEY, plain_text, resources_of

_DEFAULT_CHECKPOINTS = "/opt/ml/checkpoints"


def build_order(
    parts: Parts,
    images: Mapping[str, Mapping[str, Any]],
    job: TrainingJob,
    attempt: Attempt,
    rules: TrialRules,
    now: datetime,
) -> AttemptOrder:
    """Return the order of an attempt; built anew from the record whenever it is needed."""
    request = job.request
    resources = resources_of(request)
    hyperparameters = dict(request.get("HyperParameters") or {})
    algorithm = request.get("AlgorithmSpecification") or {}
    environment = dict(request.get("Environment") or {})
    interpreter = environment.pop(INTERPRETER_KEY, None) or parts.policy.python
    checkpoint = request.get("CheckpointConfig") or {}
    left = None if rules.max_runtime is None else max(1.0, rules.max_runtime - runtime_used(job, now))
    runtime = runtime_of(algorithm, images, interpreter, hyperparameters)
    order = AttemptOrder(
        attempt_id=attempt.id,
        token=attempt_token(parts.secret, attempt.id),
        training_job_id=job.id,
        training_job_name=job.name,
        training_job_arn=parts.realm.training_arn(job.name),
        attempt=attempt.number,
        directory=f"{parts.policy.jobs_path}/{job.id}/{attempt.number}",
        runtime=runtime,
        hyperparameters=hyperparameters,
        channels=tuple(
            channel_order(parts, item, algorithm) for item in request.get("InputDataConfig") or ()
        ),
        code_archive=_code(parts, hyperparameters),
        environment=environment,
        metric_definitions=metric_definitions_of(runtime, algorithm),
        objective_metric=rules.objective,
        max_runtime_seconds=left,
        grace_seconds=parts.policy.grace_seconds,
        output_uri=f"{request['OutputDataConfig']['S3OutputPath'].rstrip('/')}/{job.name}/output",
        checkpoint_path=_checkpoints(parts, job, checkpoint, rules),
        checkpoint_local_path=checkpoint.get("LocalPath") or _DEFAULT_CHECKPOINTS,
        instance_type=resources.get("InstanceType", "local"),
        instance_count=resources.get("InstanceCount", 1),
        region=parts.realm.region,
        cache_path=parts.policy.cache_path,
    )
    return sealed_attempt(parts, order, request)


def runtime_of(
    algorithm: Mapping[str, Any],
    images: Mapping[str, Mapping[str, Any]],
    interpreter: str,
    hyperparameters: Mapping[str, str],
) -> RuntimeOrder:
    """Return how the program of an accepted request runs; an image that was removed since runs as it did."""
    runtime = resolve_image(algorithm.get("TrainingImage", ""), images, interpreter, hyperparameters)
    return runtime or RuntimeOrder(kind="script", python=interpreter)


def _code(parts: Parts, hyperparameters: Mapping[str, str]) -> str | None:
    address = plain_text(hyperparameters.get("sagemaker_submit_directory"))
    return parts.artifacts.locate(address) if address else None


def _checkpoints(
    parts: Parts, job: TrainingJob, checkpoint: Mapping[str, Any], rules: TrialRules
) -> str | None:
    """Return the folder that the job's attempts share.

    Trials of one tuning job are given one address; each keeps its checkpoints below its own name. Without an address there
    is something to share only where there may be another attempt.
    """
    address = checkpoint.get("S3Uri")
    if address:
        base = PurePath(parts.artifacts.locate(address))
        return str(base / job.name) if job.tuning_job_id is not None else str(base)
    return f"{parts.policy.checkpoints_path}/{job.id}" if rules.max_attempts > 1 else None
