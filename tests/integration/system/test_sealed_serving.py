"""With keys, what an endpoint is asked and answers never lies on the disk in the clear, whatever is killed or disabled."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from pegbox.bootstrap.gateway import living_gateway
from pegbox.bootstrap.home import Home
from pegbox.gateway.delivery import spooled
from pegbox.testing import plaintext
from pegbox.testing.lab import ROLE

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
SECRET = "a diagnosis that nobody else may read"
#: Both directions: the model turns what it is asked round.
ANSWER = SECRET[::-1]
SCRIPT = """
def model_fn(folder):
    return None
def input_fn(body, content_type):
    return body if isinstance(body, str) else body.decode()
def predict_fn(data, model):
    return data[::-1]
def output_fn(prediction, accept):
    return prediction, "text/csv"
"""
DESTINATION = "s3://pegbox-local/captured"


def holders(home: Path) -> list[str]:
    """Return the files below a home that hold a word of either direction."""
    return plaintext.holders(home, lambda _, data: SECRET.encode() in data or ANSWER.encode() in data)


def model(server: Any) -> None:
    """Create the model."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("model.txt"))
    (server.home / "buckets" / "pegbox-local" / "model.tar.gz").write_bytes(packed.getvalue())
    container = {
        "Image": IMAGE,
        "ModelDataUrl": "s3://pegbox-local/model.tar.gz",
        "Environment": {
            "SAGEMAKER_PROGRAM": "inference.py",
            "SAGEMAKER_SUBMIT_DIRECTORY": server.upload_code(SCRIPT, "inference.py"),
            "PEGBOX_PYTHON": sys.executable,
        },
    }
    server.client().create_model(ModelName="m", ExecutionRoleArn=ROLE, PrimaryContainer=container)


def config(capture_key: str, async_key: str) -> dict[str, Any]:
    """Return the request of an endpoint configuration whose data is captured and whose queue is sealed."""
    variant = {
        "VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"
    }  # fmt: skip
    return {
        "ProductionVariants": [variant],
        "DataCaptureConfig": {
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": DESTINATION,
            "KmsKeyId": capture_key,
            "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
            "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"]},
        },
        "AsyncInferenceConfig": {
            "OutputConfig": {"S3OutputPath": "s3://pegbox-local/answers", "KmsKeyId": async_key}
        },
    }


@pytest.fixture(scope="module")
def served(server: Any, wait_until: Callable[..., Any]) -> Any:
    """A server with endpoint ``e``, its captured data and its queue sealed with a key each."""
    model(server)
    for name in ("capture", "answers"):
        server.pegbox("keys", "create", name)
    client = server.client()
    client.create_endpoint_config(EndpointConfigName="e", **config("alias/capture", "alias/answers"))
    client.create_endpoint(EndpointName="e", EndpointConfigName="e")
    wait_until(lambda: client.describe_endpoint(EndpointName="e")["EndpointStatus"] == "InService")
    wait_until(lambda: capture_status(server) == "Started")
    return server


def capture_status(server: Any) -> str:
    """Return what DescribeEndpoint says of data capture."""
    found = server.client().describe_endpoint(EndpointName="e")["DataCaptureConfig"]
    assert found["KmsKeyId"] == "alias/capture"
    return str(found["CaptureStatus"])


def invoke(server: Any, wait_until: Callable[..., Any]) -> str:
    """Call the endpoint, again while a gateway is being started, and return the answered request's id."""
    runtime = server.client("sagemaker-runtime")

    def answered() -> Any:
        try:
            return runtime.invoke_endpoint(EndpointName="e", Body=SECRET, ContentType="text/csv")
        except (BotoCoreError, ClientError):
            return None

    answer = wait_until(answered)
    assert answer["Body"].read().decode() == ANSWER
    return str(answer["ResponseMetadata"]["RequestId"])


def records(server: Any, place: Path, target: Path) -> dict[str, Any]:
    """Return the records below a folder by id, as ``pegbox keys open`` gives them."""
    server.pegbox("keys", "open", str(place), str(target))
    found = [json.loads(line) for file in target.rglob("*.jsonl") for line in file.read_text().splitlines()]
    return {record["eventMetadata"]["eventId"]: record for record in found}


