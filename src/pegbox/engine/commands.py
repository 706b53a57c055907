"""Everything that changes state, named as the AWS operations are.

Parameters are the dict that ``wire`` parsed and validated against the service model; results are AWS-shaped dicts without
metadata. A call returns when its effect is committed, and raises an :class:`~pegbox.errors.ApiError` when nothing was changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Params = Mapping[str, Any]
Result = dict[str, Any]


class Commands:
    """The engine's commands; every method may be called from any thread and blocks until committed."""

    def create_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Accept a tuning job: ``{"HyperParameterTuningJobArn"}``."""
        raise NotImplementedError

    def stop_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Stop a tuning job and its trials; a terminal one is a ValidationException."""
        raise NotImplementedError

    def delete_hyper_parameter_tuning_job(self, params: Params) -> Result:
        """Remove the record of a terminal tuning job; its training jobs and artifacts stay."""
        raise NotImplementedError

    def create_training_job(self, params: Params) -> Result:
        """Accept a training job: ``{"TrainingJobArn"}``."""
        raise NotImplementedError

    def stop_training_job(self, params: Params) -> Result:
        """Stop a training job; a terminal one is a ValidationException."""
        raise NotImplementedError

    def delete_training_job(self, params: Params) -> Result:
        """Remove a terminal training job; its artifacts stay and its name may be used again."""
        raise NotImplementedError

    def add_tags(self, params: Params) -> Result:
        """Add or overwrite tags: ``{"Tags": all tags}``."""
        raise NotImplementedError

    def delete_tags(self, params: Params) -> Result:
        """Remove tags by key."""
        raise NotImplementedError

    def set_image(self, name: str, runtime: Mapping[str, Any] | None) -> None:
        """Add, replace or (None) remove an entry of the image table.

        ``runtime``: ``{"kind": "command", "command": [...]}`` or ``{"kind": "script", "python": path, "framework": name}``.
        """
        raise NotImplementedError
