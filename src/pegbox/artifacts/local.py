"""Artifacts on this machine's disk."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pegbox.artifacts.foreign import ForeignBuckets, ForeignProblem
from pegbox.artifacts.publishing import move_once, remove_published
from pegbox.domain import object_keys as keys
from pegbox.errors import PegboxError

#: Where nothing is.
_NOWHERE = Path("/dev/null/nothing")


class _Refused(Exception):
    """An address cannot be used; the text says why and what to do."""


class LocalArtifacts:
    """Addresses and the files behind them; see :class:`pegbox.ports.artifacts.ArtifactStore`.

    Args:
        buckets_dir: Folder with one folder per bucket; object keys are paths in it.
        owned: Names of the buckets that are the server's own even before they hold anything.
        create_buckets: Whether an output may go to a bucket that does not exist yet.
        allow_files: Whether ``file://`` addresses and absolute paths are accepted.
        roots: Where allowed, only under these folders (links resolved); None means anywhere.
        role: Named in messages, as AWS does.
        region: Named in messages, as AWS does.
        foreign: Another endpoint, where inputs of buckets that are not here are looked for; or None.
    """

    def __init__(
        self,
        buckets_dir: Path,
        *,
        owned: Collection[str] = (),
        create_buckets: bool = False,
        allow_files: bool = True,
        roots: Collection[Path] | None = None,
        role: str = "arn:aws:iam::000000000000:role/pegbox",
        region: str = "us-east-1",
        foreign: ForeignBuckets | None = None,
    ) -> None:
        self._buckets = buckets_dir
        self._owned = frozenset(owned)
        self._create = create_buckets
        self._allow_files = allow_files
        self._roots = None if roots is None else tuple(Path(os.path.realpath(root)) for root in roots)
        self._role = role
        self._region = region
        self._foreign = foreign

    def check_input(self, uri: str) -> str | None:
        """Return why an input address cannot be used, or None; something must match it.

        What lies at another endpoint is fetched by this, so that :meth:`locate` leads to it.
        """
        try:
            path = self._fetched(uri) or self._path(uri, for_output=False)
            self._check_there(uri, path)
        except _Refused as refusal:
            return str(refusal)
        return None

    def check_output(self, uri: str) -> str | None:
        """Return why an output address cannot be used, or None."""
        try:
            path = self._path(uri, for_output=True)
            _check_writable(uri, path)
        except _Refused as refusal:
            return str(refusal)
        return None

    def locate(self, uri: str) -> str:
        """Return the local path of an address; it need not exist.

        Raises:
            PegboxError: The address cannot be used.
        """
        named = self._at_foreign(uri)
        if named is not None and self._foreign is not None:
            return str(self._foreign.path(*named))
        return str(self._located(uri))

    def publish(self, staged_path: str, uri: str, artifact: Mapping[str, Any]) -> None:
        """Move a staged file to its address, once and durably; see the port.

        Raises:
            PegboxError: The address holds something else, the staged file is not what was recorded, or the disk refuses.
        """
        move_once(Path(staged_path), self._located(uri), artifact, uri)

    def discard(self, uri: str) -> None:
        """Remove what was published at an address, and the folders that this leaves empty.

        Raises:
            PegboxError: The disk refuses.
        """
        scheme, rest = _split(uri)
        stop = self._buckets / rest.partition("/")[0] if scheme == "s3" else None
        remove_published(self._located(uri), stop)

    def _at_foreign(self, uri: str) -> tuple[str, str] | None:
        """Bucket and key of an address that lies at the other endpoint, or None."""
        scheme, rest = _split(uri)
        bucket, _, key = rest.partition("/")
        own = bucket in self._owned or (self._buckets / bucket).is_dir()
        if self._foreign is None or scheme != "s3" or own or not keys.is_bucket_name(bucket):
            return None
        return bucket, key

    def _fetched(self, uri: str) -> Path | None:
        """Where an address of the other endpoint lies now, or None for all other addresses."""
        named = self._at_foreign(uri)
        if named is None or self._foreign is None:
            return None
        try:
            return self._foreign.path(*named) if self._foreign.fetch(*named) else _NOWHERE
        except (ForeignProblem, ValueError) as problem:
            raise _Refused(str(problem)) from None

    def _located(self, uri: str) -> Path:
        try:
            return self._path(uri, for_output=True)
        except _Refused as refusal:
            raise PegboxError(str(refusal)) from None

    def _path(self, uri: str, *, for_output: bool) -> Path:
        scheme, rest = _split(uri)
        if scheme == "s3":
            return self._object_path(uri, rest, for_output=for_output)
        if scheme not in ("file", ""):
            raise _Refused(f"{uri}: addresses begin with s3:// or file://, or are absolute paths")
        return self._file_path(uri, rest)

    def _object_path(self, uri: str, rest: str, *, for_output: bool) -> Path:
        bucket, _, key = rest.partition("/")
        if not keys.is_bucket_name(bucket):
            raise _Refused(f"{uri}: '{bucket}' cannot be a bucket's name")
        folder = self._buckets / bucket
        known = bucket in self._owned or folder.is_dir() or (for_output and self._create)
        if not known:
            own = ", ".join(sorted(self._owned | self._existing())) or "none"
            other = (
                f"only inputs are read from {self._foreign.endpoint}; let outputs go to a bucket of this server"
                if self._foreign is not None
                else "no other S3 endpoint is named by the setting s3_endpoint_url; copy the data to a bucket of this server "
                "or use a file:// address"
            )
            raise _Refused(
                f"{uri}: bucket '{bucket}' is not a bucket of this server (its buckets: {own}); {other}"
            )
        try:
            path = folder / keys.encode_key(key.strip("/")) if key.strip("/") else folder
        except ValueError as error:
            raise _Refused(f"{uri}: {error}") from None
        self._check_inside(uri, path, folder)
        return path

    def _existing(self) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in os.scandir(self._buckets) if entry.is_dir())
        except OSError:
            return frozenset()

    def _check_inside(self, uri: str, path: Path, folder: Path) -> None:
        """A link in a bucket may lead out only to where plain paths may lead."""
        real = Path(os.path.realpath(path))
        inside = real.is_relative_to(os.path.realpath(folder))
        if not inside and not (self._allow_files and self._under_roots(real)):
            raise _Refused(f"{uri}: a link in the bucket leads to {real}, which this server may not use")

    def _file_path(self, uri: str, path: str) -> Path:
        if not self._allow_files:
            raise _Refused(
                f"{uri}: this server accepts s3:// addresses only; upload the data to one of its buckets"
            )
        if not path.startswith("/") or "\0" in path:
            raise _Refused(f"{uri}: a path must be absolute, such as file:///home/me/data")
        plain = Path(os.path.normpath(path))
        if not self._under_roots(Path(os.path.realpath(plain))):
            allowed = ", ".join(str(root) for root in self._roots or ())
            raise _Refused(f"{uri}: this server accepts paths only under: {allowed or '(none)'}")
        return plain

    def _under_roots(self, real: Path) -> bool:
        return self._roots is None or any(real.is_relative_to(root) for root in self._roots)

    def _check_there(self, uri: str, path: Path) -> None:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise _Refused(f"{uri}: {path} is a device, a pipe or a socket; an input is a file or a folder")
        scheme, _ = _split(uri)
        if _holds_something(path, as_prefix=not uri.endswith("/")):
            if not os.access(path if path.exists() else path.parent, os.R_OK):
                raise _Refused(f"{uri}: {path} cannot be read by this server; change its permissions")
            return
        if scheme == "s3":
            bucket = uri[len("s3://") :].partition("/")[0]
            raise _Refused(
                f'No S3 objects found under S3 URL "{uri}" given in input data source. Please ensure that the bucket exists '
                f"in the selected region ({self._region}), that objects exist under that S3 prefix, and that the role "
                f'"{self._role}" has "s3:ListBucket" permissions on bucket "{bucket}".'
            )
        raise _Refused(f"{uri}: there is no file or non-empty folder at {path}; an empty prefix is rejected")


def _split(uri: str) -> tuple[str, str]:
    """Return scheme (empty for a plain path) and the rest of an address."""
    if uri.startswith("file://"):
        rest = uri[len("file://") :]
        return "file", rest.removeprefix("localhost") if rest.startswith("localhost/") else rest
    scheme, mark, rest = uri.partition("://")
    return (scheme, rest) if mark else ("", uri)


def _holds_something(path: Path, *, as_prefix: bool) -> bool:
    """Whether a file is there, a folder with a file in it, or (as S3 prefixes go) a name that begins so."""
    if path.is_file():
        return True
    if path.is_dir() and _has_file(path):
        return True
    if not as_prefix:
        return False
    try:
        names = [name for name in os.listdir(path.parent) if name.startswith(path.name)]
    except OSError:
        return False
    return any((path.parent / name).is_file() or _has_file(path.parent / name) for name in names)


def _has_file(folder: Path) -> bool:
    return any(files for _, _, files in os.walk(folder, followlinks=True))


def _check_writable(uri: str, path: Path) -> None:
    """The nearest thing that exists on the way must be a folder we may write to."""
    if path.is_file():
        raise _Refused(f"{uri}: {path} is a file; outputs go below a folder")
    there = path
    while not there.exists():
        there = there.parent
    if not there.is_dir():
        raise _Refused(f"{uri}: {there} is not a folder, so nothing can be written below it")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _Refused(
            f"{uri}: {there} cannot be written by this server; choose another address or change its permissions"
        )
