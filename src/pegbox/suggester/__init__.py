"""The processes that compute suggestions, and the server's side of them.

``pool`` lives in the server: it starts processes, hands them work over pipes, and puts random values in place of an answer that
does not come. ``python -m pegbox.suggester`` is the process: it alone loads numpy. A crash, a hang or memory growth in numerics
costs one suggestion, never the server. What is computed is decided by ``strategies``; nothing here changes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pegbox.suggester.pool import SuggesterPool

__all__ = ["SuggesterPool"]


def __getattr__(name: str) -> Any:
    """Load the pool on first use: the process that computes does not need it."""
    if name == "SuggesterPool":
        from pegbox.suggester.pool import SuggesterPool

        return SuggesterPool
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
