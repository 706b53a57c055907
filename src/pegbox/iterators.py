"""Answers that come piece by piece."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

__all__ = ["ByteIterator", "LineIterator"]


class ByteIterator:
    """The pieces as they come.

    Args:
        event_stream: ``Body`` of boto3's ``invoke_endpoint_with_response_stream``.
    """

    def __init__(self, event_stream: Any) -> None:
        self.event_stream = event_stream
        self._pieces = _pieces(event_stream)

    def __iter__(self) -> ByteIterator:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)


class LineIterator:
    """The lines of an answer, without their ends, each as soon as it is whole.

    Args:
        event_stream: ``Body`` of boto3's ``invoke_endpoint_with_response_stream``.
    """

    def __init__(self, event_stream: Any) -> None:
        self.event_stream = event_stream
        self._lines = _lines(_pieces(event_stream))

    def __iter__(self) -> LineIterator:
        return self

    def __next__(self) -> bytes:
        return next(self._lines)


def _pieces(event_stream: Any) -> Iterator[bytes]:
    for event in event_stream:
        if "PayloadPart" in event:
            yield event["PayloadPart"]["Bytes"]
            continue
        name, fault = next(iter(event.items()))
        raise RuntimeError(f"the endpoint ended its answer with {name}: {fault.get('Message', fault)}")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = io.BytesIO()
    for piece in pieces:
        rest.write(piece)
        *whole, last = rest.getvalue().split(b"\n")
        yield from whole
        rest = io.BytesIO()
        rest.write(last)
    if rest.getvalue():
        yield rest.getvalue()
