"""What the feeder writes: order, compression, wrapping, shuffling."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pegbox.agent import feeder
from pegbox.algorithms.recordio import frames


def channel(path: Path, **changes: Any) -> dict[str, Any]:
    """Return a channel's order as plain data."""
    return {
        "name": "c",
        "path": str(path),
        "uri": "s3://b/c",
        "data_type": "S3Prefix",
        "objects": [],
        "attributes": [],
        "compression": "None",
        "record_wrapper": "None",
        "shuffle_seed": None,
        **changes,
    }


def read(order: dict[str, Any], epoch: int = 0) -> bytes:
    """Return what the program reads."""
    return b"".join(feeder.stream(order, epoch))


def test_all_objects_in_the_order_of_their_keys(tmp_path: Path) -> None:
    """Folders, prefixes and single files; S3 sorts keys by their bytes, slashes included; circles of links end."""
    for name in ("b", "a-x", "a/y", "a0"):
        (tmp_path / "p" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "p" / name).write_text(f"{name};")
    (tmp_path / "p" / "a" / "again").symlink_to(tmp_path / "p")
    assert read(channel(tmp_path / "p")) == b"a-x;a/y;a0;b;"
    (tmp_path / "p" / "a" / "again").unlink()
    assert read(channel(tmp_path / "p" / "a")) == b"a/y;"
    assert read(channel(tmp_path / "p" / "a0")) == b"a0;"
    (tmp_path / "q-1").write_text("1")
    (tmp_path / "q-2").mkdir()
    (tmp_path / "q-2" / "z").write_text("2")
    assert read(channel(tmp_path / "q-")) == b"12"


def test_a_manifest_keeps_its_own_order(tmp_path: Path) -> None:
    """Objects come as the manifest names them."""
    for name in "ab":
        (tmp_path / name).write_text(name)
    objects = [["b", str(tmp_path / "b")], ["a", str(tmp_path / "a")]]
    assert read(channel(tmp_path / "m", data_type="ManifestFile", objects=objects)) == b"ba"


def test_shuffling_goes_by_seed_and_epoch(tmp_path: Path) -> None:
    """The same seed gives the same order of an epoch, epochs differ, and every object comes once."""
    for number in range(20):
        (tmp_path / f"{number:02d}").write_text(f"{number:02d}")
    order = channel(tmp_path, shuffle_seed=3)
    first, second = read(order, 0), read(order, 1)
    assert first == read(order, 0)
    assert first != second
    assert first != read(channel(tmp_path))
    for text in (first, second):
        assert sorted(text[i : i + 2] for i in range(0, 40, 2)) == [b"%02d" % i for i in range(20)]


def test_gzip_is_undone(tmp_path: Path) -> None:
    """Each object is unpacked, several members too; what is no gzip or cut short is told by name."""
    (tmp_path / "a").write_bytes(gzip.compress(b"x" * 3_000_000) + gzip.compress(b"y"))
    (tmp_path / "b").write_bytes(gzip.compress(b"z"))
    order = channel(tmp_path, compression="Gzip")
    assert read(order) == b"x" * 3_000_000 + b"yz"
    (tmp_path / "b").write_bytes(gzip.compress(b"zzzz")[:-3])
    with pytest.raises(feeder.CannotFeed, match="truncated gzip"):
        read(order)
    (tmp_path / "b").write_bytes(b"plain")
    with pytest.raises(feeder.CannotFeed, match=r"b is no gzip file .* use None"):
        read(order)
    with pytest.raises(feeder.CannotFeed, match="cannot be read"):
        b"".join(feeder.content(str(tmp_path / "gone"), "None"))


@given(
    st.lists(st.sampled_from([b"", b"a", b"bcd", feeder.RECORDIO_MAGIC, b"1234", b"\n"]), max_size=12).map(
        b"".join
    )
)
def test_wrapped_objects_read_back(data: bytes) -> None:
    """A record is what the reader of recordIO gives back, wherever its mark stands in the data; it is padded to words."""
    wrapped = b"".join(feeder.recordio(data, "x"))
    assert len(wrapped) % 4 == 0
    assert list(frames(wrapped, "x")) == [data]


def test_each_object_is_a_record(tmp_path: Path) -> None:
    """Unpacked first, then wrapped."""
    for name in "ab":
        (tmp_path / name).write_bytes(gzip.compress(name.encode() * 5))
    order = channel(tmp_path, compression="Gzip", record_wrapper="RecordIO")
    assert list(frames(read(order), "x")) == [b"aaaaa", b"bbbbb"]


def test_attributes_of_an_augmented_manifest(tmp_path: Path) -> None:
    """One record per attribute, line by line: objects by reference, texts as they are, others as JSON."""
    (tmp_path / "cat").write_bytes(b"meow")
    lines = [
        {"source-ref": "s3://b/cat", "label": {"x": 1}, "note": "n"},
        {"source-ref": "s3://b/cat", "label": 2},
    ]
    manifest = tmp_path / "m"
    manifest.write_text("\n".join(json.dumps(line) for line in lines))
    order = channel(
        manifest,
        data_type="AugmentedManifestFile",
        record_wrapper="RecordIO",
        attributes=["source-ref", "label"],
        objects=[["s3://b/cat", str(tmp_path / "cat")]],
    )
    assert list(frames(read(order), "x")) == [b"meow", b'{"x": 1}', b"meow", b"2"]
    with pytest.raises(feeder.CannotFeed, match="has no 'note'"):
        read({**order, "attributes": ["note"]})
    with pytest.raises(feeder.CannotFeed, match="s3://b/cat"):
        read({**order, "objects": []})
