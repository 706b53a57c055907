"""Inputs of ``fit`` as channels of a request."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pegbox._sdk.record_sets import FileSystemRecordSet, RecordSet
from pegbox.inputs import FileSystemInput, TrainingInput

#: Name of the channel of an input that names none.
DEFAULT_CHANNEL = "training"

_FORMS = (
    "str, TrainingInput (s3_input), FileSystemInput, RecordSet, a dict of channels, or a list of record sets"
)


def channels_of(inputs: Any, local: bool) -> list[dict[str, Any]] | None:
    """Return the channels for what ``fit`` was given, or None for None and for nothing in it.

    Args:
        inputs: Any of the documented forms.
        local: Whether the service runs on this machine, so that files and folders of it can be inputs.

    Raises:
        ValueError: The form or an address is not accepted, a channel name is used twice, or a local input is missing.
            All problems of a dict are named at once.
    """
    if inputs is None:
        return None
    named = _named_inputs(inputs)
    if not named:
        return None
    channels, problems = [], []
    for name, item in named.items():
        try:
            channels.append(channel(name, item, local))
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("; ".join(problems))
    return channels


def channel(name: str, item: Any, local: bool, **options: Any) -> dict[str, Any]:
    """Return one channel of a request.

    Args:
        name: Channel name.
        item: Address, path or input object.
        local: Whether files of this machine can be inputs.
        **options: Arguments of :class:`TrainingInput` for plain addresses.

    Raises:
        ValueError: The address is not accepted or missing.
    """
    if isinstance(item, (str, os.PathLike)):
        item = TrainingInput(_address(name, os.fspath(item), local), **options)
    elif isinstance(item, TrainingInput):
        item = _with_checked_address(name, item, local)
    elif isinstance(item, (RecordSet, FileSystemRecordSet)):
        (item,) = item.data_channel().values()
    elif not isinstance(item, FileSystemInput):
        raise ValueError(f"input {name!r}: {item!r} is not accepted; give {_FORMS}")
    if "TargetAttributeName" in item.config:
        raise ValueError(
            f"input {name!r}: target_attribute_name={item.config['TargetAttributeName']!r} belongs to automatic machine "
            "learning jobs, not to training jobs; leave it out"
        )
    return {**item.config, "ChannelName": name}


def add_channel(channels: list[dict[str, Any]] | None, added: dict[str, Any]) -> list[dict[str, Any]]:
    """Return channels with one more.

    Raises:
        ValueError: The name is used already.
    """
    channels = channels or []
    name = added["ChannelName"]
    if any(item["ChannelName"] == name for item in channels):
        raise ValueError(f"Duplicate channel {name} not allowed: it is also the name of a channel of inputs")
    return [*channels, added]


def local_address(field: str, text: str, local: bool) -> str:
    """Return an output or checkpoint address as the service takes it.

    Args:
        field: Name of the argument, for messages.
        text: ``s3://...``, and for the local server ``file://...`` or a path.
        local: Whether files of this machine can be meant.

    Raises:
        ValueError: It is neither.
    """
    if text.startswith(("s3://", "https://")):
        return text
    if not local:
        raise ValueError(f"{field}={text!r} must start with s3://; files are taken by the local server only")
    return file_uri(text)


def file_uri(text: str) -> str:
    """Return a path or ``file://`` address as ``file://`` address of an absolute path."""
    path = text[len("file://") :] if text.startswith("file://") else text
    return "file://" + os.path.abspath(os.path.expanduser(path))


def _named_inputs(inputs: Any) -> dict[str, Any]:
    if isinstance(inputs, (RecordSet, FileSystemRecordSet)):
        return dict(inputs.data_channel())
    if isinstance(inputs, Mapping):
        return dict(inputs)
    if isinstance(inputs, list):
        return _record_sets(inputs)
    if isinstance(inputs, (str, os.PathLike, TrainingInput, FileSystemInput)):
        return {DEFAULT_CHANNEL: inputs}
    raise ValueError(f"Cannot format input {inputs!r}. Expecting one of {_FORMS}")


def _record_sets(items: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, (RecordSet, FileSystemRecordSet)):
            raise ValueError(f"List compatible only with RecordSets or FileSystemRecordSets, got {item!r}")
        if item.channel in found:
            raise ValueError(f"Duplicate channels not allowed: two record sets have channel={item.channel!r}")
        found.update(item.data_channel())
    return found


def _with_checked_address(name: str, item: TrainingInput, local: bool) -> TrainingInput:
    source = item.config["DataSource"]["S3DataSource"]
    address = _address(name, source["S3Uri"], local, strict=False)
    if address == source["S3Uri"]:
        return item
    checked = TrainingInput.__new__(TrainingInput)
    checked.config = {**item.config, "DataSource": {"S3DataSource": {**source, "S3Uri": address}}}
    return checked


def _address(name: str, text: str, local: bool, strict: bool = True) -> str:
    """The address as the service takes it. Not strict: what is in no known form is left to the service."""
    if text.startswith("s3://"):
        return text
    if text.startswith(("file://", "/", "./", "../", "~")) or (local and Path(text).exists()):
        if not local:
            raise ValueError(
                f"input {name!r}: {text!r} is a local path, which only the local server takes; use s3://"
            )
        address = file_uri(text)
        if not os.path.exists(address[len("file://") :]):
            raise ValueError(f"input {name!r}: there is no file or folder {address[len('file://') :]}")
        return address
    if not strict and not local:
        return text
    raise ValueError(
        f'input {name!r}: URI input {text} must be a valid S3 or FILE URI: must start with "s3://" or "file://"'
        + (", or be an existing path" if local else "")
    )
