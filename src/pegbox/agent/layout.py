"""The ``/opt/ml`` tree of one attempt: folders, configuration files and linked inputs."""

from __future__ import annotations

import os

from pegbox.agent.codec import dump
from pegbox.agent.durable import write_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Host name of the only instance, as AWS names it.
HOST = "algo-1"
#: Interface the hosts of a job talk over; on one machine that is the loopback.
INTERFACE = "lo"
_GROUP = "homogeneousCluster"


class Refusal(Exception):
    """The attempt cannot run, and why.

    Attributes:
        failure_class: Whose fault it is: ``AlgorithmError``, ``ClientError`` or ``InternalServerError``.
    """

    def __init__(self, failure_class: str, message: str) -> None:
        super().__init__(message)
        self.failure_class = failure_class


def make_tree(base: str) -> None:
    """Make the folders of ``/opt/ml``; those that are there already stay."""
    os.makedirs(base, 0o700, exist_ok=True)
    for folder in (
        "input",
        "input/config",
        "input/data",
        "model",
        "output",
        "output/data",
        "output/intermediate",
        "code",
    ):
        try:  # noqa: SIM105 - contextlib is slow to import
            os.mkdir(f"{base}/{folder}", 0o700)
        except FileExistsError:
            pass


def resource_config(order: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``resourceconfig.json``."""
    instance = order["instance_type"]
    return {
        "current_host": HOST,
        "current_instance_type": instance,
        "current_group_name": _GROUP,
        "hosts": [HOST],
        "instance_groups": [{"instance_group_name": _GROUP, "instance_type": instance, "hosts": [HOST]}],
        "network_interface_name": INTERFACE,
    }


def input_data_config(order: dict[str, Any]) -> dict[str, Any]:
    """Return the content of ``inputdataconfig.json``: per channel what the request says about it."""
    config = {}
    for channel in order["channels"]:
        entry = {
            "TrainingInputMode": channel["input_mode"],
            "S3DistributionType": channel["distribution"],
            "RecordWrapperType": channel["record_wrapper"],
        }
        if channel["content_type"]:
            entry["ContentType"] = channel["content_type"]
        config[channel["name"]] = entry
    return config


def write_configs(base: str, order: dict[str, Any]) -> None:
    """Write the three configuration files."""
    for name, content in (
        ("hyperparameters", dict(order["hyperparameters"])),
        ("inputdataconfig", input_data_config(order)),
        ("resourceconfig", resource_config(order)),
    ):
        write_new(f"{base}/input/config/{name}.json", dump(content).encode())


def link_checkpoints(base: str, order: dict[str, Any]) -> None:
    """Link the folder that is kept across the attempts of a job to its place under ``/opt/ml``.

    Raises:
        Refusal: ``LocalPath`` lies outside ``/opt/ml``, which is not offered.
    """
    kept = order["checkpoint_path"]
    if not kept:
        return
    wanted = os.path.normpath(order["checkpoint_local_path"] or "/opt/ml/checkpoints")
    if not wanted.startswith("/opt/ml/"):
        raise Refusal(
            "ClientError",
            f"CheckpointConfig.LocalPath is {wanted}: only folders under /opt/ml can be linked; "
            "use /opt/ml/checkpoints",
        )
    os.makedirs(kept, 0o700, exist_ok=True)
    place = base + wanted[len("/opt/ml") :]
    os.makedirs(os.path.dirname(place), 0o700, exist_ok=True)
    _link(kept, place)


def link_channels(base: str, order: dict[str, Any]) -> None:
    """Link every channel's data to ``input/data/<channel>``.

    Raises:
        Refusal: A channel's data is missing, or it asks for something this version does not offer.
    """
    for channel in order["channels"]:
        _check_channel(channel)
        place = f"{base}/input/data/{channel['name']}"
        if channel["input_mode"] == "Pipe":
            from pegbox.agent.pipes import make_first

            _check_objects(channel)
            make_first(place)
            continue
        if channel["data_type"] == "ManifestFile":
            _link_objects(channel, place)
            continue
        path = channel["path"]
        if os.path.isdir(path):
            _link(path, place)
            continue
        matches = prefix_matches(path)
        if not matches:
            raise Refusal(
                "ClientError",
                f"no object matches the address {channel['uri']} of channel '{channel['name']}' any more; "
                "an input must exist until its job has ended",
            )
        os.makedirs(place, 0o700, exist_ok=True)
        for match in matches:
            _link(match, f"{place}/{os.path.basename(match)}")


def _check_objects(channel: dict[str, Any]) -> None:
    """Refuse a pipe channel whose data is not there; the feeder opens it only when the program does."""
    if channel["data_type"] != "S3Prefix":
        _need_objects(channel)
    if channel["data_type"] != "ManifestFile" and not (
        os.path.exists(channel["path"]) or prefix_matches(channel["path"])
    ):
        raise Refusal(
            "ClientError",
            f"no object matches the address {channel['uri']} of channel '{channel['name']}' any more; "
            "an input must exist until its job has ended",
        )


def _link_objects(channel: dict[str, Any], place: str) -> None:
    """Link the objects that a manifest names, under their names."""
    for name, path in _need_objects(channel):
        target = f"{place}/{name}"
        os.makedirs(os.path.dirname(target), 0o700, exist_ok=True)
        _link(path, target)


def _need_objects(channel: dict[str, Any]) -> list[tuple[str, str]]:
    objects = list(channel.get("objects") or ())
    lost = [name for name, path in objects if not os.path.isfile(path)]
    if lost or not (objects or channel["data_type"] == "AugmentedManifestFile"):
        raise Refusal(
            "ClientError",
            f"the manifest {channel['uri']} of channel '{channel['name']}' or an object that it names is not there any more"
            f"{': ' + ', '.join(lost[:5]) if lost else ''}; an input must exist until its job has ended",
        )
    return objects


def prefix_matches(path: str) -> list[str]:
    """Return files and folders whose path starts with ``path`` (the meaning of ``S3Prefix``), sorted."""
    folder, start = os.path.split(path)
    try:
        names = os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []
    exact = os.path.join(folder, start)
    if start and os.path.isfile(exact):
        return [exact]
    return sorted(os.path.join(folder, name) for name in names if name.startswith(start))


def _check_channel(channel: dict[str, Any]) -> None:
    name = channel["name"]
    if not name or "/" in name or name in (".", ".."):
        raise Refusal("ClientError", f"'{name}' cannot be a channel's name")
    if channel["input_mode"] == "Pipe":
        return
    if channel["data_type"] not in ("S3Prefix", "ManifestFile"):
        raise Refusal(
            "ClientError",
            f"channel '{name}': S3DataType {channel['data_type']} belongs to Pipe mode; use S3Prefix or ManifestFile",
        )
    if channel["compression"] not in ("None", ""):
        raise Refusal(
            "ClientError",
            f"channel '{name}': CompressionType {channel['compression']} belongs to Pipe mode; use None",
        )


def _link(target: str, place: str) -> None:
    try:
        os.symlink(target, place)
    except FileExistsError:
        if os.path.islink(place):
            os.unlink(place)
        else:
            os.rmdir(place)
        os.symlink(target, place)
