"""The AWS CLI creates, describes, lists and stops tuning jobs, and copies files, against a real server."""

from __future__ import annotations

import io
import json
import sys
import tarfile
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


def test_an_endpoint_is_asked(
    server: Any,
    clients: Any,
    call: Callable[..., Any],
    aws: Callable[..., list[str]],
    tmp_path: Path,
    wait_until: Callable[..., Any],
) -> None:
    """aws sagemaker makes and describes an endpoint, and aws sagemaker-runtime sends it a file."""
    script = (Path(__file__).parent / "programs" / "serve.py").read_text()
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("model.json")
        entry.size = len(b'{"rate": 2}')
        archive.addfile(entry, io.BytesIO(b'{"rate": 2}'))
    clients.run(
        *aws("s3", "cp", "--quiet", str(tmp_path / "model.tar.gz"), "s3://pegbox-local/by-cli/model.tar.gz")
    )
    container = {
        "Image": "pegbox-script:1",
        "ModelDataUrl": "s3://pegbox-local/by-cli/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "serve.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": server.upload_code(script, "serve.py"),
        },
    }
    role = "arn:aws:iam::000000000000:role/any"
    call(
        "create-model",
        "--model-name",
        "by-cli",
        "--execution-role-arn",
        role,
        "--primary-container",
        json.dumps(container),
    )
    variant = "VariantName=only,ModelName=by-cli,InitialInstanceCount=1,InstanceType=ml.m5.large,InitialVariantWeight=1"
    call("create-endpoint-config", "--endpoint-config-name", "by-cli", "--production-variants", variant)
    call("create-endpoint", "--endpoint-name", "by-cli", "--endpoint-config-name", "by-cli")
    clients.run(*aws("sagemaker", "wait", "endpoint-in-service", "--endpoint-name", "by-cli"))
    assert call("list-endpoints", "--status-equals", "InService")["Endpoints"][0]["EndpointName"] == "by-cli"
    (tmp_path / "rows.csv").write_text("1,2\n3,4\n")
    answer = tmp_path / "answer.json"
    told = clients.run(
        *aws(
            "sagemaker-runtime",
            "invoke-endpoint",
            "--endpoint-name",
            "by-cli",
            "--body",
            f"fileb://{tmp_path}/rows.csv",
        ),
        *("--content-type", "text/csv", "--accept", "application/json", "--output", "json", str(answer)),
    )
    assert json.loads(told)["InvokedProductionVariant"] == "only"
    assert json.loads(answer.read_text()) == [6.0, 14.0]
    call("delete-endpoint", "--endpoint-name", "by-cli")
    call("delete-endpoint-config", "--endpoint-config-name", "by-cli")
    call("delete-model", "--model-name", "by-cli")
    wait_until(lambda: call("list-endpoints")["Endpoints"] == [])


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
