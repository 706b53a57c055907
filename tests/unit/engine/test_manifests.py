"""Manifest files: what they name, and what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pegbox.agent.layout import Refusal, link_channels
from pegbox.artifacts.local import LocalArtifacts
from pegbox.engine.manifests import BadManifest, manifest_problem, read_manifest

URI = "s3://bucket/sets/.manifest"


@pytest.fixture
def artifacts(tmp_path: Path) -> LocalArtifacts:
    """A bucket with two objects."""
    folder = tmp_path / "buckets" / "bucket" / "sets"
    (folder / "b").mkdir(parents=True)
    (folder / "a.pbr").write_text("1")
    (folder / "b" / "c.pbr").write_text("2")
    return LocalArtifacts(tmp_path / "buckets", roots=())


def _write(artifacts: LocalArtifacts, content: Any) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    Path(artifacts.locate(URI)).write_text(text)


def test_objects_are_linked_under_their_names(artifacts: LocalArtifacts, tmp_path: Path) -> None:
    """A channel holds just what the manifest names; an object that has gone since is the customer's."""
    _write(artifacts, [{"prefix": "s3://bucket/sets/"}, "a.pbr", "b/c.pbr"])
    assert manifest_problem(artifacts, URI) is None
    objects = read_manifest(artifacts, URI)
    channel = {
        "name": "train", "data_type": "ManifestFile", "input_mode": "File", "compression": "None", "uri": URI,
        "path": artifacts.locate(URI), "objects": [list(item) for item in objects],
    }  # fmt: skip
    base = tmp_path / "ml"
    link_channels(str(base), {"channels": [channel]})
    place = base / "input" / "data" / "train"
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()) == [
        "a.pbr",
        "b/c.pbr",
    ]
    for lost in (channel, {**channel, "objects": []}):
        Path(objects[0][1]).unlink(missing_ok=True)
        with pytest.raises(Refusal, match="is not there any more") as refused:
            link_channels(str(tmp_path / "other"), {"channels": [lost]})
        assert refused.value.failure_class == "ClientError"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "is no manifest that can be read"),
        ({"prefix": "s3://bucket/"}, "does not begin with"),
        (["a.pbr"], "does not begin with"),
        ([{"prefix": "/etc/"}, "passwd"], "does not begin with"),
        ([{"prefix": "s3://bucket/sets/"}], "names no object"),
        ([{"prefix": "s3://bucket/sets/"}, "../x"], "'../x' is no name"),
        ([{"prefix": "s3://bucket/sets/"}, 7], "7 is no name"),
        ([{"prefix": "s3://bucket/sets/"}, "a.pbr", "a.pbr"], "names an object twice"),
        ([{"prefix": "s3://elsewhere/"}, "a.pbr"], "not a bucket of this server"),
        ([{"prefix": "s3://bucket/sets/"}, *map(str, range(10_001))], "more than 10000 objects"),
    ],
)
def test_bad_manifests_are_refused(artifacts: LocalArtifacts, content: Any, words: str) -> None:
    """With the address and what to do."""
    _write(artifacts, content)
    with pytest.raises(BadManifest, match=words):
        read_manifest(artifacts, URI)
    assert words in (manifest_problem(artifacts, URI) or "")


def test_an_object_that_is_not_there_is_told(artifacts: LocalArtifacts) -> None:
    """When the job is created."""
    _write(artifacts, [{"prefix": "s3://bucket/sets/"}, "a.pbr", "none.pbr"])
    assert "names 'none.pbr', which cannot be used" in (manifest_problem(artifacts, URI) or "")
