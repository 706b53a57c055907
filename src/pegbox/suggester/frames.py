"""Messages over a pipe: four bytes of length, most significant first, then JSON in UTF-8.

Requests carry ``id``, ``job_id``, the arguments of ``pegbox.strategies.suggest``, and the history as ``keep`` (how many items of
the job's history the process holds already and is to keep) and ``tail`` (the items after them); ``parents`` is null when they are
those of the job's last request. Answers carry ``id`` and either ``suggestions`` and ``numerics``, or ``fault``, or ``missing``:
the process no longer holds what was left out. The first message of a process is ``{"ready": true}``.
"""

from __future__ import annotations

import json
import os
import select
import time
from typing import Any

#: Greatest length of a message in bytes.
LIMIT = 64 * 2**20


def encode(message: Any) -> bytes:
    """Return the bytes of a message.

    Raises:
        ValueError: It is longer than ``LIMIT`` or holds a number that JSON lacks.
    """
    body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    if len(body) > LIMIT:
        raise ValueError(f"a message of {len(body)} bytes is longer than {LIMIT}")
    return len(body).to_bytes(4, "big") + body


def read(descriptor: int, deadline: float | None = None) -> Any:
    """Return the next message.

    Args:
        descriptor: The pipe.
        deadline: Monotonic time at which to give up, or None to wait for ever.

    Raises:
        EOFError: The other side has gone.
        TimeoutError: The deadline came first.
        ValueError: What came is no message.
    """
    length = int.from_bytes(_exactly(descriptor, 4, deadline), "big")
    if length > LIMIT:
        raise ValueError(f"a message of {length} bytes is longer than {LIMIT}")
    return json.loads(_exactly(descriptor, length, deadline))


def write(descriptor: int, data: bytes, deadline: float | None = None) -> None:
    """Write a message's bytes.

    Args:
        descriptor: The pipe; non-blocking where a deadline is given.
        data: What :func:`encode` returned.
        deadline: Monotonic time at which to give up, or None to wait for ever.

    Raises:
        TimeoutError: The deadline came first.
        OSError: The other side has gone.
    """
    view = memoryview(data)
    while view:
        _wait(descriptor, deadline, writing=True)
        try:
            view = view[os.write(descriptor, view[:65536]) :]
        except BlockingIOError:
            continue


def _exactly(descriptor: int, count: int, deadline: float | None) -> bytes:
    parts: list[bytes] = []
    while count:
        _wait(descriptor, deadline, writing=False)
        part = os.read(descriptor, min(count, 1 << 20))
        if not part:
            raise EOFError("the other side has gone")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _wait(descriptor: int, deadline: float | None, *, writing: bool) -> None:
    if deadline is None:
        return
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT if writing else select.POLLIN)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise TimeoutError("no answer in time")
