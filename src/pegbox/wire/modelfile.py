"""Where service models are read from: botocore's data, and a small cache of what is served.

botocore's description of SageMaker alone is several megabytes; parsed whole it would be most of the server's
memory. What is served is a small part of it, so the part is written to a cache file once and read from there at
each start. The file names the botocore version and the operations it was made for and carries a checksum; one
that does not fit or does not read is made again, never trusted.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pegbox.errors import PegboxError
from pegbox.wire.limits import constraint_changes
from pegbox.wire.model import ServiceModel, build, prune
from pegbox.wire.served import METADATA_DEFAULTS, SERVED

#: Raised whenever the form of the cache file changes.
CACHE_FORMAT = 2


def load_models(
    served: Mapping[str, Iterable[str]] = SERVED,
    *,
    cache: Path | None = None,
    mode: str = "extended",
) -> dict[str, ServiceModel]:
    """Read the models of some operations.

    Args:
        served: botocore service name -> names of the operations to serve.
        cache: File to keep the pruned description in, or None to read botocore's data each time. It is written
            when absent or unfit; where it cannot be written the models are returned all the same.
        mode: ``extended`` or ``strict``, see :mod:`pegbox.wire.limits`.

    Returns:
        A model for each service, by botocore's name. Operations that the installed botocore is too old to describe
        are not served; the model names them.

    Raises:
        PegboxError: botocore is not installed or does not describe one of the services.
        ValueError: The mode is unknown.
    """
    changes = constraint_changes(mode)
    pruned = _pruned({name: sorted(set(operations)) for name, operations in served.items()}, cache)
    return {
        name: build(name, data, defaults=METADATA_DEFAULTS.get(name), changes=changes.get(name))
        for name, data in pruned.items()
    }


def botocore_version() -> str:
    """The version of the installed botocore, read without importing it."""
    text = (_botocore_folder() / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r"^__version__ = ['\"]([^'\"]+)['\"]", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def service_description(service: str) -> dict[str, Any]:
    """botocore's whole description of a service, of its newest API version.

    Raises:
        PegboxError: botocore does not describe that service.
    """
    folder = _botocore_folder() / "data" / service
    for version in sorted((path for path in folder.glob("*") if path.is_dir()), reverse=True):
        for file, read in (("service-2.json.gz", gzip.decompress), ("service-2.json", bytes)):
            if (version / file).is_file():
                description: dict[str, Any] = json.loads(read((version / file).read_bytes()))
                return description
    raise PegboxError(f"The installed botocore does not describe the service {service!r}; update botocore.")


def _pruned(served: Mapping[str, list[str]], cache: Path | None) -> dict[str, Any]:
    key = json.dumps([CACHE_FORMAT, botocore_version(), served], sort_keys=True)
    if cache is not None:
        cached = _read_cache(cache, key)
        if cached is not None:
            return cached
    pruned = {name: prune(service_description(name), operations) for name, operations in served.items()}
    if cache is not None:
        with contextlib.suppress(OSError):
            _write_cache(cache, key, pruned)
    return pruned


def _read_cache(path: Path, key: str) -> dict[str, Any] | None:
    """What the cache holds for ``key``; None if it is absent, made for something else, or damaged."""
    try:
        checksum, stored_key, body = path.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return None
    if stored_key != key.encode() or checksum != _checksum(stored_key, body):
        return None
    cached: dict[str, Any] = json.loads(body)
    return cached


def _write_cache(path: Path, key: str, pruned: Mapping[str, Any]) -> None:
    # Needed once in the life of a home, not at each start.
    import tempfile

    body = json.dumps(pruned, separators=(",", ":")).encode()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n".join((_checksum(key.encode(), body), key.encode(), body)))
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _checksum(key: bytes, body: bytes) -> bytes:
    return hashlib.sha256(key + b"\n" + body).hexdigest().encode()


def _botocore_folder() -> Path:
    # Importing botocore would cost more memory and time than reading its data.
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise PegboxError("botocore is not installed; install it with: pip install boto3")
    return Path(spec.origin).parent
