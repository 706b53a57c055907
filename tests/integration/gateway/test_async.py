"""Asynchronous invocations: taken durably, worked off, their results and failures written as objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from pegbox.testing.gateway_rig import GatewayRig, endpoint, eventually


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GatewayRig]:
    """A gateway that is not started yet."""
    rig = GatewayRig(tmp_path / "home")
    yield rig
    rig.close()


def results(rig: GatewayRig, **changes: Any) -> dict[str, Any]:
    """Return an asynchronous configuration of a snapshot."""
    bucket = rig.home / "buckets" / "pegbox-local"
    return {
        "output_uri": "s3://pegbox-local/out",
        "output_path": str(bucket / "out"),
        "failure_uri": "s3://pegbox-local/failed",
        "failure_path": str(bucket / "failed"),
        "max_concurrent": 2,
        **changes,
    }


def object_of(rig: GatewayRig, uri: str) -> Path:
    """Return the file of an object."""
    return rig.home / "buckets" / uri.removeprefix("s3://")


def test_results_and_failures_become_objects(rig: GatewayRig) -> None:
    """The input is read from a bucket or the request; the result, or the failure, is at the place that the answer named."""
    bucket = rig.home / "buckets" / "pegbox-local"
    (bucket / "in put").mkdir(parents=True)
    (bucket / "in put" / "rows.csv").write_bytes(b"1,2\n")
    rig.publish(
        {"e": endpoint(rig.model(), asynchronous=results(rig)), "plain": endpoint(rig.models[0], number=2)}
    )
    rig.start()
    client = rig.client()
    told = client.invoke_endpoint_async(
        EndpointName="e", InputLocation="s3://pegbox-local/in put/rows.csv", ContentType="text/csv", InferenceId="i-1",
        CustomAttributes="type=text/csv",
    )  # fmt: skip
    assert told["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert told["InferenceId"] == "i-1"
    assert told["OutputLocation"].startswith("s3://pegbox-local/out/")
    out = object_of(rig, told["OutputLocation"])
    eventually(out.exists, "the result is written")
    assert out.read_bytes() == b"1,2\n"
    inline = client.invoke_endpoint_async(
        EndpointName="e", Body=b"inline", S3OutputPathExtension="day/one", Filename="result.json"
    )
    assert inline["OutputLocation"] == "s3://pegbox-local/out/day/one/result.json"
    assert inline["InferenceId"]
    eventually(object_of(rig, inline["OutputLocation"]).exists, "the result is written")
    failed = client.invoke_endpoint_async(EndpointName="e", Body=b"boom", CustomAttributes="status=500")
    why = object_of(rig, failed["FailureLocation"])
    eventually(why.exists, "the failure is written")
    assert 'Received server error (500) from primary with message "boom"' in why.read_text()
    assert not object_of(rig, failed["OutputLocation"]).exists()
    eventually(lambda: not list((rig.home / "gateway/async").rglob("*.json")), "nothing is left over")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give either it or a Body"),
        ({"InputLocation": "s3://pegbox-local/none", "Body": b"x"}, "not both"),
        ({"InputLocation": "s3://pegbox-local/none"}, "there is no such object"),
        ({"InputLocation": "s3://elsewhere/x"}, "not a bucket of this server"),
        ({"InputLocation": "s3://pegbox-local/../../credentials.json"}, "there is no such object"),
        ({"InputLocation": "https://example.com/x"}, "must be s3://BUCKET/KEY"),
        ({"Body": b"x" * 128_001}, "at most 128000"),
        ({"Body": b"x", "EndpointName": "plain"}, "has no AsyncInferenceConfig"),
        ({"Body": b"x", "EndpointName": "none"}, "not found"),
    ],
)  # fmt: skip
def test_mistakes_are_told_at_once(rig: GatewayRig, arguments: dict[str, Any], words: str) -> None:
    """What cannot be used is refused before anything is stored."""
    rig.publish(
        {"e": endpoint("unix:/none", asynchronous=results(rig)), "plain": endpoint("unix:/none", number=2)}
    )
    rig.start()
    with pytest.raises(ClientError) as caught:
        rig.client().invoke_endpoint_async(**{"EndpointName": "e", **arguments})
    assert caught.value.response["Error"]["Code"] == "ValidationError"
    assert words in str(caught.value)
    assert not list((rig.home / "gateway/async").rglob("*.json"))


def test_what_was_taken_survives_the_gateway(rig: GatewayRig) -> None:
    """Invocations that waited or ran when the gateway was killed are worked off by the next one."""
    model = rig.model()
    rig.publish({"e": endpoint(model, asynchronous=results(rig, max_concurrent=1))})
    rig.start()
    client = rig.client()
    client.invoke_endpoint_async(EndpointName="e", Body=b"slow", CustomAttributes="sleep=30")
    told = [
        client.invoke_endpoint_async(EndpointName="e", Body=b"%d" % n)["OutputLocation"] for n in range(5)
    ]
    rig.kill()
    (slow,) = [
        file for file in (rig.home / "gateway/async").rglob("*.json") if "sleep=30" in file.read_text()
    ]
    slow.unlink()
    rig.start()
    for number, uri in enumerate(told):
        eventually(object_of(rig, uri).exists, "the result is written")
        assert object_of(rig, uri).read_bytes() == b"%d" % number


def test_invocations_wait_for_an_instance_and_end_with_their_endpoint(rig: GatewayRig) -> None:
    """Without an instance an invocation waits; with one it is done; with the endpoint deleted it fails with the reason."""
    rig.publish(
        {"e": endpoint(asynchronous=results(rig)), "f": endpoint(number=2, asynchronous=results(rig))}
    )
    rig.start()
    client = rig.client()
    waits = client.invoke_endpoint_async(EndpointName="e", Body=b"x")
    fails = client.invoke_endpoint_async(EndpointName="f", Body=b"x")
    rig.publish({"e": endpoint(rig.model(), asynchronous=results(rig))})
    eventually(object_of(rig, waits["OutputLocation"]).exists, "the result is written")
    eventually(object_of(rig, fails["FailureLocation"]).exists, "the failure is written")
    assert json.dumps(object_of(rig, fails["FailureLocation"]).read_text())
