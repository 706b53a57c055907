"""Class names on the wire are the AWS SDK's, so that jobs can be read by either SDK."""

from __future__ import annotations

import importlib
from typing import Any

#: Hyperparameters that carry an estimator's class and its module.
CLASS_ENTRY = "sagemaker_estimator_class_name"
MODULE_ENTRY = "sagemaker_estimator_module"

_HERE = "pegbox"
_WIRE = "sagemaker"


def wire_module(cls: type) -> str:
    """Return the module name that a request carries for a class: ``pegbox.x`` as ``sagemaker.x``, others as they are."""
    module = cls.__module__
    if module == _HERE or module.startswith(_HERE + "."):
        return _WIRE + module[len(_HERE) :]
    return module


def local_module(module: str) -> str:
    """Return the module of this package for a module name on the wire; names of others as they are."""
    if module == _WIRE or module.startswith(_WIRE + "."):
        return _HERE + module[len(_WIRE) :]
    return module


def load_class(module: str, name: str) -> Any:
    """Return the class that a job or a caller names.

    Args:
        module: Module name, the AWS SDK's or a user's own.
        name: Class name in that module.

    Raises:
        ValueError: There is no such class here, or it is no estimator.
    """
    remedy = 'name one that can be with estimator_cls="package.module.Class"'
    if not module or not name:
        raise ValueError(
            f"estimator class {(module or name)!r} is not of the form package.module.Class; {remedy}"
        )
    try:
        found = getattr(importlib.import_module(local_module(module)), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"estimator class {module}.{name} cannot be loaded ({error}); {remedy}") from error
    if not isinstance(found, type) or not hasattr(found, "_prepare_init_params_from_job_description"):
        raise ValueError(
            f"{module}.{name} is no estimator class: it must derive from pegbox.estimator.EstimatorBase; {remedy}"
        )
    return found
