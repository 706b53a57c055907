"""Asynchronous invocations: on disk before they are answered, sent when an instance is free, their results written as objects.

::

    <folder>/<endpoint row id>/<time>-<uuid>.json    one invocation that waits or runs, with its inline body if it has one;
                                                     sealed where the configuration names a key, as its result is

The file goes after the result is there. A gateway that starts sends again what it finds, so an invocation may reach a model
server twice, but its result is written by rename, to the same name. What is sealed waits while its key cannot be used.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import logging
import os
import re
import time
import uuid
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor as Threads
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import unquote

from pegbox.domain.object_keys import encode_key, is_bucket_name
from pegbox.errors import ApiError, ModelError, ServiceUnavailable, ValidationError
from pegbox.gateway.dispatch import Dispatcher
from pegbox.gateway.files import make_folders, write_durably
from pegbox.gateway.invocation import Invocation, Operation
from pegbox.gateway.routing import Endpoint, Table
from pegbox.gateway.seals import UNTOLD, KeyRefused, Seals
from pegbox.gateway.snapshot import AsyncTarget
from pegbox.sealing import (
    DataKey,
    SealError,
    WrongKey,
    holds_records,
    open_whole,
    read_records_header,
    seal_records,
)
from pegbox.wire.http import Response

_log = logging.getLogger("pegbox.gateway.async")

#: Invocations of one endpoint that may wait.
WAITING = 10_000
#: Seconds before an invocation that could not be sent is tried again.
AGAIN_SECONDS = 2.0

_LOCATION = re.compile(r"s3://([^/]+)/(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An invocation as its file holds it."""

    endpoint: str
    identity: str
    accepted_at: float
    #: Local path of the input, or None where the body is inline.
    input_path: str | None
    body: str | None
    content_type: str | None
    accept: str | None
    custom_attributes: str | None
    inference_id: str | None
    timeout_seconds: int
    ttl_seconds: int
    output_path: str
    failure_path: str | None
    #: Name of the master key that seals what is written, or None.
    key: str | None = None