def test_nothing_lies_in_the_clear_whoever_is_killed(
    served: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """While data is captured, and after kill -9 of the gateway and the server, no file holds it; opened, no record is missing."""
    ids = []
    for victim in ("nobody", "gateway", "server", "gateway"):
        if victim == "gateway":
            facts = living_gateway(Home(served.home))
            assert facts is not None
            os.kill(facts["pid"], signal.SIGKILL)
        if victim == "server":
            served.kill()
            served.start()
        for _ in range(5):
            ids.append(invoke(served, wait_until))
            assert holders(served.home) == []
        assert capture_status(served) == "Started"
    captured = served.home / "buckets" / "pegbox-local" / "captured"

    def delivered() -> bool:
        return not spooled(served.home / "gateway" / "capture") and captured.exists()

    wait_until(delivered, 90)
    assert holders(served.home) == []
    opened = records(served, captured, tmp_path / "opened")
    assert set(ids) <= set(opened)
    data = opened[ids[0]]["captureData"]
    assert (data["endpointInput"]["data"], data["endpointOutput"]["data"]) == (SECRET, ANSWER)
    (hour,) = {
        path.relative_to(tmp_path / "opened").parent.as_posix()
        for path in (tmp_path / "opened").rglob("*.jsonl")
    }
    assert hour.startswith("e/v/20")


def test_asynchronous_answers_are_sealed(served: Any, wait_until: Callable[..., Any], tmp_path: Path) -> None:
    """The queue and the answer hold no plaintext; keys open gives the answer."""
    runtime = served.client("sagemaker-runtime")
    told = runtime.invoke_endpoint_async(EndpointName="e", Body=SECRET.encode(), ContentType="text/csv")
    place = served.home / "buckets" / told["OutputLocation"].removeprefix("s3://")
    while not place.exists():
        assert holders(served.home) == []
    assert holders(served.home) == []
    served.pegbox("keys", "open", str(place), str(tmp_path / "answer"))
    assert (tmp_path / "answer").read_text() == ANSWER


def test_a_disabled_key_pauses_capture_and_requests_go_on(
    served: Any, wait_until: Callable[..., Any], tmp_path: Path
) -> None:
    """DescribeEndpoint says Stopped, requests are answered and nothing of them is kept; enabled again, capture goes on."""
    served.pegbox("keys", "disable", "capture")
    wait_until(lambda: capture_status(served) == "Stopped")
    lost = invoke(served, wait_until)
    assert holders(served.home) == []
    served.kill()
    served.start()
    assert capture_status(served) == "Stopped"
    lost_too = invoke(served, wait_until)
    served.pegbox("keys", "enable", "capture")
    wait_until(lambda: capture_status(served) == "Started")
    kept = invoke(served, wait_until)
    wait_until(lambda: not spooled(served.home / "gateway" / "capture"), 90)
    opened = records(served, served.home / "buckets" / "pegbox-local" / "captured", tmp_path / "opened")
    assert kept in opened
    assert not {lost, lost_too} & set(opened)


def test_bad_keys_are_refused_at_create_time(served: Any) -> None:
    """Unknown and disabled keys of both members are named with the remedy, and nothing is created."""
    served.pegbox("keys", "create", "off")
    served.pegbox("keys", "disable", "off")
    client = served.client()
    with pytest.raises(ClientError) as caught:
        client.create_endpoint_config(EndpointConfigName="bad", **config("alias/nobody", "off"))
    for words in (
        "DataCaptureConfig.KmsKeyId: 'alias/nobody': there is no such key",
        "AsyncInferenceConfig.OutputConfig.KmsKeyId: 'off': the key is disabled",
    ):
        assert words in str(caught.value)
    elsewhere = "arn:aws:kms:eu-west-1:123456789012:key/mrk-1"
    with pytest.raises(ClientError, match="there is no such key"):
        client.create_endpoint_config(EndpointConfigName="bad", **config(elsewhere, "alias/answers"))
    names = [item["EndpointConfigName"] for item in client.list_endpoint_configs()["EndpointConfigs"]]
    assert names == ["e"]
