"""Data capture: sampled requests and answers as JSON lines, in AWS's record format.

::

    <spool>/<endpoint row id>-<hash of variant and destination>/target.json     where its files belong
                                                               /<time>-<uuid>.jsonl   whole records, the newest file still written

A record is handed to the operating system before its answer is sent, so ``kill -9`` of this process loses no record of an
answered request; every ``SYNC_SECONDS`` files are synchronised, which bounds what a power cut can take. Files are closed after
``FILE_SECONDS`` or ``FILE_BYTES`` and moved, whole, to ``<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/``. What a dead gateway
left is moved by the next one.

Where the configuration names a key, each record is a chunk of a sealed file (:mod:`pegbox.sealing.records`), already in the
spool. Without a data key for it nothing is recorded.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import json
import logging
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pegbox.gateway.delivery import deliver, deliver_leftover, remove_if_empty, spooled
from pegbox.gateway.files import write_durably
from pegbox.gateway.invocation import Invocation
from pegbox.gateway.seals import Seals
from pegbox.gateway.snapshot import CaptureTarget, EndpointRoute
from pegbox.sealing import DataKey, RecordSealer

_log = logging.getLogger("pegbox.gateway.capture")

#: Seconds between synchronisations of files with the disk, and between looks at its free space.
SYNC_SECONDS = 1.0
#: A file is closed and moved to its destination at this age in seconds, or size in bytes.
FILE_SECONDS = 5.0
FILE_BYTES = 8 * 2**20
#: Share of a disk that must be free, unless set otherwise.
FREE_SHARE = 0.05


@dataclass(slots=True)
class _Spool:
    """The file that records of one variant go to."""

    folder: Path
    name: str
    descriptor: int
    hour: int
    opened: float
    #: Seals the records; None where they lie in the clear.
    sealer: RecordSealer | None = None
    size: int = 0
    dirty: bool = False
    #: Whether a record could not be written: a number of a sealed file's chunks is used once, so nothing may follow.
    broken: bool = False


class Capture:
    """Captures data of endpoints. Records are written in the event loop's thread, files kept in order by :meth:`tend` in another.

    Args:
        folder: The spool.
        seals: Data keys.
        free_share: Capture pauses while less than this share of a disk is free.
        now: The current time in seconds since the epoch.
    """

    def __init__(
        self,
        folder: Path,
        seals: Seals,
        *,
        free_share: float = FREE_SHARE,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._seals = seals
        self._free_share = free_share
        self._now = now
        self._lock = threading.Lock()
        self._spools: dict[tuple[int, str, str, str | None], _Spool] = {}
        self._full: dict[str, str] = {}

    def wants(self, target: CaptureTarget | None) -> bool:
        """Whether the next invocation of an endpoint is to be captured."""
        if target is None or not (target.input or target.output):
            return False
        if target.sampling < 100 and random.random() * 100 >= target.sampling:
            return False
        return not self._problem(target)

    def write(
        self,
        route: EndpointRoute,
        variant: str,
        invocation: Invocation,
        answer: tuple[str | None, bytes],
        identity: str,
    ) -> None:
        """Hand the record of an invocation to the operating system; where that fails, capture pauses and the log tells why.

        Args:
            route: The endpoint.
            variant: Who answered.
            invocation: What was asked.
            answer: Content type and body of the answer.
            identity: The request's id.
        """
        target = route.capture
        if target is None or self._problem(target):
            return
        data_key = self._seals.current(target.key) if target.key is not None else None
        if target.key is not None and data_key is None:
            return
        now = self._now()
        record = encode_record(target, invocation, answer, identity, now)
        try:
            with self._lock:
                self._append(self._spool(route, variant, target, data_key, now), record)
        except OSError as error:
            self._pause(target.path, f"a record cannot be written: {error.strerror}")

    def status(self, routes: Mapping[str, EndpointRoute]) -> dict[str, dict[str, str]]:
        """Return for each endpoint with capture whether it captures (``Started``) or not (``Stopped``), and why not."""
        told: dict[str, dict[str, str]] = {}
        for name, route in routes.items():
            target = route.capture
            if target is None:
                continue
            reason = self._problem(target)
            told[name] = {"status": "Stopped" if reason else "Started", "reason": reason}
        return told

    def tend(self, routes: Mapping[str, EndpointRoute], *, all_files: bool = False) -> None:
        """Synchronise files, close and deliver those that are due, and look at the free space.

        Args:
            routes: The current endpoints.
            all_files: Close and deliver all files: the process ends.
        """
        now = self._now()
        due: list[_Spool] = []
        with self._lock:
            for key, spool in list(self._spools.items()):
                old = now - spool.opened >= FILE_SECONDS or spool.hour != int(now) // 3600
                if all_files or old or spool.broken or spool.size >= FILE_BYTES:
                    due.append(self._spools.pop(key))
            dirty = [spool for spool in self._spools.values() if spool.dirty]
            for spool in dirty:
                spool.dirty = False
        for spool in dirty:
            self._sync(spool)
        for spool in due:
            self._close(spool)
            deliver(spool.folder, spool.name)
        self._look_at_space(routes)

    def deliver_leftovers(self) -> None:
        """Move what an earlier process left, and what could not be moved before; records cut in the middle are cut off."""
        # Files are listed first: one that is opened afterwards is not in the list, one that is being written is in the set.
        files = spooled(self._folder)
        with self._lock:
            writing = {spool.folder / spool.name for spool in self._spools.values()}
        for file in files:
            if file not in writing:
                deliver_leftover(file)
        with self._lock:
            used = {spool.folder for spool in self._spools.values()}
            for folder in self._folder.glob("*/"):
                if folder not in used:
                    with contextlib.suppress(OSError):
                        remove_if_empty(folder)

    def _spool(
        self, route: EndpointRoute, variant: str, target: CaptureTarget, data_key: DataKey | None, now: float
    ) -> _Spool:
        key = (route.id, variant, target.path, target.key)
        spool = self._spools.get(key)
        hour = int(now) // 3600
        if spool is not None and spool.hour == hour and spool.size < 2 * FILE_BYTES and not spool.broken:
            return spool
        if spool is not None:
            # The tender is late, or the file is broken; what is closed here it finds as a leftover.
            self._close(self._spools.pop(key))
        digest = hashlib.sha256(f"{variant}\0{target.path}".encode()).hexdigest()[:12]
        folder = self._folder / f"{route.id}-{digest}"
        if not (folder / "target.json").exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            told = {"path": target.path, "endpoint": route.name, "variant": variant}
            write_durably(folder / "target.json", json.dumps(told).encode())
        sealer = RecordSealer(data_key) if data_key is not None else None
        moment = time.strftime("%Y-%m-%d-%H-%M-%S", time.gmtime(now))
        name = f"{moment}-{int(now * 1000) % 1000:03d}-{uuid.uuid4()}.jsonl"
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        # Tells a gateway that takes over that this file is still written.
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        spool = self._spools[key] = _Spool(folder, name, descriptor, hour, now, sealer)
        return spool

    def _append(self, spool: _Spool, record: bytes) -> None:
        if spool.sealer is not None:
            record = (b"" if spool.size else spool.sealer.head) + spool.sealer.chunk(record)
        written = 0
        try:
            while written < len(record):
                written += os.write(spool.descriptor, record[written:] if written else record)
        except OSError:
            os.ftruncate(spool.descriptor, spool.size)
            spool.broken = spool.sealer is not None
            raise
        spool.size += written
        spool.dirty = True

    def _close(self, spool: _Spool) -> None:
        """Write what tells a sealed file's end, and close the file, synchronised."""
        if spool.sealer is not None and spool.size and not spool.broken:
            with contextlib.suppress(OSError):
                os.write(spool.descriptor, spool.sealer.chunk(b"", last=True))
        self._sync(spool)
        os.close(spool.descriptor)

    def _sync(self, spool: _Spool) -> None:
        with contextlib.suppress(OSError):
            os.fsync(spool.descriptor)
            folder = os.open(spool.folder, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def _look_at_space(self, routes: Mapping[str, EndpointRoute]) -> None:
        paths = {route.capture.path for route in routes.values() if route.capture is not None}
        for path in paths:
            shares = [_free_share(self._folder), _free_share(Path(path))]
            least = min(shares)
            if least < self._free_share:
                self._pause(
                    path, f"only {least:.1%} of the disk is free; capture needs {self._free_share:.1%}"
                )
            elif path in self._full:
                _log.info("capture into %s goes on", path)
                del self._full[path]
        for path in [item for item in self._full if item not in paths]:
            del self._full[path]

    def _problem(self, target: CaptureTarget) -> str:
        """Return why nothing is recorded at the moment, or nothing."""
        without_key = self._seals.problem(target.key) if target.key is not None else ""
        if without_key:
            return f"key {target.key}: {without_key}"
        return self._full.get(target.path, "")

    def _pause(self, path: str, reason: str) -> None:
        if path not in self._full:
            _log.error("capture into %s pauses: %s", path, reason)
        self._full[path] = reason


def encode_record(
    target: CaptureTarget,
    invocation: Invocation,
    answer: tuple[str | None, bytes],
    identity: str,
    now: float,
) -> bytes:
    """Return one captured invocation as a line.

    Args:
        target: What is captured.
        invocation: The request.
        answer: Content type and body of the answer.
        identity: The request's id.
        now: When, in seconds since the epoch.
    """
    data: dict[str, Any] = {}
    if target.input:
        data["endpointInput"] = _side(target, invocation.content_type, "INPUT", invocation.body)
    if target.output:
        data["endpointOutput"] = _side(target, answer[0], "OUTPUT", answer[1])
    event: dict[str, Any] = {"eventId": identity}
    if invocation.custom_attributes is not None:
        event["customAttributes"] = [invocation.custom_attributes]
    if invocation.inference_id is not None:
        event["inferenceId"] = invocation.inference_id
    event["inferenceTime"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    record = {"captureData": data, "eventMetadata": event, "eventVersion": "0"}
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def _side(target: CaptureTarget, content_type: str | None, mode: str, body: bytes) -> dict[str, Any]:
    observed = content_type or ""
    plain = observed.partition(";")[0].strip().lower()
    encoding = "CSV" if plain in target.csv_types else "JSON" if plain in target.json_types else "BASE64"
    text = ""
    if encoding != "BASE64":
        try:
            text = body.decode("utf-8")
        except UnicodeDecodeError:
            encoding = "BASE64"
    if encoding == "BASE64":
        text = base64.b64encode(body).decode("ascii")
    return {"observedContentType": observed, "mode": mode, "data": text, "encoding": encoding}


def _free_share(path: Path) -> float:
    place = path
    while not place.exists() and place != place.parent:
        place = place.parent
    found = os.statvfs(place)
    return found.f_bavail / found.f_blocks if found.f_blocks else 1.0