class AsyncQueue:
    """Takes, keeps and works off asynchronous invocations.

    Args:
        folder: Where they are kept.
        buckets: Folder of the server's buckets, in which inputs are looked for.
        table: The endpoints.
        dispatcher: Sends them.
        seals: Data keys.
        threads: Where files are read and written.
        now: The current time in seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        buckets: Path,
        table: Table,
        dispatcher: Dispatcher,
        seals: Seals,
        threads: Threads,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._buckets = buckets
        self._table = table
        self._dispatcher = dispatcher
        self._seals = seals
        self._threads = threads
        self._now = now
        self._waiting: dict[int, deque[Path]] = {}
        self._running: dict[int, set[asyncio.Task[None]]] = {}
        #: Keys without which something could not be written, told once.
        self._told: set[str] = set()
        self._ending = False

    @property
    def empty(self) -> bool:
        """Whether nothing waits or runs."""
        return not any(self._waiting.values()) and not any(self._running.values())

    def load(self) -> None:
        """Take up what an earlier process left."""
        for folder in sorted(self._folder.glob("[0-9]*/")):
            if folder.name.isdigit():
                for leftover in folder.glob(".tmp-*"):
                    leftover.unlink(missing_ok=True)
                self._waiting[int(folder.name)] = deque(sorted(folder.glob("*.json")))

    def look(self) -> None:
        """Start what can be started; called when a snapshot was applied and now and then."""
        routes = {endpoint.route.id: endpoint for endpoint in self._table.endpoints}
        for key in list(self._waiting):
            endpoint = routes.get(key)
            if endpoint is not None:
                self._fill(endpoint)
            elif self._table.snapshot.version:
                self._give_up(key)

    async def close(self) -> None:
        """Stop; what waits or runs stays on disk."""
        self._ending = True
        tasks = [task for tasks in self._running.values() for task in tasks]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def accept(self, invocation: Invocation, identity: str) -> Response:
        """Store an invocation durably and return the answer.

        Raises:
            ValidationError: The endpoint is not asynchronous or the input cannot be used.
            ServiceUnavailable: Too many wait, the disk is full, or what waits cannot be sealed.
        """
        endpoint = self._table.answering(invocation.endpoint)
        target = endpoint.route.asynchronous
        if target is None:
            raise ValidationError(
                f"Endpoint {invocation.endpoint} has no AsyncInferenceConfig; use InvokeEndpoint, or create an endpoint "
                "configuration with one."
            )
        path = self._input(invocation.input_location) if invocation.input_location else None
        key = endpoint.route.id
        waiting = self._waiting.setdefault(key, deque())
        if len(waiting) >= WAITING:
            raise ServiceUnavailable(
                f"Endpoint {invocation.endpoint} has {WAITING} asynchronous invocations waiting."
            )
        data_key = self._seals.current(target.key) if target.key is not None else None
        if target.key is not None and data_key is None:
            raise ServiceUnavailable(
                f"The invocation cannot be stored: key {target.key}: {self._seals.problem(target.key)}."
            )
        inference_id = invocation.inference_id or str(uuid.uuid4())
        name, failure_name = _names(invocation)
        queued = Queued(
            endpoint=invocation.endpoint,
            identity=identity,
            accepted_at=self._now(),
            input_path=str(path) if path is not None else None,
            body=base64.b64encode(invocation.body).decode() if path is None else None,
            content_type=invocation.content_type,
            accept=invocation.accept,
            custom_attributes=invocation.custom_attributes,
            inference_id=inference_id,
            timeout_seconds=invocation.timeout_seconds,
            ttl_seconds=invocation.ttl_seconds,
            output_path=f"{target.output_path.rstrip('/')}/{encode_key(name)}",
            failure_path=f"{target.failure_path.rstrip('/')}/{encode_key(failure_name)}"
            if target.failure_path
            else None,
            key=target.key,
        )
        file = self._folder / str(key) / f"{time.time_ns():020d}-{uuid.uuid4()}.json"
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._threads, _store, file, queued, data_key)
        except OSError as error:
            raise ServiceUnavailable(f"The invocation cannot be stored: {error.strerror}.") from error
        self._waiting.setdefault(key, deque()).append(file)
        self.look()
        return _accepted(target, identity, inference_id, name, failure_name)

    def _input(self, location: str) -> Path:
        """Return the local path of an input.

        Raises:
            ValidationError: It is in no bucket of this server, or not there.
        """
        found = _LOCATION.fullmatch(location)
        words = f"InputLocation = {location[:200]!r}"
        if found is None:
            raise ValidationError(f"{words}: must be s3://BUCKET/KEY.")
        bucket, key = found.group(1), unquote(found.group(2)) if "%" in location else found.group(2)
        folder = self._buckets / bucket
        if not is_bucket_name(bucket) or not folder.is_dir():
            raise ValidationError(
                f"{words}: '{bucket}' is not a bucket of this server; upload the input to one of its buckets."
            )
        try:
            candidates = [folder / encode_key(found.group(2)), folder / encode_key(key)]
        except ValueError as error:
            raise ValidationError(f"{words}: {error}.") from error
        root = os.path.realpath(folder)
        for path in candidates:
            inside = os.path.commonpath([root, os.path.realpath(path)]) == root
            if inside and path.is_file():
                return path
        raise ValidationError(f"{words}: there is no such object.")

    def _fill(self, endpoint: Endpoint) -> None:
        """Start as many invocations as the endpoint may have running."""
        target = endpoint.route.asynchronous
        key = endpoint.route.id
        if target is None:
            self._give_up(key)
            return
        instances = sum(len(variant.instances) for variant in endpoint.variants.values())
        waiting = self._waiting.get(key)
        running = self._running.setdefault(key, set())
        while waiting and not self._ending and len(running) < target.max_concurrent * max(1, instances):
            task = asyncio.get_running_loop().create_task(self._run(waiting.popleft()))
            running.add(task)
            task.add_done_callback(lambda done: self._ended(key, done))

    def _ended(self, key: int, task: asyncio.Task[None]) -> None:
        self._running[key].discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("an asynchronous invocation ended by a fault", exc_info=task.exception())
        if not self._ending:
            self.look()

    async def _run(self, file: Path) -> None:
        """Work off one invocation and remove its file."""
        loop = asyncio.get_running_loop()
        try:
            data = await loop.run_in_executor(self._threads, file.read_bytes)
            queued = _parse(data, self._key_of(data))
        except (OSError, ValueError, TypeError, SealError, WrongKey) as error:
            _log.error("%s cannot be read: %s", file, error)
            with contextlib.suppress(OSError):
                file.replace(file.with_suffix(".unreadable"))
            return
        except KeyRefused as error:
            # Others may be of another key: they have their turn first.
            self._tell_once(f"{file.parent.name}: invocations wait for their key: {error}")
            await asyncio.sleep(AGAIN_SECONDS)
            self._waiting.setdefault(int(file.parent.name), deque()).append(file)
            return
        while True:
            try:
                if self._now() > queued.accepted_at + queued.ttl_seconds:
                    raise ValidationError(f"The request waited longer than {queued.ttl_seconds} s.")
                body = await loop.run_in_executor(self._threads, _body, queued)
                sent = await self._dispatcher.send(
                    _invocation(queued, body), time.monotonic(), float(queued.timeout_seconds)
                )
                result = (queued.output_path, sent.answer.body)
            except ModelError as error:
                result = (queued.failure_path or "", error.message.encode())
            except ApiError as error:
                if error.status in (429, 503) and not self._ending:
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                result = (queued.failure_path or "", error.message.encode())
            except OSError as error:
                words = f"The input cannot be read: {error.strerror}."
                result = (queued.failure_path or "", words.encode())
            if result[0] == queued.failure_path or not result[0]:
                words = result[1].decode()[:500] if queued.key is None else "it failed; the reason is sealed"
                _log.warning("%s: %s", queued.identity, words)
            while not await self._finish(file, queued, data, *result):
                await asyncio.sleep(AGAIN_SECONDS)
            return

    async def _finish(self, file: Path, queued: Queued, stored: bytes, path: str, result: bytes) -> bool:
        """Write a result and remove the invocation; return whether that was possible."""
        loop = asyncio.get_running_loop()
        try:
            data_key = self._sealing_key(queued, stored)
            await loop.run_in_executor(self._threads, _conclude, file, path, result, data_key)
            return True
        except OSError as error:
            _log.error("the result %s cannot be written: %s", path, error)
            return False
        except KeyRefused as error:
            self._tell_once(f"results wait for key {queued.key}: {error}")
            gone = queued.endpoint not in self._table.snapshot.endpoints
            if gone and str(error) != UNTOLD:
                await loop.run_in_executor(self._threads, _conclude, file, "", b"", None)
                return True
            return False

    def _sealing_key(self, queued: Queued, stored: bytes) -> DataKey | None:
        """Return the data key that seals an invocation's result, or None where it is not to be sealed.

        Raises:
            KeyRefused: It cannot be sealed now.
        """
        if queued.key is None:
            return None
        # The server names no keys of endpoints that are gone, but opens what they sealed.
        return self._seals.current(queued.key) or self._key_of(stored)

    def _key_of(self, data: bytes) -> DataKey | None:
        """Return the data key that opens a stored invocation, or None for one that is not sealed.

        Raises:
            KeyRefused: The server has not opened it, or does not.
            SealError: It is damaged.
        """
        if not holds_records(data):
            return None
        header = read_records_header(io.BytesIO(data))
        found = self._seals.opened(header.key_id, header.wrapped)
        if found is None:
            raise KeyRefused(UNTOLD)
        return found

    def _tell_once(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            _log.warning("%s", words)

    def _give_up(self, key: int) -> None:
        """The endpoint is gone or no longer asynchronous: what waits for it fails, silently where its key cannot be used."""
        waiting = self._waiting.pop(key, deque())
        for file in waiting:
            with contextlib.suppress(OSError, ValueError, TypeError, SealError, WrongKey):
                data = file.read_bytes()
                try:
                    queued = _parse(data, self._key_of(data))
                    data_key = self._sealing_key(queued, data)
                    words = f"Endpoint {queued.endpoint} was deleted before the invocation was sent."
                    _conclude(file, queued.failure_path or "", words.encode(), data_key)
                except KeyRefused as error:
                    if str(error) == UNTOLD:
                        self._waiting.setdefault(key, deque()).append(file)
                    else:
                        file.unlink()


def _names(invocation: Invocation) -> tuple[str, str]:
    """Return the keys of a result and of a failure below the endpoint's addresses."""
    unique = str(uuid.uuid4())
    folder = f"{invocation.output_extension.strip('/')}/" if invocation.output_extension else ""
    return f"{folder}{invocation.filename or unique + '.out'}", f"{folder}{unique}-error.out"


