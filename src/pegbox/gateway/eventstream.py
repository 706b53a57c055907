"""AWS's event stream encoding: length-prefixed messages with typed headers and two checksums.

::

    total length (4) | headers length (4) | crc32 of these 8 bytes (4) | headers | payload | crc32 of all before (4)
    header = name length (1) | name | type 7, a string (1) | value length (2) | value

Numbers are big-endian. Source: "Amazon Event Stream", Smithy 2.0 specification.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from zlib import crc32

_STRING = 7


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    """Return one message.

    Args:
        headers: Names (1 to 255 bytes) and texts (up to 32,767 bytes).
        payload: The bytes it carries.
    """
    block = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack("!II", len(block) + len(payload) + 16, len(block))
    whole = b"".join((prelude, struct.pack("!I", crc32(prelude)), block, payload))
    return whole + struct.pack("!I", crc32(whole))


def payload_part(data: bytes) -> bytes:
    """Return the message that carries a part of a model server's answer."""
    return message(
        {
            ":message-type": "event",
            ":event-type": "PayloadPart",
            ":content-type": "application/octet-stream",
        },
        data,
    )


def exception(kind: str, text: str, code: str | None = None) -> bytes:
    """Return the message that ends a stream with an error.

    Args:
        kind: ``ModelStreamError`` or ``InternalStreamFailure``.
        text: What happened.
        code: ``ModelInvocationTimeExceeded`` or ``StreamBroken``, for a ModelStreamError.
    """
    body = {"Message": text, **({"ErrorCode": code} if code else {})}
    return message(
        {
            ":message-type": "exception",
            ":exception-type": kind,
            ":content-type": "application/json",
        },
        json.dumps(body).encode(),
    )


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack("!B", len(name)) + name + struct.pack("!BH", _STRING, len(value)) + value
