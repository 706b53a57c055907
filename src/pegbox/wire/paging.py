"""Page tokens: opaque to clients, proof against tampering, stable while rows come and go.

A token carries the sort key of the last row that was answered (a *keyset*), not a count of rows: a row that is
added or deleted in the meantime neither repeats nor hides another. It is bound to the operation and its filters by
an HMAC, so that it cannot be altered or used elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from pegbox.errors import ValidationException

_MAC_BYTES: Final = 16

#: Request members that may differ from page to page.
UNBOUND: Final = frozenset({"NextToken", "MaxResults", "nextToken", "limit", "MaxDatapoints"})

#: What a position may hold.
Scalar = str | int | float | bool | None


class PageTokens:
    """Writes and reads page tokens."""

    def __init__(self, key: bytes) -> None:
        """Use a key that stays the same as long as tokens are to live.

        Args:
            key: At least 16 secret bytes.

        Raises:
            ValueError: The key is shorter.
        """
        if len(key) < 16:
            raise ValueError("the key of page tokens must have at least 16 bytes")
        self._key = key

    def encode(self, operation: str, params: Mapping[str, Any], position: Sequence[Scalar]) -> str:
        """Write the token for the rows after a position.

        Args:
            operation: Name of the operation.
            params: The request's parameters; all but :data:`UNBOUND` are bound to the token.
            position: Sort key of the last row answered, ending in something unique; finite numbers only.
        """
        body = json.dumps(list(position), separators=(",", ":"), allow_nan=False).encode("utf-8")
        token = base64.urlsafe_b64encode(self._mac(operation, params, body) + body)
        return token.decode("ascii").rstrip("=")

    def decode(self, operation: str, params: Mapping[str, Any], token: str) -> list[Scalar]:
        """Read a token.

        Args:
            operation: Name of the operation that is asked now.
            params: Its parameters; they must be those of the page before, except :data:`UNBOUND`.
            token: What the client sent.

        Returns:
            The position that was encoded.

        Raises:
            ValidationException: The token was not made here, was altered, or belongs to another request.
        """
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        # Comparing the text as well refuses other spellings of the same bytes.
        canonical = base64.urlsafe_b64encode(raw).decode("ascii").rstrip("=")
        if canonical != token or not hmac.compare_digest(mac, self._mac(operation, params, body)):
            raise ValidationException(
                "The page token is not valid for this request. Use it unchanged, with the same filters and "
                "sorting as the request that returned it, or begin again without a token."
            )
        position: list[Scalar] = json.loads(body)
        return position

    def _mac(self, operation: str, params: Mapping[str, Any], body: bytes) -> bytes:
        bound = {name: value for name, value in params.items() if name not in UNBOUND}
        scope = json.dumps([operation, bound], sort_keys=True, default=_plain).encode("utf-8")
        # The length keeps scope and body apart.
        message = len(scope).to_bytes(8, "big") + scope + body
        return hmac.new(self._key, message, hashlib.sha256).digest()[:_MAC_BYTES]


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(f"{type(value).__name__} cannot be bound to a page token")
