"""What both sealed formats begin with: a magic, the length of a header, the header as JSON."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import IO, Any

from pegbox.errors import PegboxError

MAGIC_BYTES = 16
TAG_BYTES = 16
#: No header that we write comes near this.
_MAX_HEADER_BYTES = 4096


class SealError(PegboxError):
    """A sealed file is damaged, cut off or no sealed file at all."""


def make_head(magic: bytes, head: Mapping[str, Any]) -> bytes:
    """Return the first bytes of a sealed file."""
    text = json.dumps(head).encode()
    return magic + struct.pack(">I", len(text)) + text


def read_head(source: IO[bytes], magic: bytes) -> tuple[dict[str, Any], bytes]:
    """Read the first bytes of a sealed file; return its header and these bytes.

    Raises:
        SealError: This is no sealed file of this format, or its header is damaged.
    """
    begin = read_full(source, MAGIC_BYTES + 4)
    if len(begin) != MAGIC_BYTES + 4 or not begin.startswith(magic):
        raise SealError("this is no sealed file")
    (length,) = struct.unpack(">I", begin[MAGIC_BYTES:])
    text = read_full(source, min(length, _MAX_HEADER_BYTES))
    try:
        head = json.loads(text)
    except ValueError as error:
        raise damaged() from error
    if len(text) != length or not isinstance(head, dict):
        raise damaged()
    return head, begin + text


def damaged() -> SealError:
    """Return the error for a header that cannot be understood."""
    return SealError("the header of this sealed file is damaged")


def read_full(source: IO[bytes], size: int) -> bytes:
    """Read ``size`` bytes, fewer only at the end, whatever the stream hands out at a time."""
    pieces: list[bytes] = []
    while size > 0:
        piece = source.read(size)
        if not piece:
            break
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
