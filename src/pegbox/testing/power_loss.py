"""Power loss without pulling the plug: records a process's file operations and rebuilds what a disk may hold after a cut.

A small library, compiled with the machine's C compiler and preloaded into the process, writes every operation on files below a
folder to a log (``filelog.c``). After a cut at any place of that log a disk must hold what was synchronised, and may hold any
part of the rest: :func:`cuts` keeps a random subset of the writes since each file's last sync, some of them torn at sectors
of 512 bytes, and a random beginning of the renames, creations and removals since the folder's last sync.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_SOURCE = Path(__file__).with_name("filelog.c")
_HEAD = struct.Struct("=BiqI")
_SECTOR = 512
OPEN, CLOSE, WRITE, SYNC, TRUNCATE, UNLINK, RENAME, LINK, MARK = range(1, 10)


@dataclass(frozen=True, slots=True)
class Operation:
    """One record of the log."""

    kind: int
    descriptor: int
    #: Offset of a write, length of a truncation, number of a mark, 1 for an opening that empties the file.
    number: int
    data: bytes


def build_library(folder: Path) -> Path:
    """Compile the recording library and return its path.

    Raises:
        RuntimeError: There is no C compiler, or it fails.
    """
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("simulating power loss needs a C compiler: install gcc or clang")
    library = folder / "filelog.so"
    command = [compiler, "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-ldl", "-lpthread"]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    if built.returncode:
        raise RuntimeError(f"{compiler} failed: {built.stderr}")
    return library


def recording(library: Path, root: Path, log: Path) -> dict[str, str]:
    """Return the environment of a process whose operations below ``root`` are recorded in ``log``."""
    return {
        **os.environ,
        "LD_PRELOAD": str(library),
        "FILELOG_ROOT": str(root.resolve()),
        "FILELOG_LOG": str(log),
    }


def read_log(log: Path) -> list[Operation]:
    """Return the recorded operations in order."""
    data = log.read_bytes()
    operations, place = [], 0
    while place < len(data):
        kind, descriptor, number, length = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        operations.append(Operation(kind, descriptor, number, data[place : place + length]))
        place += length
    return operations


@dataclass(slots=True)
class _File:
    """A file: what is surely on the disk, and the writes and truncations since."""

    kept: bytearray = field(default_factory=bytearray)
    waiting: list[tuple[int, bytes | None]] = field(default_factory=list)

    def sync(self) -> None:
        for number, data in self.waiting:
            _apply(self.kept, number, data)
        self.waiting.clear()

    def after_loss(self, chance: random.Random) -> bytes:
        """Return what the disk may hold: all, nothing or some of what waits, writes whole or torn."""
        content, share, tear = (
            bytearray(self.kept),
            chance.choice([0.0, 0.5, 0.9, 1.0]),
            chance.random() < 0.5,
        )
        for number, data in self.waiting:
            if chance.random() >= share:
                continue
            if data is None or not tear:
                _apply(content, number, data)
                continue
            for start in range(0, len(data), _SECTOR):
                if chance.random() < 0.7:
                    _apply(content, number + start, data[start : start + _SECTOR])
        return bytes(content)


def _apply(content: bytearray, number: int, data: bytes | None) -> None:
    if data is None:
        del content[number:]
        content.extend(bytes(number - len(content)))
        return
    if number > len(content):
        content.extend(bytes(number - len(content)))
    content[number : number + len(data)] = data


class Disk:
    """Files and names, as operations make them.

    Args:
        ignore_sync: Names of files whose syncs are left out, to see that a harness notices.
    """

    def __init__(self, ignore_sync: Callable[[str], bool] = lambda name: False) -> None:
        self._ignored = ignore_sync
        #: Names as the process sees them, as the disk surely holds them, and the changes between the two.
        self._names: dict[str, _File] = {}
        self._kept_names: dict[str, _File] = {}
        self._waiting: list[tuple[str, _File | None]] = []
        self._open: dict[int, tuple[str, _File | None]] = {}
        #: The last mark passed.
        self.mark = 0

    def run(self, operation: Operation) -> None:
        """Take the next operation."""
        kind, number, data = operation.kind, operation.number, operation.data
        if kind == OPEN:
            self._opened(operation.descriptor, os.fsdecode(data), empties=bool(number))
        elif kind == CLOSE:
            self._open.pop(operation.descriptor, None)
        elif kind in (WRITE, TRUNCATE, SYNC):
            self._changed(*self._open[operation.descriptor], operation)
        elif kind == UNLINK:
            self._rename(os.fsdecode(data), None)
        elif kind in (RENAME, LINK):
            source, target = os.fsdecode(data).split("\0")
            self._rename(target, self._names[source])
            if kind == RENAME:
                self._rename(source, None)
        elif kind == MARK:
            self.mark = number

    def after_loss(self, chance: random.Random) -> dict[str, bytes]:
        """Return the files that a disk may hold when the power goes now."""
        names = dict(self._kept_names)
        for name, file in self._waiting[: chance.randint(0, len(self._waiting))]:
            _name(names, name, file)
        return {name: file.after_loss(chance) for name, file in sorted(names.items())}

    def _opened(self, descriptor: int, path: str, *, empties: bool) -> None:
        if os.path.isdir(path):
            self._open[descriptor] = path, None
            return
        if path not in self._names:
            self._rename(path, _File())
        file = self._names[path]
        if empties:
            file.waiting.append((0, None))
        self._open[descriptor] = path, file

    def _changed(self, path: str, file: _File | None, operation: Operation) -> None:
        if operation.kind == SYNC and self._ignored(path):
            return
        if file is None:
            for name, renamed in self._waiting:
                _name(self._kept_names, name, renamed)
            self._waiting.clear()
        elif operation.kind == SYNC:
            file.sync()
        else:
            file.waiting.append((operation.number, operation.data if operation.kind == WRITE else None))

    def _rename(self, name: str, file: _File | None) -> None:
        _name(self._names, name, file)
        self._waiting.append((name, file))


def _name(names: dict[str, _File], name: str, file: _File | None) -> None:
    if file is None:
        names.pop(name, None)
    else:
        names[name] = file


def cuts(
    operations: Sequence[Operation],
    number: int,
    seed: int,
    *,
    ignore_sync: Callable[[str], bool] = lambda name: False,
) -> Iterator[tuple[int, int, Mapping[str, bytes]]]:
    """Cut the power at random places of a log, every other time right after a mark, where a loss would show.

    Yields:
        The place, the last mark before it, and the files that the disk holds then, by path.
    """
    chance = random.Random(seed)
    marks = [index + 1 for index, operation in enumerate(operations) if operation.kind == MARK]
    anywhere = range(len(operations) + 1)
    places = sorted(chance.choice(marks if index % 2 and marks else anywhere) for index in range(number))
    disk, done = Disk(ignore_sync), 0
    for place in places:
        while done < place:
            disk.run(operations[done])
            done += 1
        yield place, disk.mark, disk.after_loss(chance)


def rebuild(files: Mapping[str, bytes], root: Path, target: Path) -> None:
    """Write files recorded below ``root`` below ``target`` instead."""
    for path, content in files.items():
        place = target / Path(path).relative_to(root.resolve())
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
