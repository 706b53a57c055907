"""Objects of ``s3://`` buckets: the local server's lie in its home as files, others are reached through boto3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit


class Storage(Protocol):
    """What a session needs of object storage."""

    def put_file(self, bucket: str, key: str, path: Path, extra: dict[str, Any] | None = None) -> None:
        """Store a file as an object, replacing it as a whole."""

    def put_bytes(self, bucket: str, key: str, body: bytes, extra: dict[str, Any] | None = None) -> None:
        """Store bytes as an object, replacing it as a whole."""

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object to a file."""

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """Return an object."""

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that start with a prefix, sorted."""

    def put_new(self, bucket: str, key: str, body: bytes) -> None:
        """Store bytes under a key that names their content; an object that is there already is left alone."""


def storage_of(session: Any) -> Storage:
    """Return the storage of a session, also of one that is not ours."""
    from pegbox.session import Session

    if isinstance(session, Session):
        return session.storage
    return RemoteBuckets(session.s3_client or session.boto_session.client("s3"))


def split_s3_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of ``s3://bucket/key``.

    Raises:
        ValueError: It is no such address.
    """
    parts = urlsplit(uri)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"{uri!r} is no s3://bucket/key address")
    return parts.netloc, parts.path.lstrip("/")


class LocalBuckets:
    """Buckets that the local server keeps as folders under ``<home>/buckets``.

    Args:
        home: Home folder of the server.
        creatable: Names of buckets that may be made here: the server's default one and the session's own.
    """

    def __init__(self, home: Path, creatable: Callable[[], frozenset[str]]) -> None:
        self._root = home / "buckets"
        self._creatable = creatable

    def path_of(self, bucket: str, key: str) -> Path:
        """Return the file that is the object.

        Raises:
            ValueError: The bucket is not kept here, or the key would leave it.
        """
        folder = self._folder(bucket)
        parts = key.split("/")
        if not key or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise ValueError(
                f"key {key!r} cannot be kept as a file: no empty part, '.' or '..' between slashes"
            )
        return folder.joinpath(*parts)

    def put_file(self, bucket: str, key: str, path: Path, extra: dict[str, Any] | None = None) -> None:
        """Store a file as an object, replacing it as a whole."""
        _refuse_extra(extra)
        with path.open("rb") as source:
            self._write(self.path_of(bucket, key), iter(lambda: source.read(1 << 20), b""))

    def put_bytes(self, bucket: str, key: str, body: bytes, extra: dict[str, Any] | None = None) -> None:
        """Store bytes as an object, replacing it as a whole."""
        _refuse_extra(extra)
        self._write(self.path_of(bucket, key), iter((body,)))

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object to a file."""
        import shutil

        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(self._existing(bucket, key), path)

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """Return an object."""
        return self._existing(bucket, key).read_bytes()

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that start with a prefix, sorted."""
        folder = self._folder(bucket)
        found = []
        for parent, folders, files in os.walk(folder):
            folders.sort()
            for file in files:
                key = os.path.relpath(os.path.join(parent, file), folder).replace(os.sep, "/")
                if key.startswith(prefix) and not file.startswith(".tmp-"):
                    found.append(key)
        return sorted(found)

    def put_new(self, bucket: str, key: str, body: bytes) -> None:
        """Store bytes under a key that names their content; an object that is there already is left alone."""
        path = self.path_of(bucket, key)
        if not path.is_file() or path.stat().st_size != len(body):
            self.put_bytes(bucket, key, body)

    def _folder(self, bucket: str) -> Path:
        folder = self._root / bucket
        if "/" in bucket or bucket in ("", ".", "..") or not (folder.is_dir() or bucket in self._creatable()):
            kept = sorted(
                {entry.name for entry in self._root.glob("*") if entry.is_dir()} | self._creatable()
            )
            raise ValueError(
                f"bucket {bucket!r} is not kept by the local server, which keeps {', '.join(kept)}; leave the bucket "
                f"out, or make it with Session(default_bucket={bucket!r})"
            )
        return folder

    def _existing(self, bucket: str, key: str) -> Path:
        path = self.path_of(bucket, key)
        if not path.is_file():
            raise FileNotFoundError(f"no object s3://{bucket}/{key}")
        return path

    def _write(self, path: Path, blocks: Iterator[bytes]) -> None:
        import tempfile

        _make_folders(path.parent)
        descriptor, temporary = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                for block in blocks:
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
        _sync_folder(path.parent)


class RemoteBuckets:
    """Buckets reached through a boto3 client of S3.

    Args:
        client: The client.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def put_file(self, bucket: str, key: str, path: Path, extra: dict[str, Any] | None = None) -> None:
        """Store a file as an object."""
        self._client.upload_file(str(path), bucket, key, ExtraArgs=extra)

    def put_bytes(self, bucket: str, key: str, body: bytes, extra: dict[str, Any] | None = None) -> None:
        """Store bytes as an object."""
        self._client.put_object(Bucket=bucket, Key=key, Body=body, **(extra or {}))

    def get_file(self, bucket: str, key: str, path: Path) -> None:
        """Write an object to a file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._client.download_file(bucket, key, str(path))

    def get_bytes(self, bucket: str, key: str) -> bytes:
        """Return an object."""
        body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def keys(self, bucket: str, prefix: str) -> list[str]:
        """Return the keys that start with a prefix, sorted."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return sorted(item["Key"] for page in pages for item in page.get("Contents", ()))

    def put_new(self, bucket: str, key: str, body: bytes) -> None:
        """Store bytes under a key that names their content."""
        self.put_bytes(bucket, key, body)


def _refuse_extra(extra: dict[str, Any] | None) -> None:
    if extra:
        raise ValueError(
            f"extra_args={extra!r}: the local server keeps objects as plain files; leave extra_args out"
        )


def _make_folders(folder: Path) -> None:
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(mode=0o700, exist_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
