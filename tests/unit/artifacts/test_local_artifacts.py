"""Addresses and publishing."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from pegbox.artifacts import LocalArtifacts
from pegbox.errors import PegboxError


@pytest.fixture
def buckets(tmp_path: Path) -> Path:
    """A folder with one bucket that holds a few objects."""
    bucket = tmp_path / "buckets" / "mine"
    (bucket / "data" / "sub").mkdir(parents=True)
    (bucket / "data" / "sub" / "x.csv").write_text("1")
    (bucket / "part-1.csv").write_text("1")
    (bucket / "empty").mkdir()
    return tmp_path / "buckets"


@pytest.fixture
def store(buckets: Path) -> LocalArtifacts:
    """A store that owns two buckets, one of which has no folder yet."""
    return LocalArtifacts(buckets, owned={"mine", "new-one"})


def staged(folder: Path, content: bytes = b"model") -> tuple[str, dict[str, Any]]:
    """A staged file and its record."""
    path = folder / "staged.tar.gz"
    path.write_bytes(content)
    return str(path), {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


@pytest.mark.parametrize(
    "uri", ["s3://mine/data", "s3://mine/data/", "s3://mine/part-", "s3://mine/data/sub/x.csv", "s3://mine"]
)
def test_inputs_that_are_there(uri: str, store: LocalArtifacts) -> None:
    """A folder, a prefix, an object and a whole bucket are inputs."""
    assert store.check_input(uri) is None


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (
            "s3://mine/nothing",
            ["No S3 objects found", '"s3://mine/nothing"', "s3:ListBucket", 'bucket "mine"', "role"],
        ),
        ("s3://mine/empty", ["No S3 objects found"]),
        ("s3://mine/part-/", ["No S3 objects found"]),
        ("s3://new-one/x", ["No S3 objects found"]),
        ("s3://stranger/x", ["not a bucket of this server", "mine", "file://"]),
        ("s3://Bad_Name/x", ["cannot be a bucket's name"]),
        ("s3://../x", ["cannot be a bucket's name"]),
        ("s3:///x", ["cannot be a bucket's name"]),
        ("https://host/x", ["s3://"]),
        ("relative/path", ["absolute"]),
        ("file:///nonexistent/x", ["there is no file"]),
        ("file:///dev/null", ["device"]),
        ("/dev/null", ["device"]),
        ("/tmp/\0x", ["absolute"]),
    ],
)
def test_inputs_that_cannot_be_used(uri: str, words: list[str], store: LocalArtifacts) -> None:
    """What cannot be used says why, naming the address and the remedy."""
    reason = store.check_input(uri)
    assert reason is not None
    for word in words:
        assert word in reason


def test_keys_do_not_lead_out(store: LocalArtifacts, buckets: Path) -> None:
    """Odd keys stay inside their bucket."""
    for key in ("../../etc/passwd", "a/../../b", "./x", "a//b", "%pb-x", "x" * 255):
        path = Path(store.locate(f"s3://mine/{key}"))
        assert os.path.normpath(path).startswith(str(buckets / "mine") + "/")
        assert os.path.realpath(path).startswith(os.path.realpath(buckets / "mine") + "/")
    with pytest.raises(PegboxError, match="longer than"):
        store.locate("s3://mine/" + "x" * 300)


def test_links_out_of_a_bucket(buckets: Path, tmp_path: Path) -> None:
    """A link in a bucket leads out only where plain paths may be used."""
    (tmp_path / "outside").write_text("secret")
    (buckets / "mine" / "link").symlink_to(tmp_path / "outside")
    closed = LocalArtifacts(buckets, owned={"mine"}, allow_files=False)
    assert "leads to" in str(closed.check_input("s3://mine/link"))
    assert LocalArtifacts(buckets, owned={"mine"}).check_input("s3://mine/link") is None


def test_roots(buckets: Path, tmp_path: Path) -> None:
    """With roots set, only what really lies under them is accepted, links and dots resolved."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "in").write_text("x")
    (tmp_path / "out").write_text("x")
    (root / "door").symlink_to(tmp_path)
    store = LocalArtifacts(buckets, roots=[root])
    assert store.check_input(f"file://{root}/in") is None
    for path in (f"{tmp_path}/out", f"{root}/../out", f"{root}/door/out"):
        assert "only under" in str(store.check_input(f"file://{path}"))
        assert "only under" in str(store.check_output(path))
    assert "s3:// addresses only" in str(LocalArtifacts(buckets, allow_files=False).check_output("/tmp/x"))


