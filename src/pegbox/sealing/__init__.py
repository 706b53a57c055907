"""Sealed files: what is encrypted at rest, as bytes. Envelope encryption with AES-256-GCM.

A sealed file carries its data key wrapped by a master key, which only the server's keyring can unwrap. There are two formats: for
files that are known as a whole (:mod:`~pegbox.sealing.files`) and for those that grow (:mod:`~pegbox.sealing.records`). Nothing
here knows about keyrings, jobs or addresses. Everyone who reads or writes artifacts may import this room, the agent and the
gateway too; ``cryptography`` is loaded on use, and its absence names the extra that brings it.
"""

from pegbox.sealing.envelope import DataKey, WrongKey, new_data_key, unwrap_data_key
from pegbox.sealing.files import (
    SealedHeader,
    Unsealer,
    is_sealed,
    read_header,
    seal,
    seal_file,
    unseal,
)
from pegbox.sealing.heads import MAGIC_BYTES, SealError
from pegbox.sealing.records import (
    Opened,
    RecordSealer,
    holds_records,
    length_of_whole_chunks,
    open_records,
    open_whole,
    read_records_header,
    seal_records,
)

__all__ = [
    "MAGIC_BYTES",
    "DataKey",
    "Opened",
    "RecordSealer",
    "SealError",
    "SealedHeader",
    "Unsealer",
    "WrongKey",
    "holds_records",
    "is_sealed",
    "length_of_whole_chunks",
    "new_data_key",
    "open_records",
    "open_whole",
    "read_header",
    "read_records_header",
    "seal",
    "seal_file",
    "seal_records",
    "unseal",
    "unwrap_data_key",
]
