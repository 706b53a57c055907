"""The AWS CLI creates, describes, lists and stops tuning jobs, and copies files, against a real server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pegbox.testing.lab import tuning_request

SLOW = """
import argparse, time
parser = argparse.ArgumentParser()
parser.add_argument("-x", type=float)
print(f"objective={parser.parse_args().x}", flush=True)
time.sleep(600)
"""
RANGES = {"ContinuousParameterRanges": [{"Name": "x", "MinValue": "0", "MaxValue": "1"}]}


@pytest.fixture(scope="module")
def call(clients: Any, aws: Callable[..., list[str]]) -> Callable[..., Any]:
    """``call("describe-...", ...)`` runs an operation of ``aws sagemaker`` and returns what it printed."""

    def run(*words: str) -> Any:
        text = clients.run(*aws("sagemaker", *words, "--output", "json"))
        return json.loads(text) if text.strip() else {}

    return run


def test_create_describe_list_stop(
    server: Any, call: Callable[..., Any], wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """A job from a request file is found by describe and list with its tags, and stops."""
    request = tuning_request("from-cli", server.upload_code(SLOW), max_jobs=2, parallel=1, ranges=RANGES)
    request["Tags"] = [{"Key": "made", "Value": "by the CLI"}]
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))
    made = call("create-hyper-parameter-tuning-job", "--cli-input-json", f"file://{file}")
    name = ("--hyper-parameter-tuning-job-name", "from-cli")
    described = call("describe-hyper-parameter-tuning-job", *name)
    assert described["HyperParameterTuningJobArn"] == made["HyperParameterTuningJobArn"]
    assert described["HyperParameterTuningJobStatus"] == "InProgress"
    listed = call("list-hyper-parameter-tuning-jobs", "--name-contains", "from-cli")
    assert [item["HyperParameterTuningJobName"] for item in listed["HyperParameterTuningJobSummaries"]] == [
        "from-cli"
    ]
    tags = call("list-tags", "--resource-arn", made["HyperParameterTuningJobArn"])["Tags"]
    assert {"Key": "made", "Value": "by the CLI"} in tags
    call("stop-hyper-parameter-tuning-job", *name)
    status = wait_until(
        lambda: (
            found
            if (found := call("describe-hyper-parameter-tuning-job", *name)["HyperParameterTuningJobStatus"])
            != "Stopping"
            else None
        )
    )
    assert status == "Stopped"


def test_copies_and_identity(
    server: Any, clients: Any, aws: Callable[..., list[str]], tmp_path: Path
) -> None:
    """aws s3 copies a folder into the server's bucket and lists it; sts and iam answer."""
    for name in ("one.txt", "two.txt"):
        (tmp_path / name).write_text(name)
    clients.run(*aws("s3", "cp", "--recursive", "--quiet", str(tmp_path), "s3://pegbox-local/copied"))
    assert (server.home / "buckets/pegbox-local/copied/two.txt").read_text() == "two.txt"
    assert "one.txt" in clients.run(*aws("s3", "ls", "s3://pegbox-local/copied/"))
    # These two would go to AWS, were their variables not printed.
    assert "000000000000" in clients.run(*aws("sts", "get-caller-identity"))
    assert "role/Mine" in clients.run(*aws("iam", "get-role", "--role-name", "Mine"))


def test_the_guard_guards(clients: Any, aws: Callable[..., list[str]]) -> None:
    """What these tests prove about connections means something: an attempt to leave the machine is refused and noticed."""
    program = "import urllib.request; urllib.request.urlopen('http://example.com')"
    sdk = [
        str(path / "bin" / "python")
        for path in sorted((Path(__file__).parents[2] / ".venv-clients").iterdir())
    ]
    for python in (sys.executable, *sdk):
        with pytest.raises(AssertionError, match=r"refuse a connection to example\.com"):
            clients.run(python, "-c", program)
    assert clients.refused() == ["example.com"] * 3
    assert clients.refused() == []
    with pytest.raises(AssertionError):
        clients.run(*aws("sts", "get-caller-identity", "--endpoint-url", "https://sts.amazonaws.com"))
    assert set(clients.refused()) == {"sts.amazonaws.com"}
