"""Manifest files: a channel's objects by name.

A manifest is a JSON list: first ``{"prefix": "s3://bucket/folder/"}``, then the rest of each object's key. An augmented manifest
has one JSON object per line; what its ``...-ref`` attributes hold are addresses of objects.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from pegbox.errors import PegboxError
from pegbox.ports.artifacts import ArtifactStore

MANIFEST = "ManifestFile"
AUGMENTED = "AugmentedManifestFile"
#: Most objects of one manifest, and most bytes of its file.
MOST_OBJECTS = 10_000
_MOST_BYTES = 4_000_000


class BadManifest(Exception):
    """A manifest cannot be used; the text says why and what to do."""


def read_manifest(artifacts: ArtifactStore, uri: str) -> tuple[tuple[str, str], ...]:
    """Return (name within the channel, local path) of each object that a manifest names, in its order.

    Raises:
        BadManifest: It cannot be read, has another form, or names an address that cannot be used.
    """
    try:
        with open(artifacts.locate(uri), encoding="utf-8") as stream:
            text = stream.read(_MOST_BYTES + 1)
        items = json.loads(text) if len(text) <= _MOST_BYTES else None
    except (OSError, ValueError, PegboxError) as problem:
        raise BadManifest(f"{uri} is no manifest that can be read ({problem}); give a JSON list") from None
    if items is None or (isinstance(items, list) and len(items) > MOST_OBJECTS + 1):
        raise BadManifest(
            f"{uri} names more than {MOST_OBJECTS} objects; use S3Prefix or fewer, larger objects"
        )
    prefix = _prefix(items, uri)
    names = items[1:]
    if not names:
        raise BadManifest(f"{uri} names no object after its prefix; add at least one")
    found = []
    for name in names:
        parts = name.split("/") if isinstance(name, str) else []
        if not parts or any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise BadManifest(f"{uri}: {name!r} is no name of an object relative to the prefix; correct it")
        try:
            found.append((name, artifacts.locate(prefix + name)))
        except PegboxError as problem:
            raise BadManifest(f"{uri}: {problem}") from None
    if len({name for name, _ in found}) < len(found):
        raise BadManifest(f"{uri} names an object twice; name each once")
    return tuple(found)


def read_augmented(
    artifacts: ArtifactStore, uri: str, attributes: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Return (address, local path) of each object that the ``-ref`` attributes of an augmented manifest name.

    Args:
        artifacts: Where addresses lie.
        uri: Address of the manifest.
        attributes: The attributes that are fed; each line must have all of them.

    Raises:
        BadManifest: It cannot be read, a line lacks an attribute, or an address cannot be used.
    """
    found: dict[str, str] = {}
    try:
        with open(artifacts.locate(uri), encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if not line.strip():
                    continue
                item = json.loads(line)
                missing = [name for name in attributes if not isinstance(item, dict) or name not in item]
                if missing:
                    raise BadManifest(
                        f"line {number} of {uri} has no {', '.join(missing)}, which AttributeNames asks for; add it"
                    )
                for name in attributes:
                    if name.endswith("-ref") and item[name] not in found:
                        found[item[name]] = _referred(artifacts, item[name], f"line {number} of {uri}")
                if len(found) > MOST_OBJECTS:
                    raise BadManifest(f"{uri} names more than {MOST_OBJECTS} objects; use several channels")
    except (OSError, ValueError, PegboxError) as problem:
        raise BadManifest(
            f"{uri} is no augmented manifest that can be read ({problem}); give a file with one JSON object per line"
        ) from None
    return tuple(found.items())


def _referred(artifacts: ArtifactStore, address: Any, where: str) -> str:
    if not isinstance(address, str):
        raise BadManifest(f"{where}: {address!r} is no address of an object; give s3://bucket/key")
    refused = artifacts.check_input(address)
    if refused is not None:
        raise BadManifest(f"{where} names {address!r}, which cannot be used: {refused}")
    return artifacts.locate(address)


def manifest_problem(artifacts: ArtifactStore, uri: str) -> str | None:
    """Return what is wrong with a manifest or with an object that it names, or None."""
    try:
        objects = read_manifest(artifacts, uri)
    except BadManifest as problem:
        return str(problem)
    prefix = uri_prefix(artifacts, uri)
    for name, _ in objects:
        refused = artifacts.check_input(prefix + name)
        if refused is not None:
            return f"{uri} names {name!r}, which cannot be used: {refused}"
    return None


def uri_prefix(artifacts: ArtifactStore, uri: str) -> str:
    """Return the prefix of a manifest that :func:`read_manifest` accepts."""
    with open(artifacts.locate(uri), encoding="utf-8") as stream:
        return _prefix(json.load(stream), uri)


def _prefix(items: Any, uri: str) -> str:
    first = items[0] if isinstance(items, list) and items else None
    prefix = first.get("prefix") if isinstance(first, dict) else None
    if not isinstance(prefix, str) or urlsplit(prefix).scheme not in ("s3", "file"):
        raise BadManifest(f'{uri} does not begin with {{"prefix": "s3://bucket/folder/"}}; write it so')
    return prefix