def test_outputs(store: LocalArtifacts, buckets: Path, tmp_path: Path) -> None:
    """Outputs need not exist; a file in the way, a strange bucket and a read-only place are told."""
    assert store.check_output("s3://new-one/a/b") is None
    assert store.check_output(f"file://{tmp_path}/new/folder") is None
    assert "not a bucket" in str(store.check_output("s3://stranger/x"))
    assert LocalArtifacts(buckets, create_buckets=True).check_output("s3://stranger/x") is None
    assert "is a file" in str(store.check_output("s3://mine/part-1.csv"))
    assert "is not a folder" in str(store.check_output("s3://mine/part-1.csv/below"))
    assert "cannot be written" in str(store.check_output("/proc/1/x"))


def test_publish_once_and_again(store: LocalArtifacts, tmp_path: Path) -> None:
    """Publishing moves the file; repeating it, with the staged file gone or still there, changes nothing."""
    path, record = staged(tmp_path)
    uri = "s3://new-one/out/job/output/model.tar.gz"
    store.publish(path, uri, record)
    published = Path(store.locate(uri))
    assert published.read_bytes() == b"model"
    assert not Path(path).exists()
    store.publish(path, uri, record)
    staged(tmp_path)
    store.publish(path, uri, record)
    assert not Path(path).exists()
    assert published.read_bytes() == b"model"
    store.discard(uri)
    assert not published.exists()
    assert not published.parent.exists()
    store.discard(uri)


def test_a_crash_between_the_two_names(store: LocalArtifacts, tmp_path: Path) -> None:
    """A crash after the file got its address and before its staged name went is finished by publishing again."""
    path, record = staged(tmp_path)
    target = Path(store.locate("s3://mine/out/model.tar.gz"))
    target.parent.mkdir()
    os.link(path, target)
    store.publish(path, "s3://mine/out/model.tar.gz", record)
    assert target.read_bytes() == b"model"
    assert not Path(path).exists()


def test_nothing_is_overwritten(store: LocalArtifacts, tmp_path: Path) -> None:
    """An address that holds something else keeps it, and so does the staged file."""
    path, record = staged(tmp_path)
    with pytest.raises(PegboxError, match="something else"):
        store.publish(path, "s3://mine/part-1.csv", record)
    with pytest.raises(PegboxError, match="something else"):
        store.publish(path, "s3://mine/data", record)
    assert Path(path).read_bytes() == b"model"
    with pytest.raises(PegboxError, match="not what was recorded"):
        store.publish(path, "s3://mine/other", {**record, "size": 7})
    with pytest.raises(PegboxError, match="is gone"):
        store.publish(str(tmp_path / "none"), "s3://mine/other", record)


@pytest.mark.parametrize("broken", [errno.EXDEV, errno.EPERM])
def test_another_disk(
    broken: int, store: LocalArtifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file cannot be linked (another disk, no links at all) its bytes are copied, whole or not at all."""
    real = os.link
    calls = []

    def link(source: Any, target: Any) -> None:
        calls.append(source)
        if broken == errno.EPERM or len(calls) == 1:
            raise OSError(broken, os.strerror(broken))
        real(source, target)

    monkeypatch.setattr(os, "link", link)
    path, record = staged(tmp_path)
    store.publish(path, "s3://mine/out/model.tar.gz", record)
    target = Path(store.locate("s3://mine/out/model.tar.gz"))
    assert target.read_bytes() == b"model"
    assert os.listdir(target.parent) == ["model.tar.gz"]
    assert not Path(path).exists()


def test_a_full_disk_is_told(store: LocalArtifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is an error that says so; the staged file stays, and publishing works when there is room."""
    path, record = staged(tmp_path)

    def full(source: Any, target: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", full)
        with pytest.raises(PegboxError, match="no space left"):
            store.publish(path, "s3://mine/out/m", record)
    store.publish(path, "s3://mine/out/m", record)
    assert Path(store.locate("s3://mine/out/m")).read_bytes() == b"model"
