"""TensorFlow scripts as training jobs."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.frameworks import refuse_distribution
from pegbox._sdk.jobs import is_local_session
from pegbox._sdk.old_names import accepts_old_names
from pegbox._sdk.script_code import json_text
from pegbox.errors import NotHere
from pegbox.estimator import Framework

__all__ = ["TensorFlow"]

#: What AWS's own local mode hands to a script as its model folder.
_LOCAL_MODEL_DIR = "/opt/ml/model"


class TensorFlow(Framework):
    """A TensorFlow script as a training job (script mode).

    On the local server the script runs with this Python and the TensorFlow installed in it, whatever version is named.

    Args:
        training_steps: Of the mode before script mode; refused.
        evaluation_steps: Of the mode before script mode; refused.
        checkpoint_path: Of the mode before script mode; refused.
        py_version: Version of Python as in ``py3``; names the image.
        framework_version: Version that names the image.
        model_dir: Passed to the script as ``--model_dir``; by default a folder below ``output_path``, on the local
            server ``/opt/ml/model``; False passes none.
        requirements_file: Of the mode before script mode; refused, put ``requirements.txt`` into ``source_dir``.
        image_uri: An image instead of the framework's own.
        script_mode: Accepted; script mode is the only mode.
        distribution: Settings of distributed training; refused when they switch one on.
        **kwargs: Arguments of :class:`pegbox.estimator.Framework` and :class:`pegbox.estimator.EstimatorBase`,
            ``entry_point`` among them.
    """

    __framework_name__ = "tensorflow"

    @accepts_old_names({"image_name": "image_uri", "distributions": "distribution"})
    def __init__(
        self,
        training_steps: int | None = None,
        evaluation_steps: int | None = None,
        checkpoint_path: str | None = None,
        py_version: str | None = None,
        framework_version: str | None = None,
        model_dir: str | bool | None = None,
        requirements_file: str = "",
        image_uri: str | None = None,
        script_mode: bool = True,
        distribution: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_distribution(distribution)
        old = {
            "training_steps": training_steps,
            "evaluation_steps": evaluation_steps,
            "checkpoint_path": checkpoint_path,
            "requirements_file": requirements_file,
        }
        for name, value in old.items():
            if value:
                raise NotHere(
                    f"{name}={value!r} belongs to the mode before script mode, which is not offered"
                )
        super().__init__(image_uri=image_uri, **kwargs)
        self.framework_version = framework_version
        self.py_version = py_version
        self.model_dir = model_dir
        self.script_mode = script_mode

    def _model_class(self) -> Any:
        from pegbox.tensorflow.model import TensorFlowModel

        return TensorFlowModel

    def _serving_code(
        self, entry_point: str | None, source_dir: str | None, dependencies: Any
    ) -> dict[str, Any]:
        # AWS serves a saved model with TensorFlow Serving, which runs no script unless it is asked to.
        if entry_point is None and not is_local_session(self.sagemaker_session):
            return {}
        return super()._serving_code(entry_point, source_dir, dependencies)

    def hyperparameters(self) -> dict[str, Any]:
        """Return the hyperparameters as JSON texts, ``model_dir`` among them unless it is False."""
        values = super().hyperparameters()
        if self.model_dir is not False and "model_dir" not in values:
            values["model_dir"] = json_text(self.model_dir or self._default_model_dir())
        return values

    def _default_model_dir(self) -> str:
        if is_local_session(self.sagemaker_session) or not self.output_path:
            return _LOCAL_MODEL_DIR
        return f"{self.output_path.rstrip('/')}/{self._current_job_name}/model"

    @classmethod
    def _prepare_init_params_from_job_description(
        cls, job_details: dict[str, Any], model_channel_name: str | None = None
    ) -> dict[str, Any]:
        found = super()._prepare_init_params_from_job_description(job_details, model_channel_name)
        found["model_dir"] = found["hyperparameters"].pop("model_dir", False)
        return found
