"""The HTTP application: requests in, the engine's commands and queries, answers out.

Every path and method but ``GET /healthz`` needs a signature, and every one a known Host and, from browsers, Origin. What a
request means is told by ``wire``; what happens is decided by the engine. This room only connects them: a dispatch table with
one module per resource, authentication, limits. It never touches the store, an executor or a file.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegbox.api.application import Served, create_app
    from pegbox.api.connection import GuardedConnection

_HOMES = {"GuardedConnection": "connection", "Served": "application", "create_app": "application"}

__all__ = ["GuardedConnection", "Served", "create_app"]


def __getattr__(name: str) -> Any:
    """Load a public name on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
