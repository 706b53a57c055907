"""JSON and frames: 4 bytes of length (big-endian), then that many bytes of UTF-8 JSON.

``json`` imports ``re`` and ``enum``, which costs more than an interpreter's start. Its C accelerators do all of the work, so
they are used directly where they are what we know, and ``json`` itself anywhere else.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

#: Longest frame that is sent or accepted, in bytes.
MAX_FRAME = 16 * 1024 * 1024

#: Version of the agent protocol.
PROTOCOL = 1


class FrameError(Exception):
    """The other side sent something that is not a frame of this protocol."""


class _ScannerOptions:
    """What the C scanner asks its decoder for."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    memo: dict[str, str] = {}  # noqa: RUF012 - the scanner wants the attribute, it is never filled

    @staticmethod
    def parse_constant(name: str) -> float:
        return float(name.replace("Infinity", "inf"))


def _fast_codec() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    import _json

    encoder = _json.make_encoder(
        None, _refuse, _json.encode_basestring_ascii, None, ":", ",", True, False, True
    )
    scan = _json.make_scanner(_ScannerOptions)  # type: ignore[arg-type]

    def dump(value: Any) -> str:
        return "".join(encoder(value, 0))

    def load(text: str) -> Any:
        start = len(text) - len(text.lstrip(" \t\r\n"))
        try:
            value, end = scan(text, start)
        except StopIteration:
            raise ValueError("not JSON") from None
        if text[end:].strip(" \t\r\n"):
            raise ValueError(f"not JSON: something follows the value at {end}")
        return value

    probe = {"a": [1, -2.5, None, True, 'é"\\\n'], "b": {}}
    if load(dump(probe)) != probe:
        raise ImportError("the C accelerators are not what they were")
    return dump, load


def _plain_codec() -> tuple[Callable[[Any], str], Callable[[str], Any]]:
    import json

    def dump(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), sort_keys=True)

    return dump, json.loads


def _refuse(value: object) -> Any:
    raise TypeError(f"{type(value).__name__} is not JSON data")


try:
    _dump, _load = _fast_codec()
except (ImportError, AttributeError, TypeError, ValueError):
    _dump, _load = _plain_codec()


def dump(value: Any) -> str:
    """Return compact JSON with sorted keys, ASCII only."""
    return _dump(value)


def load(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: The text is not JSON.
    """
    try:
        return _load(text)
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None


def encode_frame(message: dict[str, Any]) -> bytes:
    """Return a message as one frame.

    Raises:
        FrameError: The message is longer than :data:`MAX_FRAME`.
    """
    body = dump(message).encode()
    if len(body) > MAX_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes is longer than {MAX_FRAME}")
    return len(body).to_bytes(4, "big") + body


class FrameBuffer:
    """Turns received bytes, cut anywhere, into messages."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """Add received bytes and return the messages they complete.

        Raises:
            FrameError: The bytes are not frames of JSON objects with a ``type``.
        """
        self._bytes += data
        messages: list[dict[str, Any]] = []
        start = 0
        while len(self._bytes) - start >= 4:
            length = int.from_bytes(self._bytes[start : start + 4], "big")
            if length > MAX_FRAME:
                raise FrameError(f"a frame of {length} bytes is longer than {MAX_FRAME}")
            end = start + 4 + length
            if len(self._bytes) < end:
                break
            messages.append(_message(bytes(self._bytes[start + 4 : end])))
            start = end
        del self._bytes[:start]
        return messages


def _message(body: bytes) -> dict[str, Any]:
    try:
        message = load(body.decode())
    except ValueError as error:
        raise FrameError(f"a frame is not JSON: {error}") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise FrameError("a frame is not an object with a type")
    return message
