"""The data keys that the gateway seals with, as the server hands them over.

A data key for each master key that the current routes name. The master keys themselves stay here; data keys go to the gateway
through memory and its control socket, never over a disk. A key that cannot be used is named with the reason, and the gateway
forgets what it had.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from pegbox.errors import PegboxError
from pegbox.ports.keys import Keys
from pegbox.sealing import DataKey

_NO_KEYRING = "this server has no keyring"


class GatewayKeys:
    """Makes and opens data keys for the gateway.

    Args:
        keys: The master keys; None for a server without a keyring.
    """

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys
        self._made: dict[str, DataKey] = {}
        self._lock = threading.Lock()

    def message(self, snapshot: Mapping[str, Any]) -> dict[str, Any]:
        """Return the word on all keys that a snapshot names; see :mod:`pegbox.gateway.control`."""
        keys: dict[str, Any] = {}
        problems: dict[str, str] = {}
        with self._lock:
            for name in sorted(set(_names(snapshot))):
                try:
                    keys[name] = self._data_key(name).to_json()
                except PegboxError as error:
                    self._made.pop(name, None)
                    problems[name] = str(error)
        return {"type": "keys", "keys": keys, "problems": problems}

    def opened(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to the gateway's question for a data key that sealed something earlier."""
        answer = {"type": "opened", "wrapped": question["wrapped"]}
        try:
            if self._keys is None:
                raise PegboxError(_NO_KEYRING)
            found = self._keys.unwrap(str(question["key"]), bytes.fromhex(question["wrapped"]))
        except (PegboxError, ValueError) as error:
            return {**answer, "key": None, "problem": str(error)}
        return {**answer, "key": found.to_json()}

    def _data_key(self, name: str) -> DataKey:
        if self._keys is None:
            raise PegboxError(_NO_KEYRING)
        problem = self._keys.check(name)
        if problem is not None:
            raise PegboxError(problem)
        if name not in self._made:
            self._made[name] = self._keys.new_data_key(name)
        return self._made[name]


def in_memory(data: bytes) -> int:
    """Return a descriptor from which a child can read data that never lies on a disk."""
    descriptor = os.memfd_create("keys", os.MFD_CLOEXEC)
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _names(snapshot: Mapping[str, Any]) -> Iterator[str]:
    for endpoint in snapshot.get("endpoints", {}).values():
        for part in (endpoint.get("capture"), endpoint.get("async")):
            if part and part.get("key"):
                yield str(part["key"])
