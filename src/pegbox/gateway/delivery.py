"""Moving files of captured data from the spool to their destination, whole."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import logging
import os
import re
import shutil
from pathlib import Path

from pegbox.gateway.files import make_folders, sync_folder, write_durably
from pegbox.sealing import holds_records, length_of_whole_chunks

_log = logging.getLogger("pegbox.gateway.capture")

_NAME = re.compile(r"(\d{4})-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d{3})-([0-9a-f-]{36})\.jsonl")


def deliver(folder: Path, name: str) -> bool:
    """Move a closed file to where its folder's ``target.json`` says; return whether it is there.

    What cannot be moved stays in the spool and is tried again later; the log tells why.
    """
    try:
        target = json.loads((folder / "target.json").read_bytes())
        found = _NAME.fullmatch(name)
        if found is None:
            raise ValueError(f"{name} is no file of the spool")
        year, month, day, hour, minute, second, millis, unique = found.groups()
        place = Path(target["path"]) / target["endpoint"] / target["variant"] / year / month / day / hour
        make_folders(place)
        _move(folder / name, place / f"{minute}-{second}-{millis}-{unique}.jsonl")
        return True
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.error("captured data %s cannot be delivered yet: %s", folder / name, error)
        return False


def spooled(spool: Path) -> list[Path]:
    """Return all files of captured data in a spool, oldest first in each folder; folders that go in the meantime have none."""
    names = (Path(folder, name) for folder, _, names in os.walk(spool) for name in names)
    return sorted(file for file in names if file.suffix == ".jsonl")


def deliver_leftover(file: Path) -> None:
    """Deliver a file that nobody writes any more; a record cut in the middle, whose request had no answer yet, is cut off."""
    if not _is_written(file) and _cut(file):
        deliver(file.parent, file.name)


def _is_written(file: Path) -> bool:
    """Whether another process, a gateway that is ending, still writes a file."""
    try:
        descriptor = os.open(file, os.O_RDONLY)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove_if_empty(folder: Path) -> None:
    """Remove a folder of the spool that has no files any more."""
    if [entry.name for entry in folder.iterdir()] == ["target.json"]:
        (folder / "target.json").unlink()
        folder.rmdir()


def _cut(file: Path) -> bool:
    """Cut off an incomplete last record and drop lines that a power cut damaged; return whether a record is left.

    Of a sealed file only the end is cut off: what is in it only its key shows.
    """
    try:
        data = file.read_bytes()
        if holds_records(data):
            return _cut_sealed(file, data)
        lines = data.splitlines(keepends=True)
        whole = [line for line in lines if line.endswith(b"\n") and _is_json(line)]
        if not whole:
            file.unlink()
            return False
        if len(whole) != len(lines):
            write_durably(file, b"".join(whole))
        return True
    except OSError as error:
        _log.error("captured data %s cannot be read: %s", file, error)
        return False


def _cut_sealed(file: Path, data: bytes) -> bool:
    length = length_of_whole_chunks(io.BytesIO(data))
    if length == 0:
        file.unlink()
        return False
    if length != len(data):
        with file.open("rb+") as stream:
            stream.truncate(length)
            os.fsync(stream.fileno())
    return True


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _move(source: Path, target: Path) -> None:
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        temporary = target.with_name(f".tmp-{target.name}")
        shutil.copyfile(source, temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, target)
        source.unlink()
    sync_folder(target.parent)
