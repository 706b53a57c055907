"""The feeder: the process that writes a job's Pipe channels into FIFOs, beside the program.

``python -I -S .../pegbox/agent/feeder.py DIRECTORY``: ``feed.json`` in the attempt directory says what to feed and which
process reads. Each channel has a thread that waits until the program opens ``<channel>_<epoch>``, makes the next epoch's FIFO,
writes all objects one after another and closes. A program that reads nothing costs nothing: the thread waits in ``open``.

It ends with the program, whoever else lives, and holds ``feed.lock`` (inherited from its agent) while it lives. Its last
act is to remove ``feed.json``: while that is there and the lock is free, it died before the program did. What it could not feed
is told in ``feed-failure.json``.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

PLAN, LOCK, FAILURE = "feed.json", "feed.lock", "feed-failure.json"

#: Begins each record in RecordIO; the next 32 bits are 3 bits of kind and 29 of length.
RECORDIO_MAGIC = (0xCED7230A).to_bytes(4, "little")
_MOST_RECORD = (1 << 29) - 1
_PIECE = 1 << 20
_WHOLE, _FIRST, _MIDDLE, _LAST = 0, 1, 2, 3


class CannotFeed(Exception):
    """Something of a channel cannot be fed; the text names it and the remedy."""


def objects_of(channel: dict[str, Any]) -> list[str]:
    """Return the paths of a channel's objects in the order of their keys (a manifest's in its own order)."""
    if channel["data_type"] == "ManifestFile":
        return [path for _, path in channel["objects"]]
    path = channel["path"]
    if os.path.isfile(path):
        return [path]
    if os.path.isdir(path):
        return [f"{path}/{name}" for name in sorted(_files(path), key=os.fsencode)]
    from pegbox.agent.layout import prefix_matches

    found = []
    for match in prefix_matches(path):
        found += [f"{match}/{name}" for name in _files(match)] if os.path.isdir(match) else [match]
    return sorted(found, key=os.fsencode)


def _files(folder: str) -> Iterator[str]:
    """Relative paths of all files below a folder; links are followed, but never in a circle."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        state = os.stat(parent)
        if (state.st_dev, state.st_ino) in seen:
            folders.clear()
            continue
        seen.add((state.st_dev, state.st_ino))
        for name in names:
            path = os.path.join(parent, name)
            if os.path.isfile(path):
                yield os.path.relpath(path, folder)


def shuffled(items: list[Any], seed: int | None, epoch: int) -> list[Any]:
    """Return items in the order of an epoch: as they are without a seed, else the order of that seed and epoch."""
    if seed is None:
        return items
    import random

    order = list(items)
    random.Random(f"{seed}:{epoch}").shuffle(order)
    return order


def content(path: str, compression: str) -> Iterator[bytes]:
    """Yield an object's bytes in pieces, gunzipped where the channel says so.

    Raises:
        CannotFeed: It is not there, or is no gzip file.
    """
    try:
        with open(path, "rb", buffering=0) as stream:
            pieces = iter(lambda: stream.read(_PIECE), b"")
            yield from _gunzipped(pieces, path) if compression == "Gzip" else pieces
    except OSError as problem:
        raise CannotFeed(
            f"{path} cannot be read ({problem.strerror}); an input must stay until its job has ended"
        ) from None


def _gunzipped(pieces: Iterator[bytes], path: str) -> Iterator[bytes]:
    import zlib

    member = zlib.decompressobj(wbits=31)
    began = False
    try:
        for piece in pieces:
            rest = piece
            while rest:
                if member.eof:
                    member = zlib.decompressobj(wbits=31)
                began = True
                out = member.decompress(rest)
                rest = member.unused_data
                if out:
                    yield out
    except zlib.error as problem:
        raise CannotFeed(
            f"{path} is no gzip file ({problem}), but its channel has CompressionType Gzip; compress it or use None"
        ) from None
    if began and not member.eof:
        raise CannotFeed(f"{path} is a truncated gzip file; upload it again")


def recordio(data: bytes, name: str) -> Iterator[bytes]:
    """Yield one record around the data; it is split where it holds RecordIO's mark on a word's boundary.

    Raises:
        CannotFeed: It is longer than a record can be.
    """
    if len(data) > _MOST_RECORD:
        raise CannotFeed(
            f"{name} has {len(data)} bytes, more than a RecordIO record can hold ({_MOST_RECORD}); split it, or use "
            "RecordWrapperType None"
        )
    start, position = 0, data.find(RECORDIO_MAGIC)
    while position >= 0:
        if position % 4 == 0:
            yield _header(_MIDDLE if start else _FIRST, position - start)
            yield data[start:position]
            start = position + 4
        position = data.find(RECORDIO_MAGIC, position + 1 if position % 4 else position + 4)
    yield _header(_LAST if start else _WHOLE, len(data) - start)
    yield data[start:]
    yield b"\0" * (-len(data) % 4)


