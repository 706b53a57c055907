"""One look at a model server: ``GET /ping`` over its Unix socket or a port of the loopback."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_REQUEST = b"GET /ping HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_CONNECT_SECONDS = 0.25
_POLL_SECONDS = 0.25


def is_healthy(
    address: str,
    seconds: float,
    wait: Callable[[float, tuple[int, ...]], object],
    given_up: Callable[[], bool],
) -> bool:
    """Whether a server answers ``/ping`` with 200 within some seconds.

    Args:
        address: ``unix:/path`` or ``http://127.0.0.1:port``.
        seconds: How long the answer may take.
        wait: Waits for so many seconds or until a descriptor is readable, and does other work meanwhile.
        given_up: Whether nobody wants to know any more.
    """
    deadline = time.monotonic() + seconds
    channel = _connected(address)
    if channel is None:
        return False
    answer = b""
    try:
        channel.send(_REQUEST)
        while b"\r\n" not in answer:
            left = deadline - time.monotonic()
            if left <= 0 or given_up():
                return False
            wait(min(left, _POLL_SECONDS), (channel.fileno(),))
            try:
                part = channel.recv(4096)
            except BlockingIOError:
                continue
            if not part:
                return False
            answer += part
    except OSError:
        return False
    finally:
        channel.close()
    words = answer.split(b"\r\n", 1)[0].split()
    return len(words) >= 2 and words[0].startswith(b"HTTP/") and words[1] == b"200"


def _connected(address: str) -> Any:
    """Return a connection that does not block, or None when nobody answers there."""
    import _socket

    kind, _, rest = address.partition(":")
    if kind == "unix":
        channel = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        place: Any = rest
        channel.setblocking(False)
    else:
        host, _, port = rest.removeprefix("//").rpartition(":")
        channel = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        channel.settimeout(_CONNECT_SECONDS)
        place = (host, int(port))
    try:
        channel.connect(place)
        channel.setblocking(False)
    except OSError:
        channel.close()
        return None
    return channel


def free_port() -> int:
    """Return a port of the loopback that nobody listens on, below those that the system gives to outgoing connections."""
    import _socket

    for _ in range(200):
        channel = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
        try:
            port = 20_000 + int.from_bytes(_random_bytes(4), "big") % 12_000
            channel.bind(("127.0.0.1", port))
            return port
        except OSError:
            continue
        finally:
            channel.close()
    raise OSError("no free port between 20000 and 32000 on the loopback")


def _random_bytes(count: int) -> bytes:
    import os

    return os.urandom(count)
