"""Where training data lies, and how it is handed to the training program."""

from __future__ import annotations

import os
from typing import Any

__all__ = ["FileSystemInput", "ShuffleConfig", "TrainingInput", "s3_input"]


class ShuffleConfig:
    """Shuffling of a channel's records.

    Args:
        seed: Seed of the order; the same seed gives the same order.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed


class TrainingInput:
    """One channel of training data; in version 1 of the AWS SDK its name is ``s3_input``.

    Args:
        s3_data: Address of the data: ``s3://bucket/key``, and on the local server also ``file:///folder`` or a path.
        distribution: ``FullyReplicated`` or ``ShardedByS3Key``; the first is the default unless
            ``target_attribute_name`` is given.
        compression: ``Gzip`` or None.
        content_type: MIME type of the data.
        record_wrapping: ``RecordIO`` or None.
        s3_data_type: ``S3Prefix``, ``ManifestFile`` or ``AugmentedManifestFile``.
        input_mode: ``File``, ``Pipe`` or ``FastFile``; overrides the estimator's.
        attribute_names: Attributes to read from an augmented manifest.
        target_attribute_name: Attribute to predict.
        shuffle_config: Shuffling of the records.
        instance_groups: Names of instance groups that get the channel.

    Attributes:
        config: The channel as the service's request has it, without its name.
    """

    def __init__(
        self,
        s3_data: str,
        distribution: str | None = None,
        compression: str | None = None,
        content_type: str | None = None,
        record_wrapping: str | None = None,
        s3_data_type: str = "S3Prefix",
        input_mode: str | None = None,
        attribute_names: list[str] | None = None,
        target_attribute_name: str | None = None,
        shuffle_config: ShuffleConfig | None = None,
        *,
        instance_groups: list[str] | None = None,
    ) -> None:
        source: dict[str, Any] = {"S3DataType": s3_data_type, "S3Uri": os.fspath(s3_data)}
        if distribution is None and target_attribute_name is None:
            distribution = "FullyReplicated"
        _put(source, S3DataDistributionType=distribution, AttributeNames=attribute_names)
        _put(source, InstanceGroupNames=instance_groups)
        self.config: dict[str, Any] = {"DataSource": {"S3DataSource": source}}
        _put(
            self.config,
            CompressionType=compression,
            ContentType=content_type,
            RecordWrapperType=record_wrapping,
            InputMode=input_mode,
            TargetAttributeName=target_attribute_name,
        )
        if shuffle_config is not None:
            self.config["ShuffleConfig"] = {"Seed": shuffle_config.seed}

    def __repr__(self) -> str:
        return f"TrainingInput({self.config['DataSource']['S3DataSource']['S3Uri']!r})"


#: Name of :class:`TrainingInput` in version 1 of the AWS SDK.
s3_input = TrainingInput


class FileSystemInput:
    """A channel of training data on a network file system.

    Args:
        file_system_id: Identifier of the file system.
        file_system_type: ``FSxLustre`` or ``EFS``.
        directory_path: Absolute path of the folder on that file system.
        file_system_access_mode: ``ro`` (default) or ``rw``.
        content_type: MIME type of the data.

    Raises:
        ValueError: The type or the access mode is none of the accepted ones.

    Attributes:
        config: The channel as the service's request has it, without its name.
    """

    def __init__(
        self,
        file_system_id: str,
        file_system_type: str,
        directory_path: str,
        file_system_access_mode: str = "ro",
        content_type: str | None = None,
    ) -> None:
        _one_of("file_system_type", file_system_type, ("FSxLustre", "EFS"))
        _one_of("file_system_access_mode", file_system_access_mode, ("ro", "rw"))
        self.config: dict[str, Any] = {
            "DataSource": {
                "FileSystemDataSource": {
                    "FileSystemId": file_system_id,
                    "FileSystemType": file_system_type,
                    "DirectoryPath": directory_path,
                    "FileSystemAccessMode": file_system_access_mode,
                }
            }
        }
        _put(self.config, ContentType=content_type)


def _put(target: dict[str, Any], **values: Any) -> None:
    target.update({key: value for key, value in values.items() if value is not None})


def _one_of(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        what = name.replace("_", " ")
        raise ValueError(f"Unrecognized {what}: {value}. Valid values: {', '.join(accepted)}.")
