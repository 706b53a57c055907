"""Object keys as file names: one to one, never outside the bucket's folder.

A segment between slashes is its own file name wherever that is safe. Any other (empty, ``.``, ``..``, too long for a file
system, with a NUL, or beginning with the mark itself) is written as the mark and its percent-encoded text.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

#: Begins the file name of a segment that cannot be a file name as it is.
MARK = "%pb-"
_MAX_NAME = 255

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


def is_bucket_name(name: str) -> bool:
    """Whether S3 allows a bucket of this name."""
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def encode_key(key: str) -> str:
    """Return the relative path of an object key.

    Raises:
        ValueError: A segment is too long for any file name.
    """
    return "/".join(_encode(segment) for segment in key.split("/"))


def decode_key(path: str) -> str:
    """Return the key whose relative path :func:`encode_key` gave."""
    return "/".join(_decode(name) for name in path.split("/"))


def _encode(segment: str) -> str:
    safe = segment not in ("", ".", "..") and "\0" not in segment and not segment.startswith(MARK)
    name = segment if safe else MARK + quote(segment.replace(".", "\1"), safe="").replace("%01", "%2E")
    if len(name.encode()) > _MAX_NAME:
        raise ValueError(f"the part {segment[:40]!r}... of the key is longer than {_MAX_NAME} bytes")
    return name


def _decode(name: str) -> str:
    return unquote(name[len(MARK) :]) if name.startswith(MARK) else name
