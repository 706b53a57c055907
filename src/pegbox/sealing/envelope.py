"""Data keys and how a master key wraps them.

A data key is 32 random bytes for one file. It is wrapped with AES-256-GCM (NIST SP 800-38D) under the master key, with a
random 96-bit nonce and the key's id as associated data, so that it cannot be passed off as wrapped by another key.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pegbox.errors import PegboxError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

#: Bytes of master keys and of data keys.
KEY_BYTES = 32
NONCE_BYTES = 12


class WrongKey(PegboxError):
    """A wrapped data key or a sealed file does not open with the key that was given."""


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key with its wrapped form.

    Attributes:
        key_id: Id of the master key that wraps it.
        wrapped: Nonce and ciphertext; may lie on disk.
        plain: The 32 bytes; must never lie on disk.
    """

    key_id: str
    wrapped: bytes
    plain: bytes = field(repr=False)

    def to_json(self) -> dict[str, str]:
        """Return the key as plain JSON data, the secret included: for memory and sockets only."""
        return {"key_id": self.key_id, "wrapped": self.wrapped.hex(), "plain": self.plain.hex()}

    @classmethod
    def from_json(cls, data: Mapping[str, str]) -> DataKey:
        """Return the key that :meth:`to_json` wrote."""
        return cls(data["key_id"], bytes.fromhex(data["wrapped"]), bytes.fromhex(data["plain"]))


def aead(key: bytes) -> AESGCM:
    """Return the cipher under a key.

    Raises:
        PegboxError: The library that encrypts is not installed.
    """
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise PegboxError(
            "encryption needs the package 'cryptography': pip install 'pegbox[keys]'"
        ) from error
    return AESGCM(key)


def new_data_key(master: bytes, key_id: str) -> DataKey:
    """Return a new data key, wrapped.

    Args:
        master: The master key, 32 bytes.
        key_id: Its id.
    """
    plain, nonce = os.urandom(KEY_BYTES), os.urandom(NONCE_BYTES)
    return DataKey(key_id, nonce + aead(master).encrypt(nonce, plain, _bound_to(key_id)), plain)


def unwrap_data_key(master: bytes, key_id: str, wrapped: bytes) -> DataKey:
    """Return the data key that a master key wrapped.

    Raises:
        WrongKey: It was wrapped by another key, or changed since.
    """
    from cryptography.exceptions import InvalidTag

    try:
        plain = aead(master).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], _bound_to(key_id))
    except (InvalidTag, ValueError) as error:
        raise WrongKey(
            f"the data key was not wrapped by master key {key_id!r} as it is now, or was changed since"
        ) from error
    return DataKey(key_id, wrapped, plain)


def _bound_to(key_id: str) -> bytes:
    return b"pegbox data key\0" + key_id.encode()
