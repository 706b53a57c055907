"""Buckets of another S3 endpoint: objects are fetched once for each address and version, and are files from then on.

An address is looked at when a job that names it is created. What was found then is a *version*: the listing's keys with their
entity tags. Its objects lie in a folder of their own, as links to a pool of objects, so that neither an object that two addresses
share nor one that two versions share is fetched twice. A version is never changed: jobs that run on it are not disturbed by
newer data. The whole folder is a cache and may be removed while no job runs.

    <cache>/objects/<hash of bucket, key and tag>
    <cache>/addresses/<hash of bucket and key>/<hash of the version>/<key>
    <cache>/addresses/<hash of bucket and key>/current -> <hash of the version>
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

from pegbox.domain import object_keys as keys

#: Addresses that are fetched at a time; further requests wait.
_FETCHING = 4
#: Objects of one address that are fetched at a time.
_STREAMS = 8
#: Most objects of one address.
MOST_OBJECTS = 100_000


class ForeignProblem(Exception):
    """An address of the other endpoint cannot be used; the text says why and what to do."""


class ForeignBuckets:
    """Buckets of an S3 endpoint that is not this server's.

    Args:
        endpoint: Its address, ``http://host:port``.
        access_key_id: Key that it accepts.
        secret_access_key: The secret of that key.
        region: Region that requests are signed for.
        cache: Folder for what is fetched; made when first needed.
    """

    def __init__(
        self, endpoint: str, *, access_key_id: str, secret_access_key: str, region: str, cache: Path
    ) -> None:
        self.endpoint = endpoint
        self._keys = (access_key_id, secret_access_key)
        self._region = region
        self._cache = cache
        self._turns = BoundedSemaphore(_FETCHING)
        self._client: Any = None

    def fetch(self, bucket: str, key: str) -> bool:
        """Have the newest version of an address on this machine; return whether anything is there.

        Args:
            bucket: Name of the bucket.
            key: A key, a folder, or the start of keys.

        Raises:
            ForeignProblem: The endpoint refuses, does not answer, or changes meanwhile.
        """
        place = self._place(bucket, key)
        with self._turns, _locked(place), self._words(bucket, key):
            found = self._listing(bucket, key)
            if not found:
                return False
            version = hashlib.sha256(repr(found).encode()).hexdigest()[:32]
            if not (place / version).is_dir():
                self._make(bucket, found, place / version)
            _point(place / "current", version)
        return True

    def path(self, bucket: str, key: str) -> Path:
        """Return where the version of an address that was fetched last lies; nothing is there before it was.

        Args:
            bucket: Name of the bucket.
            key: See :meth:`fetch`.

        Raises:
            ValueError: A part of the key is too long for any file name.
        """
        root = Path(os.path.realpath(self._place(bucket, key) / "current"))
        return root / keys.encode_key(key.strip("/")) if key.strip("/") else root

    def _place(self, bucket: str, key: str) -> Path:
        name = hashlib.sha256(f"{self.endpoint}\n{bucket}\n{key}".encode()).hexdigest()[:32]
        return self._cache / "addresses" / name

    def _listing(self, bucket: str, key: str) -> list[tuple[str, str, int]]:
        """Key, entity tag and size of each object of an address, in order; folder markers are none."""
        found: list[tuple[str, str, int]] = []
        pages = self._s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key)
        for page in pages:
            found += [(item["Key"], item["ETag"], item["Size"]) for item in page.get("Contents", ())]
            if len(found) > MOST_OBJECTS:
                raise ForeignProblem(f"more than {MOST_OBJECTS} objects match; name fewer, larger ones")
        found = sorted(item for item in found if not item[0].endswith("/"))
        # As with this server's own buckets: an object of just this key, else the folder, else all that begin so.
        exact = [item for item in found if item[0] == key]
        below = [item for item in found if key and item[0].startswith(key.rstrip("/") + "/")]
        return exact or below or found

    def _make(self, bucket: str, found: list[tuple[str, str, int]], version: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor

        part = version.with_name(f"{version.name}.{os.getpid()}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        try:
            with ThreadPoolExecutor(_STREAMS, "fetch") as streams:
                list(streams.map(lambda item: self._link(bucket, item, part), found))
            part.rename(version)
        finally:
            shutil.rmtree(part, ignore_errors=True)

    def _link(self, bucket: str, item: tuple[str, str, int], folder: Path) -> None:
        key, tag, size = item
        name = hashlib.sha256(f"{self.endpoint}\n{bucket}\n{key}\n{tag}".encode()).hexdigest()
        stored = self._cache / "objects" / name
        if not stored.is_file() or stored.stat().st_size != size:
            self._download(bucket, key, tag, stored)
        place = folder / keys.encode_key(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        os.link(stored, place)

    def _download(self, bucket: str, key: str, tag: str, stored: Path) -> None:
        import threading

        stored.parent.mkdir(parents=True, exist_ok=True)
        part = stored.with_name(f"{stored.name}.{os.getpid()}.{threading.get_ident()}.part")
        try:
            body = self._s3().get_object(Bucket=bucket, Key=key, IfMatch=tag)["Body"]
            with part.open("wb") as stream:
                shutil.copyfileobj(body, stream, 1 << 20)
            part.rename(stored)
        finally:
            part.unlink(missing_ok=True)

    def _s3(self) -> Any:
        """The client; it knows the one key, and nothing of the environment's AWS settings."""
        if self._client is None:
            import boto3
            import botocore.session
            from botocore.config import Config

            nothing = os.devnull
            core = botocore.session.Session(
                session_vars={
                    "profile": (None, None, None, None),
                    "config_file": (None, None, nothing, None),
                    "credentials_file": (None, None, nothing, None),
                }
            )
            core.set_credentials(*self._keys)
            self._client = boto3.Session(botocore_session=core, region_name=self._region).client(
                "s3",
                endpoint_url=self.endpoint,
                config=Config(
                    s3={"addressing_style": "path"}, retries={"max_attempts": 3}, connect_timeout=5,
                    max_pool_connections=_FETCHING * _STREAMS,
                ),
            )  # fmt: skip
        return self._client

    @contextmanager
    def _words(self, bucket: str, key: str) -> Iterator[None]:
        """Say what went wrong in terms of the address and the setting."""
        from botocore.exceptions import BotoCoreError, ClientError

        where = f"s3://{bucket}/{key} at {self.endpoint} (setting s3_endpoint_url)"
        try:
            yield
        except ForeignProblem as problem:
            raise ForeignProblem(f"{where}: {problem}") from None
        except ClientError as error:
            code, said = error.response["Error"].get("Code", ""), error.response["Error"].get("Message", "")
            remedy = _REMEDIES.get(code, "correct it and create the job again")
            raise ForeignProblem(f"{where}: {code}: {said}; {remedy}") from None
        except (BotoCoreError, OSError) as error:
            raise ForeignProblem(f"{where} cannot be fetched: {error}; is the endpoint there?") from None


_KEY_REMEDY = (
    "the endpoint must accept the owner's key: write one that it knows into credentials.json of the home"
)
_REMEDIES = {
    "NoSuchBucket": "neither this server nor that endpoint has such a bucket",
    "PreconditionFailed": "the object was replaced meanwhile; create the job again",
    **dict.fromkeys(
        ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidClientTokenId", "403"),
        _KEY_REMEDY,
    ),
}


@contextmanager
def _locked(place: Path) -> Iterator[None]:
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _point(link: Path, name: str) -> None:
    """Have a link lead to a version, at once for whoever follows it."""
    if link.is_symlink() and os.readlink(link) == name:
        return
    part = link.with_name(f"current.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    part.symlink_to(name)
    part.rename(link)
