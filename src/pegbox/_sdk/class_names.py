"""Class names on the wire are the AWS SDK's, so that jobs can be read by either SDK."""

from __future__ import annotations

import importlib
from typing import Any

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
    """Return the class that a job names.

    Args:
        module: Module name, the AWS SDK's or a user's own.
        name: Class name in that module.

    Raises:
        ValueError: There is no such class here.
    """
    here = local_module(module)
    try:
        return getattr(importlib.import_module(here), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"estimator class {module}.{name} cannot be loaded ({error}); "
            'name one that can be with estimator_cls="package.module.Class"'
        ) from error
