"""Storage of the local server, and S3 through a client."""

from __future__ import annotations

import io
import stat
from pathlib import Path
from typing import Any

import pytest

from pegbox._sdk.storage import RemoteBuckets, split_s3_uri
from pegbox.s3 import S3Downloader, S3Uploader, parse_s3_url, s3_path_join
from pegbox.session import Session

from .conftest import FakeService


def test_upload_and_download_of_a_folder(service: FakeService, tmp_path: Path) -> None:
    """A folder goes up with everything below it and comes back as it was; no request is made."""
    source = tmp_path / "data"
    (source / "sub").mkdir(parents=True)
    (source / "a.csv").write_text("1")
    (source / "sub" / "b.csv").write_text("2")
    session = Session()
    assert session.upload_data(str(source), key_prefix="x/y") == "s3://pegbox-local/x/y"
    assert session.list_s3_files("pegbox-local", "x/") == ["x/y/a.csv", "x/y/sub/b.csv"]
    written = session.download_data(str(tmp_path / "back"), "pegbox-local", "x/y")
    assert sorted(written) == [str(tmp_path / "back" / "a.csv"), str(tmp_path / "back" / "sub" / "b.csv")]
    assert (tmp_path / "back" / "sub" / "b.csv").read_text() == "2"
    assert service.requests == []


def test_single_files_and_texts(service: FakeService, tmp_path: Path) -> None:
    """A file keeps its name; text is stored under its key; both are the owner's alone."""
    (tmp_path / "a.csv").write_text("1")
    session = Session()
    assert session.upload_data(tmp_path / "a.csv") == "s3://pegbox-local/data/a.csv"
    assert (
        session.upload_string_as_file_body("hello", "pegbox-local", "t/x.txt") == "s3://pegbox-local/t/x.txt"
    )
    assert session.read_s3_file("pegbox-local", "t/x.txt") == "hello"
    stored = service.home / "buckets" / "pegbox-local" / "t" / "x.txt"
    assert stat.S_IMODE(stored.stat().st_mode) == 0o600
    assert stat.S_IMODE(stored.parent.stat().st_mode) == 0o700
    assert session.download_data(str(tmp_path / "o"), "pegbox-local", "t/x.txt") == [
        str(tmp_path / "o" / "x.txt")
    ]


def test_default_bucket_can_be_named(service: FakeService) -> None:
    """The session's own default bucket is made on this machine by its first object."""
    session = Session(default_bucket="mine")
    assert session.default_bucket() == "mine"
    session.upload_string_as_file_body("x", "mine", "k")
    assert (service.home / "buckets" / "mine" / "k").read_text() == "x"
    assert Session().list_s3_files("mine", "") == ["k"]


@pytest.mark.parametrize("bucket", ["other", "..", "a/b", ""])
def test_buckets_that_are_not_here_are_refused(service: FakeService, bucket: str) -> None:
    """The error names the buckets that are kept and the argument that makes one."""
    with pytest.raises(ValueError, match="keeps pegbox-local; leave the bucket out"):
        Session().upload_string_as_file_body("x", bucket, "k")


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/x", "a//b", "", "a/.", "a\0b"])
def test_keys_cannot_leave_their_bucket(service: FakeService, key: str) -> None:
    """No key is a path out of the bucket's folder."""
    with pytest.raises(ValueError, match="cannot be kept as a file"):
        Session().upload_string_as_file_body("x", "pegbox-local", key)


def test_what_cannot_be_done_is_told(service: FakeService, tmp_path: Path) -> None:
    """Missing files, missing objects and extra arguments are errors."""
    session = Session()
    with pytest.raises(ValueError, match=r"path=.*there is no such file"):
        session.upload_data(str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="s3://pegbox-local/none"):
        session.read_s3_file("pegbox-local", "none")
    with pytest.raises(ValueError, match="extra_args"):
        session.upload_string_as_file_body("x", "pegbox-local", "k", kms_key="key")
    with pytest.raises(ValueError, match="no s3://bucket/key"):
        split_s3_uri("http://x/y")


class S3Client:
    """Records the calls that a boto3 client of S3 would get."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: self.calls.append((name, args or kwargs))


def test_remote_buckets_use_the_client(tmp_path: Path) -> None:
    """Files and bytes go through boto3's own calls."""
    client = S3Client()
    remote = RemoteBuckets(client)
    remote.put_new("b", "k", b"x")
    remote.put_file("b", "k", tmp_path / "f", {"ACL": "private"})
    remote.get_file("b", "k", tmp_path / "g")
    assert client.calls == [
        ("put_object", {"Bucket": "b", "Key": "k", "Body": b"x"}),
        ("upload_file", (str(tmp_path / "f"), "b", "k")),
        ("download_file", ("b", "k", str(tmp_path / "g"))),
    ]


def test_files_by_their_addresses(service: FakeService, tmp_path: Path) -> None:
    """Up and down again: a folder, a text and bytes, under the names of both versions of the AWS SDK."""
    source = tmp_path / "data"
    source.mkdir()
    (source / "a.csv").write_text("1")
    place = s3_path_join("s3://", "pegbox-local", "/x/", "y")
    session = Session()
    assert S3Uploader.upload(str(source), place, session=session) == place == "s3://pegbox-local/x/y"
    assert S3Uploader.upload_string_as_file_body("two", f"{place}/b.txt") == f"{place}/b.txt"
    assert S3Uploader.upload_bytes(io.BytesIO(b"3"), f"{place}/c.bin", sagemaker_session=session)
    assert sorted(S3Downloader.list(place)) == [f"{place}/{name}" for name in ("a.csv", "b.txt", "c.bin")]
    assert S3Downloader.read_file(f"{place}/b.txt", session) == "two"
    assert S3Downloader.read_bytes(f"{place}/c.bin") == b"3"
    assert len(S3Downloader.download(place, tmp_path / "back")) == 3
    assert (tmp_path / "back" / "a.csv").read_text() == "1"
    with pytest.raises(ValueError, match="kms_key is not supported"):
        S3Downloader.download(place, tmp_path, kms_key="k")
    with pytest.raises(ValueError, match="two names of one argument"):
        S3Downloader.list(place, session=session, sagemaker_session=session)
    assert service.requests == []


def test_addresses() -> None:
    """Bucket and key, and paths of parts."""
    assert parse_s3_url("s3://b/a/c/") == ("b", "a/c/")
    assert parse_s3_url("s3://b") == ("b", "")
    with pytest.raises(ValueError, match="Expecting 's3' scheme, got: x in x://b"):
        parse_s3_url("x://b")
    assert s3_path_join("s3://", "b/", "/c", "d/") == "s3://b/c/d"
    assert s3_path_join("a/", "/b", "") == "a/b"
    assert s3_path_join("s3://b", "c", with_end_slash=True) == "s3://b/c/"
    assert s3_path_join("") == ""
