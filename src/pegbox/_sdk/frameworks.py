"""What framework estimators have in common beyond :class:`pegbox.estimator.Framework`."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Mapping
from typing import Any

from pegbox._sdk.jobs import is_local_session
from pegbox.errors import NotHere


def refuse_distribution(settings: Mapping[str, Any] | None) -> None:
    """Refuse settings that switch distributed training on.

    Args:
        settings: Settings by name; a value that is a dict counts by its ``enabled``.

    Raises:
        NotHere: One of them is switched on.
    """
    for name, value in (settings or {}).items():
        if value.get("enabled", True) if isinstance(value, Mapping) else value:
            raise NotHere(
                f"distributed training ({name}={value!r}) is not offered by this version; leave it out"
            )


def require_installed(estimator: Any, module: str, package: str) -> None:
    """Check that a framework is there for the local server to run.

    A program with a ``requirements.txt`` of its own may bring it and is not checked.

    Args:
        estimator: The estimator.
        module: Name to import.
        package: Name to install.

    Raises:
        ValueError: It is not installed.
    """
    requirements = os.path.join(estimator.source_dir or "", "requirements.txt")
    has_requirements = bool(estimator.source_dir) and os.path.exists(requirements)
    if has_requirements or not is_local_session(estimator.sagemaker_session):
        return
    if importlib.util.find_spec(module) is None:
        raise ValueError(
            f"{type(estimator).__name__} scripts run with {sys.executable}, which has no {module}; install it with "
            f"`{sys.executable} -m pip install {package}`, or list it in source_dir/requirements.txt"
        )
