"""Input channels: every form and field of the request, and what becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pegbox.artifacts.local import LocalArtifacts
from pegbox.domain.orders import AttemptOrder, ChannelOrder, RuntimeOrder
from pegbox.engine.channels import channel_order, channel_problems

S3 = {"S3DataType": "S3Prefix", "S3Uri": "s3://bucket/data"}


@pytest.fixture
def parts(tmp_path: Path) -> Any:
    """A bucket with data, and a folder that stands for a file system."""
    folder = tmp_path / "buckets" / "bucket" / "data"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_text("picture")
    (tmp_path / "efs" / "sets").mkdir(parents=True)
    (tmp_path / "efs" / "out").symlink_to("/tmp")
    policy = SimpleNamespace(file_systems={"fs-1": str(tmp_path / "efs")})
    return SimpleNamespace(artifacts=LocalArtifacts(tmp_path / "buckets", roots=()), policy=policy)


def channel(mode: str | None = None, source: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """Return a channel; ``source`` changes its S3 source."""
    found = {"ChannelName": "c", "DataSource": {"S3DataSource": {**S3, **(source or {})}}, **more}
    return found if mode is None else {**found, "InputMode": mode}


def problems(parts: Any, item: dict[str, Any], mode: str = "File") -> str:
    """Return what is wrong with one channel."""
    definition = {"InputDataConfig": [item], "AlgorithmSpecification": {"TrainingInputMode": mode}}
    return "; ".join(channel_problems(parts, definition, "D."))


def files(path: str, name: str = "fs-1") -> dict[str, Any]:
    """Return a channel on a file system."""
    source = {
        "FileSystemId": name,
        "FileSystemType": "EFS",
        "DirectoryPath": path,
        "FileSystemAccessMode": "ro",
    }
    return {"ChannelName": "c", "DataSource": {"FileSystemDataSource": source}}


@pytest.mark.parametrize(
    ("item", "mode", "words"),
    [
        (channel(CompressionType="Gzip"), "File", ["CompressionType", "'Gzip'", "InputMode Pipe"]),
        (channel("FastFile", CompressionType="Gzip"), "Pipe", ["CompressionType", "FastFile"]),
        (channel(source={"AttributeNames": ["a"]}), "Pipe", ["AttributeNames", "['a']", "leave it out"]),
        (
            channel(source={"S3DataType": "AugmentedManifestFile"}),
            "File",
            ["use InputMode Pipe", "AttributeNames: missing", "give RecordIO"],
        ),
        (files("/sets", "fs-2"), "File", ["'fs-2'", "fs-1", 'file_systems = ["fs-2=/folder"]']),
        (files("sets"), "File", ["'sets'", "absolute path"]),
        (files("/../etc"), "File", ["'/../etc'", "inside the file system"]),
        (files("/out/x"), "File", ["'/out/x'", "inside the file system"]),
        (files("/nothing"), "File", ["'/nothing'", "no readable folder", "file_systems"]),
        ({"ChannelName": "c", "DataSource": {}}, "File", ["empty", "S3DataSource"]),
    ],
)
def test_what_cannot_be(parts: Any, item: dict[str, Any], mode: str, words: list[str]) -> None:
    """Each refusal names field, value and remedy; what holds for a mode goes by the channel's own mode."""
    told = problems(parts, item, mode)
    assert told.startswith("D.InputDataConfig[0].")
    for word in words:
        assert word in told


def test_channels_that_work(parts: Any, tmp_path: Path) -> None:
    """Compressed, wrapped, shuffled and file-system channels are accepted, and their orders carry all of it."""
    piped = channel(
        "Pipe",
        CompressionType="Gzip",
        RecordWrapperType="RecordIO",
        ShuffleConfig={"Seed": 7},
        ContentType="x/y",
    )
    assert problems(parts, piped) == ""
    order = channel_order(parts, piped, {"TrainingInputMode": "File"})
    assert (order.input_mode, order.compression, order.record_wrapper) == ("Pipe", "Gzip", "RecordIO")
    assert (order.shuffle_seed, order.content_type, order.uri) == (7, "x/y", "s3://bucket/data")
    assert problems(parts, files("/sets")) == ""
    order = channel_order(parts, files("/sets/"), {"TrainingInputMode": "FastFile"})
    assert (order.path, order.uri, order.input_mode) == (
        str((tmp_path / "efs" / "sets").resolve()),
        "fs-1:/sets/",
        "FastFile",
    )
    parts.policy.file_systems = {}
    assert channel_order(parts, files("/sets"), {}).path == "/nonexistent"


def test_augmented_manifests(parts: Any, tmp_path: Path) -> None:
    """Objects of reference attributes are resolved; a bad line is told with its number."""
    path = tmp_path / "buckets" / "bucket" / "list.jsonl"
    lines = [
        {"source-ref": "s3://bucket/data/a.jpg", "class": 1},
        {"source-ref": "s3://bucket/data/a.jpg", "class": 2},
    ]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    source = {
        "S3DataType": "AugmentedManifestFile",
        "S3Uri": "s3://bucket/list.jsonl",
        "AttributeNames": ["source-ref", "class"],
    }
    item = channel("Pipe", source, RecordWrapperType="RecordIO")
    assert problems(parts, item) == ""
    order = channel_order(parts, item, {})
    assert order.objects == (("s3://bucket/data/a.jpg", parts.artifacts.locate("s3://bucket/data/a.jpg")),)
    assert order.attributes == ("source-ref", "class")
    for bad, words in (
        ({"class": 1}, "line 3 .* has no source-ref"),
        ({"source-ref": "s3://bucket/none", "class": 1}, "line 3 .* cannot be used"),
        ({"source-ref": 5, "class": 1}, "line 3 .* 5 is no address"),
        (["x"], "line 3 .* has no source-ref, class"),
    ):
        path.write_text("\n".join(json.dumps(line) for line in [*lines, bad]))
        with pytest.raises(AssertionError, match=words):
            assert problems(parts, item) == ""
    path.write_text("{")
    assert "one JSON object per line" in problems(parts, item)
    assert channel_order(parts, item, {}).objects == ()


def test_orders_read_back() -> None:
    """A channel survives the way to the agent and back."""
    order = AttemptOrder(
        attempt_id="a", token="t", training_job_id=1, training_job_name="n", training_job_arn="r", attempt=1, directory="/d",
        runtime=RuntimeOrder(kind="script"), hyperparameters={},
        channels=(ChannelOrder(name="c", path="/p", uri="u", objects=(("x", "/x"),), attributes=("y",), shuffle_seed=3),),
    )  # fmt: skip
    assert AttemptOrder.from_json(json.loads(json.dumps(order.to_json()))) == order
