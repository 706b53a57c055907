"""The sealed format for files that grow record by record, and may be cut off at any instant.

::

    magic     16 bytes   b"PEGBOX SEALED 2\\n"
    length     4 bytes   of the header, big-endian
    header               JSON: key (master key id), wrapped (hex), salt (hex, 32 bytes)
    chunks               each: kind (1 byte: 0, or 1 for the last one), length of what follows (4 bytes), AES-256-GCM with its tag

The file's key is HMAC-SHA256 of the data key over the salt, so one data key serves any number of files while the keyring is away,
and no two files share a key. Chunk ``i`` has the nonce ``0 (3 bytes) || i (8 bytes) || kind``, and everything before the chunks
as associated data: chunks cannot be changed, swapped, doubled or left out, nor moved to another file. What can happen, a crash
does it too, is that the end is missing; a reader gets whole records up to there and is told that the last chunk is not there.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import os
import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pegbox.sealing.envelope import DataKey, WrongKey, aead
from pegbox.sealing.heads import MAGIC_BYTES, TAG_BYTES, SealError, damaged, make_head, read_full, read_head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"PEGBOX SEALED 2\n"
_SALT_BYTES = 32
_FRAME = struct.Struct(">BI")
_MORE, _LAST = 0, 1


@dataclass(frozen=True, slots=True)
class RecordsHeader:
    """What such a file says of itself in the clear.

    Attributes:
        key_id: Id of the master key that wraps the data key.
        wrapped: The wrapped data key.
        salt: What makes the file's key of the data key.
        raw: The bytes that the header was read from; associated data of each chunk.
    """

    key_id: str
    wrapped: bytes
    salt: bytes
    raw: bytes


@dataclass(frozen=True, slots=True)
class Opened:
    """What was found in such a file.

    Attributes:
        chunks: Chunks that were opened.
        whole: Whether the last one was there; else the end is missing.
    """

    chunks: int
    whole: bool


class RecordSealer:
    """Seals the records of one file. A chunk that could not be written is never sealed again: end the file there.

    Args:
        key: A data key; it may serve other files too.
    """

    def __init__(self, key: DataKey) -> None:
        salt = os.urandom(_SALT_BYTES)
        #: The file's first bytes.
        self.head = make_head(MAGIC, {"key": key.key_id, "wrapped": key.wrapped.hex(), "salt": salt.hex()})
        self._cipher = _cipher(key.plain, salt)
        self._number = 0

    def chunk(self, records: bytes, *, last: bool = False) -> bytes:
        """Return the next chunk.

        Args:
            records: Whole records.
            last: Whether this is the end of the file.
        """
        kind = _LAST if last else _MORE
        sealed = self._cipher.encrypt(_nonce(self._number, kind), records, self.head)
        self._number += 1
        return _FRAME.pack(kind, len(sealed)) + sealed


def seal_records(data: bytes, key: DataKey) -> bytes:
    """Return data that is known as a whole, sealed."""
    sealer = RecordSealer(key)
    return sealer.head + sealer.chunk(data, last=True)


def holds_records(start: bytes) -> bool:
    """Return whether a file that starts with these bytes is of this format."""
    return start[:MAGIC_BYTES] == MAGIC


def read_records_header(source: IO[bytes]) -> RecordsHeader:
    """Read the header; ``source`` then stands at the first chunk.

    Raises:
        SealError: The file is not of this format, or its header is damaged.
    """
    head, raw = read_head(source, MAGIC)
    try:
        header = RecordsHeader(
            str(head["key"]), bytes.fromhex(head["wrapped"]), bytes.fromhex(head["salt"]), raw
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged() from error
    if len(header.salt) != _SALT_BYTES:
        raise damaged()
    return header


def open_records(source: IO[bytes], target: IO[bytes], plain: bytes) -> Opened:
    """Write the plaintext of all chunks that are there; the last one may be missing, a part of one is passed over.

    Args:
        source: The sealed file, from its first byte.
        target: Where the plaintext goes.
        plain: The data key, 32 bytes.

    Raises:
        WrongKey: It was sealed with another key.
        SealError: A chunk was changed, exchanged or left out; what was written so far stands before it.
    """
    header = read_records_header(source)
    cipher = _cipher(plain, header.salt)
    number = 0
    while (frame := _next_frame(source)) is not None:
        kind, sealed = frame
        target.write(_open(cipher, number, kind, sealed, header.raw))
        number += 1
        if kind == _LAST:
            if source.read(1):
                raise SealError("this sealed file goes on after its last chunk; it was changed")
            return Opened(number, True)
    return Opened(number, False)


def open_whole(data: bytes, plain: bytes) -> bytes:
    """Return what :func:`seal_records` sealed.

    Raises:
        WrongKey: It was sealed with another key.
        SealError: It was changed or cut off.
    """
    target = io.BytesIO()
    if not open_records(io.BytesIO(data), target, plain).whole:
        raise SealError("this sealed file was cut off")
    return target.getvalue()


def length_of_whole_chunks(source: IO[bytes]) -> int:
    """Return the length of a file up to the end of its last complete chunk; 0 where not even one is complete.

    No key is needed, so chunks are not proven to be genuine.
    """
    try:
        read_records_header(source)
    except SealError:
        return 0
    end = 0
    while True:
        try:
            frame = _next_frame(source)
        except SealError:
            return end
        if frame is None:
            return end
        end = source.tell()


def _next_frame(source: IO[bytes]) -> tuple[int, bytes] | None:
    """Return kind and content of the next chunk, or None where no complete one follows.

    Raises:
        SealError: What follows is no chunk.
    """
    head = read_full(source, _FRAME.size)
    if len(head) < _FRAME.size:
        return None
    kind, length = _FRAME.unpack(head)
    if kind not in (_MORE, _LAST) or length < TAG_BYTES:
        raise SealError("this sealed file was changed or damaged")
    sealed = read_full(source, length)
    return (kind, sealed) if len(sealed) == length else None


def _open(cipher: AESGCM, number: int, kind: int, sealed: bytes, raw: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    try:
        return cipher.decrypt(_nonce(number, kind), sealed, raw)
    except InvalidTag as error:
        if number == 0:
            raise WrongKey("this file was not sealed with this data key, or was changed since") from error
        raise SealError(
            f"chunk {number + 1} of this sealed file was changed, or chunks were left out or exchanged"
        ) from error


def _cipher(plain: bytes, salt: bytes) -> AESGCM:
    return aead(hmac.new(plain, b"pegbox sealed records\0" + salt, hashlib.sha256).digest())


def _nonce(number: int, kind: int) -> bytes:
    return struct.pack(">3xQB", number, kind)
