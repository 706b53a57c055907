"""Everything that changes state, named as the AWS operations are.

Parameters are the dict that ``wire`` parsed and validated against the service model; results are AWS-shaped dicts without
metadata. A call returns when its effect is committed, and raises an :class:`~pegbox.errors.ApiError` when nothing was changed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from pegbox.engine.admission import admit_training, limits_of, raise_problems
from pegbox.engine.handlers import (
    Action,
    AddTags,
    Command,
    CreateTraining,
    CreateTuning,
    DeleteTags,
    DeleteTraining,
    DeleteTuning,
    SetImage,
    StopTraining,
    StopTuning,
)
from pegbox.engine.images import image_problems
from pegbox.engine.parts import Parts
from pegbox.engine.tuning_admission import admit_tuning
from pegbox.engine.warm_start import take_over

Params = Mapping[str, Any]
Result = dict[str, Any]


class Commands:
    """The engine's commands; every method may be called from any thread and blocks until committed."""

    def __init__(self, parts: Parts, post: Callable[[Command], Future[Any]]) -> None:
        self._parts = parts
        self._post = post

    def create_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Accept a tuning job: ``{"HyperParameterTuningJobArn"}``."""
        return self._do(self.admitted_tuning(params))

    def stop_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Stop a tuning job and its trials; a terminal one is a ValidationException."""
        return self._do(StopTuning(name=params["HyperParameterTuningJobName"]))

    def delete_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Remove the record of a terminal tuning job; its training jobs and artifacts stay."""
        return self._do(DeleteTuning(name=params["HyperParameterTuningJobName"]))

    def create_training_job(self, params: Params) -> Result:
        """Accept a training job: ``{"TrainingJobArn"}``."""
        return self._do(self.admitted_training(params))

    def stop_training_job(self, params: Params) -> Result:
        """Stop a training job; a terminal one is a ValidationException."""
        return self._do(StopTraining(name=params["TrainingJobName"]))

    def delete_training_job(self, params: Params) -> Result:
        """Remove a terminal training job; its artifacts stay and its name may be used again."""
        return self._do(DeleteTraining(name=params["TrainingJobName"]))

    def add_tags(self, params: Params) -> Result:
        """Add or overwrite tags: ``{"Tags": all tags}``."""
        return self._do(AddTags(arn=params["ResourceArn"], tags=_tags(params.get("Tags"))))

    def delete_tags(self, params: Params) -> Result:
        """Remove tags by key."""
        return self._do(DeleteTags(arn=params["ResourceArn"], keys=tuple(params.get("TagKeys") or ())))

    def set_image(self, name: str, runtime: Mapping[str, Any] | None) -> None:
        """Add, replace or (None) remove an entry of the image table.

        ``runtime``: ``{"kind": "command", "command": [...]}`` or ``{"kind": "script", "python": path, "framework": name}``.
        """
        if runtime is not None:
            raise_problems(image_problems(name, runtime))
        self._do(SetImage(name=name, runtime=runtime))

    def admitted_tuning(self, params: Params) -> CreateTuning:
        """Check a tuning job's request and return the action that creates it."""
        reader = self._parts.store.reader
        admit_tuning(self._parts, reader, params)
        request = {k: v for k, v in params.items() if k not in ("HyperParameterTuningJobName", "Tags")}
        seed = params["HyperParameterTuningJobConfig"].get("RandomSeed")
        return CreateTuning(
            name=params["HyperParameterTuningJobName"],
            request=request,
            seed=seed if seed is not None else secrets.randbelow(2**31),
            tags=_tags(params.get("Tags")),
            quota=limits_of(self._parts).concurrent_tuning_jobs,
            parents=take_over(reader, request) if request.get("WarmStartConfig") else (),
        )

    def admitted_training(self, params: Params) -> CreateTraining:
        """Check a training job's request and return the action that creates it."""
        admit_training(self._parts, self._parts.store.reader, params)
        request = {k: v for k, v in params.items() if k not in ("TrainingJobName", "Tags")}
        return CreateTraining(name=params["TrainingJobName"], request=request, tags=_tags(params.get("Tags")))

    def _do(self, action: Action) -> Result:
        result: Result = self._post(Command(action)).result()
        return result


def _tags(items: Any) -> dict[str, str]:
    return {item["Key"]: item.get("Value", "") for item in items or ()}
