"""Chainer scripts as training jobs."""

from __future__ import annotations

from typing import Any

from pegbox._sdk.frameworks import refuse_distribution, require_installed
from pegbox._sdk.old_names import accepts_old_names
from pegbox.estimator import Framework

__all__ = ["Chainer"]


class Chainer(Framework):
    """A Chainer script as a training job.

    On the local server the script runs with this Python and the Chainer installed in it, whatever version is named.

    Args:
        entry_point: The script; relative to ``source_dir`` if that is given.
        use_mpi: Distributed training; refused when it is switched on, like the three arguments after it.
        num_processes: See ``use_mpi``.
        process_slots_per_host: See ``use_mpi``.
        additional_mpi_options: See ``use_mpi``.
        source_dir: Folder of the script, packed with it.
        hyperparameters: Hyperparameters of every job.
        py_version: Version of Python as in ``py3``; names the image.
        framework_version: Version that names the image.
        image_uri: An image instead of the framework's own.
        **kwargs: Arguments of :class:`pegbox.estimator.Framework` and :class:`pegbox.estimator.EstimatorBase`.
    """

    __framework_name__ = "chainer"

    @accepts_old_names({"image_name": "image_uri"})
    def __init__(
        self,
        entry_point: str,
        use_mpi: bool | None = None,
        num_processes: int | None = None,
        process_slots_per_host: int | None = None,
        additional_mpi_options: str | None = None,
        source_dir: str | None = None,
        hyperparameters: dict[str, Any] | None = None,
        py_version: str | None = "py3",
        framework_version: str | None = None,
        image_uri: str | None = None,
        **kwargs: Any,
    ) -> None:
        refuse_distribution(
            {
                "use_mpi": use_mpi,
                "num_processes": num_processes,
                "process_slots_per_host": process_slots_per_host,
                "additional_mpi_options": additional_mpi_options,
            }
        )
        super().__init__(entry_point, source_dir, hyperparameters, image_uri=image_uri, **kwargs)
        self.framework_version = framework_version
        self.py_version = py_version

    def _model_class(self) -> Any:
        from pegbox.chainer.model import ChainerModel

        return ChainerModel

    def _check_before_start(self) -> None:
        super()._check_before_start()
        require_installed(self, "chainer", "chainer")
