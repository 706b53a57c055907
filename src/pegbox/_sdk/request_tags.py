"""Tags as requests have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def request_tags(tags: Any) -> list[dict[str, str]] | None:
    """Return tags as a list with ``Key`` and ``Value`` each, or None without any.

    Args:
        tags: Such a list, which is passed on as it is, or a dict of values by key, as version 2 of the AWS SDK takes it.

    Raises:
        ValueError: It is neither.
    """
    if tags is None:
        return None
    if isinstance(tags, Mapping):
        return [{"Key": str(key), "Value": str(value)} for key, value in tags.items()]
    if isinstance(tags, (list, tuple)):
        return list(tags) if isinstance(tags, tuple) else tags
    raise ValueError(
        f"tags={tags!r} must be a list of Key and Value, or a dict; arguments after max_parallel_jobs have another order in "
        "version 2 of the AWS SDK, so give them by name"
    )
