"""How an agent proves that this home started it, also to a server that was started after it."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from pathlib import Path


class AgentSecrets:
    """Secrets of agents, derived from one key of the home, so that none has to be stored.

    Args:
        key_file: Where the key lies; made at first use, readable by its owner only.
    """

    def __init__(self, key_file: Path) -> None:
        self._key = _load(key_file)

    def of(self, agent_id: str) -> str:
        """Return an agent's secret: 64 hex digits."""
        return hmac.new(self._key, agent_id.encode(), hashlib.sha256).hexdigest()

    def verify(self, agent_id: object, secret: object) -> bool:
        """Whether this is the agent's secret; takes the same time however wrong it is."""
        if not isinstance(agent_id, str) or not isinstance(secret, str) or not secret.isascii():
            return False
        return hmac.compare_digest(self.of(agent_id), secret)


def _load(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        key = b""
    if len(key) != 32:
        key = secrets.token_bytes(32)
        part = path.with_name(f"{path.name}.{os.getpid()}.part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(key)
            stream.flush()
            os.fsync(stream.fileno())
        part.rename(path)
    return key