def _accepted(
    target: AsyncTarget, identity: str, inference_id: str, name: str, failure_name: str
) -> Response:
    headers = [
        ("Content-Type", "application/json"),
        ("x-amzn-RequestId", identity),
        ("X-Amzn-SageMaker-OutputLocation", f"{target.output_uri.rstrip('/')}/{name}"),
    ]
    if target.failure_uri:
        location = f"{target.failure_uri.rstrip('/')}/{failure_name}"
        headers.append(("X-Amzn-SageMaker-FailureLocation", location))
    return Response(202, tuple(headers), json.dumps({"InferenceId": inference_id}).encode())


def _store(file: Path, queued: Queued, data_key: DataKey | None) -> None:
    make_folders(file.parent)
    data = json.dumps(asdict(queued)).encode()
    write_durably(file, data if data_key is None else seal_records(data, data_key))


def _parse(data: bytes, data_key: DataKey | None) -> Queued:
    return Queued(**json.loads(data if data_key is None else open_whole(data, data_key.plain)))


def _body(queued: Queued) -> bytes:
    if queued.input_path is not None:
        return Path(queued.input_path).read_bytes()
    return base64.b64decode(queued.body or "")


def _conclude(file: Path, path: str, data: bytes, data_key: DataKey | None) -> None:
    if path:
        make_folders(Path(path).parent)
        write_durably(Path(path), data if data_key is None else seal_records(data, data_key))
    file.unlink(missing_ok=True)


def _invocation(queued: Queued, body: bytes) -> Invocation:
    return Invocation(
        operation=Operation.ASYNC,
        endpoint=queued.endpoint,
        body=body,
        content_type=queued.content_type,
        accept=queued.accept,
        custom_attributes=queued.custom_attributes,
        inference_id=queued.inference_id,
    )
