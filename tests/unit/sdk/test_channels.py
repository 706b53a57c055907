"""Inputs of fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from pegbox._sdk.channels import add_channel, channels_of
from pegbox.amazon.amazon_estimator import FileSystemRecordSet, RecordSet
from pegbox.inputs import FileSystemInput, ShuffleConfig, TrainingInput, s3_input


def uris(channels: list[dict[str, Any]] | None) -> dict[str, str]:
    """Address by channel name."""
    return {item["ChannelName"]: item["DataSource"]["S3DataSource"]["S3Uri"] for item in channels or ()}


def test_the_documented_forms() -> None:
    """None, text, input objects, dicts and record sets give the channels that the AWS SDK gives."""
    for nothing in (None, {}, []):
        assert channels_of(nothing, local=False) is None
    assert channels_of("s3://b/k", local=False) == [
        {
            "ChannelName": "training",
            "DataSource": {
                "S3DataSource": {
                    "S3DataType": "S3Prefix",
                    "S3Uri": "s3://b/k",
                    "S3DataDistributionType": "FullyReplicated",
                }
            },
        }
    ]
    both = {"train": "s3://b/t", "test": TrainingInput("s3://b/v", content_type="text/csv")}
    channels = channels_of(both, local=False)
    assert uris(channels) == {"train": "s3://b/t", "test": "s3://b/v"}
    assert (channels or [{}, {}])[1]["ContentType"] == "text/csv"
    record_channel = (channels_of(RecordSet("s3://b/m", 1, 2), local=False) or [{}])[0]
    assert record_channel["ChannelName"] == "train"
    assert record_channel["DataSource"]["S3DataSource"]["S3DataDistributionType"] == "ShardedByS3Key"
    assert record_channel["DataSource"]["S3DataSource"]["S3DataType"] == "ManifestFile"
    files = FileSystemInput("fs-1", "EFS", "/x")
    assert (channels_of(files, local=False) or [{}])[0]["DataSource"]["FileSystemDataSource"][
        "FileSystemId"
    ] == "fs-1"
    sets = [RecordSet("s3://b/m", 1, 2), FileSystemRecordSet("fs-1", "EFS", "/x", 1, 2, channel="test")]
    assert [item["ChannelName"] for item in channels_of(sets, local=False) or ()] == ["train", "test"]


def test_local_paths_become_file_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the local server paths of any form are absolute ``file://`` addresses."""
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    wanted = f"file://{tmp_path}/data"
    forms: list[Any] = [
        "data",
        "./data",
        str(tmp_path / "data"),
        wanted,
        tmp_path / "data",
        TrainingInput("data"),
    ]
    for form in forms:
        assert uris(channels_of({"c": form}, local=True)) == {"c": wanted}


@pytest.mark.parametrize(
    ("inputs", "local", "named"),
    [
        ("/nowhere/at/all", True, "input 'training': there is no file or folder /nowhere/at/all"),
        ({"a": "file:///no", "b": "file:///none"}, True, "input 'a'.*input 'b'"),
        ("file:///tmp", False, "only the local server takes"),
        ("bucket/key", False, 'must start with "s3://" or "file://"'),
        (42, False, "Cannot format input 42"),
        ({"x": 42}, False, "input 'x': 42 is not accepted"),
        (TrainingInput("s3://b/k", target_attribute_name="t"), False, "target_attribute_name='t' belongs to"),
        (["s3://b/k"], False, "List compatible only with RecordSets"),
        ([RecordSet("s3://b/m", 1, 2), RecordSet("s3://b/n", 1, 2)], False, "Duplicate channels not allowed"),
    ],
)
def test_what_is_not_accepted(inputs: Any, local: bool, named: str) -> None:
    """Errors name channel and value, all at once."""
    with pytest.raises(ValueError, match=named):
        channels_of(inputs, local)


def test_a_second_channel_of_one_name_is_refused() -> None:
    """The model channel cannot hide a channel of the inputs."""
    channels = channels_of({"model": "s3://b/k"}, local=False)
    with pytest.raises(ValueError, match="Duplicate channel model"):
        add_channel(channels, {"ChannelName": "model"})


def test_training_input_fields() -> None:
    """Every argument has its place in the request; the old name is the same class."""
    assert s3_input is TrainingInput
    config = TrainingInput(
        "s3://b/k",
        compression="Gzip",
        record_wrapping="RecordIO",
        s3_data_type="AugmentedManifestFile",
        input_mode="Pipe",
        attribute_names=["a"],
        target_attribute_name="t",
        shuffle_config=ShuffleConfig(7),
    ).config
    source = config["DataSource"]["S3DataSource"]
    assert source == {"S3DataType": "AugmentedManifestFile", "S3Uri": "s3://b/k", "AttributeNames": ["a"]}
    assert (config["InputMode"], config["ShuffleConfig"], config["CompressionType"]) == (
        "Pipe",
        {"Seed": 7},
        "Gzip",
    )


@pytest.mark.parametrize(
    ("kind", "mode", "named"),
    [
        ("NFS", "ro", "Unrecognized file system type: NFS. Valid values: FSxLustre, EFS."),
        ("EFS", "x", "Unrecognized file system access mode: x. Valid values: ro, rw."),
    ],
)
def test_file_systems_are_checked(kind: str, mode: str, named: str) -> None:
    """Type and access mode are of the accepted ones."""
    with pytest.raises(ValueError, match=re.escape(named)):
        FileSystemInput("fs-1", kind, "/x", mode)
    with pytest.raises(ValueError, match=re.escape(named)):
        FileSystemRecordSet("fs-1", kind, "/x", 1, 1, mode)
