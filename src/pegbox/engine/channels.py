"""Input channels: what can be wrong with one, and the order that an agent is given for it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pegbox.domain.orders import ChannelOrder
from pegbox.engine.manifests import (
    AUGMENTED,
    MANIFEST,
    BadManifest,
    manifest_problem,
    read_augmented,
    read_manifest,
)
from pegbox.engine.parts import Parts
from pegbox.errors import PegboxError

#: Modes in which a channel is a folder of files.
_FOLDERS = ("File", "FastFile")


def mode_of(channel: Mapping[str, Any], algorithm: Mapping[str, Any]) -> str:
    """Return a channel's input mode: its own, else the algorithm's."""
    return str(channel.get("InputMode") or algorithm.get("TrainingInputMode", "File"))


def channel_problems(parts: Parts, definition: Mapping[str, Any], prefix: str) -> list[str]:
    """Return everything wrong with the channels of a definition or training-job request.

    Args:
        parts: Ports and values.
        definition: The definition or request.
        prefix: Put before each path.
    """
    channels = definition.get("InputDataConfig") or ()
    algorithm = definition.get("AlgorithmSpecification") or {}
    names = [item["ChannelName"] for item in channels]
    problems = [
        f"{prefix}InputDataConfig: channel {name!r} is given more than once; rename one of them"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    for index, item in enumerate(channels):
        path = f"{prefix}InputDataConfig[{index}]"
        sources = item["DataSource"]
        if sources.get("S3DataSource") is not None:
            problems += _s3_problems(parts, item, mode_of(item, algorithm), path)
        elif sources.get("FileSystemDataSource") is not None:
            problems += _file_system_problems(parts, sources["FileSystemDataSource"], path)
        elif not any(sources.values()):
            problems.append(f"{path}.DataSource: empty; give an S3DataSource")
    return problems


def _s3_problems(parts: Parts, item: Mapping[str, Any], mode: str, path: str) -> list[str]:
    source = item["DataSource"]["S3DataSource"]
    kind, attributes = source["S3DataType"], source.get("AttributeNames")
    problems = []
    if mode in _FOLDERS and item.get("CompressionType", "None") != "None":
        problems.append(
            f"{path}.CompressionType: {item['CompressionType']!r} belongs to Pipe mode, and the channel's mode is {mode}; use "
            "None, or InputMode Pipe"
        )
    if kind == AUGMENTED:
        problems += _augmented_problems(item, mode, path)
    elif attributes:
        problems.append(
            f"{path}.DataSource.S3DataSource.AttributeNames: {attributes!r} belongs to S3DataType {AUGMENTED}, and the "
            f"channel's is {kind}; leave it out"
        )
    refused = parts.artifacts.check_input(source["S3Uri"])
    if refused is None and kind == MANIFEST:
        refused = manifest_problem(parts.artifacts, source["S3Uri"])
    if refused is None and kind == AUGMENTED and attributes:
        try:
            read_augmented(parts.artifacts, source["S3Uri"], attributes)
        except BadManifest as problem:
            refused = str(problem)
    if refused is not None:
        where = f"{path}.DataSource.S3DataSource.S3Uri of channel {item['ChannelName']!r}"
        problems.append(f"{where}: {source['S3Uri']!r}: {refused}")
    return problems


def _augmented_problems(item: Mapping[str, Any], mode: str, path: str) -> list[str]:
    problems = []
    if mode != "Pipe":
        problems.append(
            f"{path}.DataSource.S3DataSource.S3DataType: {AUGMENTED!r} belongs to Pipe mode, and the channel's mode is {mode}; "
            "use InputMode Pipe, or a ManifestFile"
        )
    if not item["DataSource"]["S3DataSource"].get("AttributeNames"):
        problems.append(
            f"{path}.DataSource.S3DataSource.AttributeNames: missing; name the attributes of {AUGMENTED} to feed, for example "
            "source-ref"
        )
    if item.get("RecordWrapperType", "None") != "RecordIO":
        problems.append(
            f"{path}.RecordWrapperType: {item.get('RecordWrapperType', 'None')!r}: {AUGMENTED} is fed as one record per "
            "attribute; give RecordIO"
        )
    return problems


def _file_system_problems(parts: Parts, source: Mapping[str, Any], path: str) -> list[str]:
    known = parts.policy.file_systems
    name, where = source["FileSystemId"], f"{path}.DataSource.FileSystemDataSource"
    if name not in known:
        there = ", ".join(sorted(known)) or "none"
        return [
            f"{where}.FileSystemId: {name!r} is not among the file systems of this server ({there}); tell it which folder is "
            f'meant with the setting file_systems = ["{name}=/folder"], or give an S3DataSource with s3:// or file://'
        ]
    folder = file_system_path(known, source)
    if folder is None:
        return [
            f"{where}.DirectoryPath: {source['DirectoryPath']!r} is no absolute path inside the file system, whose folder here "
            f"is {known[name]}; give one such as /data"
        ]
    if not os.path.isdir(folder) or not os.access(folder, os.R_OK | os.X_OK):
        return [
            f"{where}.DirectoryPath: {source['DirectoryPath']!r}: there is no readable folder {folder} (file system {name} is "
            f"{known[name]} here); correct it, or the setting file_systems"
        ]
    return []


def file_system_path(known: Mapping[str, str], source: Mapping[str, Any]) -> str | None:
    """Return the folder of a file-system source on this machine, or None if its path leads out of the file system.

    Args:
        known: Folder by file-system id.
        source: ``FileSystemDataSource``, whose id is known.
    """
    wanted = source["DirectoryPath"]
    if not wanted.startswith("/") or ".." in wanted.split("/") or "\0" in wanted:
        return None
    root = os.path.realpath(known[source["FileSystemId"]])
    folder = os.path.realpath(root + "/" + wanted.strip("/"))
    return folder if folder == root or folder.startswith(root.rstrip("/") + "/") else None


def channel_order(parts: Parts, item: Mapping[str, Any], algorithm: Mapping[str, Any]) -> ChannelOrder:
    """Return the order for a channel of an accepted request.

    Args:
        parts: Ports and values.
        item: Item of ``InputDataConfig``.
        algorithm: ``AlgorithmSpecification``.
    """
    common: dict[str, Any] = {
        "name": item["ChannelName"],
        "content_type": item.get("ContentType", ""),
        "input_mode": mode_of(item, algorithm),
        "record_wrapper": item.get("RecordWrapperType", "None"),
        "compression": item.get("CompressionType", "None"),
        "shuffle_seed": (item.get("ShuffleConfig") or {}).get("Seed"),
    }
    files = item["DataSource"].get("FileSystemDataSource")
    if files is not None:
        known = parts.policy.file_systems
        folder = file_system_path(known, files) if files["FileSystemId"] in known else None
        uri = f"{files['FileSystemId']}:{files['DirectoryPath']}"
        # The settings may have changed since the job was accepted; the agent tells that nothing is there.
        return ChannelOrder(path=folder or "/nonexistent", uri=uri, **common)
    source = item["DataSource"]["S3DataSource"]
    kind = source["S3DataType"]
    return ChannelOrder(
        path=parts.artifacts.locate(source["S3Uri"]),
        uri=source["S3Uri"],
        distribution=source.get("S3DataDistributionType", "FullyReplicated"),
        data_type=kind,
        objects=_objects(parts, source),
        attributes=tuple(source.get("AttributeNames") or ()) if kind == AUGMENTED else (),
        **common,
    )


def _objects(parts: Parts, source: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    try:
        if source["S3DataType"] == MANIFEST:
            return read_manifest(parts.artifacts, source["S3Uri"])
        if source["S3DataType"] == AUGMENTED:
            return read_augmented(parts.artifacts, source["S3Uri"], source.get("AttributeNames") or ())
    except (BadManifest, PegboxError):
        # It was fine when the job was accepted; the agent tells the owner that nothing is left of it.
        return ()
    return ()
