"""scikit-learn scripts as training jobs."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.old_names import accepts_old_names
from pegbox.estimator import Framework

__all__ = ["SKLearn"]


class SKLearn(Framework):
    """A scikit-learn script as a training job.

    On the local server the script runs with this Python and the scikit-learn installed in it, whatever version is named.

    Args:
        entry_point: The script; relative to ``source_dir`` if that is given.
        source_dir: Folder of the script, packed with it.
        hyperparameters: Hyperparameters of every job.
        py_version: Version of Python as in ``py3``; names the image.
        framework_version: Version that names the image.
        image_uri: An image instead of the framework's own.
        **kwargs: Arguments of :class:`pegbox.estimator.Framework` and :class:`pegbox.estimator.EstimatorBase`.
    """

    __framework_name__ = "sklearn"

    @accepts_old_names({"image_name": "image_uri"})
    def __init__(
        self,
        entry_point: str,
        framework_version: str | None = None,
        source_dir: str | None = None,
        hyperparameters: dict[str, Any] | None = None,
        py_version: str | None = "py3",
        image_uri: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(entry_point, source_dir, hyperparameters, image_uri=image_uri, **kwargs)
        self.framework_version = framework_version
        self.py_version = py_version

    def _model_class(self) -> Any:
        from pegbox.sklearn.model import SKLearnModel

        return SKLearnModel
