"""Training records of Amazon's built-in algorithms, kept in storage."""

from __future__ import annotations

from pegbox.inputs import FileSystemInput, TrainingInput


class RecordSet:
    """Records that lie in S3.

    Args:
        s3_data: Address of the records or of their manifest.
        num_records: Number of records.
        feature_dim: Number of features of a record.
        s3_data_type: ``ManifestFile`` or ``S3Prefix``.
        channel: Name of the channel.
        distribution: ``ShardedByS3Key``: each machine has its own part of them; ``FullyReplicated``: each has all.
    """

    def __init__(
        self,
        s3_data: str,
        num_records: int,
        feature_dim: int,
        s3_data_type: str = "ManifestFile",
        channel: str = "train",
        distribution: str = "ShardedByS3Key",
    ) -> None:
        self.s3_data = s3_data
        self.num_records = num_records
        self.feature_dim = feature_dim
        self.s3_data_type = s3_data_type
        self.channel = channel
        self.distribution = distribution

    def data_channel(self) -> dict[str, TrainingInput]:
        """Return the channel as inputs of ``fit``."""
        return {self.channel: self.records_s3_input()}

    def records_s3_input(self) -> TrainingInput:
        """Return the records as input."""
        return TrainingInput(self.s3_data, distribution=self.distribution, s3_data_type=self.s3_data_type)

    def __repr__(self) -> str:
        return f"RecordSet({self.s3_data!r}, num_records={self.num_records}, feature_dim={self.feature_dim})"


class FileSystemRecordSet:
    """Records that lie on a network file system.

    Args:
        file_system_id: Identifier of the file system.
        file_system_type: ``FSxLustre`` or ``EFS``.
        directory_path: Absolute path of the folder.
        num_records: Number of records.
        feature_dim: Number of features of a record.
        file_system_access_mode: ``ro`` or ``rw``.
        channel: Name of the channel.
    """

    def __init__(
        self,
        file_system_id: str,
        file_system_type: str,
        directory_path: str,
        num_records: int,
        feature_dim: int,
        file_system_access_mode: str = "ro",
        channel: str = "train",
    ) -> None:
        self.file_system_input = FileSystemInput(
            file_system_id, file_system_type, directory_path, file_system_access_mode
        )
        self.num_records = num_records
        self.feature_dim = feature_dim
        self.channel = channel

    def data_channel(self) -> dict[str, FileSystemInput]:
        """Return the channel as inputs of ``fit``."""
        return {self.channel: self.file_system_input}

    def __repr__(self) -> str:
        return f"FileSystemRecordSet({self.file_system_input.config!r}, num_records={self.num_records})"
