"""Bodies of requests to endpoints, and what is said of their type."""

from __future__ import annotations

from typing import Any


def serialized(serializer: Any, data: Any) -> Any:
    """Return a request's body.

    Args:
        serializer: An object with ``serialize``, a function, or None.
        data: What it takes.
    """
    if serializer is None:
        return data
    return serializer.serialize(data) if hasattr(serializer, "serialize") else serializer(data)


def first_of(holder: Any, *names: str) -> Any:
    """Return the first attribute that says something, or None: functions as serializers may have none.

    Args:
        holder: A serializer or deserializer.
        *names: Names of attributes.
    """
    return next((value for name in names if (value := getattr(holder, name, None))), None)


def joined(types: Any) -> str | None:
    """Return MIME types as a header has them, or None.

    Args:
        types: A text, several, or None.
    """
    return types if types is None or isinstance(types, str) else ", ".join(types)
