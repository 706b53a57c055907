"""Data capture: what is recorded, where it goes, and when it pauses."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pegbox.testing.gateway_rig import GatewayRig, endpoint, eventually


def target(folder: Path, **changes: Any) -> dict[str, Any]:
    """Return a capture configuration of a snapshot."""
    return {
        "sampling": 100,
        "input": True,
        "output": True,
        "destination": "s3://pegbox-local/captured",
        "path": str(folder),
        "csv_types": ["text/csv"],
        "json_types": ["application/json"],
        "key": None,
        **changes,
    }


def records(folder: Path) -> list[dict[str, Any]]:
    """Return all delivered records."""
    return [
        json.loads(line) for file in sorted(folder.rglob("*.jsonl")) for line in file.read_text().splitlines()
    ]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[GatewayRig]:
    """A gateway that is not started yet."""
    rig = GatewayRig(tmp_path / "home")
    yield rig
    rig.close()


def test_records_have_awss_form_and_place(rig: GatewayRig, tmp_path: Path) -> None:
    """Both directions are recorded as CSV, JSON or base64, with ids, in hourly folders; a gateway that ends delivers all."""
    out = tmp_path / "out"
    model = rig.model()
    rig.publish({"e": endpoint(model, capture=target(out))})
    rig.start()
    client = rig.client()
    client.invoke_endpoint(
        EndpointName="e", Body=b"1,2\n", ContentType="text/csv; charset=utf-8", InferenceId="row-1",
        CustomAttributes="type=application/json",
    )  # fmt: skip
    answer = client.invoke_endpoint(EndpointName="e", Body=b"\xff\x00", ContentType="application/x-npy")
    client.invoke_endpoint(EndpointName="e", Body=b"\xff", ContentType="text/csv")
    stream = client.invoke_endpoint_with_response_stream(
        EndpointName="e", Body=b"s", ContentType="text/csv", CustomAttributes="stream=2"
    )
    assert b"".join(event["PayloadPart"]["Bytes"] for event in stream["Body"]) == b"s0s1"
    with pytest.raises(client.exceptions.ModelError):
        client.invoke_endpoint(EndpointName="e", Body=b"x", CustomAttributes="status=500")
    assert rig.end() == 0
    csv, binary, broken, streamed = records(out)
    assert csv["captureData"] == {
        "endpointInput": {
            "observedContentType": "text/csv; charset=utf-8", "mode": "INPUT", "data": "1,2\n", "encoding": "CSV",
        },
        "endpointOutput": {
            "observedContentType": "application/json", "mode": "OUTPUT", "data": "1,2\n", "encoding": "JSON",
        },
    }  # fmt: skip
    assert csv["eventVersion"] == "0"
    assert csv["eventMetadata"]["inferenceId"] == "row-1"
    assert csv["eventMetadata"]["customAttributes"] == ["type=application/json"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", csv["eventMetadata"]["inferenceTime"])
    assert binary["eventMetadata"]["eventId"] == answer["ResponseMetadata"]["RequestId"]
    assert "inferenceId" not in binary["eventMetadata"]
    given = binary["captureData"]["endpointInput"]
    assert (given["encoding"], base64.b64decode(given["data"])) == ("BASE64", b"\xff\x00")
    assert broken["captureData"]["endpointInput"]["encoding"] == "BASE64"
    assert streamed["captureData"]["endpointOutput"]["data"] == base64.b64encode(b"s0s1").decode()
    (file,) = {path.relative_to(out).as_posix() for path in out.rglob("*.jsonl")}
    assert re.fullmatch(r"e/AllTraffic/\d{4}/\d\d/\d\d/\d\d/\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", file)


@pytest.mark.parametrize(
    ("changes", "sides"),
    [({"output": False}, ["endpointInput"]), ({"input": False}, ["endpointOutput"]), ({"sampling": 0}, None)],
)
def test_sides_and_sampling(
    rig: GatewayRig, tmp_path: Path, changes: dict[str, Any], sides: list[str] | None
) -> None:
    """Only the sides asked for are recorded, and nothing at 0 %."""
    rig.publish({"e": endpoint(rig.model(), capture=target(tmp_path / "out", **changes))})
    rig.start()
    rig.client().invoke_endpoint(EndpointName="e", Body=b"x")
    rig.end()
    assert [list(item["captureData"]) for item in records(tmp_path / "out")] == ([sides] if sides else [])


def test_records_are_delivered_while_the_gateway_runs(rig: GatewayRig, tmp_path: Path) -> None:
    """Without anybody's doing, a record is in its bucket some seconds later."""
    rig.publish({"e": endpoint(rig.model(), capture=target(tmp_path / "out"))})
    rig.start()
    rig.client().invoke_endpoint(EndpointName="e", Body=b"x")
    eventually(lambda: records(tmp_path / "out"), "the record is delivered")


def test_capture_pauses_on_a_full_disk_and_says_so(tmp_path: Path) -> None:
    """With too little space free, requests are answered, nothing is recorded, and the server is told why."""
    rig = GatewayRig(tmp_path / "home", "--capture-free", "1.01")
    try:
        rig.publish(
            {
                "e": endpoint(rig.model(), capture=target(tmp_path / "out")),
                "plain": endpoint(rig.models[0], number=2),
            }
        )
        rig.start()
        with rig.word() as word:
            told = word.wait(
                lambda message: (
                    message["type"] == "status" and message["captures"]["e"]["status"] == "Stopped"
                )
            )
        assert list(told["captures"]) == ["e"]
        assert "of the disk is free; capture needs 101.0%" in told["captures"]["e"]["reason"]
        assert rig.client().invoke_endpoint(EndpointName="e", Body=b"x")["Body"].read() == b"x"
        rig.end()
        assert records(tmp_path / "out") == []
        assert "pauses" in rig.log()
    finally:
        rig.close()


def test_what_cannot_be_delivered_waits(rig: GatewayRig, tmp_path: Path) -> None:
    """While the destination cannot be written records stay in the spool; the next gateway delivers them."""
    out = tmp_path / "out"
    out.write_text("in the way")
    rig.publish({"e": endpoint(rig.model(), capture=target(out))})
    rig.start()
    rig.client().invoke_endpoint(EndpointName="e", Body=b"kept")
    assert rig.end() == 0
    assert "cannot be delivered yet" in rig.log()
    out.unlink()
    rig.start()
    eventually(lambda: records(out), "the record is delivered")
    assert base64.b64decode(records(out)[0]["captureData"]["endpointInput"]["data"]) == b"kept"
    eventually(lambda: not list((rig.home / "gateway" / "capture").iterdir()), "the spool is empty")