def _header(kind: int, length: int) -> bytes:
    return RECORDIO_MAGIC + (kind << 29 | length).to_bytes(4, "little")


def stream(channel: dict[str, Any], epoch: int) -> Iterator[bytes]:
    """Yield what the program reads in an epoch of a channel.

    Raises:
        CannotFeed: An object cannot be read as the channel says.
    """
    seed = channel["shuffle_seed"]
    if channel["data_type"] == "AugmentedManifestFile":
        yield from _augmented(channel, epoch)
        return
    for path in shuffled(objects_of(channel), seed, epoch):
        pieces = content(path, channel["compression"])
        if channel["record_wrapper"] == "RecordIO":
            yield from recordio(b"".join(pieces), path)
        else:
            yield from pieces


def _augmented(channel: dict[str, Any], epoch: int) -> Iterator[bytes]:
    """One record for each attribute of each line: a ``-ref`` attribute's object, others as JSON text."""
    import json

    references = dict(channel["objects"])
    lines = [line for line in b"".join(content(channel["path"], "None")).splitlines() if line.strip()]
    for line in shuffled(lines, channel["shuffle_seed"], epoch):
        item = json.loads(line)
        for name in channel["attributes"]:
            if name not in item:
                raise CannotFeed(
                    f"{channel['uri']}: a line has no {name!r}, which AttributeNames asks for: {line[:200]!r}"
                )
            value = item[name]
            if name.endswith("-ref"):
                if value not in references:
                    raise CannotFeed(f"{channel['uri']}: {value!r} came after the job was accepted")
                data = b"".join(content(references[value], channel["compression"]))
            else:
                data = (value if isinstance(value, str) else json.dumps(value)).encode()
            yield from recordio(data, f"{name} of {channel['uri']}")


def feed(channel: dict[str, Any], place: str) -> None:
    """Feed a channel, epoch after epoch, for ever.

    Args:
        channel: The channel's order.
        place: Path of its FIFOs without ``_<epoch>``; the first is there.

    Raises:
        CannotFeed: Something cannot be fed.
    """
    epoch = 0
    while True:
        path = f"{place}_{epoch}"
        try:
            descriptor = os.open(path, os.O_WRONLY)
        except FileNotFoundError:
            return  # The program removed it: it wants no more.
        # A program that closes early looks for the next one at once.
        make_fifo(f"{place}_{epoch + 1}")
        try:
            for piece in stream(channel, epoch):
                _write(descriptor, piece)
        except BrokenPipeError:
            pass
        finally:
            # No second reader may wait for a writer that is gone.
            _unlink(path)
            os.close(descriptor)
        epoch += 1


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def make_fifo(path: str) -> None:
    """Make a FIFO of our own; one that is there already is fine."""
    try:  # noqa: SIM105 - contextlib is slow to import
        os.mkfifo(path, 0o600)
    except FileExistsError:
        pass


def _unlink(path: str) -> None:
    try:  # noqa: SIM105 - contextlib is slow to import
        os.unlink(path)
    except FileNotFoundError:
        pass


def _guarded(directory: str, channel: dict[str, Any], place: str) -> None:
    """Run a channel's thread; whatever it cannot do ends the feeder, which the agent notices."""
    from pegbox.agent.durable import write_object

    try:
        feed(channel, place)
    except CannotFeed as problem:
        found = {"class": "ClientError", "message": str(problem)}
    except BaseException as problem:
        found = {"class": "InternalServerError", "message": f"a pipe channel cannot be fed: {problem!r}"}
    else:
        return
    try:
        write_object(f"{directory}/{FAILURE}", found)
    finally:
        os._exit(1)


def _wait_for_end(pid: int, started: int) -> None:
    import select
    import time

    from pegbox.agent import processes

    descriptor = processes.open_pidfd(pid)
    while processes.start_time(pid) == started:
        if descriptor is None:
            time.sleep(0.2)
        else:
            select.select([descriptor], [], [], 10.0)


def main(directory: str) -> None:
    """Feed until the program of the attempt has ended."""
    import threading

    from pegbox.agent.durable import read_object

    plan = read_object(f"{directory}/{PLAN}")
    if plan is None:
        raise SystemExit(f"{directory} has no {PLAN}")
    for item in plan["channels"]:
        arguments = (directory, item["channel"], item["place"])
        threading.Thread(target=_guarded, args=arguments, daemon=True).start()
    _wait_for_end(int(plan["pid"]), int(plan["start_time"]))
    _unlink(f"{directory}/{PLAN}")
    os._exit(0)


if __name__ == "__main__":
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    light = type(sys)("pegbox")
    light.__path__ = [package]
    sys.modules["pegbox"] = light
    main(sys.argv[1])
