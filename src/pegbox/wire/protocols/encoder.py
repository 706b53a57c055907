"""From a result to the values of a body: the part that the protocols share.

A handler returns plain data under the names of the operation's output shape: dictionaries, lists, strings,
numbers, booleans, bytes, and for timestamps aware datetimes or seconds since 1970. The encoder walks it beside
the shape and makes the tree that a protocol writes. A member that is None is left out. What the model calls
``float`` is rounded to single precision, as AWS answers it.

A result that does not fit the shape is a fault of the server, never of the client; it is an
:class:`~pegbox.errors.InternalFailure` that names the member.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pegbox.errors import InternalFailure
from pegbox.wire.model import Ref, Shape, float32
from pegbox.wire.protocols import timestamps


class Encoder:
    """Walks a result beside a shape. Holds no state; protocols override how scalars are written."""

    def encode(self, result: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
        """Encode the whole output of an operation.

        Raises:
            InternalFailure: The result does not fit the shape.
        """
        return self.structure(result, shape, shape.name)

    def value(self, value: Any, ref: Ref, path: str) -> Any:
        """Encode any value."""
        shape = ref.shape
        if shape.type == "structure":
            return value if shape.document else self.structure(value, shape, path)
        if shape.type == "list":
            return self._list(value, shape, path)
        if shape.type == "map":
            return self._map(value, shape, path)
        if shape.type == "timestamp":
            return self.timestamp(self._moment(value, path), ref)
        return self._scalar(value, shape, path)

    def structure(self, value: Any, shape: Shape, path: str) -> dict[str, Any]:
        """Encode a structure; members come in the model's order."""
        if not isinstance(value, Mapping):
            raise _misfit(path, "a structure", value)
        strangers = [name for name in value if name not in shape.members]
        if strangers:
            raise InternalFailure(f"The answer has members that {path} does not have: {', '.join(strangers)}")
        return {
            ref.wire_name or name: self.value(value[name], ref, f"{path}.{name}")
            for name, ref in shape.members.items()
            if value.get(name) is not None
        }

    def timestamp(self, moment: datetime, ref: Ref) -> Any:
        """Encode a timestamp, by default as seconds since 1970."""
        if (ref.timestamp_format or "").lower() == "iso8601":
            return timestamps.to_iso(moment)
        return timestamps.to_epoch(moment)

    def number(self, value: float, shape: Shape) -> Any:
        """Encode a float or double; NaN and the infinities as text."""
        number = float32(value) if shape.type == "float" else float(value)
        if math.isfinite(number):
            return number
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"

    def blob(self, value: bytes) -> Any:
        """Encode bytes, by default in base64."""
        return base64.b64encode(value).decode("ascii")

    def _list(self, value: Any, shape: Shape, path: str) -> list[Any]:
        if not isinstance(value, (list, tuple)) or shape.member is None:
            raise _misfit(path, "a list", value)
        element = shape.member
        return [self.value(item, element, f"{path}[{i}]") for i, item in enumerate(value)]

    def _map(self, value: Any, shape: Shape, path: str) -> dict[str, Any]:
        if not isinstance(value, Mapping) or shape.value is None:
            raise _misfit(path, "a map", value)
        return {str(key): self.value(item, shape.value, f"{path}.{key}") for key, item in value.items()}

    def _scalar(self, value: Any, shape: Shape, path: str) -> Any:
        kind = shape.type
        if kind in ("string", "character") and isinstance(value, str):
            return _plain_text(value)
        if kind == "boolean" and isinstance(value, bool):
            return value
        if kind == "blob" and isinstance(value, (bytes, bytearray)):
            return self.blob(bytes(value))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if kind in ("float", "double"):
                return self.number(value, shape)
            if kind in ("integer", "long") and (isinstance(value, int) or value.is_integer()):
                return int(value)
        raise _misfit(path, kind, value)

    def _moment(self, value: Any, path: str) -> datetime:
        try:
            if isinstance(value, datetime):
                timestamps.to_epoch(value)
                return value
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return timestamps.from_epoch(value)
        except ValueError as error:
            raise InternalFailure(f"The answer's {path} is not a time: {error}") from error
        raise _misfit(path, "an aware datetime", value)


def _plain_text(value: str) -> str:
    """The text itself, of an enumeration its value; bytes of a log that were no UTF-8 become question marks."""
    text = str.__str__(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _misfit(path: str, wanted: str, value: Any) -> InternalFailure:
    return InternalFailure(f"The answer's {path} should be {wanted} and is {type(value).__name__}")
