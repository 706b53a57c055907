"""Sealed files: what is encrypted at rest, as bytes. Envelope encryption with AES-256-GCM.

A sealed file has a data key of its own; the file carries that key wrapped by a master key, which only the server's keyring
can unwrap. Nothing here knows about keyrings, jobs or addresses. Everyone who reads or writes artifacts may import this
room, the agent too; ``cryptography`` is loaded on use, and its absence names the extra that brings it.
"""

from pegbox.sealing.envelope import DataKey, WrongKey, new_data_key, unwrap_data_key
from pegbox.sealing.files import (
    SealedHeader,
    SealError,
    Unsealer,
    is_sealed,
    read_header,
    seal,
    seal_file,
    unseal,
)

__all__ = [
    "DataKey",
    "SealError",
    "SealedHeader",
    "Unsealer",
    "WrongKey",
    "is_sealed",
    "new_data_key",
    "read_header",
    "seal",
    "seal_file",
    "unseal",
    "unwrap_data_key",
]
