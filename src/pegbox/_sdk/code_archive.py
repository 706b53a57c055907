"""The training code of a job as one archive: the same files always give the same bytes.

Entries are sorted; times, owners and the archive's own header carry nothing of the machine; only the executable bit of a
file's mode is kept. So the archive's hash names its content.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Folders and files that are never part of the code.
LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".svn", ".ipynb_checkpoints", ".DS_Store"})


@dataclass(frozen=True)
class CodeArchive:
    """A packed program.

    Attributes:
        body: The ``tar.gz``.
        digest: SHA-256 of the body in hex.
        program: Path of the entry point inside the archive.
    """

    body: bytes
    digest: str
    program: str


def check_entry_point(entry_point: str, source_dir: str | None) -> tuple[Path | None, str]:
    """Return the source folder (None without one) and the entry point's path inside the archive.

    Args:
        entry_point: Path of the script; relative to ``source_dir`` if that is given.
        source_dir: Folder of the code, or None.

    Raises:
        ValueError: Something is not there or lies outside.
    """
    if entry_point.startswith("s3://"):
        raise ValueError(
            f"entry_point={entry_point!r} must be a local file; put the folder's address in source_dir"
        )
    if source_dir is None:
        path = _local_path(entry_point)
        if not path.is_file():
            raise ValueError(f"entry_point={entry_point!r}: there is no file {path.absolute()}")
        return None, path.name
    folder = _local_path(source_dir)
    if not folder.is_dir():
        raise ValueError(f"source_dir={source_dir!r}: there is no folder {folder.absolute()}")
    relative = os.path.normpath(entry_point)
    if os.path.isabs(relative):
        relative = os.path.relpath(relative, folder.absolute())
    if relative.split(os.sep)[0] == "..":
        raise ValueError(f"entry_point={entry_point!r} lies outside source_dir={source_dir!r}")
    if not (folder / relative).is_file():
        raise ValueError(f"entry_point={entry_point!r}: there is no such file in source_dir={source_dir!r}")
    return folder, relative.replace(os.sep, "/")


def pack(entry_point: str, source_dir: str | None, dependencies: Sequence[str]) -> CodeArchive:
    """Return the archive of a script, its folder and its dependencies.

    Args:
        entry_point: Path of the script; relative to ``source_dir`` if that is given.
        source_dir: Folder whose content is packed, or None to pack the script alone.
        dependencies: Files and folders to add beside it, each under its own name.

    Raises:
        ValueError: Something is not there, a name is taken twice, or a link leaves its folder.
    """
    folder, program = check_entry_point(entry_point, source_dir)
    files: dict[str, Path] = {}
    if folder is None:
        files[program] = _local_path(entry_point)
    else:
        files.update(_files_below(folder, ""))
    for dependency in dependencies:
        path = _local_path(dependency)
        if not path.exists():
            raise ValueError(f"dependencies: there is no {path.absolute()}")
        added = dict(_files_below(path, path.name)) if path.is_dir() else {path.name: path}
        twice = sorted(files.keys() & added.keys())
        if twice:
            raise ValueError(f"dependencies: {dependency!r} brings {twice[0]!r}, which the code has already")
        files.update(added)
    body = _archive(files)
    return CodeArchive(body, hashlib.sha256(body).hexdigest(), program)


def _local_path(text: str) -> Path:
    return Path(text[len("file://") :] if text.startswith("file://") else text).expanduser()


def _files_below(folder: Path, prefix: str) -> Iterator[tuple[str, Path]]:
    root = Path(os.path.realpath(folder))
    yield from _walk(root, root, prefix, frozenset({root}))


def _walk(root: Path, folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[tuple[str, Path]]:
    for entry in sorted(os.scandir(folder), key=lambda item: item.name):
        if entry.name in LEFT_OUT or entry.name.endswith(".pyc"):
            continue
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        real = Path(os.path.realpath(entry.path))
        if entry.is_symlink() and not real.is_relative_to(root):
            raise ValueError(
                f"{entry.path} is a link to {real}, outside of {root}; copy it in, or use dependencies"
            )
        if real.is_dir():
            if real not in above:
                yield from _walk(root, real, name, above | {real})
        elif real.is_file():
            yield name, real
        else:
            raise ValueError(
                f"{entry.path} is no file or folder that can be packed (a broken link or a device)"
            )


def _archive(files: dict[str, Path]) -> bytes:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=6, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            body = files[name].read_bytes()
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            entry.mode = 0o755 if files[name].stat().st_mode & stat.S_IXUSR else 0o644
            tar.addfile(entry, io.BytesIO(body))
    return buffer.getvalue()
