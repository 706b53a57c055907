"""The sealed file format: a header in the clear, then chunks, each encrypted and authenticated.

::

    magic     16 bytes   b"PEGBOX SEALED 1\\n"
    length     4 bytes   of the header, big-endian
    header               JSON: key (master key id), wrapped (hex), prefix (hex, 7 bytes), chunk (bytes of plaintext a chunk)
    chunks               AES-256-GCM of up to ``chunk`` bytes, 16 bytes of tag each

Chunk ``i`` has the nonce ``prefix || i (4 bytes) || last (1 byte)``: the STREAM construction (Hoang, Reyhanitabar, Rogaway,
Vizár, CRYPTO 2015), so chunks cannot be swapped, dropped, or the end cut off unnoticed. Everything before the chunks is
associated data of each. A file always has at least one chunk, the last, which may be empty.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pegbox.sealing.envelope import DataKey, WrongKey, aead
from pegbox.sealing.heads import TAG_BYTES, SealError, damaged, make_head, read_full, read_head

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"PEGBOX SEALED 1\n"
CHUNK_BYTES = 64 * 1024
_PREFIX_BYTES = 7
_MAX_CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True)
class SealedHeader:
    """What a sealed file says of itself in the clear.

    Attributes:
        key_id: Id of the master key that wraps the data key.
        wrapped: The wrapped data key.
        prefix: First bytes of all nonces.
        chunk: Bytes of plaintext in each chunk but the last.
        raw: The bytes that the header was read from; associated data of each chunk.
    """

    key_id: str
    wrapped: bytes
    prefix: bytes
    chunk: int
    raw: bytes


def seal(source: IO[bytes], target: IO[bytes], key: DataKey) -> None:
    """Write what ``source`` holds to ``target``, sealed.

    Args:
        source: Plaintext, read to its end.
        target: Where the sealed file goes, from its current position.
        key: A data key that was never used for another file.
    """
    prefix = os.urandom(_PREFIX_BYTES)
    head = {"key": key.key_id, "wrapped": key.wrapped.hex(), "prefix": prefix.hex(), "chunk": CHUNK_BYTES}
    raw = make_head(MAGIC, head)
    target.write(raw)
    cipher = aead(key.plain)
    number, piece = 0, read_full(source, CHUNK_BYTES)
    while True:
        following = read_full(source, CHUNK_BYTES) if len(piece) == CHUNK_BYTES else b""
        last = not following
        target.write(cipher.encrypt(_nonce(prefix, number, last), piece, raw))
        if last:
            return
        number, piece = number + 1, following


def seal_file(source: Path, target: Path, key: DataKey) -> None:
    """Seal a file to a new one (0600), synced to disk.

    Raises:
        FileExistsError: The target exists.
    """
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with source.open("rb") as plain, os.fdopen(descriptor, "wb") as sealed:
        seal(plain, sealed, key)
        sealed.flush()
        os.fsync(sealed.fileno())


def is_sealed(path: Path | str) -> bool:
    """Return whether a file begins as sealed files do; a missing one does not."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def read_header(source: IO[bytes]) -> SealedHeader:
    """Read the header of a sealed file; ``source`` then stands at its first chunk.

    Raises:
        SealError: This is no sealed file, or its header is damaged.
    """
    head, raw = read_head(source, MAGIC)
    try:
        header = SealedHeader(
            str(head["key"]),
            bytes.fromhex(head["wrapped"]),
            bytes.fromhex(head["prefix"]),
            int(head["chunk"]),
            raw,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise damaged() from error
    if len(header.prefix) != _PREFIX_BYTES or not 0 < header.chunk <= _MAX_CHUNK_BYTES:
        raise damaged()
    return header


class Unsealer:
    """Reads the plaintext of a sealed file; give it to ``tarfile`` as a stream.

    Nothing is returned that was not authenticated, but only reading to the end proves that the file is whole.

    Args:
        source: The sealed file, standing after its header.
        header: What :func:`read_header` returned.
        plain: The data key, 32 bytes.
    """

    def __init__(self, source: IO[bytes], header: SealedHeader, plain: bytes) -> None:
        self._source = source
        self._header = header
        self._cipher: AESGCM = aead(plain)
        self._number = 0
        self._ahead = read_full(source, header.chunk + TAG_BYTES)
        self._buffer = b""
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes of plaintext, fewer only at the end; all that is left for a negative size.

        Raises:
            WrongKey: The first chunk does not open: another key, or another header.
            SealError: The file was changed or cut off.
        """
        pieces, missing = [], size
        while missing != 0:
            if not self._buffer:
                if self._ended:
                    break
                self._buffer = self._next()
                continue
            piece = self._buffer if missing < 0 else self._buffer[:missing]
            self._buffer = self._buffer[len(piece) :]
            pieces.append(piece)
            missing -= len(piece) if missing > 0 else 0
        return b"".join(pieces)

    def _next(self) -> bytes:
        from cryptography.exceptions import InvalidTag

        sealed = self._ahead
        full = len(sealed) == self._header.chunk + TAG_BYTES
        self._ahead = read_full(self._source, self._header.chunk + TAG_BYTES) if full else b""
        self._ended = not self._ahead
        try:
            nonce = _nonce(self._header.prefix, self._number, self._ended)
            plain = self._cipher.decrypt(nonce, sealed, self._header.raw)
        except (InvalidTag, ValueError) as error:
            if self._number == 0:
                raise WrongKey("this file was not sealed with this data key, or was changed since") from error
            raise SealError("this sealed file was changed or cut off") from error
        self._number += 1
        return plain


def unseal(source: IO[bytes], target: IO[bytes], plain: bytes) -> None:
    """Write the plaintext of a sealed file, whole or not at all as far as the reader is concerned: check before using it.

    Args:
        source: The sealed file, from its first byte.
        target: Where the plaintext goes.
        plain: The data key, 32 bytes.

    Raises:
        WrongKey: It was sealed with another key.
        SealError: It was changed or cut off; what was written so far must not be used.
    """
    reader = Unsealer(source, read_header(source), plain)
    while piece := reader.read(CHUNK_BYTES):
        target.write(piece)


def _nonce(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + struct.pack(">I?", number, last)
