"""Data keys that the server handed over: what the gateway seals with, and what opens what an earlier gateway sealed.

They are in this process's memory only. The server tells all that may be used at a time; what it does not name any more, because a
key was disabled, is forgotten at once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pegbox.errors import PegboxError
from pegbox.sealing import DataKey, seal_records

_log = logging.getLogger("pegbox.gateway")

#: What is said of a key on which the server has not said anything yet.
UNTOLD = "the server has not handed the key over yet"


class KeyRefused(PegboxError):
    """The server says that a key cannot be used; the message says why."""


class Seals:
    """The data keys; used from the thread of the event loop.

    Args:
        ask: Asks the server for the data key that a master key (its id) wrapped (hexadecimal); the answer comes by
            :meth:`take_opened`.
    """

    def __init__(self, ask: Callable[[str, str], None]) -> None:
        self._ask = ask
        self._current: dict[str, DataKey] = {}
        self._problems: dict[str, str] = {}
        self._opened: dict[bytes, DataKey | str] = {}

    def take(self, message: Mapping[str, Any]) -> None:
        """Replace all keys by those of a message: ``{"keys": {name: data key}, "problems": {name: why there is none}}``."""
        try:
            current = {str(name): DataKey.from_json(item) for name, item in message["keys"].items()}
            problems = {str(name): str(item) for name, item in message["problems"].items()}
            for key in current.values():
                # What encrypts is loaded now, not while the first request waits.
                seal_records(b"", key)
        except (KeyError, TypeError, ValueError, AttributeError, PegboxError) as error:
            # Nothing of the message itself may reach the log.
            _log.error("the server sent keys that cannot be used (%s)", type(error).__name__)
            current, problems = {}, {}
        for name, problem in problems.items():
            if self._problems.get(name) != problem:
                _log.error("nothing is sealed with key %s: %s", name, problem)
        for name in self._problems:
            if name in current:
                _log.info("key %s can be used again", name)
        self._current, self._problems = current, problems
        self._opened = {key.wrapped: key for key in current.values()}

    def take_opened(self, message: Mapping[str, Any]) -> None:
        """Keep the server's answer to a question: ``{"wrapped", "key": data key, or null with "problem"}``."""
        try:
            found = message["key"]
            answer = DataKey.from_json(found) if found is not None else str(message["problem"])
            self._opened[bytes.fromhex(message["wrapped"])] = answer
        except (KeyError, TypeError, ValueError) as error:
            _log.error("the server opened a key in no form that is known (%s)", type(error).__name__)

    def current(self, name: str) -> DataKey | None:
        """Return the data key to seal with under a master key, or None while it cannot be used."""
        return self._current.get(name)

    def problem(self, name: str) -> str:
        """Return why nothing can be sealed with a key, or nothing where it can be."""
        return "" if name in self._current else self._problems.get(name, UNTOLD)

    def opened(self, key_id: str, wrapped: bytes) -> DataKey | None:
        """Return the data key that sealed something earlier; None where the server is being asked for it.

        Raises:
            KeyRefused: The server does not open it; it is asked again the next time.
        """
        found = self._opened.get(wrapped)
        if isinstance(found, DataKey):
            return found
        self._ask(key_id, wrapped.hex())
        if found is not None:
            raise KeyRefused(found)
        return None
