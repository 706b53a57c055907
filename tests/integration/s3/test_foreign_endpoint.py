"""Jobs read inputs from another S3 endpoint: moto's, which verifies signatures and policies."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from pegbox.agent.health import free_port
from pegbox.artifacts import ForeignBuckets, LocalArtifacts
from pegbox.estimator import Estimator
from pegbox.parameter import ContinuousParameter
from pegbox.session import Session
from pegbox.tuner import HyperparameterTuner

TRAIN = """
import os, pegbox
folder = os.environ["SM_CHANNEL_TRAIN"]
text = "".join(open(os.path.join(folder, name)).read() for name in sorted(os.listdir(folder)))
pegbox.report(score=float(text))
"""


class Moto:
    """A moto server with authentication on, and a user of it."""

    def __init__(self) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        # Making the user takes three calls; whatever comes after them must be signed by somebody known.
        environment = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "3", "PYTHONWARNINGS": "ignore"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._wait()
        iam = self.client("iam", "any", "any")
        iam.create_user(UserName="owner")
        made = iam.create_access_key(UserName="owner")["AccessKey"]
        statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
        iam.put_user_policy(
            UserName="owner",
            PolicyName="all",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
        self.keys = (made["AccessKeyId"], made["SecretAccessKey"])
        self.s3 = self.client("s3", *self.keys)

    def _wait(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/moto-api/", timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def client(self, service: str, key: str, secret: str) -> Any:
        """Return a boto3 client of the server."""
        return boto3.Session(key, secret, region_name="us-east-1").client(
            service, endpoint_url=self.url, config=Config(retries={"max_attempts": 0})
        )

    def close(self) -> None:
        """End the server."""
        self._process.terminate()
        self._process.wait()


@pytest.fixture(scope="module")
def moto() -> Iterator[Moto]:
    """A server with a bucket."""
    made = Moto()
    made.s3.create_bucket(Bucket="lake")
    for key, text in {"set/a": "1", "set/b": "2", "set-of-others": "9", "single": "7", "folder/": ""}.items():
        made.s3.put_object(Bucket="lake", Key=key, Body=text.encode())
    yield made
    made.close()


def buckets(moto: Moto, folder: Path, secret: str | None = None) -> LocalArtifacts:
    """Return a store that looks for other buckets at the endpoint."""
    foreign = ForeignBuckets(
        moto.url,
        access_key_id=moto.keys[0],
        secret_access_key=secret or moto.keys[1],
        region="us-east-1",
        cache=folder / "cache",
    )
    return LocalArtifacts(folder / "buckets", owned={"mine"}, foreign=foreign)


def test_addresses_mean_what_they_mean_here(moto: Moto, tmp_path: Path) -> None:
    """A folder, an object, the start of keys and a whole bucket; an object is fetched once however it is named."""
    store = buckets(moto, tmp_path)
    for uri, names in (
        ("s3://lake/set", ["a", "b"]),
        ("s3://lake/set/", ["a", "b"]),
        ("s3://lake", ["set", "set-of-others", "single"]),
    ):
        assert store.check_input(uri) is None
        assert sorted(os.listdir(store.locate(uri))) == names
    assert store.check_input("s3://lake/single") is None
    assert Path(store.locate("s3://lake/single")).read_text() == "7"
    assert store.check_input("s3://lake/set-") is None
    assert Path(store.locate("s3://lake/set-") + "of-others").read_text() == "9"
    assert len(list((tmp_path / "cache" / "objects").iterdir())) == 4


def test_a_version_is_kept(moto: Moto, tmp_path: Path) -> None:
    """A new look finds what is new; what an earlier look found stays as it was, for those who use it."""
    moto.s3.put_object(Bucket="lake", Key="moving/x", Body=b"old")
    store = buckets(moto, tmp_path)
    assert store.check_input("s3://lake/moving") is None
    before = store.locate("s3://lake/moving")
    moto.s3.put_object(Bucket="lake", Key="moving/x", Body=b"new")
    assert store.locate("s3://lake/moving") == before
    assert store.check_input("s3://lake/moving") is None
    after = store.locate("s3://lake/moving")
    assert (Path(before, "x").read_text(), Path(after, "x").read_text()) == ("old", "new")
    moto.s3.delete_object(Bucket="lake", Key="moving/x")
    assert "No S3 objects found" in str(store.check_input("s3://lake/moving"))


@pytest.mark.parametrize(
    ("uri", "secret", "words"),
    [
        ("s3://lake/nothing", None, "No S3 objects found"),
        ("s3://desert/x", None, "NoSuchBucket"),
        ("s3://lake/set", "wrong", "the endpoint must accept the owner's key"),
    ],
)
def test_what_is_refused(moto: Moto, tmp_path: Path, uri: str, secret: str | None, words: str) -> None:
    """Nothing there, no such bucket, a key that is not accepted: each with the address and what to do."""
    said = str(buckets(moto, tmp_path, secret).check_input(uri))
    assert words in said
    assert uri in said


def test_an_endpoint_that_is_away(tmp_path: Path) -> None:
    """It is named, with its setting; outputs never go there."""
    foreign = ForeignBuckets(
        "http://127.0.0.1:9",
        access_key_id="k",
        secret_access_key="s",
        region="us-east-1",
        cache=tmp_path / "c",
    )
    store = LocalArtifacts(tmp_path / "buckets", owned={"mine"}, foreign=foreign)
    said = str(store.check_input("s3://lake/x"))
    assert "http://127.0.0.1:9 (setting s3_endpoint_url)" in said
    assert "let outputs go to a bucket of this server" in str(store.check_output("s3://lake/x"))


def test_a_job_reads_from_it(
    moto: Moto, unstarted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code and data of the endpoint's buckets, in one tuning job; its model goes to the server's own bucket."""
    unstarted.home.mkdir()
    keys = {"access_key_id": moto.keys[0], "secret_access_key": moto.keys[1], "region": "us-east-1"}
    (unstarted.home / "credentials.json").write_text(json.dumps(keys))
    (unstarted.home / "credentials.json").chmod(0o600)
    unstarted.environment["PEGBOX_S3_ENDPOINT_URL"] = moto.url
    unstarted.start()
    monkeypatch.setenv("PEGBOX_HOME", str(unstarted.home))
    (tmp_path / "train.py").write_text(TRAIN)
    with tarfile.open(tmp_path / "code.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "train.py", "train.py")
    moto.s3.upload_file(str(tmp_path / "code.tar.gz"), "lake", "code/sourcedir.tar.gz")
    estimator = Estimator(
        entry_point="train.py", source_dir="s3://lake/code/sourcedir.tar.gz", sagemaker_session=Session()
    )
    tuner = HyperparameterTuner(estimator, "score", {"x": ContinuousParameter(0, 1)}, max_jobs=2)
    tuner.fit({"train": "s3://lake/set"}, wait=True, quiet=True)
    assert set(tuner.analytics().dataframe()["FinalObjectiveValue"]) == {12.0}
    assert tuner.best_estimator().model_data.startswith("s3://pegbox-local/")
    estimator.output_path = "s3://lake/out"
    with pytest.raises(ClientError, match="only inputs are read from"):
        tuner.fit({"train": "s3://lake/set"})
